/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/structure, content, addrlist, charset and encoded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/arena.h"
#include "common/buf.h"
#include "mime/addrlist.h"
#include "mime/charset.h"
#include "mime/content.h"
#include "mime/encoded.h"
#include "mime/header.h"
#include "mime/structure.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/*
 * A structure as text: "L" leaf, "M" message, "X" multipart, each with
 * "[body]" for leaves and "(children)" for the others.
 */
static void
draw(const struct mime_structure *s, struct span message, uint32_t i,
    struct buf *out)
{
	const struct mime_part *p = &s->parts[i];

	buf_append_octet(out, "LXM"[p->kind]);
	if (p->kind == MIME_LEAF) {
		buf_append_octet(out, '[');
		buf_append(out, mime_part_body(p, message));
		buf_append_octet(out, ']');
		return;
	}
	buf_append_octet(out, '(');
	for (uint32_t c = p->child; c != MIME_NONE; c = s->parts[c].next) {
		assert_int_equal(s->parts[c].parent, i);
		draw(s, message, c, out);
	}
	buf_append_octet(out, ')');
}

#define MULTI "Content-Type: multipart/mixed; boundary=b\r\n\r\n"

static void
test_structure(void **state)
{
	static const struct {
		struct span message;
		const char *drawn;
	} rows[] = {
		{ SPAN(""), "L[]" },
		{ SPAN("\r\n"), "L[]" },
		{ SPAN("body only\r\n"), "L[body only\r\n]" },
		{ SPAN("A: b\r\n\r\nx\r\n"), "L[x\r\n]" },
		{ SPAN("A: b\nC: d\n\nx\n"), "L[x\n]" },
		{ SPAN(MULTI "pre\r\n--b\r\n\r\none\r\n--b\r\nA: b\r\n\r\n"
			     "two\r\n--b--\r\npost"),
		    "X(L[one]L[two])" },
		/* The line end before a boundary is the boundary's. */
		{ SPAN(MULTI "--b\r\n\r\none\r\n\r\n--b--\r\n"),
		    "X(L[one\r\n])" },
		/* No empty line, no body, no closing. */
		{ SPAN(MULTI "--b\r\nA: b\r\n--b\r\n\r\n--b\r\n"),
		    "X(L[]L[]L[])" },
		{ SPAN(MULTI "no boundary at all\r\n"), "X()" },
		{ SPAN(MULTI "--b--\r\n--b\r\nx\r\n"), "X()" },
		{ SPAN("Content-Type: multipart/mixed\r\n\r\n--b\r\nx"),
		    "L[--b\r\nx]" },
		/* White space behind a boundary; another one that begins so. */
		{ SPAN(MULTI "--b \t\r\n\r\nx\r\n--b-- \r\n"), "X(L[x])" },
		/* An outer boundary ends inner parts. */
		{ SPAN(MULTI "--b\r\nContent-Type: multipart/x; "
			     "boundary=\"i n\"\r\n\r\n--i n\r\n\r\nx\r\n--b\r\n"
			     "\r\ny\r\n--b--"),
		    "X(X(L[x])L[y])" },
		/* The longest boundary wins. */
		{ SPAN(MULTI "--b\r\nContent-Type: multipart/x; "
			     "boundary=bb\r\n\r\n--bb\r\n\r\nx\r\n--bb--\r\n"
			     "--b--"),
		    "X(X(L[x]))" },
		{ SPAN("Content-Type: message/rfc822\r\n\r\n"
		       "Content-Type: text/plain\r\n\r\nx"),
		    "M(L[x])" },
		{ SPAN("Content-Type: multipart/digest; boundary=b\r\n\r\n"
		       "--b\r\n\r\nSubject: x\r\n\r\none\r\n--b\r\n"
		       "Content-Type: text/plain\r\n\r\ntwo\r\n--b--"),
		    "X(M(L[one])L[two])" },
		/* A boundary that looks like a field. */
		{ SPAN("Content-Type: multipart/x; boundary=\"=_a:b\"\r\n\r\n"
		       "--=_a:b\r\nA: b\r\n--=_a:b\r\n\r\nx\r\n--=_a:b--\r\n"),
		    "X(L[]L[x])" },
		{ SPAN("Content-Type: multipart/x; boundary=b\n\n--b\n\nx\n"
		       "--b--\n"),
		    "X(L[x])" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(mime_structure_fini)
		struct mime_structure s = { .count = 0 };
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 4096);
		assert_int_equal(
		    mime_structure_parse(rows[i].message, &s, NULL), 0);
		draw(&s, rows[i].message, 0, &out);
		assert_string_equal(buf_str(&out), rows[i].drawn);
	}
}

