/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where mail for a domain goes.                RFC 5321 section 5, RFC 7505
 */
#ifndef HK_DELIVERY_ROUTE_H
#define HK_DELIVERY_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/conf.h"
#include "common/err.h"
#include "delivery/dns.h"
#include "tenants/client.h"

enum {
	ROUTE_HOSTS_MAX = 20,
	ROUTE_ADDRESSES_MAX = 16,
	ROUTE_NAME_MAX = 256
};

enum route_outcome {
	ROUTE_HOSTS, /* to these hosts, in their order */
	ROUTE_LOCAL, /* a domain of ours: to deliveryd */
	ROUTE_NEVER, /* fails for good: reply says why */
	ROUTE_LATER, /* nobody knows now: reply says why */
};

struct route_host {
	char name[ROUTE_NAME_MAX];
	uint16_t preference, port;
	bool literal; /* the name is an address */
};

struct route {
	enum route_outcome outcome;
	char reply[200]; /* "5.1.2 text" with its code in front */
	bool secure;     /* the MX records are validated */
	bool overridden; /* by transports */
	struct route_host hosts[ROUTE_HOSTS_MAX];
	size_t count;
};

struct router_options {
	struct dns *dns;
	struct tenants *tenants;
	const char *hostname;
	uint16_t port; /* 25 */
	/* "example.org=host:port", "*=host": next hops by domain. */
	const struct conf_strings *transports;
	bool private_addresses; /* hosts may have such */
	unsigned wait_ms;       /* for an answer of the DNS */
};

/* Hosts of equal preference come in random order.  */
void route_find(const struct router_options *options, const char *domain,
    struct route *out);

struct route_address {
	struct sockaddr_storage address;
	socklen_t len;
	char text[64];
};
struct route_addresses {
	struct route_address items[ROUTE_ADDRESSES_MAX];
	size_t count;
	bool failed;  /* the DNS did not answer for some */
	bool refused; /* some are not for mail from here: private ones */
	bool secure;
};
/* IPv6 and IPv4 alternate, IPv6 first. */
void route_addresses(const struct router_options *options,
    const struct route_host *host, struct route_addresses *out);

/* Loopback, link-local, private, multicast and the like. */
bool route_address_private(const struct sockaddr_storage *address);

/* "example.org=host:port" of the list; *host_out is the part behind "=". */
bool route_transport_valid(const char *text);

#endif
