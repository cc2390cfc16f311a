/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries in memory, found by keys: a key is one kind of question and its
 * value, as "a:hanako@aozora.example" (find.c).
 *
 * An answer may be "there is none".  The follower of changes (follow.h)
 * replaces and removes entries by entryUUID; after any change all "none"
 * are forgotten.  A search that began before a change and ends after it must
 * not be remembered: whoever searches takes cache_mark before, and gives it
 * to cache_put.
 *
 * Bounded in keys and in octets of entries: a clock hand goes round the keys
 * and drops those that were not asked for since it last came by.  For any
 * thread; who only asks shares a lock with all others who do.
 */
#ifndef HK_TENANTS_CACHE_H
#define HK_TENANTS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/entry.h"

struct cache;

int cache_new(size_t keys_max, size_t octets_max, struct cache **cache_out,
    struct err *err);
void cache_free(struct cache *c);
CLEANUP_DEFINE_PTR(struct cache, cache_free)

enum cached {
	CACHED_ENTRY, /* *entry_out is a reference of the caller's */
	CACHED_NONE,
	CACHED_NONE_THEN, /* there was none, before some change */
	CACHED_NOT,
};
enum cached cache_get(
    struct cache *c, struct span key, struct entry **entry_out);

uint64_t cache_mark(struct cache *c);
/* entry NULL: there is none.  Takes a reference of its own. */
void cache_put(
    struct cache *c, struct span key, struct entry *entry, uint64_t mark);

/* An entry changed: put in the place of its former self, if that is here. */
void cache_change(struct cache *c, struct entry *entry);
/* It is gone. */
void cache_remove(struct cache *c, struct span uuid);
void cache_clear(struct cache *c);

/* Keys held, and octets of the entries behind them. */
size_t cache_keys(struct cache *c);
size_t cache_octets(struct cache *c);

#endif