static void
test_structure_header_agrees(void **state)
{
	static const struct span rows[] = {
		SPAN("A: b\r\nFrom x\r\nC: d\r\n\r\nx"),
		SPAN("From x\r\nA: b\r\ntext\r\n\r\nmore"),
		SPAN("A: b\r\n folded\r\n\tmore\r\n"),
		SPAN("no field\r\nA: b\r\n\r\n"),
		SPAN("From x\r\nFrom y\r\nA: b\r\n\r\n"),
		SPAN("A: b\r\nFrom x\r\n"),
		SPAN("A : b\r\n\r\n"),
		SPAN("A: b"),
		SPAN(" x\r\nA: b\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(mime_structure_fini)
		struct mime_structure s = { .count = 0 };
		struct header_end end = header_end(rows[i]);

		assert_int_equal(mime_structure_parse(rows[i], &s, NULL), 0);
		assert_int_equal(s.parts[0].fields, end.fields);
		assert_int_equal(s.parts[0].body_at, end.body);
	}
}

static void
test_structure_limits(void **state)
{
	CLEANUP(buf_fini) struct buf deep;
	CLEANUP(buf_fini) struct buf wide;
	struct mime_structure s;
	unsigned depth = 0;

	(void)state;
	buf_init(&deep, 16 << 20);
	for (unsigned i = 0; i < 10000; i++)
		buf_append_fmt(&deep,
		    "Content-Type: multipart/mixed; boundary=b%u\r\n\r\n"
		    "--b%u\r\n",
		    i, i);
	assert_int_equal(mime_structure_parse(buf_span(&deep), &s, NULL), 0);
	for (uint32_t i = s.count - 1; i != MIME_NONE; i = s.parts[i].parent)
		depth++;
	assert_true(depth > 50 && depth <= MIME_DEPTH_MAX + 1);
	mime_structure_fini(&s);

	buf_init(&wide, 16 << 20);
	buf_append(&wide, SPAN(MULTI));
	for (unsigned i = 0; i < 30000; i++)
		buf_append(&wide, SPAN("--b\r\n\r\nx\r\n"));
	assert_int_equal(mime_structure_parse(buf_span(&wide), &s, NULL), 0);
	assert_int_equal(s.count, MIME_PARTS_MAX);
	mime_structure_fini(&s);

	/* Messages in messages. */
	buf_clear(&deep);
	for (unsigned i = 0; i < 10000; i++)
		buf_append(&deep, SPAN("Content-Type: message/rfc822\r\n\r\n"));
	assert_int_equal(mime_structure_parse(buf_span(&deep), &s, NULL), 0);
	assert_true(s.count <= MIME_DEPTH_MAX + 1);
	assert_int_equal(s.parts[s.count - 1].kind, MIME_LEAF);
	mime_structure_fini(&s);
}

static void
test_structure_lines(void **state)
{
	struct span message = SPAN(MULTI "--b\r\n\r\n1\r\n2\r\n3\r\n--b\r\n\r\n"
					 "\r\n--b--\r\n");
	struct mime_structure s;

	(void)state;
	assert_int_equal(mime_structure_parse(message, &s, NULL), 0);
	assert_int_equal(s.parts[0].lines, 9);
	assert_int_equal(s.parts[1].lines, 2);
	assert_int_equal(s.parts[2].lines, 0);
	mime_structure_fini(&s);
}

static void
test_content(void **state)
{
	static const struct {
		struct span value;
		const char *drawn;
	} rows[] = {
		{ SPAN(" text/plain"), "text/plain" },
		{ SPAN("text / plain ; charset = us-ascii"),
		    "text/plain charset=us-ascii" },
		{ SPAN("TEXT/HTML; charset=\"u\\\"t f\"; x=y (comment)"),
		    "TEXT/HTML charset=u\"t f x=y" },
		{ SPAN("(a (nested) b) text (c) / (d) plain(e);(f)a=b"),
		    "text/plain a=b" },
		{ SPAN("text/plain; =x; a; b=; c=\"d"), "text/plain b= c=d" },
		{ SPAN("text/plain; name*0=a; name*1=b"),
		    "text/plain name*0=a name*1=b" },
		{ SPAN("text/plain;\r\n charset=x"), "text/plain charset=x" },
		{ SPAN("text"), "/" },
		{ SPAN("text/"), "/" },
		{ SPAN(""), "/" },
		{ SPAN("text/plain; boundary==_a/b=;"),
		    "text/plain boundary==_a/b=" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		CLEANUP(buf_fini) struct buf out;
		struct mime_content c;

		arena_init(&a, 65536);
		buf_init(&out, 1000);
		assert_int_equal(
		    mime_content_type_parse(rows[i].value, &a, &c, NULL), 0);
		buf_append(&out, c.type);
		buf_append_octet(&out, '/');
		buf_append(&out, c.subtype);
		for (size_t j = 0; j < c.params_len; j++) {
			buf_append_octet(&out, ' ');
			buf_append(&out, c.params[j].name);
			buf_append_octet(&out, '=');
			buf_append(&out, c.params[j].value);
		}
		assert_string_equal(buf_str(&out), rows[i].drawn);
	}
}

static void
draw_text(struct buf *out, struct span s)
{
	buf_append(out, s.p == NULL ? SPAN("-") : s);
	buf_append_octet(out, '|');
}

static void
test_addresses(void **state)
{
	static const struct {
		struct span value;
		const char *drawn; /* name|route|local|domain|; */
	} rows[] = {
		{ SPAN(" a@b.c"), "-|-|a|b.c|;" },
		{ SPAN("Joe Q. Public <john.q.public@example.com>"),
		    "Joe Q. Public|-|john.q.public|example.com|;" },
		{ SPAN("\"Joe \\\"Q\\\"\" <j@e.f>, Mary <m@x.y>"),
		    "Joe \"Q\"|-|j|e.f|;Mary|-|m|x.y|;" },
		{ SPAN("A Group:Ed Jones <joe@where.test>,joe@where.test;"),
		    "{A Group}Ed Jones|-|joe|where.test|;-|-|joe|where.test|;"
		    "{}" },
		{ SPAN("Undisclosed recipients:;"),
		    "{Undisclosed recipients}{}" },
		{ SPAN("a@b (Some One)"), "Some One|-|a|b|;" },
		{ SPAN("<@r1,@r2:a@b>"), "-|@r1,@r2|a|b|;" },
		{ SPAN("\"quoted local\"@b"), "-|-|quoted local|b|;" },
		{ SPAN("a . b @ c . d"), "-|-|a.b|c.d|;" },
		{ SPAN("root"), "-|-|root|-|;" },
		{ SPAN("<>"), "-|-|-|-|;" },
		{ SPAN("=?utf-8?B?44GC?= <a@b>"), "=?utf-8?B?44GC?=|-|a|b|;" },
		{ SPAN("a@[127.0.0.1]"), "-|-|a|[127.0.0.1]|;" },
		{ SPAN(",, a@b ,,"), "-|-|a|b|;" },
		{ SPAN("a@b c@d"), "-|-|a|b|;-|-|c|d|;" },
		{ SPAN(""), "" },
		{ SPAN("()<<>>@@,,;;::\"\\"), NULL },
		{ SPAN("g: a@b"), "{g}-|-|a|b|;{}" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena a;
		CLEANUP(buf_fini) struct buf out;
		struct addrlist_item *item;

		arena_init(&a, 65536);
		buf_init(&out, 1000);
		assert_int_equal(
		    addrlist_parse(rows[i].value, &a, &item, NULL), 0);
		for (; item != NULL; item = item->next) {
			if (item->kind != ADDRLIST_MAILBOX) {
				buf_append_octet(&out, '{');
				buf_append(&out, item->name);
				buf_append_octet(&out, '}');
				continue;
			}
			draw_text(&out, item->name);
			draw_text(&out, item->route);
			draw_text(&out, item->local_part);
			draw_text(&out, item->domain);
			buf_append_octet(&out, ';');
		}
		if (rows[i].drawn != NULL)
			assert_string_equal(buf_str(&out), rows[i].drawn);
	}
}

static void
test_encoded_words(void **state)
{
	static const struct {
		struct span value;
		const char *utf8;
	} rows[] = {
		/* RFC 2047 section 8 */
		{ SPAN("=?US-ASCII?Q?Keith_Moore?="), "Keith Moore" },
		{ SPAN("=?ISO-8859-1?Q?a?= b"), "a b" },
		{ SPAN("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), "ab" },
		{ SPAN("=?ISO-8859-1?Q?a?=\r\n  =?ISO-8859-1?Q?b?="), "ab" },
		{ SPAN("=?ISO-8859-1?Q?a_b?="), "a b" },
		{ SPAN("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?="), "a b" },
		{ SPAN("=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?="),
		    "Patrik F\xc3\xa4ltstr\xc3\xb6m" },
		/* A character cut in two. */
		{ SPAN("=?utf-8?B?5Lw=?= =?utf-8?B?mg==?="), "\xe4\xbc\x9a" },
		{ SPAN("=?iso-2022-jp?B?GyRCMnE1RBsoQg==?="),
		    "\xe4\xbc\x9a\xe8\xad\xb0" },
		/* NEC row 13 under the standard's name. */
		{ SPAN("=?iso-2022-jp?B?GyRCLSEbKEI=?="), "\xe2\x91\xa0" },
		/* Each word ends in ASCII, so an escape follows another. */
		{ SPAN("=?iso-2022-jp?B?GyRCQEE1YRsoQg==?= "
		       "=?iso-2022-jp?B?GyRCPXEbKEI=?="),
		    "\xe8\xab\x8b\xe6\xb1\x82\xe6\x9b\xb8" },
		{ SPAN("=?shift_jis?B?h0A=?="), "\xe2\x91\xa0" },
		{ SPAN("=?x-not?Q?a=E4?= d"), "=?x-not?Q?a=E4?= d" },
		{ SPAN("=?utf-8?X?abc?="), "=?utf-8?X?abc?=" },
		{ SPAN("=?utf-8?Q?abc"), "=?utf-8?Q?abc" },
		{ SPAN("raw \xe4\xbc\x9a\r\n\tfolded"),
		    "raw \xe4\xbc\x9a\tfolded" },
		{ SPAN(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		assert_int_equal(
		    encoded_words_decode(rows[i].value, &out, NULL), 0);
		assert_string_equal(buf_str(&out), rows[i].utf8);
	}
}

static void
test_transfer_encodings(void **state)
{
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 1000);
	base64_decode_lenient(SPAN("aGVs\r\nbG8=\r\n d29y!bGQ="), &out);
	assert_string_equal(buf_str(&out), "helloworld");
	buf_clear(&out);
	quoted_printable_decode(SPAN("a=3Db=\r\nc= \t\r\nd=e9=zz=\r\n="), &out);
	assert_string_equal(buf_str(&out), "a=bcd\xe9=zz=");
}

static void
test_fold(void **state)
{
	static const struct {
		struct span text;
		const char *folded;
	} rows[] = {
		{ SPAN("Hello"), "hello" },
		{ SPAN("\xc3\x89\xc3\x9f"), "\xc3\xa9ss" },
		/* Full-width A, half-width katakana KA + voiced mark. */
		{ SPAN("\xef\xbc\xa1"), "a" },
		{ SPAN("\xef\xbd\xb6\xef\xbe\x9e"), "\xe3\x82\xac" },
		{ SPAN("\xff"), "\xef\xbf\xbd" },
		{ SPAN(""), "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		assert_int_equal(text_fold(rows[i].text, &out, NULL), 0);
		assert_string_equal(buf_str(&out), rows[i].folded);
	}
	assert_true(charset_known(SPAN("Shift_JIS")));
	assert_true(charset_known(SPAN("utf-8")));
	assert_false(charset_known(SPAN("x-not")));
}

static void
test_text_of_ours_is_encoded(void **state)
{
	static const struct {
		const char *text, *words, *name;
	} rows[] = {
		{ "Your mailbox", "Your mailbox", "\"Your mailbox\"" },
		{ "a \"b\" \\ c", "a \"b\" \\ c", "\"a \\\"b\\\" \\\\ c\"" },
		{ "\xe4\xbc\x9a", "=?UTF-8?B?5Lya?=", "=?UTF-8?B?5Lya?=" },
		/* It would be decoded. */
		{ "=?utf-8?Q?a?=", "=?UTF-8?B?PT91dGYtOD9RP2E/PQ==?=",
		    "=?UTF-8?B?PT91dGYtOD9RP2E/PQ==?=" },
		{ "", "", "\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		encoded_words_format(span_str(rows[i].text), &out);
		assert_string_equal(buf_str(&out), rows[i].words);
		buf_clear(&out);
		display_name_format(span_str(rows[i].text), &out);
		assert_string_equal(buf_str(&out), rows[i].name);
	}
}

/* Whatever its length: lines short enough, no character cut, and back. */
static void
test_long_text_of_ours_comes_back(void **state)
{
	char text[400];

	(void)state;
	for (size_t n = 0; n < 100; n++) {
		CLEANUP(buf_fini) struct buf out;
		CLEANUP(buf_fini) struct buf back;
		struct span lines, line;

		buf_init(&out, 2000);
		buf_init(&back, 1000);
		text[0] = '\0';
		for (size_t i = 0; i < n; i++)
			(void)strcat(text, i % 3 == 0 ? "a" : "\xe4\xbc\x9a");
		encoded_words_format(span_str(text), &out);
		assert_int_equal(buf_check(&out, NULL), 0);
		lines = buf_span(&out);
		while (span_take_until(&lines, '\n', &line))
			assert_true(line.len <= 77);
		assert_true(lines.len <= 76);
		assert_int_equal(
		    encoded_words_decode(buf_span(&out), &back, NULL), 0);
		assert_string_equal(buf_str(&back), text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure),
		cmocka_unit_test(test_structure_header_agrees),
		cmocka_unit_test(test_structure_limits),
		cmocka_unit_test(test_structure_lines),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_encoded_words),
		cmocka_unit_test(test_text_of_ours_is_encoded),
		cmocka_unit_test(test_long_text_of_ours_comes_back),
		cmocka_unit_test(test_transfer_encodings),
		cmocka_unit_test(test_fold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
