/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/address and mime/xtext. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "mime/address.h"
#include "mime/xtext.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

#define L64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define L63 "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

enum {
	REVERSE,
	FORWARD
};

static const struct {
	struct span in;
	int which;
	unsigned flags;
	enum err_kind kind;
	const char *local_part, *domain;
	size_t left;
} paths[] = {
	{ SPAN("<a@b.example>"), FORWARD, 0, ERR_NONE, "a", "b.example", 0 },
	{ SPAN("<a@b> SIZE=1"), REVERSE, 0, ERR_NONE, "a", "b", 7 },
	{ SPAN("<>"), REVERSE, 0, ERR_NONE, "", "", 0 },
	{ SPAN("<>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 2 },
	{ SPAN("<PostMaster>"), FORWARD, 0, ERR_NONE, "PostMaster", "", 0 },
	{ SPAN("<postmaster>"), REVERSE, 0, ERR_SYNTAX, NULL, NULL, 12 },
	{ SPAN("<abuse>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 7 },
	/* source routes */
	{ SPAN("<@x.example,@y:a@b>"), FORWARD, 0, ERR_NONE, "a", "b", 0 },
	{ SPAN("<@x:postmaster>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 15 },
	{ SPAN("<@x,y:a@b>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 10 },
	{ SPAN("<@:a@b>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 7 },
	{ SPAN("<@x a@b>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 8 },
	/* quoted local parts keep their quotes */
	{ SPAN("<\"a b\"@c>"), FORWARD, 0, ERR_NONE, "\"a b\"", "c", 0 },
	{ SPAN("<\"a>\\\"@b\"@c>"), FORWARD, 0, ERR_NONE, "\"a>\\\"@b\"", "c",
	    0 },
	{ SPAN("<\"\"@c>"), FORWARD, 0, ERR_NONE, "\"\"", "c", 0 },
	{ SPAN("<\"a@c>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	{ SPAN("<\"a\"b@c>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 8 },
	{ SPAN("<\"a\r\"@c>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 8 },
	{ SPAN("<\"a\\\0\"@c>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 9 },
	/* dots as Japanese carriers gave them out */
	{ SPAN("<a..b.@c>"), FORWARD, 0, ERR_NONE, "a..b.", "c", 0 },
	/* what relays have been fooled with is opaque or refused */
	{ SPAN("<u%d@c>"), FORWARD, 0, ERR_NONE, "u%d", "c", 0 },
	{ SPAN("<d!u@c>"), FORWARD, 0, ERR_NONE, "d!u", "c", 0 },
	{ SPAN("<u@d@c>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 7 },
	{ SPAN("<\"u@d\">"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 7 },
	{ SPAN("<u@d.>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	{ SPAN("<u@d >"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	{ SPAN("< u@d>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	{ SPAN("<u(c)@d>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 8 },
	{ SPAN("<u@d..e>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 8 },
	{ SPAN("<u@-d>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	{ SPAN("u@d"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 3 },
	{ SPAN("<u@d"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 4 },
	{ SPAN(""), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 0 },
	{ SPAN("<u@a_b.example>"), REVERSE, 0, ERR_NONE, "u", "a_b.example",
	    0 },
	/* address literals */
	{ SPAN("<u@[192.0.2.1]>"), FORWARD, 0, ERR_NONE, "u", "[192.0.2.1]",
	    0 },
	{ SPAN("<u@[IPv6:2001:db8::1]>"), FORWARD, 0, ERR_NONE, "u",
	    "[IPv6:2001:db8::1]", 0 },
	{ SPAN("<u@[x-tag:ab]>"), FORWARD, 0, ERR_NONE, "u", "[x-tag:ab]", 0 },
	{ SPAN("<u@[192.0.2.256]>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 17 },
	{ SPAN("<u@[192.0.2.1>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 14 },
	{ SPAN("<u@[]>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 6 },
	/* lengths */
	{ SPAN("<" L64 "@b>"), FORWARD, 0, ERR_NONE, L64, "b", 0 },
	{ SPAN("<" L64 "a@b>"), FORWARD, 0, ERR_LIMIT, NULL, NULL, 69 },
	{ SPAN("<" L64 "a@b>"), REVERSE, MAILADDR_LONG_LOCAL, ERR_NONE, L64 "a",
	    "b", 0 },
	{ SPAN("<a@" L63 "." L63 "." L63 "." L63 ">"), FORWARD, 0, ERR_LIMIT,
	    NULL, NULL, 259 },
	{ SPAN("<a@" L63 "." L63 "." L63 "." L63 "." L63 ">"), FORWARD, 0,
	    ERR_LIMIT, NULL, NULL, 323 },
	{ SPAN("<a@" L63 "d.example>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL,
	    76 },
	/* UTF-8 only where it is allowed, and only well-formed */
	{ SPAN("<\xe9\xa3\x9b@b>"), FORWARD, 0, ERR_SYNTAX, NULL, NULL, 7 },
	{ SPAN("<\xe9\xa3\x9b@b>"), FORWARD, MAILADDR_UTF8, ERR_NONE,
	    "\xe9\xa3\x9b", "b", 0 },
	{ SPAN("<\xc0\xaf@b>"), FORWARD, MAILADDR_UTF8, ERR_SYNTAX, NULL, NULL,
	    6 },
	{ SPAN("<a@\xed\xa0\x80>"), FORWARD, MAILADDR_UTF8, ERR_SYNTAX, NULL,
	    NULL, 7 },
};

static void
test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(paths); i++) {
		struct span in = paths[i].in;
		struct mailaddr got = { SPAN("x"), SPAN("y") };
		struct err err = ERR_INIT;
		int result =
		    paths[i].which == REVERSE
			? reverse_path_parse(&in, paths[i].flags, &got, &err)
			: forward_path_parse(&in, paths[i].flags, &got, &err);
		const char *local = paths[i].local_part, *domain;

		domain = local == NULL ? "y" : paths[i].domain;
		local = local == NULL ? "x" : local;
		if (err.kind != paths[i].kind ||
		    (result == 0) != (err.kind == ERR_NONE) ||
		    in.len != paths[i].left ||
		    !span_eq(got.local_part, span_str(local)) ||
		    !span_eq(got.domain, span_str(domain)))
			fail_msg("row %zu: %s, %zu left", i, err.text, in.len);
	}
}

static void
test_same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "a@b.example", "a@B.Example", true },
		{ "a@b", "A@b", false },
		{ "\"a\"@b", "a@b", true },
		{ "\"\\a\\b\"@b", "ab@b", true },
		{ "\"a b\"@b", "\"a\\ b\"@b", true },
		{ "a@b", "a@c", false },
		{ "ab@b", "a@b", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct mailaddr a, b;

		assert_int_equal(
		    mailaddr_parse(span_str(rows[i].a), 0, &a, NULL), 0);
		assert_int_equal(
		    mailaddr_parse(span_str(rows[i].b), 0, &b, NULL), 0);
		assert_int_equal(mailaddr_same(a, b), rows[i].same);
		assert_int_equal(mailaddr_same(b, a), rows[i].same);
	}
}

static void
test_unquote_and_format(void **state)
{
	CLEANUP(buf_fini) struct buf out;
	struct mailaddr a;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(
	    mailaddr_parse(SPAN("\"a\\\" b\"@c.example"), 0, &a, NULL), 0);
	mailaddr_unquote(a.local_part, &out);
	assert_string_equal(buf_str(&out), "a\" b");
	buf_clear(&out);
	mailaddr_format(a, &out);
	assert_string_equal(buf_str(&out), "\"a\\\" b\"@c.example");
	buf_clear(&out);
	mailaddr_format(
	    (struct mailaddr){ SPAN("postmaster"), SPAN("") }, &out);
	assert_string_equal(buf_str(&out), "postmaster");
}

static void
test_utf8(void **state)
{
	static const struct {
		struct span text;
		bool valid;
	} rows[] = {
		{ SPAN(""), true },
		{ SPAN("a\xc3\xa4\xe9\xa3\x9b\xf0\x9f\x93\xa7"), true },
		{ SPAN("\xf4\x8f\xbf\xbf"), true },
		{ SPAN("\xf4\x90\x80\x80"), false },
		{ SPAN("\xe0\x80\x80"), false },
		{ SPAN("\xf0\x80\x80\x80"), false },
		{ SPAN("\x80"), false },
		{ SPAN("\xe9\xa3"), false },
		{ SPAN("\xc2\x85"), false },
		{ SPAN("\x1b"), false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(utf8_valid(rows[i].text), rows[i].valid);
}

static void
test_xtext(void **state)
{
	static const struct {
		struct span text;
		enum err_kind kind;
		const char *octets;
	} rows[] = {
		{ SPAN("abc"), ERR_NONE, "abc" },
		{ SPAN("a+2Bb+3Dc+20"), ERR_NONE, "a+b=c " },
		{ SPAN("+e9"), ERR_NONE, "\xe9" },
		{ SPAN("+0D+0A"), ERR_POLICY, "" },
		{ SPAN("a+00"), ERR_POLICY, "" },
		{ SPAN("+2"), ERR_SYNTAX, "" },
		{ SPAN("+GG"), ERR_SYNTAX, "" },
		{ SPAN("a=b"), ERR_SYNTAX, "" },
		{ SPAN("a b"), ERR_SYNTAX, "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;
		struct err err = ERR_INIT;

		buf_init(&out, 100);
		(void)xtext_decode(rows[i].text, &out, &err);
		assert_int_equal(err.kind, rows[i].kind);
		assert_string_equal(buf_str(&out), rows[i].octets);
	}
}

static void
test_xtext_is_its_own_inverse(void **state)
{
	char all[256 - 33];
	CLEANUP(buf_fini) struct buf text, back;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (char)(i + 32 + (i + 32 >= 127));
	buf_init(&text, 1000);
	buf_init(&back, 1000);
	xtext_encode(span_of(all, sizeof(all)), &text);
	assert_int_equal(xtext_decode(buf_span(&text), &back, NULL), 0);
	assert_true(span_eq(buf_span(&back), span_of(all, sizeof(all))));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_unquote_and_format),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_xtext),
		cmocka_unit_test(test_xtext_is_its_own_inverse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
