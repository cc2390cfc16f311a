/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long a client that failed to log in has to wait for its answer.
 *
 * Failures are counted by account name and by block of addresses (an IPv4
 * address, an IPv6 /64), in a table of fixed size; each count halves every
 * minute.  What is hit by a collision or lost in a restart costs a few
 * seconds of somebody's patience, nothing else.
 */
#ifndef HK_TENANTS_PENALTY_H
#define HK_TENANTS_PENALTY_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct penalty;

enum {
	PENALTY_FIRST_MS = 500, /* after the first failure of an account */
	PENALTY_MAX_MS = 15000,
	/* Failures of a block before it waits longer than its accounts: many
	 * subscribers can stand behind one address. */
	PENALTY_BLOCK_FREE = 20,
};

int penalty_new(struct penalty **penalty_out, struct err *err);
void penalty_free(struct penalty *p);
CLEANUP_DEFINE_PTR(struct penalty, penalty_free)

/* Notes a failure at now_ms (clock_ms) and answers the delay for it. */
unsigned penalty_failed(
    struct penalty *p, struct span login, struct span client, uint64_t now_ms);
/* The right password: the account's count goes, the block's stays. */
void penalty_succeeded(struct penalty *p, struct span login);

#endif
