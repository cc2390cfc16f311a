/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/clients.h"

#include <netinet/in.h>
#include <string.h>

#include "common/span.h"

/* An IPv4 address (also when mapped into IPv6), or the upper 64 bits. */
struct client {
	uint64_t address;
	uint64_t family; /* as wide, so that no octet is left open */
};

static struct client
client_of(const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *in6 = (const void *)peer;
	const struct sockaddr_in *in = (const void *)peer;
	struct client key = { .family = peer->ss_family };
	uint32_t v4;

	if (peer->ss_family == AF_INET) {
		key.address = in->sin_addr.s_addr;
	} else if (peer->ss_family == AF_INET6 &&
		   IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(&v4, &in6->sin6_addr.s6_addr[12], sizeof(v4));
		key.family = AF_INET;
		key.address = v4;
	} else if (peer->ss_family == AF_INET6) {
		memcpy(
		    &key.address, in6->sin6_addr.s6_addr, sizeof(key.address));
	}
	return key;
}

struct tallied *
clients_enter(struct tally *clients, const struct sockaddr_storage *peer,
    uint64_t max, struct err *err)
{
	const struct client key = client_of(peer);

	return tally_enter(
	    clients, span_of((const char *)&key, sizeof(key)), max, err);
}
