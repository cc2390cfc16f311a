/* SPDX-License-Identifier: BSD-2-Clause */
/* imapd/fetch: requests, sections, ENVELOPE and BODYSTRUCTURE; search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "imapd/fetch.h"
#include "imapd/known.h"
#include "imapd/search.h"
#include "imapd/search_text.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
test_request(void **state)
{
	static const struct {
		struct span in;
		size_t items; /* 0: refused */
		bool content, set_seen;
		size_t left;
	} rows[] = {
		{ SPAN("ALL"), 4, false, false, 0 },
		{ SPAN("full"), 5, false, false, 0 },
		{ SPAN("FAST"), 3, false, false, 0 },
		{ SPAN("FLAGS"), 1, false, false, 0 },
		{ SPAN("(FLAGS UID rfc822.size)"), 3, false, false, 0 },
		{ SPAN("RFC822"), 1, true, true, 0 },
		{ SPAN("RFC822.HEADER"), 1, false, false, 0 },
		{ SPAN("RFC822.TEXT"), 1, true, true, 0 },
		{ SPAN("BODY"), 1, false, false, 0 },
		{ SPAN("BODYSTRUCTURE"), 1, false, false, 0 },
		{ SPAN("BODY[]"), 1, true, true, 0 },
		{ SPAN("BODY.PEEK[1.2.MIME]<0.5>"), 1, true, false, 0 },
		{ SPAN("(BODY.PEEK[HEADER.FIELDS (To \"x y\")] UID)"), 2, false,
		    false, 0 },
		/* A macro stands alone. */
		{ SPAN("(ALL)"), 0, false, false, 5 },
		{ SPAN("ALL FLAGS"), 0, false, false, 9 },
		{ SPAN("()"), 0, false, false, 2 },
		{ SPAN("(FLAGS"), 0, false, false, 6 },
		{ SPAN("FLAGSX"), 0, false, false, 6 },
		{ SPAN("BODY.PEEK"), 0, false, false, 9 },
		{ SPAN("BODY[]<5>"), 0, false, false, 9 },
		{ SPAN("BODY[]<0.0>"), 0, false, false, 11 },
		{ SPAN("BODY[MIME]"), 0, false, false, 10 },
		{ SPAN("BODY[1..2]"), 0, false, false, 10 },
		{ SPAN("BODY[1.]"), 0, false, false, 8 },
		{ SPAN("BODY[0]"), 0, false, false, 7 },
		{ SPAN("BODY[TEXT.1]"), 0, false, false, 12 },
		{ SPAN("BODY[HEADER.FIELDS ()]"), 0, false, false, 22 },
		{ SPAN("UID[]"), 0, false, false, 5 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		struct fetch_request r = { .count = 0 };
		struct span in = rows[i].in;

		arena_init(&a, 1 << 20);
		assert_int_equal(fetch_request_parse(&in, &a, &r, NULL),
		    rows[i].items == 0 ? -1 : 0);
		assert_int_equal(in.len, rows[i].left);
		assert_int_equal(r.count, rows[i].items);
		assert_int_equal(r.content, rows[i].content);
		assert_int_equal(r.set_seen, rows[i].set_seen);
	}
}

static const struct span message = SPAN("Subject: outer\r\n"
					"Content-Type: multipart/mixed; "
					"boundary=b\r\n"
					"\r\n"
					"--b\r\n"
					"\r\n"
					"one\r\n"
					"--b\r\n"
					"Content-Type: message/rfc822\r\n"
					"\r\n"
					"Subject: inner\r\n"
					"Content-Type: multipart/mixed; "
					"boundary=c\r\n"
					"\r\n"
					"--c\r\n"
					"A: b\r\n"
					"\r\n"
					"deep\r\n"
					"--c--\r\n"
					"--b--\r\n");

