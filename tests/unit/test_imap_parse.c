/* SPDX-License-Identifier: BSD-2-Clause */
/* imapd/parse, imapd/date, imapd/sequence, imapd/pattern and common/arena. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/arena.h"
#include "imapd/command.h"
#include "imapd/parse.h"
#include "imapd/pattern.h"
#include "imapd/reply.h"
#include "imapd/sequence.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* What a row expects: the value, the error, the octets left. */
struct row {
	struct span in;
	enum err_kind kind;
	struct span out;
	size_t left;
};

typedef int parser(
    struct span *in, struct arena *a, struct span *out, struct err *err);

static void
check_rows(parser *parse, const struct row *rows, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		CLEANUP(arena_fini) struct arena a;
		struct span in = rows[i].in, out = SPAN("unset");
		struct err err = ERR_INIT;

		arena_init(&a, 65536);
		assert_int_equal(parse(&in, &a, &out, &err),
		    rows[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(in.len, rows[i].left);
		if (rows[i].kind == ERR_NONE)
			assert_true(span_eq(out, rows[i].out));
	}
}

static int
parse_tag(struct span *in, struct arena *a, struct span *out, struct err *err)
{
	(void)a;
	return imap_tag_parse(in, out, err);
}

static int
parse_atom(struct span *in, struct arena *a, struct span *out, struct err *err)
{
	(void)a;
	return imap_atom_parse(in, out, err);
}

static void
test_tag_and_atom(void **state)
{
	static const struct row tags[] = {
		{ SPAN("a001 NOOP"), ERR_NONE, SPAN("a001"), 5 },
		{ SPAN("]x NOOP"), ERR_NONE, SPAN("]x"), 5 },
		{ SPAN("+ NOOP"), ERR_SYNTAX, SPAN(""), 6 },
		{ SPAN("a+ NOOP"), ERR_NONE, SPAN("a"), 6 },
		{ SPAN(" NOOP"), ERR_SYNTAX, SPAN(""), 5 },
		{ SPAN(""), ERR_SYNTAX, SPAN(""), 0 },
		{ SPAN("* NOOP"), ERR_SYNTAX, SPAN(""), 6 },
	};
	static const struct row atoms[] = {
		{ SPAN("$Label1)"), ERR_NONE, SPAN("$Label1"), 1 },
		{ SPAN("a]b"), ERR_NONE, SPAN("a"), 2 },
		{ SPAN("a%b"), ERR_NONE, SPAN("a"), 2 },
		{ SPAN("\\Seen"), ERR_SYNTAX, SPAN(""), 5 },
		{ SPAN("\xe3\x81\x82"), ERR_SYNTAX, SPAN(""), 3 },
	};

	(void)state;
	check_rows(parse_tag, tags, ROWS(tags));
	check_rows(parse_atom, atoms, ROWS(atoms));
}

static void
test_strings(void **state)
{
	static const struct row rows[] = {
		{ SPAN("abc def"), ERR_NONE, SPAN("abc"), 4 },
		{ SPAN("a]b"), ERR_NONE, SPAN("a]b"), 0 },
		{ SPAN("\"\" x"), ERR_NONE, SPAN(""), 2 },
		{ SPAN("\"a b\"c"), ERR_NONE, SPAN("a b"), 1 },
		{ SPAN("\"a\\\"b\\\\c\""), ERR_NONE, SPAN("a\"b\\c"), 0 },
		{ SPAN("\"a\\bc\""), ERR_SYNTAX, SPAN(""), 6 },
		{ SPAN("\"abc"), ERR_SYNTAX, SPAN(""), 4 },
		{ SPAN("\"abc\\"), ERR_SYNTAX, SPAN(""), 5 },
		{ SPAN("\"a\r\nb\""), ERR_SYNTAX, SPAN(""), 6 },
		{ SPAN("\"a\0b\""), ERR_SYNTAX, SPAN(""), 5 },
		{ SPAN("{3}\r\nabcd"), ERR_NONE, SPAN("abc"), 1 },
		{ SPAN("{3+}\r\na\r\nd"), ERR_NONE, SPAN("a\r\n"), 1 },
		{ SPAN("{0}\r\n"), ERR_NONE, SPAN(""), 0 },
		{ SPAN("{4}\r\nabc"), ERR_SYNTAX, SPAN(""), 8 },
		{ SPAN("{99999999999999999999}\r\nabc"), ERR_SYNTAX, SPAN(""),
		    27 },
		{ SPAN("{}\r\n"), ERR_SYNTAX, SPAN(""), 4 },
		{ SPAN("{3}abc"), ERR_SYNTAX, SPAN(""), 6 },
		{ SPAN("(x"), ERR_SYNTAX, SPAN(""), 2 },
		{ SPAN(""), ERR_SYNTAX, SPAN(""), 0 },
	};

	(void)state;
	check_rows(imap_astring_parse, rows, ROWS(rows));
}

static int
parse_mailbox(
    struct span *in, struct arena *a, struct span *out, struct err *err)
{
	bool ok;

	if (imap_mailbox_parse(in, a, out, &ok, err) == -1)
		return -1;
	if (!ok)
		*out = SPAN("(no name)");
	return 0;
}

static void
test_mailbox(void **state)
{
	static const struct row rows[] = {
		{ SPAN("inBox x"), ERR_NONE, SPAN("INBOX"), 2 },
		{ SPAN("\"INBOX\""), ERR_NONE, SPAN("INBOX"), 0 },
		/* RFC 3501 section 5.1.3 */
		{ SPAN("\"~peter/mail/&U,BTFw-/&ZeVnLIqe-\""), ERR_NONE,
		    SPAN("~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/"
			 "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e"),
		    0 },
		{ SPAN("a&-b"), ERR_NONE, SPAN("a&b"), 0 },
		/* No modified UTF-7, but UTF-8: taken. */
		{ SPAN("\"\xe6\x97\xa5\""), ERR_NONE, SPAN("\xe6\x97\xa5"), 0 },
		{ SPAN("\"\xff\""), ERR_NONE, SPAN("(no name)"), 0 },
		{ SPAN("\"\""), ERR_NONE, SPAN("(no name)"), 0 },
		{ SPAN("a..b"), ERR_NONE, SPAN("(no name)"), 0 },
		{ SPAN("../x"), ERR_NONE, SPAN("(no name)"), 0 },
		{ SPAN("a//b"), ERR_NONE, SPAN("(no name)"), 0 },
		{ SPAN("%"), ERR_SYNTAX, SPAN(""), 1 },
	};

	(void)state;
	check_rows(parse_mailbox, rows, ROWS(rows));
}

static void
test_dates(void **state)
{
	static const struct {
		struct span in;
		bool ok;
		int32_t day;
	} dates[] = {
		{ SPAN("1-Jan-1970"), true, 0 },
		{ SPAN("01-Jan-1970"), true, 0 },
		{ SPAN("\"31-dec-1969\""), true, -1 },
		{ SPAN("29-Feb-2000"), true, 11016 },
		{ SPAN("29-Feb-1900"), false, 0 },
		{ SPAN("31-Apr-2020"), false, 0 },
		{ SPAN("0-Jan-2020"), false, 0 },
		{ SPAN("1-Foo-2020"), false, 0 },
		{ SPAN("1-Jan-20"), false, 0 },
		{ SPAN("\"1-Jan-2020"), false, 0 },
		{ SPAN(""), false, 0 },
	};
	static const struct {
		struct span in;
		bool ok;
		long long when;
	} times[] = {
		/* RFC 3501 section 6.3.11 */
		{ SPAN("\" 7-Feb-1994 21:52:25 -0800\""), true, 760686745 },
		{ SPAN("\"17-Jul-1996 02:44:25 -0700\""), true, 837596665 },
		{ SPAN("\"01-Jan-1970 00:00:00 +0000\""), true, 0 },
		{ SPAN("\"01-Jan-1970 24:00:00 +0000\""), false, 0 },
		{ SPAN("\"01-Jan-1970 00:00:00 +2400\""), false, 0 },
		{ SPAN("\"01-Jan-1970 00:00:00\""), false, 0 },
		{ SPAN("\"01-Jan-1970 00:00:00 +0000"), false, 0 },
		{ SPAN("01-Jan-1970 00:00:00 +0000"), false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(dates); i++) {
		struct span in = dates[i].in;
		int32_t day = 7;

		assert_int_equal(
		    imap_date_parse(&in, &day, NULL), dates[i].ok ? 0 : -1);
		assert_int_equal(day, dates[i].ok ? dates[i].day : 7);
		assert_int_equal(in.len, dates[i].ok ? 0 : dates[i].in.len);
	}
	for (size_t i = 0; i < ROWS(times); i++) {
		struct span in = times[i].in;
		time_t when = 7;

		assert_int_equal(imap_date_time_parse(&in, &when, NULL),
		    times[i].ok ? 0 : -1);
		assert_true(when == (times[i].ok ? times[i].when : 7));
	}
}

static void
test_sequence_sets(void **state)
{
	static const struct {
		struct span in;
		uint32_t largest;
		const char *resolved; /* NULL: refused */
		size_t left;
	} rows[] = {
		/* RFC 3501 section 9 */
		{ SPAN("2,4:7,9,12:* x"), 15, "2 4-7 9 12-15", 2 },
		{ SPAN("*:4,5:7"), 10, "4-10", 0 },
		{ SPAN("4:2"), 9, "2-4", 0 },
		{ SPAN("1,2,3,3:5,7"), 9, "1-5 7", 0 },
		{ SPAN("*"), 3, "3", 0 },
		{ SPAN("559:*"), 3, "3-559", 0 },
		{ SPAN("*"), 0, "", 0 },
		{ SPAN("1:*"), 0, "1", 0 },
		{ SPAN("4294967295"), 9, "4294967295", 0 },
		{ SPAN("1:4294967295,4294967294:*"), 9, "1-4294967295", 0 },
		{ SPAN("0"), 9, NULL, 1 },
		{ SPAN("1:0"), 9, NULL, 3 },
		{ SPAN("4294967296"), 9, NULL, 10 },
		{ SPAN("1,"), 9, NULL, 2 },
		{ SPAN(",1"), 9, NULL, 2 },
		{ SPAN("1:2:3"), 9, "1-2", 2 },
		{ SPAN(""), 9, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		CLEANUP(buf_fini) struct buf text;
		struct span in = rows[i].in;
		struct sequence_set set;
		int outcome;

		arena_init(&a, 65536);
		buf_init(&text, 4096);
		outcome = sequence_set_parse(&in, &a, &set, NULL);
		assert_int_equal(outcome, rows[i].resolved == NULL ? -1 : 0);
		assert_int_equal(in.len, rows[i].left);
		if (outcome == -1)
			continue;
		sequence_set_resolve(&set, rows[i].largest);
		for (size_t j = 0; j < set.count; j++) {
			const struct sequence_range *r = &set.ranges[j];

			buf_append_fmt(
			    &text, "%s%u", j == 0 ? "" : " ", r->first);
			if (r->last != r->first)
				buf_append_fmt(&text, "-%u", r->last);
			assert_true(sequence_set_has(&set, r->first));
			assert_true(sequence_set_has(&set, r->last));
			if (r->first > 1)
				assert_false(
				    sequence_set_has(&set, r->first - 1));
		}
		assert_string_equal(buf_str(&text), rows[i].resolved);
	}
}

static void
test_sequence_format(void **state)
{
	static const uint32_t numbers[] = { 1, 2, 3, 7, 9, 8, 9, 10 };
	CLEANUP(buf_fini) struct buf text;

	(void)state;
	buf_init(&text, 100);
	sequence_set_format(numbers, ROWS(numbers), &text);
	assert_string_equal(buf_str(&text), "1:3,7,9,8:10");
}

static void
test_patterns(void **state)
{
	static const struct {
		struct span pattern, name;
		bool match;
	} rows[] = {
		{ SPAN("*"), SPAN("a/b/c"), true },
		{ SPAN("%"), SPAN("a"), true },
		{ SPAN("%"), SPAN("a/b"), false },
		{ SPAN("%/%"), SPAN("a/b"), true },
		{ SPAN("a*c"), SPAN("a/b/c"), true },
		{ SPAN("a%c"), SPAN("abc"), true },
		{ SPAN("a%c"), SPAN("a/c"), false },
		{ SPAN("a%*c"), SPAN("ab/xc"), true },
		{ SPAN("a*%"), SPAN("a"), true },
		{ SPAN("a"), SPAN("A"), false },
		{ SPAN("inbox"), SPAN("INBOX"), true },
		{ SPAN("in%"), SPAN("INBOX"), true },
		{ SPAN(""), SPAN("a"), false },
		{ SPAN(""), SPAN(""), true },
		{ SPAN("*a*a*a*a*a*a*a*a*b"),
		    SPAN("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(pattern_match(rows[i].pattern, rows[i].name),
		    rows[i].match);
}

static void
test_flags(void **state)
{
	static const struct {
		struct span in;
		int outcome;
		uint64_t letters;
		size_t keywords, left;
	} rows[] = {
		{ SPAN("()"), 0, 0, 0, 0 },
		{ SPAN("(\\Seen \\dELETED)x"), 0,
		    MESSAGE_SEEN | MESSAGE_DELETED, 0, 1 },
		{ SPAN("($a \\Draft b)"), 0, MESSAGE_DRAFT, 2, 0 },
		{ SPAN("(\\Recent)"), -1, 0, 0, 0 },
		{ SPAN("(\\Seenx)"), -1, 0, 0, 0 },
		{ SPAN("(\\)"), -1, 0, 0, 0 },
		{ SPAN("(a  b)"), -1, 0, 0, 0 },
		{ SPAN("(a"), -1, 0, 0, 0 },
		{ SPAN("a"), -1, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		struct span in = rows[i].in;
		struct imap_flags flags;

		arena_init(&a, 65536);
		assert_int_equal(imap_flag_list_parse(&in, &a, &flags, NULL),
		    rows[i].outcome);
		if (rows[i].outcome == -1)
			continue;
		assert_true(flags.letters == rows[i].letters);
		assert_int_equal(flags.keyword_count, rows[i].keywords);
		assert_int_equal(in.len, rows[i].left);
	}
}

static void
test_literal_announced(void **state)
{
	static const struct {
		struct span line;
		bool is;
		uint64_t octets;
		bool synchronizing;
	} rows[] = {
		{ SPAN("a LOGIN {11}"), true, 11, true },
		{ SPAN("a LOGIN {0+}"), true, 0, false },
		{ SPAN("{x} {3}"), true, 3, true },
		{ SPAN("a {11} "), false, 0, false },
		{ SPAN("a {}"), false, 0, false },
		{ SPAN("a {1-}"), false, 0, false },
		{ SPAN("a 1}"), false, 0, false },
		{ SPAN("}"), false, 0, false },
		{ SPAN(""), false, 0, false },
		{ SPAN("{99999999999999999999}"), false, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct imap_announced l = { .octets = 7 };

		assert_int_equal(
		    imap_literal_announced(rows[i].line, &l), rows[i].is);
		if (!rows[i].is)
			continue;
		assert_true(l.octets == rows[i].octets);
		assert_int_equal(l.synchronizing, rows[i].synchronizing);
	}
}

static void
test_writing(void **state)
{
	static const struct {
		struct span s;
		const char *string, *astring;
	} rows[] = {
		{ SPAN("abc"), "\"abc\"", "abc" },
		{ SPAN(""), "\"\"", "\"\"" },
		{ SPAN("nil"), "\"nil\"", "\"nil\"" },
		{ SPAN("a b"), "\"a b\"", "\"a b\"" },
		{ SPAN("a\"\\"), "\"a\\\"\\\\\"", "\"a\\\"\\\\\"" },
		{ SPAN("a\r\nb"), "{4}\r\na\r\nb", "{4}\r\na\r\nb" },
		{ SPAN("\xc3\xa9"), "{2}\r\n\xc3\xa9", "{2}\r\n\xc3\xa9" },
	};
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 1000);
	for (size_t i = 0; i < ROWS(rows); i++) {
		buf_clear(&out);
		imap_string_write(&out, rows[i].s);
		assert_string_equal(buf_str(&out), rows[i].string);
		buf_clear(&out);
		imap_astring_write(&out, rows[i].s);
		assert_string_equal(buf_str(&out), rows[i].astring);
	}
	buf_clear(&out);
	imap_nstring_write(&out, SPAN_NONE);
	imap_date_time_write(&out, 760686745);
	imap_text_write(&out, SPAN("a]\r\nb"));
	assert_string_equal(
	    buf_str(&out), "NIL\" 8-Feb-1994 05:52:25 +0000\"a???b");
	buf_clear(&out);
	imap_mailbox_write(&out, SPAN("\xe6\x97\xa5 & x"));
	assert_string_equal(buf_str(&out), "\"&ZeU- &- x\"");
}

static void
test_arena(void **state)
{
	CLEANUP(arena_fini) struct arena a;
	struct err err = ERR_INIT;
	char *p, *q;

	(void)state;
	arena_init(&a, 20000);
	p = arena_take(&a, 1, &err);
	q = arena_take(&a, 10000, &err);
	assert_non_null(p);
	assert_non_null(q);
	assert_int_equal((uintptr_t)p % 16, 0);
	assert_int_equal((uintptr_t)q % 16, 0);
	for (size_t i = 0; i < 10000; i++)
		assert_int_equal(q[i], 0);
	assert_null(arena_take(&a, 10000, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_null(arena_array(&a, SIZE_MAX / 2, 4, &err));
	assert_int_equal(err.kind, ERR_LIMIT);
	arena_fini(&a);
	assert_non_null(arena_take(&a, 20000 - 16, &err));
	assert_true(span_eq(arena_copy(&a, SPAN(""), &err), SPAN("")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arena),
		cmocka_unit_test(test_tag_and_atom),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_sequence_sets),
		cmocka_unit_test(test_sequence_format),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_literal_announced),
		cmocka_unit_test(test_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
