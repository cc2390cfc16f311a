/* SPDX-License-Identifier: BSD-2-Clause */
/* A line with a mark under one of its characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "master/caret.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define TEN "0123456789"
#define WIDE "領収書領収書領収書領" /* ten characters, twenty places */

static void
test_caret(void **state)
{
	static const struct {
		const char *text;
		size_t column;
		const char *shown;
	} rows[] = {
		{ "abc", 0, "  abc\n" },
		{ "abc", 1, "  abc\n  ^\n" },
		{ "abc", 3, "  abc\n    ^\n" },
		{ "abc", 4, "  abc\n     ^\n" },
		{ "", 1, "  \n  ^\n" },
		/* Wide ones, half-width kana, a mark that combines. */
		{ "領収x", 3, "  領収x\n      ^\n" },
		{ "ｶﾞx", 3, "  ｶﾞx\n    ^\n" },
		{ "か\xe3\x82\x99x", 3, "  か\xe3\x82\x99x\n    ^\n" },
		/* What would disturb a terminal. */
		{ "a\033[2Jb", 6, "  a?[2Jb\n       ^\n" },
		{ "a\xff\xfe"
		  "b",
		    4, "  a??b\n     ^\n" },
		{ "a\xe2\x80\xae"
		  "b",
		    3, "  a?b\n    ^\n" },
		/* 74 places are there. */
		{ TEN TEN TEN TEN TEN TEN TEN "0123", 74,
		    "  " TEN TEN TEN TEN TEN TEN TEN "0123\n"
		    "                                                        "
		    "                   ^\n" },
		{ TEN TEN TEN TEN TEN TEN TEN "01234", 1,
		    "  " TEN TEN TEN TEN TEN TEN TEN "0...\n  ^\n" },
		{ TEN TEN TEN TEN TEN TEN TEN TEN "xy", 81,
		    "  ...123456789" TEN TEN TEN TEN TEN TEN "xy\n"
		    "                                                        "
		    "                  ^\n" },
		{ WIDE WIDE WIDE WIDE "x", 41, NULL },
		{ WIDE WIDE WIDE WIDE WIDE WIDE "x", 31, NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out = { .max = 4096 };
		const char *end;

		caret_format(span_str(rows[i].text), rows[i].column, 2, &out);
		assert_int_equal(buf_check(&out, NULL), 0);
		if (rows[i].shown != NULL) {
			assert_string_equal(buf_str(&out), rows[i].shown);
			continue;
		}
		/* Whatever is left out, the mark is within the line. */
		end = strchr(buf_str(&out), '\n');
		assert_non_null(end);
		assert_true(strlen(end + 1) <= 77);
		assert_non_null(strstr(buf_str(&out), "..."));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_caret) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
