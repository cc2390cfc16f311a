/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/subject, mime/msgid, text_casemap, imapd/known_sort, imapd/thread_link.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "imapd/known.h"
#include "imapd/thread_link.h"
#include "mime/charset.h"
#include "mime/msgid.h"
#include "mime/subject.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* RFC 5256 section 2.1 and the grammar of section 5. */
static void
subjects(void **state)
{
	static const struct {
		const char *subject, *base;
		bool reply;
	} rows[] = {
		{ "", "", false },
		{ "hello", "hello", false },
		{ " \t hello \r\n  world ", "hello world", false },
		{ "Re: hello", "hello", true },
		{ "RE : hello", "hello", true },
		{ "re:", "", true },
		{ "Regarding: hello", "Regarding: hello", false },
		{ "Fw: hello", "hello", true },
		{ "Fwd: hello", "hello", true },
		{ "fwdd: hello", "fwdd: hello", false },
		{ "Re[2]: hello", "hello", true },
		{ "Re [a b] : hello", "hello", true },
		{ "Re: [list] Re: hello", "hello", true },
		{ "[list] hello", "hello", false },
		{ "[a] [b] hello", "hello", false },
		{ "[a][b]", "[b]", false },
		{ "[a]", "[a]", false },
		{ "[a] ", "[a]", false },
		{ "Re: [a]", "[a]", true },
		{ "[a [b] hello", "[a [b] hello", false },
		{ "[a]Re: hello", "hello", true },
		{ "[a][b] fw: [c] hello", "hello", true },
		{ "hello (fwd)", "hello", true },
		{ "hello (FWD) (fwd) ", "hello", true },
		{ "(fwd)", "", true },
		{ "[fwd: hello]", "hello", true },
		{ "[Fwd: Re: hello (fwd)]", "hello", true },
		{ "[fwd: [fwd: hello]]", "hello", true },
		{ "[fwd: hello", "[fwd: hello", false },
		{ "[fwd:]", "", true },
		{ "Re: Re: Re: a", "a", true },
		{ "hello [list]", "hello [list]", false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char text[100];
		struct span base;
		bool reply;

		(void)snprintf(text, sizeof(text), "%s", rows[i].subject);
		base = subject_base(text, strlen(text), &reply);
		if (!span_eq(base, span_str(rows[i].base)) ||
		    reply != rows[i].reply)
			fail_msg("\"%s\": \"%.*s\" %d", rows[i].subject,
			    SPAN_FMT(base), reply);
	}
}

/* Time in proportion, whatever the brackets. */
static void
subject_long(void **state)
{
	static char text[3 * 300000 + 8];
	struct span base;
	bool reply;

	(void)state;
	for (size_t i = 0; i < 300000; i++)
		memcpy(text + 3 * i, "[] ", 3);
	base = subject_base(text, 3 * 300000, &reply);
	assert_true(span_eq(base, SPAN("[]")));
	for (size_t i = 0; i < 900000; i++)
		text[i] = '[';
	base = subject_base(text, 900000, &reply);
	assert_int_equal(base.len, 900000);
}

static void
msgids(void **state)
{
	static const struct {
		const char *in, *ids;
	} rows[] = {
		{ "", "" },
		{ "<a@b>", "a@b," },
		{ " <a@b>\r\n <c@d> ", "a@b,c@d," },
		/* RFC 5256 section 3 */
		{ "<\"01KF8JCEOCBS0045PS\"@xxx.yyy.com>",
		    "01KF8JCEOCBS0045PS@xxx.yyy.com," },
		{ "<\"a\\\"b\"@c>", "a\"b@c," },
		{ "< a . b @ c >", "a.b@c," },
		{ "<a(comment (inner) \\) )@b>", "a@b," },
		{ "Your message of today <a@b> said", "a@b," },
		{ "<a><b@c>", "b@c," },
		{ "<a<b@c>", "b@c," },
		{ "<@b><a@><@>", "" },
		{ "<a@[192.0.2.1]>", "a@[192.0.2.1]," },
		{ "<a@b", "" },
		{ "<\"a@b>", "" },
		{ "<a@b(c>", "" },
		{ "a@b", "" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf ids;
		struct span in = span_str(rows[i].in);

		buf_init(&ids, 1000);
		while (msgid_next(&in, &ids))
			buf_append_octet(&ids, ',');
		assert_string_equal(buf_str(&ids), rows[i].ids);
	}
}

/* RFC 5051 section 2. */
static void
casemap(void **state)
{
	static const char *const rows[][2] = {
		{ "abcXYZ019_[", "ABCXYZ019_[" },
		{ "\xc3\xa9", "E\xcc\x81" }, /* e acute */
		{ "\xef\xbd\x81", "A" },     /* fullwidth a */
		{ "\xe3\x81\x8c", "\xe3\x81\x8b\xe3\x82\x99" }, /* ga */
		{ "\xff", "\xef\xbf\xbd" },                     /* no UTF-8 */
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;
		struct err err = ERR_INIT;

		buf_init(&out, 100);
		assert_int_equal(
		    text_casemap(span_str(rows[i][0]), &out, &err), 0);
		assert_string_equal(buf_str(&out), rows[i][1]);
	}
}

/* ---- the record ---- */

static void
record(void **state)
{
	struct known_source source = { .date = 1000,
		.fields = SPAN("Date: Thu, 1 Jan 1970 09:00:10 +0900\r\n"
			       "Subject: =?utf-8?q?Re:_caf=C3=A9?=\r\n"
			       "From: =?utf-8?q?J=C3=BCrgen?= <j@a.example>\r\n"
			       "To: \"x\"@b.example, y@c.example\r\n"
			       "Cc: team: z@d.example;\r\n"
			       "Message-ID: <1@x>\r\n"
			       "References: <2@x> nonsense <3@x>\r\n"
			       "In-Reply-To: <4@x>\r\n") };
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;
	struct known_sort k;

	(void)state;
	buf_init(&out, 10000);
	assert_int_equal(known_sort_make(&source, &out, &err), 0);
	assert_true(known_sort_parse(buf_span(&out), &k));
	assert_int_equal(k.date, 1000);
	assert_int_equal(k.sent, 10);
	assert_true(k.reply);
	assert_true(span_eq(k.subject, SPAN("CAFE\xcc\x81")));
	assert_true(span_eq(k.from, SPAN("J")));
	assert_true(span_eq(k.to, SPAN("X")));
	assert_true(span_eq(k.cc, SPAN("TEAM")));
	assert_true(span_eq(k.display_from, SPAN("JU\xcc\x88RGEN")));
	assert_true(span_eq(k.display_to, SPAN("X@B.EXAMPLE")));
	assert_int_equal(k.message_id.len, KNOWN_ID);
	assert_int_equal(k.references.len, 2 * KNOWN_ID);
	for (size_t i = 0; i < out.len - 2 * KNOWN_ID; i++)
		assert_false(
		    known_sort_parse(span_first(buf_span(&out), i), &k));

	/* Nothing at all. */
	source.fields = SPAN("");
	buf_clear(&out);
	assert_int_equal(known_sort_make(&source, &out, &err), 0);
	assert_true(known_sort_parse(buf_span(&out), &k));
	assert_int_equal(k.sent, 1000);
	assert_int_equal(k.message_id.len + k.references.len + k.from.len, 0);
}

/* ---- threads ---- */

/* Ids are letters. */
struct line {
	const char *id, *references, *subject;
	bool reply;
	int date;
};

static struct span
id_of(char *room, const char *letters)
{
	size_t len = strlen(letters);

	for (size_t i = 0; i < len; i++)
		memset(room + i * KNOWN_ID, letters[i], KNOWN_ID);
	return span_of(room, len * KNOWN_ID);
}

static void
write_node(const struct thread *t, uint32_t n, struct buf *out)
{
	buf_append_octet(out, '(');
	if (n < t->messages)
		buf_append_u64(out, n + 1);
	for (uint32_t c = t->nodes[n].child; c != THREAD_NONE;
	     c = t->nodes[c].next) {
		assert_int_equal(t->nodes[c].parent, n);
		write_node(t, c, out);
	}
	buf_append_octet(out, ')');
}

static void
check_thread(enum thread_algorithm algorithm, const struct line *lines,
    uint32_t count, const char *wanted)
{
	static char rooms[20][2][20 * KNOWN_ID];
	CLEANUP(arena_fini) struct arena a;
	CLEANUP(buf_fini) struct buf out;
	struct thread_message messages[20];
	struct err err = ERR_INIT;
	struct thread t;

	arena_init(&a, 1000000);
	buf_init(&out, 1000);
	for (uint32_t i = 0; i < count; i++) {
		messages[i] = (struct thread_message){
			.message_id = id_of(rooms[i][0], lines[i].id),
			.references = id_of(rooms[i][1], lines[i].references),
			.subject = span_str(lines[i].subject),
			.reply = lines[i].reply,
			.date = lines[i].date,
		};
	}
	assert_int_equal(
	    thread_link(algorithm, messages, count, &a, &t, &err), 0);
	for (uint32_t n = t.root; n != THREAD_NONE; n = t.nodes[n].next)
		write_node(&t, n, &out);
	assert_string_equal(buf_str(&out), wanted);
}

static void
threads(void **state)
{
	static const struct line chain[] = {
		{ "c", "ab", "s", true, 3 },
		{ "a", "", "s", false, 1 },
		{ "b", "a", "s", true, 2 },
	};
	static const struct line missing[] = {
		{ "b", "a", "one", false, 1 },
		{ "c", "a", "two", false, 2 },
		{ "e", "d", "three", false, 3 },
	};
	/* References in a ring, to oneself, and ids used twice. */
	static const struct line loops[] = {
		{ "a", "b", "1", false, 1 },
		{ "b", "a", "2", false, 2 },
		{ "c", "c", "3", false, 3 },
		{ "a", "", "4", false, 4 },
		{ "", "a", "5", false, 5 },
	};
	static const struct line subjects[] = {
		{ "a", "", "s", true, 1 },
		{ "b", "", "s", false, 2 },
		{ "c", "", "s", false, 3 },
		{ "d", "", "", false, 4 },
		{ "e", "", "", false, 5 },
	};
	/* A truncated References: the direct parent wins. */
	static const struct line truncated[] = {
		{ "a", "", "1", false, 1 },
		{ "x", "ac", "2", false, 2 },
		{ "c", "b", "3", false, 3 },
		{ "b", "a", "4", false, 4 },
	};
	static const struct line two_dummies[] = {
		{ "b", "a", "s", true, 1 },
		{ "c", "a", "s", true, 2 },
		{ "e", "d", "s", true, 3 },
		{ "f", "d", "s", true, 4 },
		{ "g", "", "s", true, 5 },
	};
	static const struct line newest[] = {
		{ "a", "", "1", false, 1 },
		{ "b", "", "2", false, 2 },
		{ "c", "a", "3", false, 3 },
	};

	(void)state;
	check_thread(THREAD_REFERENCES, chain, 3, "(2(3(1)))");
	check_thread(THREAD_ORDEREDSUBJECT, chain, 3, "(2(3)(1))");
	check_thread(THREAD_REFERENCES, missing, 3, "((1)(2))(3)");
	check_thread(THREAD_REFERENCES, loops, 5, "(2(1(5)))(3)(4)");
	check_thread(THREAD_REFERENCES, subjects, 5, "((2(1))(3))(4)(5)");
	check_thread(THREAD_REFS, subjects, 5, "(1)(2)(3)(4)(5)");
	check_thread(THREAD_REFERENCES, truncated, 4, "(1(4(3(2))))");
	check_thread(THREAD_REFERENCES, two_dummies, 5, "((1)(2)(3)(4)(5))");
	check_thread(THREAD_REFS, newest, 3, "(2)(1(3))");
	check_thread(THREAD_ORDEREDSUBJECT, subjects, 5, "(1(2)(3))(4(5))");
	check_thread(THREAD_REFERENCES, NULL, 0, "");
	check_thread(THREAD_ORDEREDSUBJECT, NULL, 0, "");
	check_thread(THREAD_REFS, NULL, 0, "");
}

/* A chain of 100,000 answers that comes in the worst order. */
static void
thread_deep(void **state)
{
	enum {
		COUNT = 100000
	};
	static struct thread_message messages[COUNT];
	static char ids[COUNT + 1][KNOWN_ID];
	CLEANUP(arena_fini) struct arena a;
	struct err err = ERR_INIT;
	struct thread t;
	uint32_t depth = 0;

	(void)state;
	arena_init(&a, 256 * 1024 * 1024);
	for (uint32_t i = 0; i <= COUNT; i++)
		memcpy(ids[i], &i, sizeof(i));
	for (uint32_t i = 0; i < COUNT; i++)
		messages[i] = (struct thread_message){
			.message_id = span_of(ids[COUNT - i], KNOWN_ID),
			.references = span_of(ids[COUNT - i - 1], KNOWN_ID),
			.date = i,
		};
	assert_int_equal(
	    thread_link(THREAD_REFERENCES, messages, COUNT, &a, &t, &err), 0);
	for (uint32_t n = t.root; n != THREAD_NONE; n = t.nodes[n].child)
		depth++;
	assert_int_equal(depth, COUNT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subjects),
		cmocka_unit_test(subject_long),
		cmocka_unit_test(msgids),
		cmocka_unit_test(casemap),
		cmocka_unit_test(record),
		cmocka_unit_test(threads),
		cmocka_unit_test(thread_deep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
