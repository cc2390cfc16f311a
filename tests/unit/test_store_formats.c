/* SPDX-License-Identifier: BSD-2-Clause */
/* File names, dovecot-uidlist, dovecot-keywords, names of mailboxes, views. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "store/filename.h"
#include "store/keywords.h"
#include "store/list.h"
#include "store/message.h"
#include "store/name.h"
#include "store/subscriptions.h"
#include "store/uidlist.h"
#include "store/view_edit.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))
#define UNKNOWN MESSAGE_SIZE_UNKNOWN
#define ID "0123456789abcdef0123456789abcdef"

static void
test_filename(void **state)
{
	static const struct {
		struct span name;
		bool good;
		const char *base;
		uint64_t letters, physical, virtual;
	} rows[] = {
		{ SPAN("1.M2P3.h,S=12,W=13:2,FS"), true, "1.M2P3.h,S=12,W=13",
		    MESSAGE_FLAGGED | MESSAGE_SEEN, 12, 13 },
		{ SPAN("1.M2P3.h"), true, "1.M2P3.h", 0, UNKNOWN, UNKNOWN },
		{ SPAN("1,S=12x,W=1"), true, "1,S=12x,W=1", 0, UNKNOWN, 1 },
		{ SPAN("1,S=,W=99999999999999999999999"), true,
		    "1,S=,W=99999999999999999999999", 0, UNKNOWN, UNKNOWN },
		{ SPAN("1,S=5:2,Sa,extra"), true, "1,S=5",
		    MESSAGE_SEEN | MESSAGE_KEYWORD(0), 5, UNKNOWN },
		{ SPAN("1:1,S"), true, "1", 0, UNKNOWN, UNKNOWN },
		{ SPAN(""), false, NULL, 0, 0, 0 },
		{ SPAN(".hidden"), false, NULL, 0, 0, 0 },
		{ SPAN(":2,S"), false, NULL, 0, 0, 0 },
		{ SPAN("a\nb"), false, NULL, 0, 0, 0 },
		{ SPAN("a/b"), false, NULL, 0, 0, 0 },
		{ SPAN("a\0b"), false, NULL, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct filename f;

		assert_int_equal(
		    filename_parse(rows[i].name, &f), rows[i].good);
		if (!rows[i].good)
			continue;
		assert_true(span_eq(f.base, span_str(rows[i].base)));
		assert_int_equal(f.letters, rows[i].letters);
		assert_int_equal(f.size_physical, rows[i].physical);
		assert_int_equal(f.size_virtual, rows[i].virtual);
	}
}

static void
test_info_keeps_what_it_does_not_know(void **state)
{
	static const struct {
		const char *old;
		uint64_t letters;
		const char *info;
		bool plain;
	} rows[] = {
		{ "", MESSAGE_SEEN, ":2,S", true },
		{ ":2,", 0, ":2,", true },
		{ ":2,FPSXabz",
		    MESSAGE_FLAGGED | MESSAGE_ANSWERED | MESSAGE_SEEN |
			MESSAGE_LETTER_BIT('P') | MESSAGE_LETTER_BIT('X') |
			MESSAGE_KEYWORD(0) | MESSAGE_KEYWORD(1) |
			MESSAGE_KEYWORD(25),
		    ":2,FPRSXabz", true },
		{ ":2,1S_", MESSAGE_SEEN | MESSAGE_DRAFT, ":2,1DS_", false },
		{ ":2,S,x=y:z", 0, ":2,,x=y:z", false },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 200);
		filename_format_info(
		    rows[i].letters, span_str(rows[i].old), &out);
		assert_string_equal(buf_str(&out), rows[i].info);
		assert_int_equal(
		    filename_info_plain(buf_span(&out), rows[i].letters),
		    rows[i].plain);
	}
}

static void
test_order_of_arrival(void **state)
{
	static const char *const rising[] = { "9.M1P1.h", "10.M2P1.h",
		"10.M10P1.h", "10.M10P2.h", "11.h", "11.M1.h", "nonsense" };

	(void)state;
	for (size_t i = 0; i < LEN(rising); i++)
		for (size_t j = 0; j < LEN(rising); j++) {
			int c = filename_cmp(
			    span_str(rising[i]), span_str(rising[j]));

			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
		}
}

static void
test_uidlist_header(void **state)
{
	static const struct {
		struct span text;
		enum err_kind kind;
		unsigned version;
		uint32_t v, n;
		const char *again;
		size_t left;
	} rows[] = {
		{ SPAN("3 V5 N7 G" ID "\n1 :a\n"), ERR_NONE, 3, 5, 7,
		    "3 V5 N7 G" ID "\n", 5 },
		{ SPAN("3 N7 Xq V5 P%u G" ID "\n"), ERR_NONE, 3, 5, 7,
		    "3 V5 N7 G" ID " Xq P%u\n", 0 },
		{ SPAN("3 V5 N7 Gshort\n"), ERR_NONE, 3, 5, 7, NULL, 0 },
		{ SPAN("1 5 7\n"), ERR_NONE, 1, 5, 7, NULL, 0 },
		{ SPAN("3 V0 N7\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("3 V5\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("3 V4294967295 N1\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("3 V5 N1"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("2 5 7\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("1 5 7 x\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN("3 V5 N7 \0\n"), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
		{ SPAN(""), ERR_SYNTAX, 0, 0, 0, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct span in = rows[i].text;
		struct uidlist_header h;
		struct err err = ERR_INIT;
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		(void)uidlist_header_parse(&in, &h, &err);
		assert_int_equal(err.kind, rows[i].kind);
		if (err.kind != ERR_NONE) {
			assert_ptr_equal(in.p, rows[i].text.p);
			continue;
		}
		assert_int_equal(h.version, rows[i].version);
		assert_int_equal(h.uidvalidity, rows[i].v);
		assert_int_equal(h.uidnext, rows[i].n);
		assert_int_equal(in.len, rows[i].left);
		if (rows[i].again != NULL) {
			uidlist_header_format(&h, &out);
			assert_string_equal(buf_str(&out), rows[i].again);
		}
	}
}

static void
test_uidlist_line(void **state)
{
	static const struct {
		struct span text;
		unsigned version;
		uint32_t last;
		enum uidlist_take take;
		uint32_t uid;
		const char *fields, *base;
	} rows[] = {
		{ SPAN("4 :a.h\n"), 3, 3, UIDLIST_LINE, 4, "", "a.h" },
		{ SPAN("4 W12 P G9 :a:2,S\n"), 3, 0, UIDLIST_LINE, 4,
		    "W12 P G9", "a" },
		{ SPAN("4 a b\n"), 1, 0, UIDLIST_LINE, 4, "", "a b" },
		{ SPAN(""), 3, 0, UIDLIST_END, 0, NULL, NULL },
		{ SPAN("4 :a.h"), 3, 0, UIDLIST_TORN, 0, NULL, NULL },
		{ SPAN("4"), 3, 0, UIDLIST_TORN, 0, NULL, NULL },
		{ SPAN("4 :a.h\n"), 3, 4, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("0 :a.h\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("4294967295 :a\n"), 3, 0, UIDLIST_BROKEN, 0, NULL,
		    NULL },
		{ SPAN("4 :a/b\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("4 :\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("4 w1 :a\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("4  :a\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("4 a\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
		{ SPAN("\0\0\0\n"), 3, 0, UIDLIST_BROKEN, 0, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct span in = rows[i].text;
		struct uidlist_line line;

		assert_int_equal(uidlist_line_take(
				     &in, rows[i].version, rows[i].last, &line),
		    rows[i].take);
		if (rows[i].take != UIDLIST_LINE) {
			assert_int_equal(in.len, rows[i].text.len);
			continue;
		}
		assert_int_equal(in.len, 0);
		assert_int_equal(line.uid, rows[i].uid);
		assert_true(span_eq(line.fields, span_str(rows[i].fields)));
		assert_true(span_eq(line.base, span_str(rows[i].base)));
	}
}

static void
test_keywords(void **state)
{
	CLEANUP(keywords_unref)
	struct keywords *k = keywords_parse(SPAN("0 $Junk\nx\n30 far\n3 w\n"
						 "3 twice\n 4 no\n5\n25 z"));
	CLEANUP(keywords_unref) struct keywords *more = NULL;
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 1000);
	assert_int_equal(keywords_find(k, SPAN("$JUNK")), 0);
	assert_int_equal(keywords_find(k, SPAN("w")), 3);
	assert_int_equal(keywords_find(k, SPAN("z")), -1); /* no LF: torn */
	assert_int_equal(keywords_lowest_free(k, 0), 1);
	assert_int_equal(
	    keywords_lowest_free(k, MESSAGE_KEYWORD(1) | MESSAGE_KEYWORD(2)),
	    4);
	more = keywords_with(k, 1, SPAN("new"));
	keywords_format(more, &out);
	assert_string_equal(buf_str(&out), "0 $Junk\n1 new\n3 w\n");
	assert_false(keywords_equal(k, more));
	assert_true(keyword_valid(SPAN("$Forwarded")));
	assert_false(keyword_valid(SPAN("")));
	assert_false(keyword_valid(SPAN("a b")));
	assert_false(keyword_valid(SPAN("\\Seen")));
	assert_false(keyword_valid(SPAN("\xc3\xa4")));
}

