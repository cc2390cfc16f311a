/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpd/trace: fields of ours that came from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "smtpd/trace.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static void
test_forged_trace(void **state)
{
	static const struct {
		struct span message;
		bool found;
		const char *fields, *rest;
	} rows[] = {
		{ SPAN("A: b\r\nhikyaku-trace: x\r\n\ty\r\nC: d\r\n\r\nbody"),
		    true, "A: b\r\nC: d\r\n", "\r\nbody" },
		{ SPAN("X-HIKYAKU-Spam: no\r\n\r\n"), true, "", "\r\n" },
		{ SPAN("From x Tue\r\nHikyaku-A : x\r\n.a: b\r\n"), true,
		    "From x Tue\r\n.a: b\r\n", "" },
		{ SPAN("A: b\r\nHikyaku: x\r\n\r\nHikyaku-A: x\r\n"), false, "",
		    "" },
		{ SPAN("text\r\nHikyaku-A: x\r\n"), false, "", "" },
		{ SPAN(""), false, "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf fields;
		struct span rest = SPAN("");

		buf_init(&fields, rows[i].message.len);
		assert_int_equal(
		    smtp_trace_strip(rows[i].message, &fields, &rest),
		    rows[i].found);
		assert_string_equal(buf_str(&fields), rows[i].fields);
		assert_true(span_eq(rest, span_str(rows[i].rest)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged_trace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
