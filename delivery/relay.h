/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workers: each takes a job of the queue, finds its mail hosts, and has a
 * session with one of them, in straight-line code; there are as many of them
 * as there are jobs that can be worked on, up to connections-max.
 */
#ifndef HK_DELIVERY_RELAY_H
#define HK_DELIVERY_RELAY_H

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "delivery/dns.h"
#include "delivery/queue.h"
#include "tenants/client.h"

struct relay;

/* Borrows all until relay_free. */
int relay_new(struct daemon *d, struct tenants *tenants, struct dns *dns,
    struct relay **relay_out, struct err *err);
/* For queue_options. */
void relay_wanted(void *relay);
/* The queue, which is open: workers may begin. */
void relay_start(struct relay *r, struct queue *q);
/* After queue_stop: waits until every worker has ended its transaction; gives
 * up after wait_ms, and answers false. */
bool relay_stop(struct relay *r, unsigned wait_ms);
void relay_free(struct relay *r);
CLEANUP_DEFINE_PTR(struct relay, relay_free)

#endif
