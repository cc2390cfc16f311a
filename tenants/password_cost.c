/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/password_cost.h"

#include <stdint.h>
#include <string.h>

enum {
	BCRYPT_MAX = 13,
	SHA_ROUNDS_MAX = 999999,
	MD5_ROUNDS_MAX = 9999,
	YESCRYPT_N = 14, /* a digit: one less than log2 of N */
	YESCRYPT_R = 31, /* a digit: one less than r */
	SCRYPT_N = 14,
	SCRYPT_R = 32,
	SCRYPT_P = 4
};

/* A digit of crypt's base64, 64 for anything else. */
static unsigned
digit_of(char c)
{
	static const char digits[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz";
	const char *at = c == '\0' ? NULL : strchr(digits, c);

	return at == NULL ? 64 : (unsigned)(at - digits);
}

/* Takes a digit off the front; 64 at the end. */
static unsigned
take_digit(struct span *rest)
{
	unsigned digit = rest->len == 0 ? 64 : digit_of(rest->p[0]);

	if (rest->len > 0)
		*rest = span_from(*rest, 1);
	return digit;
}

/* The least digit comes first; true: all but the first of five are zero. */
static bool
take_small(struct span *rest, unsigned *first)
{
	bool small = true;

	*first = take_digit(rest);
	for (int i = 0; i < 4; i++)
		small &= take_digit(rest) == 0;
	return small;
}

/* "13$": two digits and no more; anything else crypt refuses, too. */
static bool
bcrypt_is_dear(struct span rest)
{
	uint64_t cost;

	return !span_take_u64(&rest, &cost) || cost > BCRYPT_MAX;
}

/* "rounds=5000$", which may be missing. */
static bool
rounds_are_dear(struct span rest)
{
	uint64_t rounds;

	return span_take_nocase(&rest, SPAN("rounds=")) &&
	       (!span_take_u64(&rest, &rounds) || rounds > SHA_ROUNDS_MAX);
}

static bool
sha1_is_dear(struct span rest)
{
	uint64_t rounds;

	return !span_take_u64(&rest, &rounds) || rounds > SHA_ROUNDS_MAX;
}

/* "$salt" or ",rounds=5000$salt". */
static bool
sun_md5_is_dear(struct span rest)
{
	uint64_t rounds;

	if (!span_take_octet(&rest, ','))
		return false;
	return !span_take_nocase(&rest, SPAN("rounds=")) ||
	       !span_take_u64(&rest, &rounds) || rounds > MD5_ROUNDS_MAX;
}

/* Flavour "j", N, r, and none of the further parameters. */
static bool
yescrypt_is_dear(struct span rest)
{
	return !span_take_octet(&rest, 'j') || take_digit(&rest) > YESCRYPT_N ||
	       take_digit(&rest) > YESCRYPT_R || !span_take_octet(&rest, '$');
}

static bool
scrypt_is_dear(struct span rest)
{
	unsigned n = take_digit(&rest), r, p;

	return !take_small(&rest, &r) || !take_small(&rest, &p) ||
	       n > SCRYPT_N || r > SCRYPT_R || p > SCRYPT_P;
}

/* Four digits of the count, the greatest last. */
static bool
bsdi_is_dear(struct span rest)
{
	return rest.len < 4 || digit_of(rest.p[3]) != 0;
}

bool
password_crypt_is_dear(struct span setting)
{
	static const struct {
		const char *prefix;
		bool (*is_dear)(struct span rest);
	} kinds[] = {
		{ "$2$", bcrypt_is_dear },
		{ "$2a$", bcrypt_is_dear },
		{ "$2b$", bcrypt_is_dear },
		{ "$2x$", bcrypt_is_dear },
		{ "$2y$", bcrypt_is_dear },
		{ "$5$", rounds_are_dear },
		{ "$6$", rounds_are_dear },
		{ "$sha1$", sha1_is_dear },
		{ "$md5", sun_md5_is_dear },
		{ "$y$", yescrypt_is_dear },
		{ "$gy$", yescrypt_is_dear },
		{ "$7$", scrypt_is_dear },
		{ "_", bsdi_is_dear },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct span rest = setting;

		if (span_starts(setting, span_str(kinds[i].prefix)))
			return kinds[i].is_dear(
			    span_from(rest, strlen(kinds[i].prefix)));
	}
	return false;
}
