/* SPDX-License-Identifier: BSD-2-Clause */
/*
 *	key → node → slot → entry
 *
 * Nodes lie in buckets by their key and, each at its place, on the clock's
 * dial.  Slots lie in buckets by entryUUID.  A reader changes nothing but a
 * node's "used", which is why it is atomic.
 */
#include "tenants/cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "tenants/hash.h"

enum {
	KEY_MAX = 640,
	/* Nodes that one insertion may look at before it drops one that was
	 * used, so that it never goes round the whole dial. */
	LOOK_MAX = 16
};

/* What several keys share: one entry, by its uuid. */
struct slot {
	struct slot *next;
	struct entry *entry; /* NULL: removed, the keys are stale */
	size_t keys;
	uint64_t hash;
	char uuid[ENTRY_UUID_SIZE];
};

struct node {
	struct node *next;
	struct slot *slot;  /* NULL: "there is none" */
	uint64_t none_mark; /* of which time */
	uint64_t hash;
	size_t place; /* on the dial */
	size_t len;
	atomic_bool used; /* since the hand came by */
	char key[];
};

struct cache {
	pthread_rwlock_t lock; /* guards all */
	struct hash_secret secret;
	struct node **nodes;
	struct slot **slots;
	size_t buckets; /* of each table; a power of two */
	struct node **dial;
	size_t keys, keys_max, hand;
	size_t octets, octets_max;
	atomic_uint_fast64_t changes; /* written under the lock */
};

/* Writers are few and short: readers let them pass. */
static int
lock_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;
	int rc;

	(void)pthread_rwlockattr_init(&attr);
	(void)pthread_rwlockattr_setkind_np(
	    &attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	rc = pthread_rwlock_init(lock, &attr);
	(void)pthread_rwlockattr_destroy(&attr);
	return rc;
}

int
cache_new(size_t keys_max, size_t octets_max, struct cache **cache_out,
    struct err *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL || lock_init(&c->lock) != 0) {
		free(c);
		return err_set(err, ERR_TEMP, "cache: no memory");
	}
	c->keys_max = keys_max;
	c->octets_max = octets_max;
	for (c->buckets = 1024; c->buckets < keys_max; c->buckets *= 2)
		;
	c->nodes = calloc(c->buckets, sizeof(struct node *));
	c->slots = calloc(c->buckets, sizeof(struct slot *));
	c->dial = calloc(keys_max, sizeof(struct node *));
	if (c->nodes == NULL || c->slots == NULL || c->dial == NULL) {
		cache_free(c);
		return err_set(err, ERR_TEMP, "cache: no memory");
	}
	if (hash_secret_new(&c->secret, err) == -1) {
		cache_free(c);
		return -1;
	}
	*cache_out = c;
	return 0;
}

/* ---- slots -------------------------------------------------------------- */

static void
slot_set(struct cache *c, struct slot *slot, struct entry *entry)
{
	c->octets -= slot->entry == NULL ? 0 : slot->entry->len;
	c->octets += entry == NULL ? 0 : entry->len;
	entry_unref(slot->entry);
	slot->entry = entry_ref(entry);
}

static void
slot_unref(struct cache *c, struct slot *slot)
{
	struct slot **at;

	if (slot == NULL || --slot->keys > 0)
		return;
	at = &c->slots[slot->hash & (c->buckets - 1)];
	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	slot_set(c, slot, NULL);
	free(slot);
}

static struct slot **
slot_find(struct cache *c, struct span uuid, uint64_t hash)
{
	struct slot **at = &c->slots[hash & (c->buckets - 1)];

	while (*at != NULL &&
	       ((*at)->hash != hash ||
		   memcmp((*at)->uuid, uuid.p, ENTRY_UUID_SIZE) != 0))
		at = &(*at)->next;
	return at;
}

/* The entry's slot, made if need be, with one more key counted. */
static struct slot *
slot_ref(struct cache *c, struct entry *entry)
{
	struct span uuid = entry_get(entry, ATTR_UUID);
	uint64_t hash = hash_span(&c->secret, uuid);
	struct slot **at = slot_find(c, uuid, hash), *slot = *at;

	if (slot == NULL) {
		slot = calloc(1, sizeof(*slot));
		if (slot == NULL)
			return NULL;
		slot->hash = hash;
		memcpy(slot->uuid, uuid.p, ENTRY_UUID_SIZE);
		*at = slot;
	}
	if (slot->entry != entry)
		slot_set(c, slot, entry);
	slot->keys++;
	return slot;
}

/* ---- nodes and the clock ------------------------------------------------ */

static struct node **
node_find(const struct cache *c, struct span key, uint64_t hash)
{
	struct node **at = &c->nodes[hash & (c->buckets - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->len != key.len ||
				  memcmp((*at)->key, key.p, key.len) != 0))
		at = &(*at)->next;
	return at;
}

static void
node_drop(struct cache *c, struct node *node)
{
	struct node **at = &c->nodes[node->hash & (c->buckets - 1)];

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	/* The last on the dial takes its place, so that there are no gaps. */
	c->dial[node->place] = c->dial[--c->keys];
	c->dial[node->place]->place = node->place;
	slot_unref(c, node->slot);
	free(node);
}

