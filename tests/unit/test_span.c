/* SPDX-License-Identifier: BSD-2-Clause */
/* common/span, common/ascii, common/buf and common/err. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

static void
test_ascii_table_is_the_grammar(void **state)
{
	static const char specials[] = "!#$%&'*+-/=?^_`{|}~";

	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
		bool alpha = upper || lower, digit = c >= '0' && c <= '9';
		bool hex =
		    digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
		bool special =
		    c != 0 && c < 128 && strchr(specials, (int)c) != NULL;
		char octet = (char)c;

		assert_int_equal(ascii_is(octet, ASCII_ALPHA), alpha);
		assert_int_equal(ascii_is(octet, ASCII_DIGIT), digit);
		assert_int_equal(ascii_is(octet, ASCII_HEX), hex);
		assert_int_equal(
		    ascii_is(octet, ASCII_WSP), c == ' ' || c == '\t');
		assert_int_equal(
		    ascii_is(octet, ASCII_CTL), c < 32 || c == 127);
		assert_int_equal(
		    ascii_is(octet, ASCII_VCHAR), c >= 33 && c <= 126);
		assert_int_equal(
		    ascii_is(octet, ASCII_ATEXT), alpha || digit || special);
		assert_int_equal(ascii_is(octet, ASCII_BASE64),
		    alpha || digit || c == '+' || c == '/');
	}
}

static void
test_take_u64(void **state)
{
	static const struct {
		struct span in;
		bool ok;
		uint64_t value;
		size_t left;
	} rows[] = {
		{ SPAN("0"), true, 0, 0 },
		{ SPAN("42 x"), true, 42, 2 },
		{ SPAN("18446744073709551615"), true, UINT64_MAX, 0 },
		{ SPAN("18446744073709551616"), false, 7, 20 },
		{ SPAN("000000000000000000001"), false, 7, 21 },
		{ SPAN("-1"), false, 7, 2 },
		{ SPAN(""), false, 7, 0 },
		{ SPAN(" 1"), false, 7, 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span in = rows[i].in;
		uint64_t value = 7;

		assert_int_equal(span_take_u64(&in, &value), rows[i].ok);
		assert_true(value == rows[i].value);
		assert_int_equal(in.len, rows[i].left);
	}
}

static void
test_to_u64_wants_all_of_it(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(span_to_u64(SPAN("12"), &value));
	assert_true(value == 12);
	assert_false(span_to_u64(SPAN("12k"), &value));
	assert_true(value == 12);
}

static void
test_compare(void **state)
{
	(void)state;
	assert_true(span_eq(SPAN("a\0b"), SPAN("a\0b")));
	assert_false(span_eq(SPAN("a\0b"), SPAN("a\0c")));
	assert_true(span_eq(SPAN_NONE, SPAN("")));
	assert_true(span_eq_nocase(SPAN("MaIl"), SPAN("mail")));
	/* Only ASCII letters: "[" is "{" with the case bit cleared. */
	assert_false(span_eq_nocase(SPAN("["), SPAN("{")));
	assert_false(span_eq_nocase(SPAN("\xc3\x89"), SPAN("\xc3\xa9")));
	assert_true(span_cmp_nocase(SPAN("abc"), SPAN("ABD")) < 0);
	assert_true(span_cmp_nocase(SPAN("abc"), SPAN("AB")) > 0);
	assert_true(span_starts_nocase(SPAN("From: x"), SPAN("fROM:")));
	assert_false(span_starts(SPAN("Fr"), SPAN("From")));
	assert_true(span_ends(SPAN("a.example"), SPAN(".example")));
	assert_false(span_ends(SPAN("example"), SPAN(".example")));
}

