/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tenantd's socket: requests of protocol.h come in, are worked on by the
 * reactor's workers, and are answered on the socket they came by.
 */
#ifndef HK_TENANTS_SERVER_H
#define HK_TENANTS_SERVER_H

#include "common/cleanup.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/reactor.h"
#include "tenants/authenticate.h"
#include "tenants/directory.h"

struct server;

int server_new(struct directory *directory, struct authenticate *authenticate,
    struct counters *counters, struct server **server_out, struct err *err);
/* After reactor_free: nobody works any more. */
void server_free(struct server *s);
CLEANUP_DEFINE_PTR(struct server, server_free)

int server_listen(
    struct server *s, struct reactor *r, int listener, struct err *err);

#endif
