/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many connections each client has open: by IPv4 address, by IPv6 /64.
 * For any thread.
 */
#ifndef HK_SMTPD_CLIENTS_H
#define HK_SMTPD_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/err.h"

struct clients;

int clients_new(struct clients **clients_out, struct err *err);
void clients_free(struct clients *c);
CLEANUP_DEFINE_PTR(struct clients, clients_free)

/*
 * One more connection of this peer; false, and not counted, when it has max
 * already (0: any number).  Unix sockets count as one client.
 */
bool clients_enter(
    struct clients *c, const struct sockaddr_storage *peer, uint64_t max);
void clients_leave(struct clients *c, const struct sockaddr_storage *peer);

#endif
