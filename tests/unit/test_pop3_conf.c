/* SPDX-License-Identifier: BSD-2-Clause */
/* Section "pop3d": its defaults, and what it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "pop3d/conf.h"

static void
defaults(void **state)
{
	struct pop3d_conf conf = { .command_wait = 1 };
	struct err err = ERR_INIT;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	assert_int_equal(
	    conf_parse(&pop3d_section, SPAN(""), "test", &conf, &err), 0);
	assert_false(conf.login.plaintext);
	assert_int_equal(conf.login.mechanisms.len, 0);
	assert_int_equal(conf.login.failures_max, 5);
	assert_int_equal(conf.command_wait, 600);
	assert_int_equal(conf.connections_max, 20000);
	assert_true(conf.mark_seen);
	conf_section_fini(&pop3d_section, &conf);
}

static void
settings(void **state)
{
	struct pop3d_conf conf;
	struct err err = ERR_INIT;

	(void)state;
	memset(&conf, 0, sizeof(conf));
	assert_int_equal(
	    conf_parse(&pop3d_section,
		SPAN("pop3d {\n plaintext-login = yes\n"
		     " mechanisms = { \"PLAIN\", \"CRAM-MD5\" }\n"
		     " login-failures-max = 9\n command-wait = 1h\n"
		     " mark-seen = no\n}\n"),
		"test", &conf, &err),
	    0);
	assert_true(conf.login.plaintext);
	assert_int_equal(conf.login.mechanisms.len, 2);
	assert_string_equal(conf.login.mechanisms.items[1], "CRAM-MD5");
	assert_int_equal(conf.login.failures_max, 9);
	assert_int_equal(conf.command_wait, 3600);
	assert_false(conf.mark_seen);
	conf_section_fini(&pop3d_section, &conf);
}

static void
refused(void **state)
{
	static const struct span rows[] = {
		/* RFC 1939 section 3: 10 minutes or more */
		SPAN("pop3d { command-wait = 9m }\n"),
		SPAN("pop3d { login-failures-max = 0 }\n"),
		SPAN("pop3d { plaintext-login = perhaps }\n"),
		SPAN("pop3d { no-such-key = 1 }\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pop3d_conf conf;
		struct err err = ERR_INIT;

		memset(&conf, 0, sizeof(conf));
		assert_int_equal(
		    conf_parse(&pop3d_section, rows[i], "test", &conf, &err),
		    -1);
		assert_int_equal(err.kind, ERR_SYNTAX);
		conf_section_fini(&pop3d_section, &conf);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults),
		cmocka_unit_test(settings),
		cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
