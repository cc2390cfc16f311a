/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom to tell that a mailbox gets full. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

void
owners_fini(struct store *s)
{
	for (size_t i = 0; s->owners != NULL && i < OWNERS_MAX; i++)
		free(s->owners[i]);
	free(s->owners);
	s->owners = NULL;
	(void)pthread_mutex_destroy(&s->owners_mutex);
}

/* With the mutex: where this account's owner is or would be; NULL: no memory.
 * Two accounts with one place drive each other out. */
static struct owner **
owner_place(struct account *a)
{
	struct store *s = a->store;
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	if (s->owners == NULL)
		s->owners = calloc(OWNERS_MAX, sizeof(struct owner *));
	if (s->owners == NULL)
		return NULL;
	for (const char *p = a->text; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211U;
	return &s->owners[(hash ^ hash >> 32) & (OWNERS_MAX - 1)];
}

static bool
owner_is(const struct owner *o, const struct account *a)
{
	return o != NULL && strcmp(o->account, a->text) == 0;
}

void
account_owner(struct account *a, const struct quota_owner *owner)
{
	struct store *s = a->store;
	struct owner **place, *o;

	(void)pthread_mutex_lock(&s->owners_mutex);
	place = owner_place(a);
	o = place == NULL ? NULL : *place;
	if (place != NULL && o == NULL)
		*place = o = calloc(1, sizeof(*o));
	if (o != NULL) {
		if (!owner_is(o, a))
			o->far_away = false;
		(void)snprintf(o->account, sizeof(o->account), "%s", a->text);
		(void)snprintf(
		    o->address, sizeof(o->address), "%s", owner->address);
		(void)snprintf(o->title, sizeof(o->title), "%s", owner->title);
		(void)snprintf(
		    o->language, sizeof(o->language), "%s", owner->language);
	}
	(void)pthread_mutex_unlock(&s->owners_mutex);
}

bool
owner_get(struct account *a, struct owner *out)
{
	struct store *s = a->store;
	struct owner **place;
	bool known;

	(void)pthread_mutex_lock(&s->owners_mutex);
	place = owner_place(a);
	known = place != NULL && owner_is(*place, a);
	if (known)
		*out = **place;
	(void)pthread_mutex_unlock(&s->owners_mutex);
	return known;
}

void
owner_set_far(struct account *a, bool far_away)
{
	struct store *s = a->store;
	struct owner **place;

	(void)pthread_mutex_lock(&s->owners_mutex);
	place = owner_place(a);
	if (place != NULL && owner_is(*place, a))
		(*place)->far_away = far_away;
	(void)pthread_mutex_unlock(&s->owners_mutex);
}