static void
test_search(void **state)
{
	struct span s = SPAN("a.b.c"), out;

	(void)state;
	assert_int_equal(span_index(s, '.'), 1);
	assert_int_equal(span_rindex(s, '.'), 3);
	assert_int_equal(span_index(s, 'x'), -1);
	assert_int_equal(span_index(SPAN_NONE, 'x'), -1);
	assert_int_equal(span_rindex(SPAN_NONE, 'x'), -1);
	assert_int_equal(span_find(s, SPAN("b.")), 2);
	assert_int_equal(span_find(s, SPAN("")), 0);
	assert_int_equal(span_find(SPAN("b"), SPAN("bb")), -1);

	assert_true(span_take_until(&s, '.', &out));
	assert_true(span_eq(out, SPAN("a")));
	assert_true(span_eq(s, SPAN("b.c")));
	assert_false(span_take_until(&s, 'x', &out));
	assert_true(span_eq(s, SPAN("b.c")));
	assert_true(span_take_octet(&s, 'b'));
	assert_false(span_take_octet(&s, 'b'));
	assert_true(span_take_nocase(&s, SPAN(".C")));
	assert_int_equal(s.len, 0);
	assert_false(span_take_octet(&s, 'b'));
}

static void
test_trim_and_cut(void **state)
{
	(void)state;
	assert_true(span_eq(span_trim(SPAN(" \t a b\t ")), SPAN("a b")));
	assert_int_equal(span_trim(SPAN(" \t")).len, 0);
	assert_true(span_eq(span_first(SPAN("abc"), 9), SPAN("abc")));
	assert_true(span_eq(span_from(SPAN("abc"), 1), SPAN("bc")));
	assert_int_equal(span_from(SPAN("abc"), 9).len, 0);
}

static void
test_buf_limit_is_sticky(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&b, 8);
	assert_string_equal(buf_str(&b), "");
	buf_append(&b, SPAN("12345678"));
	assert_int_equal(buf_check(&b, &err), 0);
	buf_append_octet(&b, '9');
	buf_append_u64(&b, 1);
	assert_int_equal(buf_check(&b, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.text, "over 8 octets");
	assert_string_equal(buf_str(&b), "12345678");
	buf_clear(&b);
	assert_int_equal(buf_check(&b, &err), 0);
	buf_append_fmt(&b, "%s-%d", "ab", 42);
	assert_string_equal(buf_str(&b), "ab-42");
	buf_append_fmt(&b, "%s", "too long");
	assert_int_equal(b.failed, ERR_LIMIT);
	assert_string_equal(buf_str(&b), "ab-42");
}

static void
test_buf_reserve_consume(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	char *room;

	(void)state;
	buf_init(&b, 1000);
	room = buf_reserve(&b, 5);
	assert_non_null(room);
	memcpy(room, "hello", 5);
	buf_commit(&b, 5);
	buf_append_u64(&b, UINT64_MAX);
	assert_string_equal(buf_str(&b), "hello18446744073709551615");
	buf_consume(&b, 5);
	assert_string_equal(buf_str(&b), "18446744073709551615");
	buf_truncate(&b, 2);
	assert_string_equal(buf_str(&b), "18");
	buf_shrink(&b);
	assert_non_null(b.data);
	buf_clear(&b);
	buf_shrink(&b);
	assert_null(b.data);
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(b.failed, ERR_LIMIT);
}

static void
test_err_carries_its_origin(void **state)
{
	struct err err = ERR_INIT;
	int line;

	(void)state;
	errno = ENOSPC;
	line = __LINE__ + 1;
	assert_int_equal(err_sys(&err, "fsync %s", "draft"), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(err.os, ENOSPC);
	assert_int_equal(err.line, line);
	assert_true(span_ends(span_str(err.file), SPAN("test_span.c")));
	assert_int_equal(err_prefix(&err, "queue %d", 7), -1);
	assert_string_equal(err.text, "queue 7: fsync draft");
	assert_int_equal(err.line, line);
	/* However long the words, the text stays within its room. */
	for (int i = 0; i < 50; i++)
		(void)err_prefix(&err, "%0200d", i);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	err_clear(&err);
	assert_int_equal(err.kind, ERR_NONE);
	assert_int_equal(err_set(NULL, ERR_TEMP, "nobody cares"), -1);
	assert_int_equal(err_prefix(NULL, "nobody cares"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ascii_table_is_the_grammar),
		cmocka_unit_test(test_take_u64),
		cmocka_unit_test(test_to_u64_wants_all_of_it),
		cmocka_unit_test(test_compare),
		cmocka_unit_test(test_search),
		cmocka_unit_test(test_trim_and_cut),
		cmocka_unit_test(test_buf_limit_is_sticky),
		cmocka_unit_test(test_buf_reserve_consume),
		cmocka_unit_test(test_err_carries_its_origin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
