/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a stored hash may cost.  Users and owners write hashes of their own, and
 * a setting such as "$2b$31$" would have a thread compute for days, or take all
 * memory: nobody else's password would be checked meanwhile.
 *
 *	$2a$ $2b$ $2x$ $2y$	cost 13
 *	$5$ $6$ $sha1$		999,999 rounds
 *	$md5			9,999 rounds
 *	$y$ $gy$		N 2^15, r 32: 128 MB, yescrypt's cost 8
 *	$7$			N 2^14, r 32, p 4
 *	_			2^18 iterations
 *
 * The dearest of these take about half a second.  config.ldif.in has the same
 * as a pattern, for slapd's own binds.
 */
#ifndef HK_TENANTS_PASSWORD_COST_H
#define HK_TENANTS_PASSWORD_COST_H

#include <stdbool.h>

#include "common/span.h"

enum {
	/* userPassword values whose slow hashes are computed for one login. */
	PASSWORD_SLOW_MAX = 5
};

/* What follows "{CRYPT}". */
bool password_crypt_is_dear(struct span setting);

#endif
