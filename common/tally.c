/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 1024

struct tallied {
	struct tallied *next;
	uint64_t count;
	size_t bucket;
	size_t key_len;
	char key[];
};

struct tally {
	pthread_mutex_t lock; /* guards the buckets */
	struct tallied *buckets[BUCKETS];
};

int
tally_new(struct tally **tally_out, struct err *err)
{
	struct tally *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return err_sys(err, "tally");
	(void)pthread_mutex_init(&t->lock, NULL);
	*tally_out = t;
	return 0;
}

void
tally_free(struct tally *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		while (t->buckets[i] != NULL) {
			struct tallied *next = t->buckets[i]->next;

			free(t->buckets[i]);
			t->buckets[i] = next;
		}
	}
	(void)pthread_mutex_destroy(&t->lock);
	free(t);
}

static size_t
bucket_of(struct span key)
{
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	for (size_t i = 0; i < key.len; i++) {
		hash ^= (unsigned char)key.p[i];
		hash *= 1099511628211U;
	}
	return (size_t)(hash % BUCKETS);
}

static struct tallied *
tallied_new(struct tally *t, struct span key, size_t bucket)
{
	struct tallied *one = calloc(1, sizeof(*one) + key.len);

	if (one == NULL)
		return NULL;
	memcpy(one->key, key.p, key.len);
	one->key_len = key.len;
	one->bucket = bucket;
	one->next = t->buckets[bucket];
	t->buckets[bucket] = one;
	return one;
}

static struct tallied *
tallied_find(const struct tally *t, struct span key, size_t bucket)
{
	struct tallied *one = t->buckets[bucket];

	while (one != NULL && !span_eq(span_of(one->key, one->key_len), key))
		one = one->next;
	return one;
}

struct tallied *
tally_enter(struct tally *t, struct span key, uint64_t max, struct err *err)
{
	size_t bucket = bucket_of(key);
	struct tallied *one;
	bool full;

	(void)pthread_mutex_lock(&t->lock);
	one = tallied_find(t, key, bucket);
	full = one != NULL && max != 0 && one->count >= max;
	if (one == NULL)
		one = tallied_new(t, key, bucket);
	if (one != NULL && !full)
		one->count++;
	(void)pthread_mutex_unlock(&t->lock);
	if (full)
		(void)err_set(err, ERR_LIMIT, "there are %llu already",
		    (unsigned long long)max);
	else if (one == NULL)
		(void)err_set(err, ERR_TEMP, "tally: out of memory");
	return full ? NULL : one;
}

void
tally_leave(struct tally *t, struct tallied *one)
{
	struct tallied **at;

	if (one == NULL)
		return;
	(void)pthread_mutex_lock(&t->lock);
	if (--one->count == 0) {
		at = &t->buckets[one->bucket];
		while (*at != one)
			at = &(*at)->next;
		*at = one->next;
		free(one);
	}
	(void)pthread_mutex_unlock(&t->lock);
}
