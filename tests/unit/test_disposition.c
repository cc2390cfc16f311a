/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mime/disposition.h"

static void
assert_span(struct span got, const char *want)
{
	if (want == NULL) {
		assert_null(got.p);
		return;
	}
	assert_non_null(got.p);
	assert_int_equal(got.len, strlen(want));
	assert_memory_equal(got.p, want, got.len);
}

static void
test_places_and_addresses(void **state)
{
	CLEANUP(arena_fini) struct arena arena;
	struct dispositions d;
	struct err err = ERR_INIT;

	(void)state;
	arena_init(&arena, 100000);
	assert_int_equal(
	    dispositions_parse(
		SPAN("1,3-4 FOLDER=Junk TRACE=antivirus+3Dclean "
		     "TRACE=antispam+3Dspam;5 DELETED TRACE=x NEW=1;"
		     "<taro@aozora.example> FORWARDEDBY=h@a.example;"
		     "6 TAG=[SPAM]+20+E3+81+82 REPLACE=gone+0Ato+20stay+0A"),
		6, &arena, &d, &err),
	    0);
	assert_int_equal(d.rcpts_len, 6);
	assert_span(d.rcpts[0].folder, "Junk");
	assert_span(d.rcpts[0].trace, "antivirus=clean; antispam=spam");
	assert_span(d.rcpts[1].folder, NULL);
	assert_span(d.rcpts[1].trace, NULL);
	assert_span(d.rcpts[2].folder, "Junk");
	assert_span(d.rcpts[3].folder, "Junk");
	assert_true(d.rcpts[4].deleted);
	assert_span(d.rcpts[5].tag, "[SPAM] \xe3\x81\x82");
	assert_span(d.rcpts[5].replace, "gone\nto stay\n");
	assert_int_equal(d.added_len, 1);
	assert_span(d.added[0].address, "taro@aozora.example");
	assert_span(d.added[0].forwarded_by, "h@a.example");
	assert_int_equal(dispositions_parse(SPAN(""), 2, &arena, &d, &err), 0);
	assert_int_equal(d.rcpts_len, 2);
	assert_int_equal(d.added_len, 0);
}

static void
test_refusals(void **state)
{
	static const char *const broken[] = {
		"1",                    /* nothing said */
		"0 DELETED",            /* places begin at 1 */
		"4 DELETED",            /* there are three */
		"2-1 DELETED",          /* backwards */
		"1- DELETED",           /* no last place */
		"1, DELETED",           /* no second place */
		"x DELETED",            /* no place at all */
		"1x DELETED",           /* something behind */
		"1 FOLDER",             /* no value */
		"1 FOLDER=a=b",         /* "=" is not xtext */
		"1 FOLDER=a+0Ab",       /* a line end */
		"<a@b.example DELETED", /* no end */
		"<> DELETED",           /* no address */
		"1 REPLACE=a+0Db",      /* a bare CR */
		"18446744073709551616 DELETED",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		CLEANUP(arena_fini) struct arena arena;
		struct dispositions d;
		struct err err = ERR_INIT;

		arena_init(&arena, 100000);
		if (dispositions_parse(
			span_str(broken[i]), 3, &arena, &d, &err) == 0)
			fail_msg("taken: %s", broken[i]);
		assert_true(err.kind == ERR_SYNTAX || err.kind == ERR_POLICY);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_and_addresses),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
