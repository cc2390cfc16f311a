/* SPDX-License-Identifier: BSD-2-Clause */
/* common/tally, and common/clients on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>

#include "common/clients.h"

enum {
	THREADS = 4,
	ROUNDS = 20000
};

static void
test_tally(void **state)
{
	CLEANUP(tally_free) struct tally *t = NULL;
	struct tallied *first, *second, *other;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(tally_new(&t, NULL), 0);
	first = tally_enter(t, SPAN("a"), 2, &err);
	second = tally_enter(t, SPAN("a"), 2, &err);
	assert_non_null(first);
	assert_non_null(second);
	assert_null(tally_enter(t, SPAN("a"), 2, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_null(tally_enter(t, SPAN("a"), 1, NULL));
	/* Another key, be it longer, empty or with a NUL in it. */
	other = tally_enter(t, SPAN("a\0"), 1, NULL);
	assert_non_null(other);
	assert_non_null(tally_enter(t, SPAN(""), 1, NULL));
	assert_null(tally_enter(t, SPAN(""), 1, NULL));
	/* No limit is none, and what is refused takes no place. */
	assert_non_null(tally_enter(t, SPAN("a"), 0, NULL));
	tally_leave(t, first);
	tally_leave(t, first);
	assert_non_null(tally_enter(t, SPAN("a"), 2, NULL));
	assert_null(tally_enter(t, SPAN("a"), 2, NULL));
	tally_leave(t, other);
	assert_non_null(tally_enter(t, SPAN("a\0"), 1, NULL));
	tally_leave(t, NULL);
}

struct crowd {
	struct tally *t;
	unsigned entered; /* of this thread */
};

static void *
come_and_go(void *arg)
{
	struct crowd *crowd = arg;
	char key[2] = { 0, 0 };

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tallied *one;

		key[0] = (char)('a' + i % 3);
		one = tally_enter(crowd->t, span_of(key, 1), 2, NULL);
		if (one != NULL)
			crowd->entered++;
		tally_leave(crowd->t, one);
	}
	return NULL;
}

static void
test_threads(void **state)
{
	CLEANUP(tally_free) struct tally *t = NULL;
	struct crowd crowds[THREADS];
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(tally_new(&t, NULL), 0);
	for (size_t i = 0; i < THREADS; i++) {
		crowds[i] = (struct crowd){ .t = t };
		assert_int_equal(
		    pthread_create(&threads[i], NULL, come_and_go, &crowds[i]),
		    0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(crowds[i].entered > 0);
	}
	/* All have left. */
	for (unsigned i = 0; i < 3; i++) {
		char key = (char)('a' + i);

		assert_non_null(tally_enter(t, span_of(&key, 1), 2, NULL));
		assert_non_null(tally_enter(t, span_of(&key, 1), 2, NULL));
		assert_null(tally_enter(t, span_of(&key, 1), 2, NULL));
	}
}

/* ---- clients --------------------------------------------------------------
 */

static struct sockaddr_storage
address_of(const char *text)
{
	struct sockaddr_storage out = { .ss_family = AF_INET6 };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;
	struct sockaddr_in *in = (struct sockaddr_in *)&out;

	if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1)
		return out;
	out.ss_family = AF_INET;
	assert_int_equal(inet_pton(AF_INET, text, &in->sin_addr), 1);
	return out;
}

static struct tallied *
enter(struct tally *t, const char *text)
{
	struct sockaddr_storage address = address_of(text);

	return clients_enter(t, &address, 2, NULL);
}

static void
test_clients(void **state)
{
	CLEANUP(tally_free) struct tally *t = NULL;
	struct sockaddr_storage unix_socket = { .ss_family = AF_UNSPEC };
	struct tallied *one;

	(void)state;
	assert_int_equal(tally_new(&t, NULL), 0);
	one = enter(t, "192.0.2.1");
	assert_non_null(one);
	/* The same client, as an IPv6 socket shows it. */
	assert_ptr_equal(enter(t, "::ffff:192.0.2.1"), one);
	assert_null(enter(t, "192.0.2.1"));
	assert_non_null(enter(t, "192.0.2.2"));
	tally_leave(t, one);
	assert_non_null(enter(t, "192.0.2.1"));
	assert_null(enter(t, "192.0.2.1"));
	/* All of a /64 is one client, its neighbour another. */
	assert_non_null(enter(t, "2001:db8:1:2::1"));
	assert_non_null(enter(t, "2001:db8:1:2:ffff::9"));
	assert_null(enter(t, "2001:db8:1:2::3"));
	assert_non_null(enter(t, "2001:db8:1:3::1"));
	/* Whatever bit two of them differ in. */
	assert_non_null(enter(t, "2001:db8::1"));
	assert_non_null(enter(t, "2001:db8::2"));
	assert_non_null(enter(t, "2001:db8:0:80::1"));
	assert_non_null(enter(t, "::1"));
	assert_non_null(enter(t, "0.0.0.0"));
	assert_non_null(clients_enter(t, &unix_socket, 1, NULL));
	assert_null(clients_enter(t, &unix_socket, 1, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tally),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_clients),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
