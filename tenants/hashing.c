/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/hashing.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Tenants with a hash running or waiting at one moment. */
#define TENANTS_MAX 256

struct turn {
	char tenant[64];
	unsigned running, waiting;
};

struct hashing {
	unsigned running_max, waiting_max;
	pthread_mutex_t lock; /* guards turns */
	pthread_cond_t ended;
	struct turn turns[TENANTS_MAX];
};

int
hashing_new(unsigned running, unsigned waiting, struct hashing **hashing_out,
    struct err *err)
{
	struct hashing *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	h->running_max = running;
	h->waiting_max = waiting;
	(void)pthread_mutex_init(&h->lock, NULL);
	(void)pthread_cond_init(&h->ended, NULL);
	*hashing_out = h;
	return 0;
}

void
hashing_free(struct hashing *h)
{
	if (h == NULL)
		return;
	(void)pthread_cond_destroy(&h->ended);
	(void)pthread_mutex_destroy(&h->lock);
	free(h);
}

static bool
turn_unused(const struct turn *t)
{
	return t->running == 0 && t->waiting == 0;
}

/* The tenant's turn, a fresh one if it has none, NULL when all are taken. */
static struct turn *
turn_of(struct hashing *h, const char *tenant)
{
	struct turn *unused = NULL;

	for (size_t i = 0; i < TENANTS_MAX; i++) {
		struct turn *t = &h->turns[i];

		if (!turn_unused(t) && strcmp(t->tenant, tenant) == 0)
			return t;
		if (unused == NULL && turn_unused(t))
			unused = t;
	}
	if (unused != NULL)
		(void)snprintf(
		    unused->tenant, sizeof(unused->tenant), "%s", tenant);
	return unused;
}

int
hashing_begin(struct hashing *h, const char *tenant, struct err *err)
{
	struct turn *t;
	bool refused;

	(void)pthread_mutex_lock(&h->lock);
	t = turn_of(h, tenant);
	refused = t == NULL || (t->running >= h->running_max &&
				   t->waiting >= h->waiting_max);
	if (!refused) {
		t->waiting++;
		while (t->running >= h->running_max)
			(void)pthread_cond_wait(&h->ended, &h->lock);
		t->waiting--;
		t->running++;
	}
	(void)pthread_mutex_unlock(&h->lock);
	if (refused)
		return err_set(err, ERR_TEMP,
		    "tenant %s: too many passwords to check at once", tenant);
	return 0;
}

void
hashing_end(struct hashing *h, const char *tenant)
{
	struct turn *t;

	(void)pthread_mutex_lock(&h->lock);
	t = turn_of(h, tenant);
	if (t != NULL && t->running > 0)
		t->running--;
	(void)pthread_cond_broadcast(&h->ended);
	(void)pthread_mutex_unlock(&h->lock);
}
