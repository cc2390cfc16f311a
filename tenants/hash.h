/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hash for tables whose keys strangers choose: without the secret nobody can
 * make keys that meet in one bucket.  Not for anything that must stay secret.
 */
#ifndef HK_TENANTS_HASH_H
#define HK_TENANTS_HASH_H

#include <stdint.h>
#include <string.h>

#include "common/err.h"
#include "common/span.h"

struct hash_secret {
	uint64_t start, factor;
};

/* Errors: ERR_TEMP, no random octets. */
int hash_secret_new(struct hash_secret *secret_out, struct err *err);

/* Both halves of the product, folded: each bit of a and b reaches every bit. */
static inline uint64_t
hash_fold(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 uint128;
	uint128 product = (uint128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t
hash_span(const struct hash_secret *secret, struct span s)
{
	uint64_t h = secret->start ^ s.len, word;
	const char *p = s.p;
	size_t left = s.len;

	for (; left >= sizeof(word); left -= sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		h = hash_fold(h ^ word, secret->factor);
		p += sizeof(word);
	}
	word = 0;
	if (left > 0)
		memcpy(&word, p, left);
	h = hash_fold(h ^ word, secret->factor);
	return hash_fold(h, secret->factor ^ secret->start);
}

#endif
