/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/maildrop_locks.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pop3d/maildrop.h"

#define LOCK_BUCKETS 1024

struct maildrop_lock {
	struct maildrop_lock *next;
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

int
maildrop_lock_take(struct maildrop_locks *locks, const char *account_id,
    struct maildrop_lock **lock_out, struct err *err)
{
	struct maildrop_lock **bucket = bucket_of(locks, account_id);
	struct maildrop_lock *lock = calloc(1, sizeof(*lock)), *other;

	if (lock == NULL)
		return err_sys(err, "maildrop lock");
	if (strlen(account_id) > STORE_ACCOUNT_MAX) {
		free(lock);
		return err_set(err, ERR_SYNTAX, "account id too long");
	}
	memcpy(lock->account_id, account_id, strlen(account_id) + 1);

	(void)pthread_mutex_lock(&locks->mutex);
	for (other = *bucket; other != NULL; other = other->next)
		if (strcmp(other->account_id, account_id) == 0)
			break;
	if (other == NULL) {
		lock->next = *bucket;
		*bucket = lock;
	}
	(void)pthread_mutex_unlock(&locks->mutex);

	if (other != NULL) {
		free(lock);
		return err_set(err, ERR_LIMIT, "maildrop in use");
	}
	*lock_out = lock;
	return 0;
}

void
maildrop_lock_give(struct maildrop_locks *locks, struct maildrop_lock *lock)
{
	struct maildrop_lock **at;

	if (lock == NULL)
		return;
	at = bucket_of(locks, lock->account_id);
	(void)pthread_mutex_lock(&locks->mutex);
	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
	(void)pthread_mutex_unlock(&locks->mutex);
	free(lock);
}
