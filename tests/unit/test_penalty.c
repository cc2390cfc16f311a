/* SPDX-License-Identifier: BSD-2-Clause */
/* tenants/penalty: what failed logins cost, and whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tenants/penalty.h"

enum {
	NOW = 1790000000,
	HALF_LIFE = 600
};

static char directory[64];

static int
directory_make(void **state)
{
	(void)state;
	(void)snprintf(directory, sizeof(directory), "/tmp/hk-penalty-XXXXXX");
	return mkdtemp(directory) == NULL ? -1 : 0;
}

static int
directory_remove(void **state)
{
	char command[128];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", directory);
	return system(command);
}

static struct penalty_rules
rules(void)
{
	return (struct penalty_rules){ .half_life_s = HALF_LIFE,
		.first_ms = 500,
		.max_ms = 15000,
		.account_lock = 10,
		.block_free = 20,
		.block_lock = 40,
		.tenant_free = 100 };
}

static struct penalty *
make(const struct penalty_rules *r)
{
	struct penalty *p = NULL;

	assert_int_equal(penalty_new(r, directory, &p, NULL), 0);
	return p;
}

static struct penalty_who
who(const char *account, const char *client)
{
	return (struct penalty_who){ .account = span_str(account),
		.tenant = "aozora",
		.client = span_str(client) };
}

static unsigned
fails(struct penalty *p, const char *account, const char *client, uint64_t now)
{
	struct penalty_who w = who(account, client);

	return penalty_failed(p, &w, 0, now);
}

static enum penalty_stand
stands(struct penalty *p, const char *account, const char *client, uint64_t now)
{
	struct penalty_who w = who(account, client);
	enum penalty_stand stand = penalty_stand(p, &w, now);

	/* Who is not clean is not so at a glance either. */
	if (stand != PENALTY_CLEAN)
		assert_int_equal(penalty_glance(p, &w, now), PENALTY_MARKED);
	return stand;
}

static void
test_account(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p = make(&r);
	struct penalty_who hanako = who("hanako", "192.0.2.1");
	char client[32];

	(void)state;
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_CLEAN);
	assert_int_equal(penalty_glance(p, &hanako, NOW), PENALTY_CLEAN);
	assert_int_equal(fails(p, "hanako", "192.0.2.1", NOW), 500);
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_MARKED);
	assert_int_equal(fails(p, "HANAKO", "198.51.100.2", NOW), 1000);
	for (int i = 3; i <= 10; i++) {
		(void)snprintf(client, sizeof(client), "10.0.%d.1", i);
		(void)fails(p, "hanako", client, NOW);
	}
	assert_int_equal(
	    stands(p, "hanako", "203.0.113.1", NOW), PENALTY_LOCKED);
	assert_int_equal(fails(p, "hanako", "203.0.113.1", NOW), 15000);
	/* Another account from elsewhere does not notice. */
	assert_int_equal(stands(p, "taro", "203.0.113.9", NOW), PENALTY_CLEAN);
	assert_int_equal(fails(p, "taro", "203.0.114.9", NOW), 500);
	/* What came while it was locked did not prolong it. */
	for (int i = 0; i < 10; i++)
		(void)fails(p, "hanako", "10.1.1.1", NOW);
	assert_int_equal(
	    stands(p, "hanako", "203.0.114.1", NOW + HALF_LIFE / 2),
	    PENALTY_MARKED);
	/* Ten half-lives later nothing is left. */
	assert_int_equal(
	    stands(p, "hanako", "203.0.114.1", NOW + 10 * HALF_LIFE),
	    PENALTY_CLEAN);
	penalty_free(p);
}

static void
test_success(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p = make(&r);
	struct penalty_who home = who("hanako", "192.0.2.1");

	(void)state;
	(void)fails(p, "hanako", "192.0.2.1", NOW);
	penalty_succeeded(p, &home, NOW);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", NOW), PENALTY_CLEAN);
	penalty_free(p);
}