static void
test_mutf7(void **state)
{
	static const struct {
		const char *utf8;
		struct span mutf7;
	} rows[] = {
		{ "plain", SPAN("plain") },
		{ "a&b", SPAN("a&-b") },
		{ "~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c"
		  "\xac\xe8\xaa\x9e",
		    SPAN("~peter/mail/&U,BTFw-/&ZeVnLIqe-") },
		{ "\xf0\x9f\x93\xac", SPAN("&2D3c7A-") },
		{ "\xc3\xa4", SPAN("&AOQ-") },
	};
	static const struct span bad[] = { SPAN("&"), SPAN("&AOQ"),
		SPAN("\xc3\xa4"), SPAN("&AGE-"), SPAN("&AOR-"), SPAN("&2D0-"),
		SPAN("&3Kw-"), SPAN("&AAA-"), SPAN("&AOQ-&AOQ-"), SPAN("&A-"),
		SPAN("&AOQ=-"), SPAN("a\tb") };
	static const struct span no_utf8[] = { SPAN("\xc3"), SPAN("\xc0\x80"),
		SPAN("\xed\xa0\x80"), SPAN("\xf5\x80\x80\x80"), SPAN("\xe4z") };

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		assert_int_equal(
		    mutf7_encode(span_str(rows[i].utf8), &out, NULL), 0);
		assert_true(span_eq(buf_span(&out), rows[i].mutf7));
		buf_clear(&out);
		assert_int_equal(mutf7_decode(rows[i].mutf7, &out, NULL), 0);
		assert_string_equal(buf_str(&out), rows[i].utf8);
	}
	for (size_t i = 0; i < LEN(bad); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		if (mutf7_decode(bad[i], &out, NULL) == 0)
			fail_msg("row %zu was taken", i);
		assert_int_equal(out.len, 0);
	}
	for (size_t i = 0; i < LEN(no_utf8); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		assert_int_equal(mutf7_encode(no_utf8[i], &out, NULL), -1);
	}
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		enum err_kind kind;
		const char *directory;
	} rows[] = {
		{ "inbox", ERR_NONE, "." },
		{ "Work/2026", ERR_NONE, ".Work.2026" },
		{ "iNbOx/x", ERR_NONE, ".INBOX.x" },
		{ "\xc3\xa4/b", ERR_NONE, ".&AOQ-.b" },
		{ "", ERR_SYNTAX, NULL },
		{ "/a", ERR_SYNTAX, NULL },
		{ "a/", ERR_SYNTAX, NULL },
		{ "a.b", ERR_SYNTAX, NULL },
		{ "..", ERR_SYNTAX, NULL },
		{ "a\nb", ERR_SYNTAX, NULL },
		{ "\xff", ERR_SYNTAX, NULL },
	};
	static const char *const none[] = { ".", "..", "..DOVECOT-TRASHED",
		"cur", ".a..b", ".inbox.x", ".&", ".a.", "" };
	char longest[300];
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 5000);
	for (size_t i = 0; i < LEN(rows); i++) {
		struct err err = ERR_INIT;

		buf_clear(&out);
		(void)name_to_directory(span_str(rows[i].name), &out, &err);
		assert_int_equal(err.kind, rows[i].kind);
		if (rows[i].directory != NULL)
			assert_string_equal(buf_str(&out), rows[i].directory);
	}
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(mailbox_name_check(span_of(longest, 249), NULL), 0);
	assert_int_equal(mailbox_name_check(span_of(longest, 250), NULL), -1);
	for (size_t i = 0; i < LEN(none); i++) {
		buf_clear(&out);
		if (name_of_directory(span_str(none[i]), &out))
			fail_msg("%s was taken", none[i]);
	}
	buf_clear(&out);
	assert_true(name_of_directory(SPAN(".&AOQ-.b"), &out));
	assert_string_equal(buf_str(&out), "\xc3\xa4/b");
}