static void
test_sections(void **state)
{
	static const struct {
		struct span section, octets;
	} rows[] = {
		{ SPAN("[1]"), SPAN("one") },
		{ SPAN("[1.MIME]"), SPAN("\r\n") },
		{ SPAN("[1.TEXT]"), SPAN("") },
		{ SPAN("[2.MIME]"),
		    SPAN("Content-Type: message/rfc822\r\n\r\n") },
		{ SPAN("[2.HEADER.FIELDS.NOT (Content-Type)]"),
		    SPAN("Subject: inner\r\n\r\n") },
		{ SPAN("[2.TEXT]"), SPAN("--c\r\nA: b\r\n\r\ndeep\r\n--c--") },
		{ SPAN("[2.1]"), SPAN("deep") },
		{ SPAN("[2.1.MIME]"), SPAN("A: b\r\n\r\n") },
		{ SPAN("[HEADER.FIELDS (subject X)]"),
		    SPAN("Subject: outer\r\n\r\n") },
		{ SPAN("[3]"), { NULL, 0 } },
		{ SPAN("[1.1]"), { NULL, 0 } },
		{ SPAN("[2.2]"), { NULL, 0 } },
		{ SPAN("[2.1.1]"), { NULL, 0 } },
	};
	struct mime_structure s;

	(void)state;
	assert_int_equal(mime_structure_parse(message, &s, NULL), 0);
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		CLEANUP(buf_fini) struct buf made;
		struct section section;
		struct span in = rows[i].section, out;

		arena_init(&a, 1 << 20);
		buf_init(&made, 10000);
		assert_int_equal(section_parse(&in, &a, &section, NULL), 0);
		out = section_find(&section, message, &s, &made);
		assert_true(span_eq(out, rows[i].octets));
		assert_int_equal(out.p == NULL, rows[i].octets.p == NULL);
		buf_clear(&made);
		section_write(&section, &made);
		/* Names come back in capitals. */
		assert_true(span_eq_nocase(buf_span(&made), rows[i].section));
	}
	mime_structure_fini(&s);
}

static void
test_bodystructure(void **state)
{
	static const struct {
		struct span message;
		bool extended;
		const char *drawn;
	} rows[] = {
		{ SPAN("\r\nx\r\n"), false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		    "\"7bit\" 3 1)" },
		{ SPAN("Content-Type: image/png; name=a\r\nContent-ID: <i>\r\n"
		       "Content-Description: d\r\n e\r\n"
		       "Content-Transfer-Encoding: BASE64 (c)\r\n"
		       "Content-MD5: m\r\nContent-Language: ja, en\r\n"
		       "Content-Location: l\r\n"
		       "Content-Disposition: inline; x=\"y z\"\r\n\r\nAAAA"),
		    true,
		    "(\"image\" \"png\" (\"name\" \"a\") \"<i>\" \"d e\" "
		    "\"BASE64\" 4 \"m\" (\"inline\" (\"x\" \"y z\")) "
		    "(\"ja\" \"en\") \"l\")" },
		{ SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n"),
		    false,
		    "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		    "\"7bit\" 0 0) \"mixed\")" },
		{ SPAN("Content-Type: multipart/mixed\r\n\r\nx\r\n"), false,
		    "(\"text\" \"plain\" NIL NIL NIL \"7bit\" 3 1)" },
		{ SPAN("Content-Type: nonsense\r\n\r\n"), false,
		    "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
		    "\"7bit\" 0 0)" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(mime_structure_fini)
		struct mime_structure s = { .count = 0 };
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 10000);
		assert_int_equal(
		    mime_structure_parse(rows[i].message, &s, NULL), 0);
		assert_int_equal(bodystructure_write(&s, rows[i].message,
				     rows[i].extended, &out, NULL),
		    0);
		assert_string_equal(buf_str(&out), rows[i].drawn);
	}
}