/* Strangers cannot lock out who has logged in from there before. */
static void
test_familiar(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p = make(&r);
	struct penalty_who home = who("hanako", "192.0.2.1");

	(void)state;
	penalty_succeeded(p, &home, NOW);
	for (int i = 0; i < 12; i++)
		(void)fails(p, "hanako", "203.0.113.1", NOW);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", NOW), PENALTY_LOCKED);
	/* The same /24. */
	assert_int_equal(
	    stands(p, "hanako", "192.0.2.200", NOW), PENALTY_CLEAN);
	penalty_succeeded(p, &home, NOW);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", NOW), PENALTY_LOCKED);
	/* Nor when the database is read anew, and for a month. */
	penalty_free(p);
	p = make(&r);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", NOW), PENALTY_LOCKED);
	assert_int_equal(
	    stands(p, "hanako", "192.0.2.200", NOW), PENALTY_CLEAN);
	/* Their own failures are counted all the same, apart. */
	assert_int_equal(fails(p, "hanako", "192.0.2.1", NOW), 500);
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_MARKED);
	for (int i = 0; i < 9; i++)
		(void)fails(p, "hanako", "192.0.2.1", NOW);
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_LOCKED);
	/* For another account the block is nobody special. */
	for (int i = 0; i < 12; i++)
		(void)fails(p, "taro", "203.0.113.2", NOW);
	assert_int_equal(stands(p, "taro", "192.0.2.1", NOW), PENALTY_LOCKED);
	/* Forty days later it is a stranger. */
	for (int i = 0; i < 12; i++)
		(void)fails(p, "hanako", "203.0.113.3", NOW + 40 * 86400);
	assert_int_equal(
	    stands(p, "hanako", "192.0.2.1", NOW + 40 * 86400), PENALTY_LOCKED);
	penalty_free(p);
}

static void
test_block(void **state)
{
	static const struct {
		const char *start, *in, *out;
	} rows[] = {
		{ "192.0.2.", "192.0.2.250", "192.0.3.1" },
		{ "2001:db8:1:2::", "2001:db8:1:2:ffff::1", "2001:db8:1:3::1" },
	};

	(void)state;
	for (size_t row = 0; row < 2; row++) {
		struct penalty_rules r = rules();
		struct penalty *p = make(&r);
		char login[32], client[64];

		r.tenant_free = 0;
		/* Each guess at another account, from another address. */
		for (int i = 0; i < 40; i++) {
			unsigned delay_ms;

			(void)snprintf(
			    login, sizeof(login), "%zuuser%d", row, i);
			(void)snprintf(client, sizeof(client), "%s%d",
			    rows[row].start, i + 1);
			delay_ms = fails(p, login, client, NOW);
			if (i < 20)
				assert_int_equal(delay_ms, 500);
			else
				assert_true(delay_ms >= 500);
		}
		assert_int_equal(
		    stands(p, "fresh", rows[row].in, NOW), PENALTY_LOCKED);
		assert_int_equal(
		    stands(p, "fresh", rows[row].out, NOW), PENALTY_CLEAN);
		penalty_free(p);
	}
}

static void
test_exempt(void **state)
{
	struct penalty_rules r = rules();
	struct network exempt[2];
	struct penalty *p;
	char login[32];

	(void)state;
	assert_int_equal(
	    network_parse(SPAN("192.0.2.0/25"), &exempt[0], NULL), 0);
	assert_int_equal(
	    network_parse(SPAN("2001:db8::/32"), &exempt[1], NULL), 0);
	r.exempt = exempt;
	r.exempt_len = 2;
	r.tenant_free = 0;
	p = make(&r);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(login, sizeof(login), "user%d", i);
		(void)fails(p, login, "192.0.2.1", NOW);
		(void)fails(p, login, "unix", NOW);
		if (i < 45)
			(void)fails(p, "", "192.0.2.129", NOW);
	}
	assert_int_equal(stands(p, "x", "192.0.2.1", NOW), PENALTY_CLEAN);
	assert_int_equal(stands(p, "x", "unix", NOW), PENALTY_CLEAN);
	assert_int_equal(stands(p, "x", "192.0.2.129", NOW), PENALTY_LOCKED);
	/* Their accounts are counted. */
	assert_int_equal(
	    stands(p, "user1", "2001:db8::1", NOW), PENALTY_MARKED);
	penalty_free(p);
}

static void
test_tenant(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p;
	struct penalty_who known = who("known", "192.0.2.1");
	struct penalty_who midori = who("yuki", "192.0.2.1");
	char login[32], client[32];

	(void)state;
	midori.tenant = "midori";
	r.tenant_lock = 500;
	p = make(&r);
	penalty_succeeded(p, &known, NOW);
	for (int i = 1; i <= 500; i++) {
		unsigned delay_ms;

		(void)snprintf(login, sizeof(login), "user%d", i);
		(void)snprintf(
		    client, sizeof(client), "10.%d.%d.1", i % 200, i / 200);
		delay_ms = fails(p, login, client, NOW);
		/* 500 up to 199, 1000 from 200, 2000 from 400. */
		assert_int_equal(delay_ms, i < 200   ? 500
					   : i < 400 ? 1000
						     : 2000);
		if (i == 100)
			assert_int_equal(stands(p, "other", "203.0.113.1", NOW),
			    PENALTY_MARKED);
	}
	assert_int_equal(
	    stands(p, "other", "203.0.113.1", NOW), PENALTY_LOCKED);
	assert_int_equal(stands(p, "known", "192.0.2.1", NOW), PENALTY_CLEAN);
	assert_int_equal(penalty_stand(p, &midori, NOW), PENALTY_CLEAN);
	penalty_free(p);
}