static void
test_subscriptions(void **state)
{
	static const struct {
		const char *before, *directory;
		bool subscribed;
		const char *after;
	} rows[] = {
		{ "", ".a.b", true, "V\t2\n\na\tb\n" },
		{ "V\t2\n\nx\n", ".a.b", true, "V\t2\n\nx\na\tb\n" },
		{ "V\t2\n\na\tb\nx\na\tb\n", ".a.b", false, "V\t2\n\nx\n" },
		{ "x\na.b\n", ".a.b", true, "x\na.b\n" },
		{ "x\na.b\n", ".a.b", false, "x\n" },
		{ "x\n", ".", true, "x\nINBOX\n" },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 1000);
		subscriptions_edit(span_str(rows[i].before),
		    span_str(rows[i].directory), rows[i].subscribed, &out);
		assert_string_equal(buf_str(&out), rows[i].after);
	}
}

/* Derives a view of count messages with UIDs 1, 2, ... */
static struct view *
make_view(uint32_t count)
{
	struct view_facts facts = {
		.uidvalidity = 1, .uidnext = count + 1, .change = 1
	};
	struct view_add *adds = calloc(count + 1, sizeof(*adds));
	char(*bases)[32] = calloc(count + 1, 32);
	struct view *v = NULL;

	assert_non_null(adds);
	assert_non_null(bases);
	for (uint32_t i = 0; i < count; i++) {
		(void)snprintf(bases[i], 32, "%u.M%u.h", i, i * 7);
		adds[i] = (struct view_add){ .uid = i + 1,
			.letters = i % 3 == 0 ? MESSAGE_SEEN : 0,
			.base = span_str(bases[i]),
			.info = i % 3 == 0 ? SPAN(":2,S") : SPAN(":2,") };
	}
	assert_int_equal(
	    view_derive(NULL, &facts, NULL, 0, adds, count, &v, NULL), 0);
	free(adds);
	free(bases);
	return v;
}

