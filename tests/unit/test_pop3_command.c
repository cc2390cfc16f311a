/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pop3d/command.h"

static void
command_lines(void **state)
{
	static const struct {
		struct span line;
		enum err_kind kind;
		enum pop3_verb verb;
		struct span argument;
	} rows[] = {
		{ SPAN("STAT"), ERR_NONE, POP3_STAT, SPAN("") },
		{ SPAN("stat"), ERR_NONE, POP3_STAT, SPAN("") },
		{ SPAN("sTaT "), ERR_NONE, POP3_STAT, SPAN("") },
		{ SPAN("STAT\t"), ERR_NONE, POP3_STAT, SPAN("") },
		{ SPAN("STAT 1"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("STATS"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("STA"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN(" STAT"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN(""), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN(" "), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("LIST"), ERR_NONE, POP3_LIST, SPAN("") },
		{ SPAN("LIST 12"), ERR_NONE, POP3_LIST, SPAN("12") },
		{ SPAN("LIST  12 "), ERR_NONE, POP3_LIST, SPAN("12") },
		{ SPAN("LIST\t12"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("RETR"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("RETR "), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("RETR 1"), ERR_NONE, POP3_RETR, SPAN("1") },
		{ SPAN("TOP 1 10"), ERR_NONE, POP3_TOP, SPAN("1 10") },
		{ SPAN("USER hanako@aozora.example"), ERR_NONE, POP3_USER,
		    SPAN("hanako@aozora.example") },
		{ SPAN("PASS a b "), ERR_NONE, POP3_PASS, SPAN("a b ") },
		{ SPAN("PASS  "), ERR_NONE, POP3_PASS, SPAN(" ") },
		{ SPAN("PASS "), ERR_NONE, POP3_PASS, SPAN("") },
		{ SPAN("PASS"), ERR_NONE, POP3_PASS, SPAN("") },
		{ SPAN("PASS a\0b"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("PASS a\rb"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("PASS p\xc3\xa4ss"), ERR_NONE, POP3_PASS,
		    SPAN("p\xc3\xa4ss") },
		{ SPAN("AUTH"), ERR_NONE, POP3_AUTH, SPAN("") },
		{ SPAN("AUTH PLAIN AGEAYg=="), ERR_NONE, POP3_AUTH,
		    SPAN("PLAIN AGEAYg==") },
		{ SPAN("STLS now"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("GET / HTTP/1.1"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("utf8"), ERR_NONE, POP3_UTF8, SPAN("") },
		{ SPAN("UTF8 on"), ERR_SYNTAX, 0, SPAN("") },
		{ SPAN("LANG"), ERR_NONE, POP3_LANG, SPAN("") },
		{ SPAN("LANG ja "), ERR_NONE, POP3_LANG, SPAN("ja") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pop3_command command = { .verb = POP3_APOP };
		struct err err = ERR_INIT;
		int parsed = pop3_command_parse(rows[i].line, &command, &err);

		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(parsed, rows[i].kind == ERR_NONE ? 0 : -1);
		if (parsed == -1) {
			assert_int_equal(command.verb, POP3_APOP);
			continue;
		}
		assert_int_equal(command.verb, rows[i].verb);
		assert_true(span_eq(command.argument, rows[i].argument));
	}
}

static void
numbers(void **state)
{
	static const struct {
		struct span in;
		enum err_kind kind;
		uint32_t number;
		size_t left;
	} rows[] = {
		{ SPAN("1"), ERR_NONE, 1, 0 },
		{ SPAN("1 10"), ERR_NONE, 1, 2 },
		{ SPAN("007"), ERR_NONE, 7, 0 },
		{ SPAN("0"), ERR_NONE, 0, 0 },
		{ SPAN("4294967295"), ERR_NONE, UINT32_MAX, 0 },
		{ SPAN("4294967296"), ERR_LIMIT, 77, 10 },
		{ SPAN("99999999999999999999999"), ERR_LIMIT, 77, 23 },
		{ SPAN(""), ERR_SYNTAX, 77, 0 },
		{ SPAN("-1"), ERR_SYNTAX, 77, 2 },
		{ SPAN("1x"), ERR_SYNTAX, 77, 2 },
		{ SPAN(" 1"), ERR_SYNTAX, 77, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span in = rows[i].in;
		struct err err = ERR_INIT;
		uint32_t number = 77;

		(void)pop3_number_take(&in, &number, &err);
		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(number, rows[i].number);
		assert_int_equal(in.len, rows[i].left);
	}
}

static void
one_number(void **state)
{
	struct err err = ERR_INIT;
	uint32_t number = 77;

	(void)state;
	assert_int_equal(pop3_number_parse(SPAN("3 4"), &number, &err), -1);
	assert_int_equal(number, 77);
	assert_int_equal(pop3_number_parse(SPAN("3"), &number, &err), 0);
	assert_int_equal(number, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_lines),
		cmocka_unit_test(numbers),
		cmocka_unit_test(one_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