static void
test_same_password_again(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p = make(&r);
	struct penalty_who w = who("hanako", "192.0.2.1");

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(penalty_failed(p, &w, 4711, NOW), 500);
	assert_true(penalty_same_wrong(p, &w, 4711));
	assert_false(penalty_same_wrong(p, &w, 4712));
	assert_false(penalty_same_wrong(p, &w, 0));
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_MARKED);
	assert_int_equal(stands(p, "taro", "192.0.2.1", NOW), PENALTY_CLEAN);
	assert_int_equal(penalty_failed(p, &w, 4712, NOW), 1000);
	penalty_free(p);
}

/* However many names come by, what fails again and again stays. */
static void
test_flood(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p;
	char login[32];

	(void)state;
	r.tenant_free = 0;
	r.block_free = r.block_lock = 0;
	p = make(&r);
	for (int i = 0; i < 10; i++)
		(void)fails(p, "hanako", "10.0.0.1", NOW);
	for (int i = 0; i < 300000; i++) {
		(void)snprintf(login, sizeof(login), "user%d", i);
		(void)fails(p, login, "10.0.0.1", NOW);
	}
	assert_int_equal(
	    stands(p, "hanako", "203.0.113.1", NOW), PENALTY_LOCKED);
	penalty_free(p);
}

/* Nobody is locked, or a stranger, until a time comes again. */
static void
test_clock_set_back(void **state)
{
	struct penalty_rules r = rules();
	struct penalty *p = make(&r);
	struct penalty_who home = who("hanako", "192.0.2.1");
	const uint64_t back = NOW - 20 * 86400;

	(void)state;
	penalty_succeeded(p, &home, NOW);
	for (int i = 0; i < 12; i++)
		(void)fails(p, "hanako", "203.0.113.1", NOW);
	/* What has failed counts on from the new time. */
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", back), PENALTY_LOCKED);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", back + HALF_LIFE / 2),
	    PENALTY_MARKED);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", back + 10 * HALF_LIFE),
	    PENALTY_CLEAN);
	for (int i = 0; i < 12; i++)
		(void)fails(p, "hanako", "203.0.113.1", back);
	penalty_free(p);
	p = make(&r);
	assert_int_equal(
	    stands(p, "hanako", "198.51.100.1", back), PENALTY_LOCKED);
	/* Who was here three weeks from now is familiar, */
	assert_int_equal(stands(p, "hanako", "192.0.2.1", back), PENALTY_CLEAN);
	/* but not who was here in a year that may never come. */
	assert_int_equal(
	    stands(p, "hanako", "192.0.2.1", NOW - 40 * 86400), PENALTY_LOCKED);
	penalty_free(p);
}

static void
test_without_a_disk(void **state)
{
	struct penalty_rules r = rules();
	struct penalty_who home = who("hanako", "192.0.2.1");
	struct penalty *p = NULL;

	(void)state;
	assert_int_equal(penalty_new(&r, "/nonexistent", &p, NULL), 0);
	assert_int_equal(fails(p, "hanako", "192.0.2.1", NOW), 500);
	assert_int_equal(fails(p, "hanako", "192.0.2.1", NOW), 1000);
	penalty_succeeded(p, &home, NOW);
	assert_int_equal(stands(p, "hanako", "192.0.2.1", NOW), PENALTY_CLEAN);
	penalty_free(p);
}

#define WITH_DIRECTORY(test)                                                   \
	cmocka_unit_test_setup_teardown(test, directory_make, directory_remove)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DIRECTORY(test_account),
		WITH_DIRECTORY(test_success),
		WITH_DIRECTORY(test_familiar),
		WITH_DIRECTORY(test_block),
		WITH_DIRECTORY(test_exempt),
		WITH_DIRECTORY(test_tenant),
		WITH_DIRECTORY(test_same_password_again),
		WITH_DIRECTORY(test_flood),
		WITH_DIRECTORY(test_clock_set_back),
		WITH_DIRECTORY(test_without_a_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