static void
assert_is_nth(const struct view *v, uint32_t index, uint32_t uid)
{
	char base[32];

	(void)snprintf(base, sizeof(base), "%u.M%u.h", uid - 1, (uid - 1) * 7);
	assert_int_equal(view_at(v, index)->uid, uid);
	assert_true(span_eq(view_base_name(v, index), span_str(base)));
}

/* Random edits against a plain list of UIDs. */
static void
test_views_against_a_plain_list(void **state)
{
	enum {
		COUNT = 1000,
		ROUNDS = 60
	};
	struct view *v = make_view(COUNT);
	uint32_t model[COUNT + 1], left = COUNT;
	uint64_t letters[COUNT + 1] = { 0 };
	unsigned seed = 7;

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		model[i] = i + 1;
		letters[i + 1] = i % 3 == 0 ? MESSAGE_SEEN : 0;
	}
	for (int round = 0; round < ROUNDS; round++) {
		struct view_edit edits[COUNT];
		struct view_facts facts = view_facts(v);
		struct view *next;
		size_t n = 0;
		uint32_t kept = 0;

		for (uint32_t i = 0; i < left; i++) {
			unsigned dice = (unsigned)rand_r(&seed) % 40;
			uint32_t uid = model[i];

			if (dice == 0) {
				edits[n++] = (struct view_edit){ .index = i,
					.remove = true };
				continue;
			}
			if (dice == 1) {
				letters[uid] ^= MESSAGE_FLAGGED;
				edits[n++] = (struct view_edit){ .index = i,
					.letters = letters[uid],
					.renamed = true,
					.info = round % 2 == 0 ? SPAN(":2,zz")
							       : SPAN(":2,F") };
			}
			model[kept++] = uid;
		}
		left = kept;
		facts.change++;
		assert_int_equal(
		    view_derive(v, &facts, edits, n, NULL, 0, &next, NULL), 0);
		view_unref(v);
		v = next;
		assert_int_equal(view_count(v), left);
		for (uint32_t i = 0; i < left; i++) {
			uint32_t at;

			assert_is_nth(v, i, model[i]);
			assert_int_equal(
			    view_at(v, i)->letters & MESSAGE_LETTERS,
			    letters[model[i]]);
			assert_true(view_find(v, model[i], &at));
			assert_int_equal(at, i);
		}
	}
	view_unref(v);
}

