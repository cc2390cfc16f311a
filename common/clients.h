/* SPDX-License-Identifier: BSD-2-Clause */
/* How many connections each client has open: by IPv4 address, by IPv6 /64. */
#ifndef HK_COMMON_CLIENTS_H
#define HK_COMMON_CLIENTS_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/err.h"
#include "common/tally.h"

/*
 * One more connection of this peer, as tally_enter has it; tally_leave when it
 * ends.  Unix sockets count as one client.
 */
struct tallied *clients_enter(struct tally *clients,
    const struct sockaddr_storage *peer, uint64_t max, struct err *err);

#endif
