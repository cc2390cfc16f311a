/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smtpd's way into the queue: it hands a message over to relayd, by the
 * protocol of outbound.h, and waits until it is durable there.
 *
 * Connections come from hikyakud, are kept in a pool and used by one worker at
 * a time.  A question whose answer was lost is asked again: relayd knows ids.
 */
#ifndef HK_SMTPD_RELAY_CLIENT_H
#define HK_SMTPD_RELAY_CLIENT_H

#include <stddef.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/outbound.h"
#include "common/span.h"

struct relay_client;

struct relay_options {
	/* Answers a connected SOCK_SEQPACKET socket to relayd, or -1. */
	int (*connect)(void *arg, int *fd_out, struct err *err);
	void *arg;
	unsigned wait_ms; /* for one answer; 0: 60 seconds */
};

int relay_client_new(const struct relay_options *options,
    struct relay_client **client_out, struct err *err);
void relay_client_free(struct relay_client *c);
CLEANUP_DEFINE_PTR(struct relay_client, relay_client_free)

/* What is handed over: m->content is not looked at, the content is these. */
struct relay_message {
	const struct outbound *m;
	struct span prefix, content;
};

/*
 * relay_put: durable, and on its way.  relay_hold: durable, until relay_release
 * adds m's recipients to it and lets it go, or relay_drop forgets it.
 *
 * Errors: ERR_LIMIT, relayd has no room; ERR_POLICY, of relay_release: relayd
 * does not know the message; ERR_TEMP.
 */
int relay_put(struct relay_client *c, const struct relay_message *message,
    struct err *err);
int relay_hold(struct relay_client *c, const struct relay_message *message,
    struct err *err);
int relay_release(
    struct relay_client *c, const struct outbound *m, struct err *err);
int relay_drop(
    struct relay_client *c, const struct outbound *m, struct err *err);

#endif
