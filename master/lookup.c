/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/lookup.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "master/sockets.h"
#include "tenants/client.h"

#define LOOKUPS_MAX 1024
#define LOOKUP_WAIT_MS 5000

struct item {
	struct item *next;
	struct lookup_answer answer;
};

struct tenant_lookup {
	int internal_dir, event;
	struct tenants *tenants;
	pthread_t thread;
	bool running;

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t asked;
	/* Questions wait; asked is the one under way; answers are done. */
	struct item *questions, *current, *answers;
	size_t questions_len;
	bool ending;
};

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	const struct tenant_lookup *l = arg;

	return socket_connect_beneath(
	    l->internal_dir, "tenantd", SOCK_SEQPACKET, fd_out, err);
}

static void
look_up(struct tenant_lookup *l, struct lookup_answer *a)
{
	struct tenant_info info;

	switch (tenants_tenant(l->tenants, a->tenant, &info, &a->trouble)) {
	case LOOKUP_FOUND:
		a->uid = info.uid;
		a->gid = info.gid;
		a->trouble = ERR_INIT;
		break;
	case LOOKUP_NONE:
		(void)err_set(
		    &a->trouble, ERR_POLICY, "no tenant %s", a->tenant);
		break;
	case LOOKUP_FAILED:
		break;
	}
}

static void *
lookup_run(void *arg)
{
	struct tenant_lookup *l = arg;
	uint64_t one = 1;

	(void)pthread_mutex_lock(&l->lock);
	while (!l->ending) {
		struct item *item = l->questions;

		if (item == NULL) {
			(void)pthread_cond_wait(&l->asked, &l->lock);
			continue;
		}
		l->questions = item->next;
		l->questions_len--;
		l->current = item;
		(void)pthread_mutex_unlock(&l->lock);
		look_up(l, &item->answer);
		(void)pthread_mutex_lock(&l->lock);
		l->current = NULL;
		item->next = l->answers;
		l->answers = item;
		(void)!write(l->event, &one, sizeof(one));
	}
	(void)pthread_mutex_unlock(&l->lock);
	return NULL;
}

int
lookup_new(int internal_dir, struct tenant_lookup **lookup_out, struct err *err)
{
	CLEANUP(lookup_free) struct tenant_lookup *l = calloc(1, sizeof(*l));
	sigset_t all, before;

	if (l == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	l->internal_dir = internal_dir;
	(void)pthread_mutex_init(&l->lock, NULL);
	(void)pthread_cond_init(&l->asked, NULL);
	l->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->event == -1)
		return err_sys(err, "eventfd");

	struct tenants_options options = { .connect = connect_tenantd,
		.arg = l,
		.deadline_ms = LOOKUP_WAIT_MS,
		.sockets_max = 1 };
	if (tenants_new(&options, &l->tenants, err) == -1)
		return -1;
	/* Signals are for the loop. */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&l->thread, NULL, lookup_run, l);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (errno != 0)
		return err_sys(err, "lookup thread");
	l->running = true;
	*lookup_out = STEAL(l);
	return 0;
}

static void
items_free(struct item *item)
{
	struct item *next;

	for (; item != NULL; item = next) {
		next = item->next;
		free(item);
	}
}

void
lookup_free(struct tenant_lookup *l)
{
	if (l == NULL)
		return;
	if (l->running) {
		(void)pthread_mutex_lock(&l->lock);
		l->ending = true;
		(void)pthread_cond_signal(&l->asked);
		(void)pthread_mutex_unlock(&l->lock);
		(void)pthread_join(l->thread, NULL);
	}
	tenants_free(l->tenants);
	items_free(l->questions);
	items_free(l->answers);
	fd_close(l->event);
	(void)pthread_cond_destroy(&l->asked);
	(void)pthread_mutex_destroy(&l->lock);
	free(l);
}

int
lookup_fd(const struct tenant_lookup *l)
{
	return l->event;
}

/* With the lock held: is this tenant asked for already? */
static bool
is_queued(const struct tenant_lookup *l, const char *tenant)
{
	if (l->current != NULL &&
	    strcmp(l->current->answer.tenant, tenant) == 0)
		return true;
	for (const struct item *i = l->questions; i != NULL; i = i->next)
		if (strcmp(i->answer.tenant, tenant) == 0)
			return true;
	return false;
}

int
lookup_ask(struct tenant_lookup *l, const char *tenant, struct err *err)
{
	struct item *item = NULL, **at;
	int result = 0;

	(void)pthread_mutex_lock(&l->lock);
	if (is_queued(l, tenant))
		goto done;
	if (l->questions_len >= LOOKUPS_MAX) {
		result = err_set(err, ERR_LIMIT, "too many wait for tenantd");
		goto done;
	}
	item = calloc(1, sizeof(*item));
	if (item == NULL) {
		result = err_set(err, ERR_TEMP, "out of memory");
		goto done;
	}
	(void)snprintf(
	    item->answer.tenant, sizeof(item->answer.tenant), "%s", tenant);
	for (at = &l->questions; *at != NULL; at = &(*at)->next)
		;
	*at = item;
	l->questions_len++;
	(void)pthread_cond_signal(&l->asked);
done:
	(void)pthread_mutex_unlock(&l->lock);
	return result;
}

bool
lookup_take(struct tenant_lookup *l, struct lookup_answer *answer_out)
{
	struct item *item;
	uint64_t count;

	(void)pthread_mutex_lock(&l->lock);
	item = l->answers;
	if (item != NULL)
		l->answers = item->next;
	else
		(void)!read(l->event, &count, sizeof(count));
	(void)pthread_mutex_unlock(&l->lock);
	if (item == NULL)
		return false;
	*answer_out = item->answer;
	free(item);
	return true;
}
