/* SPDX-License-Identifier: BSD-2-Clause */
/* tenants/hashing: whose turn it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tenants/hashing.h"

/* Tasks note what happens to them, and wait where they are told to. */
struct stage {
	pthread_mutex_t lock; /* guards all */
	pthread_cond_t changed;
	bool open; /* nobody is held */
	char log[256];
	unsigned done, late;
};

struct actor {
	struct stage *stage;
	const char *name;
	bool held; /* until the stage is open */
};

static void
stage_init(struct stage *s)
{
	memset(s, 0, sizeof(*s));
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->changed, NULL);
}

static void
act(void *arg, bool in_time)
{
	struct actor *a = arg;
	struct stage *s = a->stage;

	(void)pthread_mutex_lock(&s->lock);
	(void)snprintf(s->log + strlen(s->log), sizeof(s->log) - strlen(s->log),
	    "%s%s ", in_time ? "" : "late:", a->name);
	(void)pthread_cond_broadcast(&s->changed);
	while (a->held && in_time && !s->open)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	s->done++;
	s->late += !in_time;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
stage_wait_log(struct stage *s, const char *text)
{
	(void)pthread_mutex_lock(&s->lock);
	while (strstr(s->log, text) == NULL)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
stage_open(struct stage *s)
{
	(void)pthread_mutex_lock(&s->lock);
	s->open = true;
	(void)pthread_cond_broadcast(&s->changed);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
stage_wait_done(struct stage *s, unsigned done)
{
	(void)pthread_mutex_lock(&s->lock);
	while (s->done < done)
		(void)pthread_cond_wait(&s->changed, &s->lock);
	(void)pthread_mutex_unlock(&s->lock);
}

static void
begin(struct hashing **h, struct stage *s, unsigned waiting, unsigned wait_ms)
{
	stage_init(s);
	assert_int_equal(hashing_new(2, waiting, wait_ms, h, NULL), 0);
	assert_int_equal(hashing_start(*h, NULL), 0);
}

static int
add(struct hashing *h, const char *tenant, bool marked, struct actor *a)
{
	struct turn turn = { .marked = marked };

	(void)snprintf(turn.tenant, sizeof(turn.tenant), "%s", tenant);
	return hashing_add(h, &turn, act, a, NULL);
}

static void
test_a_tenant_has_half(void **state)
{
	struct hashing *h;
	struct stage s;
	struct actor first = { &s, "a1", true }, second = { &s, "a2", false };
	struct actor other = { &s, "b1", false };

	(void)state;
	begin(&h, &s, 10, 10000);
	assert_int_equal(add(h, "aozora", false, &first), 0);
	stage_wait_log(&s, "a1 ");
	assert_int_equal(add(h, "aozora", false, &second), 0);
	/* The other thread is free, and not for aozora. */
	assert_int_equal(add(h, "midori", false, &other), 0);
	stage_wait_done(&s, 1);
	assert_string_equal(s.log, "a1 b1 ");
	stage_open(&s);
	stage_wait_done(&s, 3);
	assert_string_equal(s.log, "a1 b1 a2 ");
	hashing_free(h);
}

static void
test_marked_are_apart(void **state)
{
	struct hashing *h;
	struct stage s;
	struct actor guess = { &s, "guess", true };
	struct actor more = { &s, "more", false };
	struct actor clean = { &s, "clean", false };

	(void)state;
	begin(&h, &s, 10, 10000);
	assert_int_equal(add(h, "aozora", true, &guess), 0);
	stage_wait_log(&s, "guess ");
	/* Guesses wait for each other, whoever's they are, */
	assert_int_equal(add(h, "midori", true, &more), 0);
	/* and nobody else does, of the same tenant either. */
	for (unsigned i = 1; i <= 4; i++) {
		assert_int_equal(
		    add(h, i % 2 == 0 ? "aozora" : "midori", false, &clean), 0);
		stage_wait_done(&s, i);
	}
	assert_string_equal(s.log, "guess clean clean clean clean ");
	stage_open(&s);
	stage_wait_done(&s, 6);
	assert_string_equal(s.log, "guess clean clean clean clean more ");
	hashing_free(h);
}

static void
test_queues_are_bounded(void **state)
{
	struct hashing *h;
	struct stage s;
	struct actor first = { &s, "held", true }, more = { &s, "x", false };
	struct turn turn = { .tenant = "aozora" };
	struct err err = ERR_INIT;

	(void)state;
	begin(&h, &s, 2, 10000);
	assert_int_equal(add(h, "aozora", false, &first), 0);
	stage_wait_log(&s, "held ");
	assert_int_equal(add(h, "aozora", false, &more), 0);
	assert_int_equal(add(h, "aozora", false, &more), 0);
	assert_int_equal(hashing_add(h, &turn, act, &more, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_non_null(strstr(err.text, "aozora"));
	/* Those with a mark have a queue of their own, and so has a name that
	 * is nobody's. */
	assert_int_equal(add(h, "aozora", true, &more), 0);
	assert_int_equal(add(h, "", false, &more), 0);
	stage_open(&s);
	stage_wait_done(&s, 5);
	assert_int_equal(s.late, 0);
	hashing_free(h);
}

static void
test_too_late(void **state)
{
	struct hashing *h;
	struct stage s;
	struct actor first = { &s, "held", true }, more = { &s, "x", false };

	(void)state;
	begin(&h, &s, 10, 30);
	assert_int_equal(add(h, "aozora", false, &first), 0);
	stage_wait_log(&s, "held ");
	assert_int_equal(add(h, "aozora", false, &more), 0);
	(void)usleep(60000);
	stage_open(&s);
	stage_wait_done(&s, 2);
	assert_string_equal(s.log, "held late:x ");
	hashing_free(h);
}

/* Who waits at the end is told, each once. */
static void
test_end(void **state)
{
	struct hashing *h;
	struct stage s;
	struct actor more = { &s, "x", false };

	(void)state;
	stage_init(&s);
	/* Its threads were never started. */
	assert_int_equal(hashing_new(2, 10, 10000, &h, NULL), 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(
		    add(h, i == 0 ? "midori" : "aozora", i == 2, &more), 0);
	hashing_free(h);
	assert_int_equal(s.done, 3);
	assert_int_equal(s.late, 3);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_tenant_has_half),
		cmocka_unit_test(test_marked_are_apart),
		cmocka_unit_test(test_queues_are_bounded),
		cmocka_unit_test(test_too_late),
		cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