static void
test_envelope(void **state)
{
	static const struct {
		struct span fields;
		const char *drawn;
	} rows[] = {
		{ SPAN(""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)" },
		{ SPAN("Subject: a\r\n b\r\nSubject: second\r\nFrom: x\r\n"
		       "Sender:\r\nReply-To: <r@s>\r\n"),
		    "(NIL \"a b\" ((NIL NIL \"x\" \"MISSING_DOMAIN\")) "
		    "((NIL NIL \"x\" \"MISSING_DOMAIN\")) "
		    "((NIL NIL \"r\" \"s\")) NIL NIL NIL NIL NIL)" },
		{ SPAN("To: g: a@b;\r\nMessage-ID: <m\"\\>\r\n"
		       "Subject: \xe4\xbc\x9a\r\n"),
		    "(NIL {3}\r\n\xe4\xbc\x9a NIL NIL NIL ((NIL NIL \"g\" NIL)"
		    "(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL "
		    "\"<m\\\"\\\\>\")" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 10000);
		assert_int_equal(envelope_write(rows[i].fields, &out, NULL), 0);
		assert_string_equal(buf_str(&out), rows[i].drawn);
	}
}

static void
test_search_grammar(void **state)
{
	static const struct {
		struct span in;
		enum err_kind kind;
	} rows[] = {
		{ SPAN(" ALL"), ERR_NONE },
		{ SPAN(" 1:* (OR SEEN (NOT FROM \"x\" NEW)) uid 3"), ERR_NONE },
		{ SPAN(" CHARSET UTF-8 SUBJECT {3+}\r\nabc"), ERR_NONE },
		{ SPAN(" RETURN () CHARSET US-ASCII ALL"), ERR_NONE },
		{ SPAN(" RETURN (MIN COUNT) ALL"), ERR_NONE },
		{ SPAN(" CHARSET X-NOT ALL"), ERR_POLICY },
		{ SPAN(" RETURN (MIN"), ERR_SYNTAX },
		{ SPAN(""), ERR_SYNTAX },
		{ SPAN(" "), ERR_SYNTAX },
		{ SPAN(" OR SEEN"), ERR_SYNTAX },
		{ SPAN(" ALL ALL)"), ERR_SYNTAX },
		{ SPAN(" (ALL"), ERR_SYNTAX },
		{ SPAN(" ALL  ALL"), ERR_SYNTAX },
		{ SPAN(" HEADER x"), ERR_SYNTAX },
		{ SPAN(" ON 32-Jan-2020"), ERR_SYNTAX },
	};
	CLEANUP(buf_fini) struct buf deep;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		struct search_program p;
		struct span in = rows[i].in;
		struct err err = ERR_INIT;

		arena_init(&a, 1 << 20);
		assert_int_equal(search_parse(&in, &a, &p, &err),
		    rows[i].kind == ERR_NONE ? 0 : -1);
		assert_int_equal(err.kind, rows[i].kind);
		assert_int_equal(
		    in.len, rows[i].kind == ERR_NONE ? 0 : rows[i].in.len);
	}
	buf_init(&deep, 100000);
	for (int i = 0; i < 5000; i++)
		buf_append(&deep, SPAN(" NOT"));
	buf_append(&deep, SPAN(" ALL"));

	CLEANUP(arena_fini) struct arena a;
	struct span in = buf_span(&deep);
	struct search_program p;
	struct err err = ERR_INIT;

	arena_init(&a, 1 << 20);
	assert_int_equal(search_parse(&in, &a, &p, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_search_text(void **state)
{
	static const struct {
		struct span message, needle;
		bool body, text;
	} rows[] = {
		{ SPAN("Subject: Hello\r\n\r\nWorld\r\n"), SPAN("hello"), false,
		    true },
		{ SPAN("Subject: Hello\r\n\r\nWorld\r\n"), SPAN("world"), true,
		    true },
		{ SPAN("Subject: Hello\r\n\r\nWorld\r\n"), SPAN(""), true,
		    true },
		{ SPAN("Content-Transfer-Encoding: base64\r\n\r\n"
		       "SGVsbG8g\r\nV29ybGQ=\r\n"),
		    SPAN("hello world"), true, true },
		{ SPAN("Content-Transfer-Encoding: quoted-printable\r\n"
		       "Content-Type: text/x; charset=iso-8859-1\r\n\r\n"
		       "=C4pf=\r\nel\r\n"),
		    SPAN("\xc3\xa4pfel"), true, true },
		{ SPAN("Content-Type: image/x\r\n\r\nabc"), SPAN("abc"), false,
		    false },
		{ SPAN("Content-Type: text/x; charset=x-not\r\n\r\nabc\xe4"),
		    SPAN("abc"), true, true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(mime_structure_fini)
		struct mime_structure s = { .count = 0 };
		bool found;

		assert_int_equal(
		    mime_structure_parse(rows[i].message, &s, NULL), 0);
		assert_int_equal(message_has(rows[i].message, &s, false,
				     rows[i].needle, &found, NULL),
		    0);
		assert_int_equal(found, rows[i].body);
		assert_int_equal(message_has(rows[i].message, &s, true,
				     rows[i].needle, &found, NULL),
		    0);
		assert_int_equal(found, rows[i].text);
	}
}

/* A match may lie where one piece of a long text ends and the next begins. */
static void
test_search_across_pieces(void **state)
{
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(mime_structure_fini) struct mime_structure s = { .count = 0 };
	bool found;

	(void)state;
	buf_init(&text, 1 << 20);
	buf_append(&text, SPAN("A: b\r\n\r\n"));
	for (int i = 0; i < 40000; i++)
		buf_append_fmt(&text, "%07d\r\n", i);
	assert_int_equal(mime_structure_parse(buf_span(&text), &s, NULL), 0);
	for (int i = 0; i < 39999; i += 61) {
		char needle[32];

		(void)snprintf(
		    needle, sizeof(needle), "%07d\r\n%07d", i, i + 1);
		assert_int_equal(message_has(buf_span(&text), &s, false,
				     span_str(needle), &found, NULL),
		    0);
		assert_true(found);
	}
}

/* Octets of a field's value: words, folds, and what breaks words. */
static void
value_random(unsigned *seed, unsigned max, struct buf *out)
{
	static const char *const pieces[] = { "Hello", "hello", "WORLD", " ",
		"\r\n ", "\r\n\t",
		"=?utf-8?B?5Lya6K2w?=", "=?iso-2022-jp?B?GyRCMnE1RBsoQg==?=",
		"=?iso-8859-1?Q?=C4pfel?=", "=?x-not?Q?=C4?=", "\xe4",
		"\xc3\xa4", "\xef\xbd\xb1", "<a@b.example>", "=?", "?=", ",",
		"\"q\"", "\\" };
	unsigned count = (unsigned)rand_r(seed) % (max + 1);

	for (unsigned i = 0; i < count; i++)
		buf_append_str(
		    out, pieces[(unsigned)rand_r(seed) % ROWS(pieces)]);
	/* Now and then one that is too long to be kept. */
	for (unsigned i = rand_r(seed) % 40 == 0 ? 0 : 2000; i < 2000; i++)
		buf_append(out, SPAN("Long. "));
}

static void
header_random(unsigned *seed, struct buf *out)
{
	static const char *const names[] = { "Subject", "SUBJECT", "From", "To",
		"Cc", "Bcc", "Message-ID", "References", "List-Id", "Sender",
		"X-Other", "Reply-To", "In-Reply-To", "Date" };
	unsigned count = (unsigned)rand_r(seed) % 20;

	for (unsigned i = 0; i < count; i++) {
		buf_append_fmt(
		    out, "%s: ", names[(unsigned)rand_r(seed) % ROWS(names)]);
		value_random(seed, 12, out);
		buf_append(out, SPAN("\r\n"));
	}
}

/* What is kept of a header answers as the header does, or says to ask it. */
static void
test_known_fields(void **state)
{
	static const char *const asked[] = { "Subject", "from", "TO", "Cc",
		"Bcc", "Message-Id", "References", "List-Id", "Sender",
		"Reply-To", "In-Reply-To" };
	unsigned seed = 7, yes = 0, no = 0, ask = 0;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		CLEANUP(buf_fini) struct buf header = { .max = 1 << 20 };
		CLEANUP(buf_fini) struct buf needle = { .max = 1 << 20 };
		CLEANUP(buf_fini) struct buf folded = { .max = 1 << 20 };
		CLEANUP(buf_fini) struct buf made = { .max = 1 << 20 };
		const char *name = asked[(unsigned)rand_r(&seed) % ROWS(asked)];
		struct span fields;
		unsigned number;
		bool found;

		header_random(&seed, &header);
		value_random(&seed, 2, &needle);
		assert_int_equal(
		    search_value_fold(buf_span(&needle), &folded, NULL), 0);
		assert_int_equal(
		    known_fields_make(buf_span(&header), &made, NULL), 0);
		fields = buf_span(&made);
		assert_true(known_field_find(span_str(name), &number));
		assert_int_equal(header_has(buf_span(&header), span_str(name),
				     buf_span(&folded), &found, NULL),
		    0);
		switch (known_field_has(fields, number, buf_span(&folded))) {
		case KNOWN_YES:
			assert_true(found);
			yes++;
			break;
		case KNOWN_NO:
			assert_false(found);
			no++;
			break;
		case KNOWN_ASK:
			ask++;
			break;
		}
		assert_int_equal(
		    known_day(fields), header_day(buf_span(&header)));
	}
	assert_true(yes > 300 && no > 300 && ask > 3);
	assert_false(known_field_find(SPAN("X-Other"), &seed));
}

/* Fields of the record, and what a list of names needs to be read. */
static void
test_known_header(void **state)
{
	static const struct {
		struct span list;
		enum section_source source;
	} rows[] = {
		{ SPAN("[HEADER.FIELDS (From SUBJECT mime-version to)]"),
		    SECTION_OF_RECORD },
		{ SPAN("[HEADER.FIELDS (Auto-Submitted "
		       "X-Universally-Unique-Identifier Lines Date)]"),
		    SECTION_OF_RECORD },
		{ SPAN("[HEADER.FIELDS (From Received)]"), SECTION_OF_HEADER },
		{ SPAN("[HEADER.FIELDS (\"\")]"), SECTION_OF_HEADER },
		{ SPAN("[HEADER.FIELDS.NOT (From)]"), SECTION_OF_HEADER },
		{ SPAN("[HEADER]"), SECTION_OF_HEADER },
		{ SPAN("[1.HEADER]"), SECTION_OF_MESSAGE },
		{ SPAN("[1.MIME]"), SECTION_OF_MESSAGE },
		{ SPAN("[TEXT]"), SECTION_OF_MESSAGE },
		{ SPAN("[]"), SECTION_OF_MESSAGE },
	};
	CLEANUP(buf_fini) struct buf made = { .max = 1000 };

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		struct span in = rows[i].list;
		struct section section;

		arena_init(&a, 1 << 20);
		assert_int_equal(section_parse(&in, &a, &section, NULL), 0);
		assert_int_equal(section_source(&section), rows[i].source);
	}
	known_header_make(SPAN("Received: x\r\n y\r\nsubject: a\r\n b\r\n"
			       "X-Other: z\r\nTO: c"),
	    &made);
	assert_string_equal(buf_str(&made), "subject: a\r\n b\r\nTO: c\r\n");
}

static void
test_header_day(void **state)
{
	static const struct {
		struct span fields;
		int32_t day;
	} rows[] = {
		{ SPAN("Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"), 0 },
		{ SPAN("Date: Thu, 1 Jan 1970 23:59:59 -0900\r\n"), 0 },
		{ SPAN("date: 31 Dec 1969 00:00:00 +0900\r\n"), -1 },
		{ SPAN("Date: x\r\nDate: 1 Jan 1970 00:00 +0000\r\n"),
		    KNOWN_NO_DAY },
		{ SPAN("Subject: x\r\n"), KNOWN_NO_DAY },
		{ SPAN(""), KNOWN_NO_DAY },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		assert_int_equal(header_day(rows[i].fields), rows[i].day);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_sections),
		cmocka_unit_test(test_bodystructure),
		cmocka_unit_test(test_envelope),
		cmocka_unit_test(test_search_grammar),
		cmocka_unit_test(test_search_text),
		cmocka_unit_test(test_search_across_pieces),
		cmocka_unit_test(test_known_fields),
		cmocka_unit_test(test_known_header),
		cmocka_unit_test(test_header_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
