/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * relayd's socket: smtpd hands messages over, the command asks about them.
 * The protocol is outbound.h's.  A connection has a thread of its own, which
 * waits for the disk.
 */
#ifndef HK_DELIVERY_HANDOVER_H
#define HK_DELIVERY_HANDOVER_H

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/reactor.h"
#include "delivery/queue.h"

struct handover;

int handover_new(struct daemon *d, struct queue *q, struct handover **h_out,
    struct err *err);
/* Listens on the daemon's internal listener. */
int handover_start(struct handover *h, struct reactor *r, struct err *err);
/* Takes no more, and waits until nobody is served. */
void handover_stop(struct handover *h);
void handover_free(struct handover *h);
CLEANUP_DEFINE_PTR(struct handover, handover_free)

#endif
