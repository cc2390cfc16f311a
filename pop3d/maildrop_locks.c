/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/maildrop_locks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pop3d/maildrop.h"

#define LOCK_BUCKETS 1024

struct maildrop_lock {
	struct maildrop_lock *next;
	bool held;
	uint64_t until_ms; /* no login before that */
	char account_id[STORE_ACCOUNT_MAX + 1];
};

struct maildrop_locks {
	pthread_mutex_t mutex; /* guards buckets */
	struct maildrop_lock *buckets[LOCK_BUCKETS];
};

int
maildrop_locks_new(struct maildrop_locks **locks_out, struct err *err)
{
	struct maildrop_locks *locks = calloc(1, sizeof(*locks));

	if (locks == NULL)
		return err_sys(err, "maildrop locks");
	(void)pthread_mutex_init(&locks->mutex, NULL);
	*locks_out = locks;
	return 0;
}

void
maildrop_locks_free(struct maildrop_locks *locks)
{
	if (locks == NULL)
		return;
	for (size_t i = 0; i < LOCK_BUCKETS; i++)
		while (locks->buckets[i] != NULL) {
			struct maildrop_lock *lock = locks->buckets[i];

			locks->buckets[i] = lock->next;
			free(lock);
		}
	(void)pthread_mutex_destroy(&locks->mutex);
	free(locks);
}

static struct maildrop_lock **
bucket_of(struct maildrop_locks *locks, const char *account_id)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *p = account_id; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return &locks->buckets[hash % LOCK_BUCKETS];
}

static struct maildrop_lock *
lock_new(const char *account_id, struct err *err)
{
	struct maildrop_lock *lock;

	if (strlen(account_id) > STORE_ACCOUNT_MAX) {
		(void)err_set(err, ERR_SYNTAX, "account id too long");
		return NULL;
	}
	lock = calloc(1, sizeof(*lock));
	if (lock == NULL)
		(void)err_sys(err, "maildrop lock");
	else
		memcpy(lock->account_id, account_id, strlen(account_id) + 1);
	return lock;
}

/* The account's place in its bucket, or the end; what nobody needs any more
 * goes on the way. */
static struct maildrop_lock **
bucket_find(
    struct maildrop_lock **bucket, const char *account_id, uint64_t now_ms)
{
	while (*bucket != NULL && strcmp((*bucket)->account_id, account_id)) {
		struct maildrop_lock *other = *bucket;

		if (other->held || other->until_ms > now_ms) {
			bucket = &other->next;
			continue;
		}
		*bucket = other->next;
		free(other);
	}
	return bucket;
}

enum maildrop_lock_taken
maildrop_lock_take(struct maildrop_locks *locks, const char *account_id,
    uint64_t now_ms, struct maildrop_lock **lock_out, struct err *err)
{
	enum maildrop_lock_taken taken = MAILDROP_LOCK_TAKEN;
	struct maildrop_lock **at;

	(void)pthread_mutex_lock(&locks->mutex);
	at = bucket_find(bucket_of(locks, account_id), account_id, now_ms);
	if (*at == NULL)
		*at = lock_new(account_id, err);
	if (*at == NULL)
		taken = MAILDROP_LOCK_FAILED;
	else if ((*at)->held)
		taken = MAILDROP_LOCK_IN_USE;
	else if ((*at)->until_ms > now_ms)
		taken = MAILDROP_LOCK_TOO_SOON;
	if (taken == MAILDROP_LOCK_TAKEN) {
		(*at)->held = true;
		*lock_out = *at;
	}
	(void)pthread_mutex_unlock(&locks->mutex);
	return taken;
}

void
maildrop_lock_until(
    struct maildrop_locks *locks, struct maildrop_lock *lock, uint64_t until_ms)
{
	(void)pthread_mutex_lock(&locks->mutex);
	lock->until_ms = until_ms;
	(void)pthread_mutex_unlock(&locks->mutex);
}

void
maildrop_lock_give(
    struct maildrop_locks *locks, struct maildrop_lock *lock, uint64_t now_ms)
{
	struct maildrop_lock **at;

	if (lock == NULL)
		return;
	(void)pthread_mutex_lock(&locks->mutex);
	lock->held = false;
	if (lock->until_ms <= now_ms) {
		at = bucket_of(locks, lock->account_id);
		while (*at != lock)
			at = &(*at)->next;
		*at = lock->next;
		free(lock);
	}
	(void)pthread_mutex_unlock(&locks->mutex);
}
