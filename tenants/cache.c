/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/cache.h"

#include <pthread.h>
#include <string.h>

enum {
	KEY_MAX = 640
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
	size_t len;
	char key[];
};

struct generation {
	struct node **buckets;
	size_t len;
};

struct cache {
	pthread_mutex_t mutex; /* guards all */
	struct generation young, old;
	struct slot **slots;
	size_t buckets; /* of each table; a power of two */
	size_t young_max;
	uint64_t changes;
};

/* FNV-1a, without regard to ASCII case as callers give lower case. */
static uint64_t
hash_of(struct span key)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < key.len; i++)
		hash = (hash ^ (unsigned char)key.p[i]) * 1099511628211u;
	return hash ^ hash >> 29;
}

int
cache_new(size_t keys_max, struct cache **cache_out, struct err *err)
{
	struct cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return err_sys(err, "cache");
	c->young_max = keys_max / 2 + 1;
	for (c->buckets = 1024; c->buckets < c->young_max; c->buckets *= 2)
		;
	c->young.buckets = calloc(c->buckets, sizeof(*c->young.buckets));
	c->old.buckets = calloc(c->buckets, sizeof(*c->old.buckets));
	c->slots = calloc(c->buckets, sizeof(*c->slots));
	(void)pthread_mutex_init(&c->mutex, NULL);
	if (c->young.buckets == NULL || c->old.buckets == NULL ||
	    c->slots == NULL) {
		cache_free(c);
		return err_set(err, ERR_TEMP, "cache: no memory");
	}
	*cache_out = c;
	return 0;
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
	entry_unref(slot->entry);
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
	uint64_t hash = hash_of(uuid);
	struct slot **at = slot_find(c, uuid, hash), *slot = *at;

	if (slot == NULL) {
		slot = calloc(1, sizeof(*slot));
		if (slot == NULL)
			return NULL;
		slot->hash = hash;
		memcpy(slot->uuid, uuid.p, ENTRY_UUID_SIZE);
		*at = slot;
	}
	if (slot->entry != entry) {
		entry_unref(slot->entry);
		slot->entry = entry_ref(entry);
	}
	slot->keys++;
	return slot;
}

static struct node **
node_find(const struct cache *c, const struct generation *g, struct span key,
    uint64_t hash)
{
	struct node **at = &g->buckets[hash & (c->buckets - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->len != key.len ||
				  memcmp((*at)->key, key.p, key.len) != 0))
		at = &(*at)->next;
	return at;
}

static void
node_drop(struct cache *c, struct generation *g, struct node **at)
{
	struct node *node = *at;

	*at = node->next;
	g->len--;
	slot_unref(c, node->slot);
	free(node);
}

static void
generation_clear(struct cache *c, struct generation *g)
{
	if (g->buckets == NULL)
		return;
	for (size_t i = 0; i < c->buckets; i++)
		while (g->buckets[i] != NULL)
			node_drop(c, g, &g->buckets[i]);
}

void
cache_free(struct cache *c)
{
	if (c == NULL)
		return;
	generation_clear(c, &c->young);
	generation_clear(c, &c->old);
	free(c->young.buckets);
	free(c->old.buckets);
	free(c->slots);
	(void)pthread_mutex_destroy(&c->mutex);
	free(c);
}

/* Puts a node into the young generation; a full one becomes the old. */
static void
node_insert(struct cache *c, struct node *node)
{
	struct node **at;

	if (c->young.len >= c->young_max) {
		struct generation spare = c->old;

		generation_clear(c, &spare);
		c->old = c->young;
		c->young = spare;
	}
	at = &c->young.buckets[node->hash & (c->buckets - 1)];
	node->next = *at;
	*at = node;
	c->young.len++;
}

/* The node of a key, in the young generation when it answers. */
static struct node *
node_touch(struct cache *c, struct span key, uint64_t hash)
{
	struct node **at = node_find(c, &c->young, key, hash), *node;

	if (*at != NULL)
		return *at;
	at = node_find(c, &c->old, key, hash);
	node = *at;
	if (node == NULL)
		return NULL;
	*at = node->next;
	c->old.len--;
	node_insert(c, node);
	return node;
}

enum cached
cache_get(struct cache *c, struct span key, struct entry **entry_out)
{
	uint64_t hash = hash_of(key);
	enum cached answer = CACHED_NOT;
	const struct node *node;

	*entry_out = NULL;
	(void)pthread_mutex_lock(&c->mutex);
	node = node_touch(c, key, hash);
	if (node != NULL && node->slot != NULL && node->slot->entry != NULL) {
		*entry_out = entry_ref(node->slot->entry);
		answer = CACHED_ENTRY;
	} else if (node != NULL && node->slot == NULL &&
		   node->none_mark == c->changes) {
		answer = CACHED_NONE;
	}
	(void)pthread_mutex_unlock(&c->mutex);
	return answer;
}

uint64_t
cache_mark(struct cache *c)
{
	uint64_t mark;

	(void)pthread_mutex_lock(&c->mutex);
	mark = c->changes;
	(void)pthread_mutex_unlock(&c->mutex);
	return mark;
}

static void
put_locked(struct cache *c, struct span key, struct entry *entry, uint64_t mark)
{
	uint64_t hash = hash_of(key);
	struct node *node = node_touch(c, key, hash);
	struct slot *slot = NULL;

	if (entry != NULL && (slot = slot_ref(c, entry)) == NULL)
		return;
	if (node == NULL) {
		node = calloc(1, sizeof(*node) + key.len);
		if (node == NULL) {
			slot_unref(c, slot);
			return;
		}
		node->hash = hash;
		node->len = key.len;
		memcpy(node->key, key.p, key.len);
		node_insert(c, node);
	}
	slot_unref(c, node->slot);
	node->slot = slot;
	node->none_mark = mark;
}

void
cache_put(struct cache *c, struct span key, struct entry *entry, uint64_t mark)
{
	if (key.len > KEY_MAX)
		return;
	(void)pthread_mutex_lock(&c->mutex);
	if (mark == c->changes)
		put_locked(c, key, entry, mark);
	(void)pthread_mutex_unlock(&c->mutex);
}

void
cache_change(struct cache *c, struct entry *entry)
{
	struct span uuid = entry_get(entry, ATTR_UUID);
	struct slot *slot;

	(void)pthread_mutex_lock(&c->mutex);
	c->changes++;
	slot = *slot_find(c, uuid, hash_of(uuid));
	if (slot != NULL) {
		entry_unref(slot->entry);
		slot->entry = entry_ref(entry);
	}
	(void)pthread_mutex_unlock(&c->mutex);
}

void
cache_remove(struct cache *c, struct span uuid)
{
	struct slot *slot;

	(void)pthread_mutex_lock(&c->mutex);
	c->changes++;
	slot = *slot_find(c, uuid, hash_of(uuid));
	if (slot != NULL) {
		entry_unref(slot->entry);
		slot->entry = NULL;
	}
	(void)pthread_mutex_unlock(&c->mutex);
}

void
cache_clear(struct cache *c)
{
	(void)pthread_mutex_lock(&c->mutex);
	c->changes++;
	generation_clear(c, &c->young);
	generation_clear(c, &c->old);
	(void)pthread_mutex_unlock(&c->mutex);
}

size_t
cache_keys(struct cache *c)
{
	size_t len;

	(void)pthread_mutex_lock(&c->mutex);
	len = c->young.len + c->old.len;
	(void)pthread_mutex_unlock(&c->mutex);
	return len;
}