/* Drops the next node that was not used lately, other than keep. */
static void
clock_turn(struct cache *c, const struct node *keep)
{
	for (unsigned looked = 0;; looked++) {
		struct node *node;

		if (c->hand >= c->keys)
			c->hand = 0;
		node = c->dial[c->hand];
		if (node != keep &&
		    (looked >= LOOK_MAX || !atomic_load(&node->used))) {
			node_drop(c, node);
			return;
		}
		atomic_store(&node->used, false);
		c->hand++;
	}
}

static struct node *
node_new(struct cache *c, struct span key, uint64_t hash)
{
	struct node *node = calloc(1, sizeof(*node) + key.len), **at;

	if (node == NULL)
		return NULL;
	if (c->keys == c->keys_max)
		clock_turn(c, NULL);
	node->hash = hash;
	node->len = key.len;
	memcpy(node->key, key.p, key.len);
	atomic_init(&node->used, true);
	node->place = c->keys;
	c->dial[c->keys++] = node;
	at = &c->nodes[hash & (c->buckets - 1)];
	node->next = *at;
	*at = node;
	return node;
}

static void
clear(struct cache *c)
{
	while (c->keys > 0)
		node_drop(c, c->dial[c->keys - 1]);
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	clear(c);
	free(c->dial);
	free(c->nodes);
	free(c->slots);
	(void)pthread_rwlock_destroy(&c->lock);
	free(c);
}

/* ---- asking -------------------------------------------------------------- */

enum cached
cache_get(struct cache *c, struct span key, struct entry **entry_out)
{
	uint64_t hash = hash_span(&c->secret, key);
	enum cached answer = CACHED_NOT;
	struct node *node;

	*entry_out = NULL;
	(void)pthread_rwlock_rdlock(&c->lock);
	node = *node_find(c, key, hash);
	if (node != NULL) {
		if (!atomic_load_explicit(&node->used, memory_order_relaxed))
			atomic_store(&node->used, true);
		if (node->slot == NULL) {
			answer = node->none_mark == atomic_load(&c->changes)
				     ? CACHED_NONE
				     : CACHED_NONE_THEN;
		} else if (node->slot->entry != NULL) {
			*entry_out = entry_ref(node->slot->entry);
			answer = CACHED_ENTRY;
		}
	}
	(void)pthread_rwlock_unlock(&c->lock);
	return answer;
}

uint64_t
cache_mark(struct cache *c)
{
	return atomic_load(&c->changes);
}

/* ---- telling ------------------------------------------------------------- */

static void
put_locked(struct cache *c, struct span key, struct entry *entry, uint64_t mark)
{
	uint64_t hash = hash_span(&c->secret, key);
	struct node *node = *node_find(c, key, hash);
	struct slot *slot = NULL;

	if (entry != NULL && (slot = slot_ref(c, entry)) == NULL)
		return;
	if (node == NULL && (node = node_new(c, key, hash)) == NULL) {
		slot_unref(c, slot);
		return;
	}
	slot_unref(c, node->slot);
	node->slot = slot;
	node->none_mark = mark;
	while (c->octets > c->octets_max && c->keys > 1)
		clock_turn(c, node);
}

void
cache_put(struct cache *c, struct span key, struct entry *entry, uint64_t mark)
{
	if (key.len > KEY_MAX)
		return;
	(void)pthread_rwlock_wrlock(&c->lock);
	if (mark == atomic_load(&c->changes))
		put_locked(c, key, entry, mark);
	(void)pthread_rwlock_unlock(&c->lock);
}

/* entry NULL: it is gone. */
static void
change(struct cache *c, struct span uuid, struct entry *entry)
{
	struct slot *slot;

	(void)pthread_rwlock_wrlock(&c->lock);
	atomic_fetch_add(&c->changes, 1);
	slot = *slot_find(c, uuid, hash_span(&c->secret, uuid));
	if (slot != NULL)
		slot_set(c, slot, entry);
	(void)pthread_rwlock_unlock(&c->lock);
}

void
cache_change(struct cache *c, struct entry *entry)
{
	change(c, entry_get(entry, ATTR_UUID), entry);
}

void
cache_remove(struct cache *c, struct span uuid)
{
	change(c, uuid, NULL);
}

void
cache_clear(struct cache *c)
{
	(void)pthread_rwlock_wrlock(&c->lock);
	atomic_fetch_add(&c->changes, 1);
	clear(c);
	(void)pthread_rwlock_unlock(&c->lock);
}

size_t
cache_keys(struct cache *c)
{
	size_t keys;

	(void)pthread_rwlock_rdlock(&c->lock);
	keys = c->keys;
	(void)pthread_rwlock_unlock(&c->lock);
	return keys;
}

size_t
cache_octets(struct cache *c)
{
	size_t octets;

	(void)pthread_rwlock_rdlock(&c->lock);
	octets = c->octets;
	(void)pthread_rwlock_unlock(&c->lock);
	return octets;
}
