/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpd/command. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "smtpd/command.h"

static void
test_verbs(void **state)
{
	static const struct {
		struct span line;
		enum smtp_verb verb;
		const char *argument;
	} rows[] = {
		{ SPAN("EHLO mx.example"), SMTP_EHLO, "mx.example" },
		{ SPAN("ehlo mx.example"), SMTP_EHLO, "mx.example" },
		{ SPAN("MAIL FROM:<a@b.example>"), SMTP_MAIL,
		    "FROM:<a@b.example>" },
		{ SPAN("quit"), SMTP_QUIT, "" },
		{ SPAN("QUIT \t "), SMTP_QUIT, "" },
		{ SPAN("DATA"), SMTP_DATA, "" },
		{ SPAN("DATAX"), SMTP_UNKNOWN, "" },
		{ SPAN("MAIL\tFROM:<a@b.example>"), SMTP_UNKNOWN, NULL },
		{ SPAN(" NOOP"), SMTP_UNKNOWN, NULL },
		{ SPAN(""), SMTP_UNKNOWN, "" },
		{ SPAN("GET / HTTP/1.1"), SMTP_FOREIGN, NULL },
		{ SPAN("Host: x"), SMTP_FOREIGN, NULL },
		{ SPAN("bdat 4 last"), SMTP_BDAT, "4 last" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span argument;

		assert_int_equal(
		    smtp_verb_parse(rows[i].line, &argument), rows[i].verb);
		if (rows[i].argument != NULL)
			assert_true(
			    span_eq(argument, span_str(rows[i].argument)));
	}
	assert_true(smtp_line_clean(SPAN("NOOP a\tb")));
	assert_false(smtp_line_clean(SPAN("NOOP a\0b")));
	assert_false(smtp_line_clean(SPAN("NOOP\nQUIT")));
	assert_false(smtp_line_clean(SPAN("NOOP \x1b[2J")));
	assert_false(smtp_line_clean(SPAN("NOOP \x7f")));
}

static void
test_mail(void **state)
{
	static const struct {
		struct span argument;
		enum err_kind kind; /* ERR_NONE: it parses */
		const char *domain;
		bool has_size, body_8bit;
		uint64_t size;
	} rows[] = {
		{ SPAN("FROM:<a@b.example>"), ERR_NONE, "b.example", false,
		    false, 0 },
		{ SPAN("from: <a@b.example>"), ERR_NONE, "b.example", false,
		    false, 0 },
		{ SPAN("FROM:<>"), ERR_NONE, "", false, false, 0 },
		{ SPAN("FROM:<@r.example:a@b.example> SIZE=10 BODY=8BITMIME"),
		    ERR_NONE, "b.example", true, true, 10 },
		{ SPAN("FROM:<a@b.example> size=18446744073709551615"),
		    ERR_NONE, "b.example", true, false, UINT64_MAX },
		{ SPAN("FROM:<a@b.example> AUTH=<>  BODY=7bit"), ERR_NONE,
		    "b.example", false, false, 0 },
		{ SPAN("FROM:<a@b.example> SIZE=18446744073709551616"),
		    ERR_SYNTAX, NULL, false, false, 0 },
		{ SPAN("FROM:<a@b.example> SIZE="), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("FROM:<a@b.example> SIZE"), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("FROM:<a@b.example> SIZE=1 SIZE=2"), ERR_SYNTAX, NULL,
		    false, false, 0 },
		{ SPAN("FROM:<a@b.example> BODY=BINARYMIME"), ERR_SYNTAX, NULL,
		    false, false, 0 },
		{ SPAN("FROM:<a@b.example> BODY=7BIT BODY=7BIT"), ERR_SYNTAX,
		    NULL, false, false, 0 },
		{ SPAN("FROM:<a@b.example>SIZE=1"), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("FROM:<a@b.example> =1"), ERR_SYNTAX, NULL, false, false,
		    0 },
		{ SPAN("FROM:<a@b.example> A=b=c"), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("FROM:<a@b.example> RET=FULL ENVID=a+2Bb"), ERR_NONE,
		    "b.example", false, false, 0 },
		{ SPAN("FROM:<a@b.example> RET=NONE"), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("FROM:<a@b.example> RET=FULL RET=HDRS"), ERR_SYNTAX,
		    NULL, false, false, 0 },
		{ SPAN("FROM:<a@b.example> ENVID=a+0Ab"), ERR_SYNTAX, NULL,
		    false, false, 0 },
		{ SPAN("FROM:<a@b.example> SMTPUTF8"), ERR_POLICY, NULL, false,
		    false, 0 },
		{ SPAN("FROM:a@b.example"), ERR_SYNTAX, NULL, false, false, 0 },
		{ SPAN("FROM:<a@b.example"), ERR_SYNTAX, NULL, false, false,
		    0 },
		{ SPAN("FROM:<a b@c.example>"), ERR_SYNTAX, NULL, false, false,
		    0 },
		{ SPAN("FROM:<\xc3\xa9@b.example>"), ERR_SYNTAX, NULL, false,
		    false, 0 },
		{ SPAN("TO:<a@b.example>"), ERR_SYNTAX, NULL, false, false, 0 },
		{ SPAN(""), ERR_SYNTAX, NULL, false, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_mail m = { .size = 7 };
		struct err err = ERR_INIT;
		int rc = smtp_mail_parse(rows[i].argument, &m, &err);

		assert_int_equal(rc, rows[i].kind == ERR_NONE ? 0 : -1);
		if (rc == -1) {
			assert_int_equal(err.kind, rows[i].kind);
			assert_int_equal(m.size, 7);
			continue;
		}
		assert_true(
		    span_eq(m.reverse_path.domain, span_str(rows[i].domain)));
		assert_int_equal(m.has_size, rows[i].has_size);
		assert_int_equal(m.body_8bit, rows[i].body_8bit);
		assert_true(m.size == rows[i].size);
	}
}

static void
test_rcpt(void **state)
{
	static const struct {
		struct span argument;
		enum err_kind kind;
	} rows[] = {
		{ SPAN("TO:<a@b.example>"), ERR_NONE },
		{ SPAN("to: <postMASTER>"), ERR_NONE },
		{ SPAN("TO:<\"a b\"@c.example>"), ERR_NONE },
		{ SPAN("TO:<a@[192.0.2.1]>"), ERR_NONE },
		{ SPAN("TO:<>"), ERR_SYNTAX },
		{ SPAN("TO:<nodomain>"), ERR_SYNTAX },
		{ SPAN("TO:<a@b@c.example>"), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> NOTIFY=NEVER"), ERR_NONE },
		{ SPAN("TO:<a@b.example> notify=delay,Failure"), ERR_NONE },
		{ SPAN("TO:<a@b.example> NOTIFY=NEVER,DELAY"), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> NOTIFY=DELAY,DELAY"), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> NOTIFY=DELAY NOTIFY=DELAY"),
		    ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> NOTIFY="), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> NOTIFY=LATER"), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> ORCPT=rfc822;a+40b.example"),
		    ERR_NONE },
		{ SPAN("TO:<a@b.example> ORCPT=a+40b.example"), ERR_SYNTAX },
		/* It would begin a line of ours. */
		{ SPAN("TO:<a@b.example> ORCPT=rfc822;a+0D+0Ab"), ERR_SYNTAX },
		{ SPAN("TO:<a@b.example> SIZE=1"), ERR_POLICY },
		{ SPAN("TO:<a@b.example> ="), ERR_SYNTAX },
		{ SPAN("FROM:<a@b.example>"), ERR_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_rcpt rcpt;
		struct err err = ERR_INIT;
		int rc = smtp_rcpt_parse(rows[i].argument, &rcpt, &err);

		assert_int_equal(rc, rows[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, rows[i].kind);
	}
}

static void
test_helo(void **state)
{
	(void)state;
	assert_true(smtp_helo_valid(SPAN("mx.example"), false));
	assert_true(smtp_helo_valid(SPAN("[192.0.2.1]"), false));
	assert_true(smtp_helo_valid(SPAN("[IPv6:2001:db8::1]"), false));
	assert_false(smtp_helo_valid(SPAN(""), false));
	assert_false(smtp_helo_valid(SPAN("a b"), true));
	assert_false(smtp_helo_valid(SPAN("(evil)"), false));
	/* What subscribers' machines call themselves. */
	assert_true(smtp_helo_valid(SPAN("-my~pc-"), true));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_helo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
