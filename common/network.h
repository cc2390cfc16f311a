/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Addresses of clients and blocks of them: "192.0.2.0/24", "2001:db8::/32", or
 * one address alone.  An IPv4 address in its IPv6 form (::ffff:192.0.2.1) is
 * that IPv4 address.
 */
#ifndef HK_COMMON_NETWORK_H
#define HK_COMMON_NETWORK_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

enum {
	NETWORK_OCTETS = 16
};

struct network {
	unsigned octets_len;                  /* 4 or 16; 0: none */
	unsigned bits;                        /* of prefix */
	unsigned char octets[NETWORK_OCTETS]; /* behind the prefix: 0 */
};

/*
 * Errors: ERR_SYNTAX, with what stood there.  A bit set behind the prefix is an
 * error too: it is mostly a typing mistake.
 */
int network_parse(struct span text, struct network *out, struct err *err);
/* An address without "/"; false: the text is none. */
bool network_address(struct span text, struct network *out);
/* The block of so many bits that an address is in. */
void network_shorten(struct network *n, unsigned bits);
bool network_has(const struct network *n, const struct network *address);

#endif
