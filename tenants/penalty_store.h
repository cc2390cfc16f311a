/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where penalty.h keeps its counts and who is familiar.
 *
 * Counts: a table of sets of a few records each, in memory and, set by set, in
 * Berkeley DB.  Familiar pairs: in Berkeley DB only, there may be millions.
 *
 *	"k"			the secret of the hashes
 *	"s" set (4, big-endian)	its records, as they lie in memory
 *	"f" pair (8)		day (4) of the last login, since the epoch
 *
 * The numbers are the machine's own: the file stays on it.
 */
#ifndef HK_TENANTS_PENALTY_STORE_H
#define HK_TENANTS_PENALTY_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "tenants/hash.h"

enum {
	COUNTS_WAYS = 8,
	COUNTS_SETS = 16384, /* 131,072 counts in 3 MB */
	COUNT_ONE = 16,      /* a failure, so that halves are known */
	FAMILIAR_DAYS = 30
};

struct count {
	uint64_t key;   /* 0: none */
	uint64_t wrong; /* digest of the last wrong password */
	uint32_t level; /* in sixteenths of a failure */
	uint32_t at_s;  /* when that was so */
};

struct penalty_store;

int penalty_store_new(
    const char *directory, struct penalty_store **store_out, struct err *err);
int penalty_store_start(struct penalty_store *s, struct err *err);
void penalty_store_free(struct penalty_store *s);
CLEANUP_DEFINE_PTR(struct penalty_store, penalty_store_free)

const struct hash_secret *penalty_store_secret(const struct penalty_store *s);

/* The counts of one set, under its lock until penalty_store_unlock. */
struct count *penalty_store_lock(struct penalty_store *s, uint64_t key);
void penalty_store_unlock(struct penalty_store *s, uint64_t key, bool changed);

/* Logged in lately? */
bool penalty_store_familiar(
    struct penalty_store *s, uint64_t pair, uint64_t now_s);
/* Is written soon. */
void penalty_store_note(struct penalty_store *s, uint64_t pair, uint64_t now_s);

#endif