static void
test_packed_view_is_small_and_the_same(void **state)
{
	struct view *v = make_view(1000), *again;
	struct packed *p = view_pack(v);

	(void)state;
	assert_non_null(p);
	assert_int_equal(packed_open(p, &again, NULL), 0);
	assert_int_equal(view_count(again), 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(view_at(again, i)->uid, view_at(v, i)->uid);
		assert_int_equal(
		    (view_at(again, i)->letters ^ view_at(v, i)->letters) &
			MESSAGE_VISIBLE,
		    0);
		assert_int_equal(
		    view_at(again, i)->change, view_at(v, i)->change);
	}
	assert_true(packed_memory(p) < 4000);
	packed_unref(p);
	view_unref(v);
	view_unref(again);
}

static void
test_maildrop_order(void **state)
{
	struct view_facts facts = { .uidvalidity = 1, .uidnext = 9 };
	struct view_add adds[] = {
		{ .uid = 1, .base = SPAN("a"), .fields = SPAN("O30") },
		{ .uid = 2, .base = SPAN("b") },
		{ .uid = 3, .base = SPAN("c"), .fields = SPAN("W1 O4") },
		{ .uid = 4, .base = SPAN("d") },
	};
	static const uint32_t order[] = { 2, 0, 1, 3 };
	uint32_t got[4];
	struct view *v;

	(void)state;
	assert_int_equal(
	    view_derive(NULL, &facts, NULL, 0, adds, 4, &v, NULL), 0);
	assert_true(view_maildrop_order(v, got));
	assert_memory_equal(got, order, sizeof(order));
	view_unref(v);
	v = make_view(5);
	assert_false(view_maildrop_order(v, got));
	view_unref(v);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_filename),
		cmocka_unit_test(test_info_keeps_what_it_does_not_know),
		cmocka_unit_test(test_order_of_arrival),
		cmocka_unit_test(test_uidlist_header),
		cmocka_unit_test(test_uidlist_line),
		cmocka_unit_test(test_keywords),
		cmocka_unit_test(test_mutf7),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_subscriptions),
		cmocka_unit_test(test_views_against_a_plain_list),
		cmocka_unit_test(test_packed_view_is_small_and_the_same),
		cmocka_unit_test(test_maildrop_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
