/* SPDX-License-Identifier: BSD-2-Clause */
/* tenants/remember and penalty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tenants/penalty.h"
#include "tenants/remember.h"

static char directory[64];

static int
directory_make(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/hk-remember-XXXXXX");
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
directory_remove(void **state)
{
	char path[128];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/remembered", directory);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/remembered.key", directory);
	(void)unlink(path);
	return rmdir(directory);
}

static void
digest_of(struct remember *r, struct span id, struct span stored,
    struct span password, unsigned char *out)
{
	assert_int_equal(
	    remember_digest(r, id, stored, password, out, NULL), 0);
}

static void
test_survives_a_restart(void **state)
{
	struct remember *r = NULL;
	unsigned char right[REMEMBER_DIGEST], other[REMEMBER_DIGEST];
	struct stat st;
	char path[128];

	(void)state;
	assert_int_equal(remember_new(directory, &r, NULL), 0);
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$x"), SPAN("secret"), right);
	assert_false(remember_has(r, right));
	remember_add(r, right);
	assert_true(remember_has(r, right));
	remember_free(r);

	assert_int_equal(remember_new(directory, &r, NULL), 0);
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$x"), SPAN("secret"), other);
	assert_memory_equal(right, other, sizeof(right));
	assert_true(remember_has(r, right));
	/* Each part counts, and where one ends and the next begins. */
	digest_of(r, SPAN("id2"), SPAN("{CRYPT}$y$x"), SPAN("secret"), other);
	assert_false(remember_has(r, other));
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$z"), SPAN("secret"), other);
	assert_false(remember_has(r, other));
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$x"), SPAN("Secret"), other);
	assert_false(remember_has(r, other));
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$xs"), SPAN("ecret"), other);
	assert_false(remember_has(r, other));
	remember_free(r);

	(void)snprintf(path, sizeof(path), "%s/remembered.key", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void
test_damage_lets_nobody_in(void **state)
{
	struct remember *r = NULL;
	unsigned char digest[REMEMBER_DIGEST];
	char path[128];
	int fd;

	(void)state;
	assert_int_equal(remember_new(directory, &r, NULL), 0);
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$x"), SPAN("secret"), digest);
	remember_add(r, digest);
	remember_free(r);
	/* A key that others can read is not used again. */
	(void)snprintf(path, sizeof(path), "%s/remembered.key", directory);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(remember_new(directory, &r, NULL), 0);
	assert_false(remember_has(r, digest));
	digest_of(r, SPAN("id1"), SPAN("{CRYPT}$y$x"), SPAN("secret"), digest);
	assert_false(remember_has(r, digest));
	remember_add(r, digest);
	remember_free(r);
	/* Nor is a set of another size or make. */
	(void)snprintf(path, sizeof(path), "%s/remembered", directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "XXXX", 4, 0), 4);
	(void)close(fd);
	assert_int_equal(remember_new(directory, &r, NULL), 0);
	assert_false(remember_has(r, digest));
	remember_free(r);
}

static void
test_oldest_of_a_set_goes(void **state)
{
	struct remember *r = NULL;
	unsigned char digest[REMEMBER_DIGEST] = { 1, 2 };

	(void)state;
	assert_int_equal(remember_new(directory, &r, NULL), 0);
	for (unsigned i = 1; i <= 9; i++) {
		digest[5] = (unsigned char)i;
		remember_add(r, digest);
	}
	digest[5] = 1;
	assert_false(remember_has(r, digest));
	for (unsigned i = 2; i <= 9; i++) {
		digest[5] = (unsigned char)i;
		assert_true(remember_has(r, digest));
	}
	remember_free(r);
}

static void
test_penalty_grows_and_decays(void **state)
{
	struct penalty *p = NULL;
	struct span hanako = SPAN("hanako@aozora.example");
	unsigned delay_ms = 0;

	(void)state;
	assert_int_equal(penalty_new(&p, NULL), 0);
	assert_int_equal(
	    penalty_failed(p, hanako, SPAN("192.0.2.1"), 1000), 500);
	assert_int_equal(penalty_failed(p, SPAN("HANAKO@aozora.example"),
			     SPAN("192.0.2.2"), 1000),
	    1000);
	for (int i = 0; i < 20; i++)
		delay_ms = penalty_failed(p, hanako, SPAN("192.0.2.3"), 1000);
	assert_int_equal(delay_ms, PENALTY_MAX_MS);
	/* Another account from elsewhere waits no longer than ever. */
	assert_int_equal(penalty_failed(p, SPAN("yuki@midori.example"),
			     SPAN("192.0.2.9"), 1000),
	    500);
	/* Ten half-lives later hardly anything is left. */
	assert_int_equal(
	    penalty_failed(p, hanako, SPAN("192.0.2.4"), 1000 + 600000), 500);
	penalty_succeeded(p, hanako);
	assert_int_equal(
	    penalty_failed(p, hanako, SPAN("192.0.2.5"), 1000 + 600000), 500);
	penalty_free(p);
}

static void
test_penalty_of_a_block(void **state)
{
	struct penalty *p = NULL;
	char login[32], client[64];
	unsigned delay_ms = 0;

	(void)state;
	assert_int_equal(penalty_new(&p, NULL), 0);
	/* Each guess at another account, from another address of one /64. */
	for (int i = 0; i < PENALTY_BLOCK_FREE + 10; i++) {
		(void)snprintf(login, sizeof(login), "user%d@a.example", i);
		(void)snprintf(
		    client, sizeof(client), "2001:db8:1:2::%x", i + 1);
		delay_ms =
		    penalty_failed(p, span_str(login), span_str(client), 5000);
		if (i < PENALTY_BLOCK_FREE)
			assert_int_equal(delay_ms, PENALTY_FIRST_MS);
	}
	assert_int_equal(delay_ms, PENALTY_MAX_MS);
	assert_int_equal(penalty_failed(p, SPAN("z@a.example"),
			     SPAN("2001:db8:1:3::1"), 5000),
	    PENALTY_FIRST_MS);
	penalty_free(p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_survives_a_restart, directory_make, directory_remove),
		cmocka_unit_test_setup_teardown(test_damage_lets_nobody_in,
		    directory_make, directory_remove),
		cmocka_unit_test_setup_teardown(test_oldest_of_a_set_goes,
		    directory_make, directory_remove),
		cmocka_unit_test(test_penalty_grows_and_decays),
		cmocka_unit_test(test_penalty_of_a_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
