/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tenantd's socket: requests of protocol.h come in and are answered on the
 * socket they came by.
 *
 * A few receiver threads each serve a share of the sockets.  What memory knows
 * they answer themselves, so that most questions wake nobody else.  What needs
 * LDAP goes to a worker of the reactor, a slow hash into its tenant's turn
 * (hashing.h), and the answer is sent by whoever has it.
 */
#ifndef HK_TENANTS_SERVER_H
#define HK_TENANTS_SERVER_H

#include "common/cleanup.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/reactor.h"
#include "tenants/answer.h"
#include "tenants/hashing.h"

struct server;

/* hashing is borrowed; it ends before the server does. */
int server_new(const struct answers *answers, struct hashing *hashing,
    struct server **server_out, struct err *err);
/* Before reactor_free: no request comes in any more. */
void server_stop(struct server *s);
/* After reactor_free and hashing_free: nobody works any more. */
void server_free(struct server *s);
CLEANUP_DEFINE_PTR(struct server, server_free)

/* Starts the receivers at the first call. */
int server_listen(
    struct server *s, struct reactor *r, int listener, struct err *err);

#endif
