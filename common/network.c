/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/network.h"

#include <arpa/inet.h>
#include <string.h>

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff,
	0xff };

bool
network_address(struct span text, struct network *out)
{
	char copy[INET6_ADDRSTRLEN];
	struct network n = { .octets_len = 4, .bits = 32 };

	if (text.len == 0 || text.len >= sizeof(copy) ||
	    span_index(text, '\0') != -1)
		return false;
	memcpy(copy, text.p, text.len);
	copy[text.len] = '\0';
	if (inet_pton(AF_INET, copy, n.octets) == 1) {
		*out = n;
		return true;
	}
	if (inet_pton(AF_INET6, copy, n.octets) != 1)
		return false;
	if (memcmp(n.octets, mapped, sizeof(mapped)) == 0) {
		memmove(n.octets, n.octets + sizeof(mapped), 4);
		memset(n.octets + 4, 0, sizeof(n.octets) - 4);
	} else {
		n.octets_len = 16;
		n.bits = 128;
	}
	*out = n;
	return true;
}

void
network_shorten(struct network *n, unsigned bits)
{
	if (bits >= n->bits)
		return;
	n->bits = bits;
	for (unsigned i = 0; i < n->octets_len; i++) {
		unsigned kept = bits <= i * 8 ? 0 : bits - i * 8;

		if (kept < 8)
			n->octets[i] &= (unsigned char)(0xff00u >> kept);
	}
}

int
network_parse(struct span text, struct network *out, struct err *err)
{
	struct span address, rest = text;
	struct network whole, block;
	uint64_t bits;

	if (!span_take_until(&rest, '/', &address)) {
		if (network_address(text, out))
			return 0;
	} else if (network_address(address, &whole) &&
		   span_to_u64(rest, &bits) && bits <= whole.bits) {
		block = whole;
		network_shorten(&block, (unsigned)bits);
		if (memcmp(block.octets, whole.octets, sizeof(whole.octets)) ==
		    0) {
			*out = block;
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX,
	    "\"%.*s\": expected ADDRESS or ADDRESS/LENGTH, with no bit set "
	    "behind the length",
	    SPAN_FMT(text));
}

bool
network_has(const struct network *n, const struct network *address)
{
	struct network block = *address;

	if (n->octets_len != address->octets_len || n->bits > address->bits)
		return false;
	network_shorten(&block, n->bits);
	return memcmp(block.octets, n->octets, sizeof(n->octets)) == 0;
}
