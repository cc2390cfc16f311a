/* SPDX-License-Identifier: BSD-2-Clause */
/* tenants/remember. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

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

/* The head of the file: 8 octets of magic, then its time. */
static void
table_made(uint64_t created)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/remembered", directory);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pwrite(fd, &created, sizeof(created), 8), 8);
	(void)close(fd);
}

static void
test_time(void **state)
{
	const uint64_t day = 86400, now = (uint64_t)time(NULL);
	const struct {
		uint64_t created;
		bool kept;
	} rows[] = {
		{ now - 29 * day, true },
		{ now - 31 * day, false },
		{ 1, false },
		/* Made before the clock went wrong, or was put right. */
		{ now + day, true },
		{ now + 20000 * day, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		unsigned char digest[REMEMBER_DIGEST];
		struct remember *r = NULL;

		assert_int_equal(remember_new(directory, &r, NULL), 0);
		digest_of(r, SPAN("id1"), SPAN("x"), SPAN("y"), digest);
		remember_add(r, digest);
		remember_free(r);
		table_made(rows[i].created);
		assert_int_equal(remember_new(directory, &r, NULL), 0);
		assert_int_equal(remember_has(r, digest), rows[i].kept);
		remember_free(r);
	}
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_survives_a_restart, directory_make, directory_remove),
		cmocka_unit_test_setup_teardown(
		    test_time, directory_make, directory_remove),
		cmocka_unit_test_setup_teardown(test_damage_lets_nobody_in,
		    directory_make, directory_remove),
		cmocka_unit_test_setup_teardown(test_oldest_of_a_set_goes,
		    directory_make, directory_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
