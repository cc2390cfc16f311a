/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/header: where the header ends, and its fields. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mime/header.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	struct span message;
	size_t fields, body;
	size_t decided; /* octets after which a reader of the front knows; 0:
			   only the end of the message tells */
} ends[] = {
	{ SPAN(""), 0, 0, 0 },
	{ SPAN("\r\n"), 0, 2, 2 },
	{ SPAN("\n"), 0, 1, 1 },
	{ SPAN("\r\n\r\nbody\r\n"), 0, 2, 2 },
	{ SPAN("A: b\r\n\r\nbody\r\n"), 6, 8, 8 },
	{ SPAN("A: b\n\nbody\n"), 5, 6, 6 },
	{ SPAN("A: b\n\r\nbody\n"), 5, 7, 7 },
	/* fields only, finished or not */
	{ SPAN("A: b\r\n"), 6, 6, 0 },
	{ SPAN("A: b"), 4, 4, 0 },
	{ SPAN("A: b\r\n c\r\n"), 10, 10, 0 },
	/* no field at all */
	{ SPAN("hello\r\nA: b\r\n\r\nx"), 0, 0, 7 },
	{ SPAN("hello"), 0, 0, 0 },
	{ SPAN(" indented\r\n\r\n"), 0, 0, 11 },
	/* text behind fields without an empty line */
	{ SPAN("A: b\r\nhello\r\n\r\nx"), 6, 6, 13 },
	{ SPAN("A: b\r\n: no name\r\n"), 6, 6, 17 },
	{ SPAN("A: b\r\nn\xc3\xa4me: x\r\n"), 6, 6, 16 },
	/* obsolete: white space before the colon */
	{ SPAN("A : b\r\n\r\n"), 7, 9, 9 },
	/* continuations, also of white space alone */
	{ SPAN("A: b\r\n c\r\n\t\r\n\r\nx"), 13, 15, 15 },
	/* mbox lines only with a field behind them */
	{ SPAN("From a Tue\r\nA: b\r\n\r\nx"), 18, 20, 20 },
	{ SPAN(">From a Tue\r\nA: b\r\n\r\nx"), 19, 21, 21 },
	{ SPAN("R: x\r\nFrom a Tue\r\nA: b\r\n\r\n"), 24, 26, 26 },
	{ SPAN("From a desk\r\nhello\r\n"), 0, 0, 20 },
	{ SPAN("From a desk\r\n\r\nhello\r\n"), 0, 0, 15 },
	{ SPAN("From a desk\r\n continued\r\n"), 0, 0, 25 },
	{ SPAN("From a desk\r\n"), 0, 0, 0 },
	{ SPAN("From: a\r\n\r\n"), 9, 11, 11 },
	/* NUL is an octet of text */
	{ SPAN("\0: x\r\n\r\n"), 0, 0, 6 },
	{ SPAN("A: \0\r\n\r\n"), 6, 8, 8 },
	/* a lone CR is no empty line */
	{ SPAN("A: b\r\n\rx\r\n"), 6, 6, 10 },
};

static void
test_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(ends); i++) {
		struct header_end end = header_end(ends[i].message);

		if (end.fields != ends[i].fields || end.body != ends[i].body)
			fail_msg("row %zu: %zu %zu", i, end.fields, end.body);
	}
}

static void
test_end_within_decides_as_early_as_it_can(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(ends); i++) {
		for (size_t len = 0; len <= ends[i].message.len; len++) {
			struct header_end end = { 77, 78 };
			bool known = header_end_within(
			    span_first(ends[i].message, len), &end);
			bool wanted =
			    ends[i].decided != 0 && len >= ends[i].decided;

			if (known != wanted)
				fail_msg("row %zu at %zu", i, len);
			assert_int_equal(
			    end.fields, known ? ends[i].fields : 77);
			assert_int_equal(end.body, known ? ends[i].body : 78);
		}
	}
}

static void
test_fields(void **state)
{
	static const char text[] = "From x Tue\r\n"
				   "Subject: one\r\n\ttwo\r\n"
				   "X-Empty:\r\n"
				   "Old \t: way\n"
				   "Last: unfinished";
	static const struct {
		const char *name, *value, *raw;
	} rows[] = {
		{ "Subject", " one\r\n\ttwo", "Subject: one\r\n\ttwo\r\n" },
		{ "X-Empty", "", "X-Empty:\r\n" },
		{ "Old", " way", "Old \t: way\n" },
		{ "Last", " unfinished", "Last: unfinished" },
	};
	struct span fields = span_str(text);
	struct field f;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		assert_true(field_next(&fields, &f));
		assert_true(span_eq(f.name, span_str(rows[i].name)));
		assert_true(span_eq(f.value, span_str(rows[i].value)));
		assert_true(span_eq(f.raw, span_str(rows[i].raw)));
	}
	assert_false(field_next(&fields, &f));
	assert_int_equal(fields.len, 0);

	assert_true(field_find(span_str(text), SPAN("sUBJECT"), &f));
	assert_true(field_find(span_str(text), SPAN("Last"), &f));
	assert_false(field_find(span_str(text), SPAN("From"), &f));
}

static void
test_field_next_stops_at_text(void **state)
{
	struct span fields = SPAN("no field\r\nA: b\r\n");
	struct field f;

	(void)state;
	assert_false(field_next(&fields, &f));
	assert_int_equal(fields.len, 16);
}

static void
test_unfold(void **state)
{
	static const struct {
		const char *value, *unfolded;
	} rows[] = {
		{ " one\r\n\ttwo", "one\ttwo" },
		{ " one\n two \r\n  three\t", "one two   three" },
		{ "", "" },
		{ " \r\n x", "x" },
		{ "a\rb\nc", "abc" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 64);
		field_unfold(span_str(rows[i].value), &out);
		assert_string_equal(buf_str(&out), rows[i].unfolded);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_end_within_decides_as_early_as_it_can),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_field_next_stops_at_text),
		cmocka_unit_test(test_unfold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
