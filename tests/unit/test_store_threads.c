/* SPDX-License-Identifier: BSD-2-Clause */
/* Sessions of one account on several threads: run it under a sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "tests/unit/store_rig.h"

enum {
	THREADS = 6,
	ROUNDS = 60
};

struct worker {
	struct store_rig *rig;
	pthread_t thread;
	unsigned seed;
	unsigned delivered, expunged;
	const char *failed;
};

static bool
ascends(const struct view *v)
{
	for (uint32_t i = 1; i < view_count(v); i++)
		if (view_at(v, i)->uid <= view_at(v, i - 1)->uid)
			return false;
	return true;
}

static bool
worker_deliver(struct worker *w, bool uid)
{
	CLEANUP(draft_free) struct draft *d = NULL;
	struct draft_options options = { .want_uid = uid };

	if (draft_new(w->rig->account, SPAN("INBOX"), &d, NULL) == -1 ||
	    draft_write(d, SPAN("Subject: x\r\n\r\n"), NULL) == -1 ||
	    draft_commit(d, &options, NULL, NULL) == -1)
		return false;
	w->delivered++;
	return true;
}

/* Something with a message that is there. */
static bool
worker_touch(struct worker *w, struct mailbox *m)
{
	const struct view *v = mailbox_view(m);
	CLEANUP(content_free) struct content *c = NULL;
	struct err err = ERR_INIT;
	uint32_t uid;
	size_t gone = 0;

	if (view_count(v) == 0)
		return true;
	uid = view_at(v, (uint32_t)rand_r(&w->seed) % view_count(v))->uid;
	switch (rand_r(&w->seed) % 4) {
	case 0:
		return mailbox_flags(
			   m, &uid, 1, FLAGS_ADD, MESSAGE_SEEN, NULL) == 0;
	case 1:
		if (mailbox_expunge(m, &uid, 1, &gone, NULL) == -1)
			return false;
		w->expunged += (unsigned)gone;
		return true;
	default:
		return content_open(m, uid, &c, &err) == 0 ||
		       err.kind == ERR_POLICY;
	}
}

static const char *
worker_round(struct worker *w, struct mailbox *m)
{
	struct err err = ERR_INIT;

	if (mailbox_refresh(m, NULL, &err) == -1 ||
	    mailbox_advance(m, rand_r(&w->seed) % 2 == 0, NULL, NULL, &err) ==
		-1)
		return "refresh";
	if (!ascends(mailbox_view(m)))
		return "order of UIDs";
	if (!worker_deliver(w, rand_r(&w->seed) % 3 == 0))
		return "deliver";
	if (!worker_touch(w, m))
		return "touch";
	if (rand_r(&w->seed) % 2 == 0)
		mailbox_rest(m);
	return NULL;
}

static void *
worker_run(void *arg)
{
	struct worker *w = arg;
	struct mailbox *m = NULL;

	for (int i = 0; i < ROUNDS && w->failed == NULL; i++) {
		if (m == NULL && mailbox_open(w->rig->account, SPAN("INBOX"),
				     MAILBOX_WRITE, &m, NULL) == -1) {
			w->failed = "open";
			break;
		}
		w->failed = worker_round(w, m);
		if (rand_r(&w->seed) % 8 == 0) {
			mailbox_close(m);
			m = NULL;
		}
	}
	mailbox_close(m);
	return NULL;
}

static void
test_threads(void **state)
{
	struct store_rig *rig = *state;
	struct worker workers[THREADS];
	unsigned delivered = 0, expunged = 0;
	struct mailbox *m;

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .rig = rig, .seed = i + 1 };
		assert_int_equal(pthread_create(&workers[i].thread, NULL,
				     worker_run, &workers[i]),
		    0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		(void)pthread_join(workers[i].thread, NULL);
		if (workers[i].failed != NULL)
			fail_msg("thread %u: %s", i, workers[i].failed);
		delivered += workers[i].delivered;
		expunged += workers[i].expunged;
	}
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(m)), delivered - expunged);
	assert_int_equal(view_uidnext(mailbox_view(m)), delivered + 1);
	assert_int_equal(store_rig_count(rig, "cur"), delivered - expunged);
	assert_int_equal(store_rig_count(rig, "tmp"), 0);
	mailbox_close(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_threads, store_rig_setup, store_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
