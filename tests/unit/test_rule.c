/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules of users: what is read, what is refused and where, what matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/rule_rig.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))
#define FORWARD " -> forward to=\"a@x.example\""

static struct rule *
parse(const char *text, enum rule_kind kind, struct arena *arena,
    size_t *column, struct err *err)
{
	struct rule *r = NULL;

	if (rule_parse(span_str(text), kind, &rule_limits_default, arena, &r,
		column, err) == -1)
		return NULL;
	return r;
}

static void
test_canonical(void **state)
{
	static const struct {
		const char *text, *canonical; /* NULL: the same */
	} rows[] = {
		{ "from=\"*@*.shop.example\" and not subject=\"*領収書*\" and "
		  "size>=100KB and attachments>=1",
		    NULL },
		{ "from=\"a\"" FORWARD, NULL },
		{ "12: paused to=\"*\" and size<1MB -> forward "
		  "to=\"a@x.example\",\"b@y.example\"",
		    NULL },
		{ "subject=\"\"", NULL },
		{ "subject=\"\\\"\\\\\\*\\?*?\"", NULL },
		{ "attachments=0", NULL },
		/* Blanks, case, units. */
		{ "  FROM = \"A\"  AND   Not  Subject=\"B\"  ",
		    "from=\"A\" and not subject=\"B\"" },
		{ "from=\"a\"and size>=1024kb", "from=\"a\" and size>=1MB" },
		{ "size = 2048 and size>1 mb and size<=1025 and size<010MB",
		    "size=2KB and size>1MB and size<=1025 and size<10MB" },
		{ "size>=1024and attachments<2",
		    "size>=1KB and attachments<2" },
		{ "007 : PAUSED subject=\"x\"", "7: paused subject=\"x\"" },
		{ "from=\"a\"->FORWARD TO = \"A.b@X.Example\" , \"c@d.e\"",
		    "from=\"a\" -> forward to=\"A.b@x.example\",\"c@d.e\"" },
		{ "from=\"a\" -> forward to=\"\\\"a\\\\\\\" b\\\"@x.example\"",
		    NULL },
		/* Words as texts. */
		{ "from=\"and -> not\"", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena arena;
		CLEANUP(buf_fini) struct buf line, again;
		struct err err = ERR_INIT;
		struct rule *r, *two;
		size_t column;

		arena_init(&arena, 1 << 16);
		buf_init(&line, 4096);
		buf_init(&again, 4096);
		r = parse(rows[i].text, RULE_ANY, &arena, &column, &err);
		if (r == NULL)
			fail_msg("%s\ncolumn %zu: %s", rows[i].text, column,
			    err.text);
		rule_format(r, &line);
		assert_string_equal(buf_str(&line), rows[i].canonical == NULL
							? rows[i].text
							: rows[i].canonical);
		two = parse(buf_str(&line), RULE_ANY, &arena, &column, &err);
		assert_non_null(two);
		assert_true(rule_same(r, two));
		rule_format(two, &again);
		assert_string_equal(buf_str(&line), buf_str(&again));
	}
}

#define EXPECT_FIELD "expected from, to, subject, size or attachments"

static const struct refusal {
	enum rule_kind kind;
	const char *text;
	size_t column;
	enum err_kind error;
	const char *reason;
} refusals[] = {
	{ RULE_ANY, "", 1, ERR_SYNTAX, "the rule ends here; " EXPECT_FIELD },
	{ RULE_ANY, "   ", 4, ERR_SYNTAX, "the rule ends here; " EXPECT_FIELD },
	{ RULE_ANY, "=", 1, ERR_SYNTAX, EXPECT_FIELD },
	{ RULE_ANY, "sender=\"a\"", 1, ERR_SYNTAX,
	    "unknown word \"sender\"; " EXPECT_FIELD },
	{ RULE_ANY, "notfrom=\"a\"", 1, ERR_SYNTAX,
	    "unknown word \"notfrom\"; " EXPECT_FIELD },
	{ RULE_ANY, "not not from=\"a\"", 5, ERR_SYNTAX,
	    "\"not\" stands here a second time" },
	{ RULE_ANY, "from", 5, ERR_SYNTAX,
	    "the rule ends here; expected = (a text is compared with = only)" },
	{ RULE_ANY, "subject>=\"a\"", 8, ERR_SYNTAX,
	    "expected = (a text is compared with = only)" },
	{ RULE_ANY, "from!=\"a\"", 5, ERR_SYNTAX,
	    "for \"is not\" type: not from=..." },
	{ RULE_ANY, "size <> 1KB", 6, ERR_SYNTAX,
	    "for \"is not\" type: not size=..." },
	{ RULE_ANY, "attachments≠1", 12, ERR_SYNTAX,
	    "for \"is not\" type: not attachments=..." },
	/* Texts. */
	{ RULE_ANY, "from=a@x.example", 6, ERR_SYNTAX,
	    "expected a text in double quotes" },
	{ RULE_ANY, "from=", 6, ERR_SYNTAX,
	    "the rule ends here; expected a text in double quotes" },
	{ RULE_ANY, "from=\"a and size>=1KB", 6, ERR_SYNTAX,
	    "the text that begins here has no closing \"" },
	{ RULE_ANY, "from=\"a\\\"", 6, ERR_SYNTAX,
	    "the text that begins here has no closing \"" },
	{ RULE_ANY, "from=\"C:\\temp\"", 9, ERR_SYNTAX,
	    "\\ may stand before \" \\ * and ? only; for a \\ type \\\\" },
	{ RULE_ANY, "subject=\"領収書\\", 13, ERR_SYNTAX,
	    "\\ may stand before \" \\ * and ? only; for a \\ type \\\\" },
	/* What an input method makes of it; columns count characters. */
	{ RULE_ANY, "subject=\"領収書\" and size≧1KB", 23, ERR_SYNTAX,
	    "this is a full-width character; type >= in half width" },
	{ RULE_ANY, "subject＝\"a\"", 8, ERR_SYNTAX,
	    "this is a full-width character; type = in half width" },
	{ RULE_ANY, "subject=”a”", 9, ERR_SYNTAX,
	    "this is a full-width character; type \" in half width" },
	{ RULE_ANY, "subject=\"領\"　and size>1KB", 12, ERR_SYNTAX,
	    "this is a full-width character; type a blank in half width" },
	{ RULE_ANY, "ｆrom=\"a\"", 1, ERR_SYNTAX,
	    "this is a full-width character; type f in half width" },
	{ RULE_ANY, "from=\"a\" → forward", 10, ERR_SYNTAX,
	    "this is a full-width character; type -> in half width" },
	{ RULE_ANY, "差出人=\"a\"", 1, ERR_SYNTAX, EXPECT_FIELD },
	/* Numbers. */
	{ RULE_ANY, "size 5", 6, ERR_SYNTAX, "expected one of = < <= > >=" },
	{ RULE_ANY, "size=>5", 6, ERR_SYNTAX, "expected a number" },
	{ RULE_ANY, "size>=KB", 7, ERR_SYNTAX, "expected a number" },
	{ RULE_ANY, "size>=-1", 7, ERR_SYNTAX, "expected a number" },
	{ RULE_ANY, "size>=100", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=1023", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=11MB", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=10485761", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=18446744073709551615MB", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=18446744073709551616", 7, ERR_LIMIT,
	    "this number is too large" },
	{ RULE_ANY, "size>=000000000000000000001", 7, ERR_LIMIT,
	    "this number is too large" },
	{ RULE_ANY, "size>=1GB", 8, ERR_SYNTAX,
	    "expected KB, MB, \"and\", or the end" },
	{ RULE_ANY, "size>=1.5MB", 7, ERR_LIMIT,
	    "a size may be from 1KB to 10MB" },
	{ RULE_ANY, "size>=2048.5", 11, ERR_SYNTAX,
	    "expected \"and\" or \"->\"" },
	{ RULE_ANY, "attachments>=10000", 14, ERR_LIMIT,
	    "a number of attachments may be up to 9999" },
	{ RULE_ANY, "attachments>=1KB", 15, ERR_SYNTAX,
	    "expected \"and\" or \"->\"" },
	/* Between conditions. */
	{ RULE_ANY, "from=\"a\" from=\"b\"", 10, ERR_SYNTAX,
	    "expected \"and\" or \"->\"" },
	{ RULE_ANY, "from=\"a\" or from=\"b\"", 10, ERR_SYNTAX,
	    "there is no \"or\"; make a second rule" },
	{ RULE_ANY, "from=\"a\" and", 13, ERR_SYNTAX,
	    "the rule ends here; " EXPECT_FIELD },
	{ RULE_ANY, "from=\"a\" and -> forward", 14, ERR_SYNTAX, EXPECT_FIELD },
	{ RULE_ANY, "(from=\"a\")", 1, ERR_SYNTAX, EXPECT_FIELD },
	{ RULE_QUARANTINE, "from=\"a\" x", 10, ERR_SYNTAX,
	    "expected \"and\" or the end" },
	/* The head. */
	{ RULE_ANY, "0: from=\"a\"", 1, ERR_LIMIT,
	    "a rule's number may be from 1 to 999" },
	{ RULE_ANY, " 1000: from=\"a\"", 2, ERR_LIMIT,
	    "a rule's number may be from 1 to 999" },
	{ RULE_ANY, "3 from=\"a\"", 3, ERR_SYNTAX,
	    "expected \":\" behind the rule's number" },
	{ RULE_ANY, "3:", 3, ERR_SYNTAX, "the rule ends here; " EXPECT_FIELD },
	{ RULE_ANY, "paused", 7, ERR_SYNTAX,
	    "the rule ends here; " EXPECT_FIELD },
	{ RULE_ANY, "paused paused from=\"a\"", 8, ERR_SYNTAX,
	    "unknown word \"paused\"; " EXPECT_FIELD },
	{ RULE_ANY, "paused 3: from=\"a\"", 8, ERR_SYNTAX, EXPECT_FIELD },
	/* Targets. */
	{ RULE_QUARANTINE, "from=\"a\"" FORWARD, 10, ERR_POLICY,
	    "a quarantine rule has no target" },
	{ RULE_FORWARD, "from=\"a\" ", 10, ERR_POLICY,
	    "expected -> forward to=\"address\"; "
	    "a forwarding rule needs a target" },
	{ RULE_ANY, "from=\"a\" ->", 12, ERR_SYNTAX,
	    "the rule ends here; expected forward to=\"address\"" },
	{ RULE_ANY, "from=\"a\" -> delete", 13, ERR_SYNTAX,
	    "expected forward to=\"address\"" },
	{ RULE_ANY, "from=\"a\" -> forward \"a@x.example\"", 21, ERR_SYNTAX,
	    "expected to=\"address\"" },
	{ RULE_ANY, "from=\"a\" -> forward to \"a@x.example\"", 24, ERR_SYNTAX,
	    "expected = and an address in double quotes" },
	{ RULE_ANY, "from=\"a\" -> forward to=a@x.example", 24, ERR_SYNTAX,
	    "expected a text in double quotes" },
	{ RULE_ANY, "from=\"a\" -> forward to=\"x.example\"", 24, ERR_SYNTAX,
	    NULL },
	{ RULE_ANY, "from=\"a\" -> forward to=\"\"", 24, ERR_SYNTAX, NULL },
	{ RULE_ANY, "from=\"a\" -> forward to=\"花子@x.example\"", 24,
	    ERR_SYNTAX, NULL },
	{ RULE_ANY, "from=\"a\" -> forward to=\"a@[192.0.2.1]\"", 24,
	    ERR_SYNTAX,
	    "the address needs a whole domain, such as mail.example" },
	{ RULE_ANY, "from=\"a\" -> forward to=\"a@localhost\"", 24, ERR_SYNTAX,
	    "the address needs a whole domain, such as mail.example" },
	{ RULE_ANY, "from=\"a\"" FORWARD ",\"a@X.EXAMPLE\"", 38, ERR_SYNTAX,
	    "this address stands here twice" },
	{ RULE_ANY, "from=\"a\"" FORWARD ",", 38, ERR_SYNTAX,
	    "the rule ends here; expected a text in double quotes" },
	{ RULE_ANY, "from=\"a\"" FORWARD " and size>1KB", 38, ERR_SYNTAX,
	    "expected \",\" and an address, or the end" },
	{ RULE_ANY, "from=\"a\" -> forward to=\"\\*@x.example\"", 25,
	    ERR_SYNTAX, "\\ may stand before \" and \\ only" },
	{ RULE_ANY,
	    "from=\"a\" -> forward to=\"1@x.e\",\"2@x.e\",\"3@x.e\","
	    "\"4@x.e\",\"5@x.e\",\"6@x.e\"",
	    64, ERR_LIMIT, "over 5 addresses in one rule" },
	/* Limits of the whole. */
	{ RULE_ANY,
	    "to=\"\" and to=\"\" and to=\"\" and to=\"\" and to=\"\" and "
	    "to=\"\" and to=\"\" and to=\"\" and to=\"\" and to=\"\" and "
	    "to=\"\"",
	    101, ERR_LIMIT, "over 10 conditions in one rule" },
	/* Octets that are no text. */
	{ RULE_ANY, "from=\"\xff\"", 7, ERR_SYNTAX,
	    "this is not a character of UTF-8" },
	{ RULE_ANY, "from=\"領\xe9\xa0\"", 8, ERR_SYNTAX,
	    "this is not a character of UTF-8" },
	{ RULE_ANY, "from=\"a\"\tand", 9, ERR_SYNTAX,
	    "a control character (U+0009) is not allowed" },
	{ RULE_ANY, "from=\"a\"\n", 9, ERR_SYNTAX,
	    "a control character (U+000A) is not allowed" },
	{ RULE_ANY, "from=\"\xe2\x80\xae\"", 7, ERR_SYNTAX,
	    "a control character (U+202E) is not allowed" },
	{ RULE_ANY,
	    "\xef\xbb\xbf"
	    "from=\"a\"",
	    1, ERR_SYNTAX, "a control character (U+FEFF) is not allowed" },
};

static void
test_refusals(void **state)
{
	(void)state;
	for (size_t i = 0; i < ROWS(refusals); i++) {
		const struct refusal *row = &refusals[i];
		CLEANUP(arena_fini) struct arena arena;
		struct err err = ERR_INIT;
		size_t column = 9999;

		arena_init(&arena, 1 << 16);
		if (parse(row->text, row->kind, &arena, &column, &err) != NULL)
			fail_msg("accepted: %s", row->text);
		if (column != row->column || err.kind != row->error ||
		    (row->reason != NULL && strcmp(err.text, row->reason) != 0))
			fail_msg("%s\nwas: %zu %s: %s\nwanted: %zu %s: %s",
			    row->text, column, err_kind_name(err.kind),
			    err.text, row->column, err_kind_name(row->error),
			    row->reason == NULL ? "" : row->reason);
		if (row->reason == NULL)
			assert_ptr_equal(
			    strstr(err.text, "this is no mail address"),
			    err.text);
	}
}

/* At each limit of a class of service, and one beyond it. */
static void
test_limits(void **state)
{
	struct rule_limits limits = { .octets_max = 30,
		.conditions_max = 2,
		.pattern_max = 3,
		.targets_max = 1,
		.size_min = 0,
		.size_max = UINT64_MAX };
	static const struct {
		const char *text;
		size_t column; /* 0: it is accepted */
		const char *reason;
	} rows[] = {
		{ "subject=\"領収書\"", 0, NULL },
		{ "subject=\"領収書だ\"", 9,
		    "this text has 4 characters; 3 are allowed" },
		/* An escape is one character. */
		{ "subject=\"\\*\\?\\\\\"", 0, NULL },
		{ "subject=\"\\*\\?\\\\x\"", 9,
		    "this text has 4 characters; 3 are allowed" },
		{ "to=\"\" and to=\"\"", 0, NULL },
		{ "to=\"\" and to=\"\" and to=\"\"", 21,
		    "over 2 conditions in one rule" },
		{ "to=\"\" -> forward to=\"a@b.c\"   ", 0, NULL },
		{ "to=\"\" -> forward to=\"a@b.c\"    ", 31,
		    "the rule has 31 octets; 30 are allowed" },
		{ "to=\"\"->forward to=\"a@b.c\",\"", 27,
		    "over 1 addresses in one rule" },
		{ "size>=0", 0, NULL },
		{ "size<=18446744073709551615", 0, NULL },
		{ "size<=17592186044416MB", 7,
		    "a size may be from 0 to 18446744073709551615" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena arena;
		struct err err = ERR_INIT;
		struct rule *r;
		size_t column;
		int rc;

		arena_init(&arena, 1 << 16);
		rc = rule_parse(span_str(rows[i].text), RULE_ANY, &limits,
		    &arena, &r, &column, &err);
		if (rc != (rows[i].column == 0 ? 0 : -1) ||
		    column != rows[i].column ||
		    (rows[i].reason != NULL &&
			strcmp(rows[i].reason, err.text) != 0))
			fail_msg("%s: column %zu: %s", rows[i].text, column,
			    err.text);
	}
}

/* No class of service gets a line longer than any buffer. */
static void
test_octets_of_any_class(void **state)
{
	struct rule_limits limits = rule_limits_default;
	static char text[RULE_OCTETS_MAX + 1];
	CLEANUP(arena_fini) struct arena arena;
	struct err err = ERR_INIT;
	struct rule *r;
	size_t column;

	(void)state;
	limits.octets_max = SIZE_MAX;
	arena_init(&arena, 1 << 20);
	memset(text, ' ', sizeof(text));
	memcpy(text, "to=\"\"", 5);
	assert_int_equal(rule_parse(span_of(text, RULE_OCTETS_MAX), RULE_ANY,
			     &limits, &arena, &r, &column, &err),
	    0);
	assert_int_equal(rule_parse(span_of(text, RULE_OCTETS_MAX + 1),
			     RULE_ANY, &limits, &arena, &r, &column, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(column, RULE_OCTETS_MAX + 1);
}

static void
test_order(void **state)
{
	/* As they are to be tried. */
	static const char *const texts[] = { "1: to=\"z\"",
		"2: paused to=\"a\"", "2: to=\"a\"", "2: to=\"b\"",
		"10: to=\"a\"", "999: to=\"a\"", "from=\"a\"", "to=\"a\"" };
	struct rule *rules[ROWS(texts)];
	CLEANUP(arena_fini) struct arena arena;
	size_t column;

	(void)state;
	arena_init(&arena, 1 << 16);
	for (size_t i = 0; i < ROWS(texts); i++) {
		rules[i] = parse(texts[i], RULE_ANY, &arena, &column, NULL);
		assert_non_null(rules[i]);
	}
	for (size_t i = 0; i < ROWS(texts); i++)
		for (size_t k = 0; k < ROWS(texts); k++) {
			int order = rule_order(rules[i], rules[k]);

			assert_true(i < k   ? order < 0
				    : i > k ? order > 0
					    : order == 0);
		}
}

/* ---- matching ------------------------------------------------------------ */

static bool
matches(const char *rule, const char *const *from, const char *const *to,
    const char *subject, uint64_t size, unsigned attachments)
{
	CLEANUP(rule_facts_fini) struct rule_facts f;
	CLEANUP(arena_fini) struct arena arena;
	struct err err = ERR_INIT;
	struct rule *r;
	size_t column;

	arena_init(&arena, 1 << 16);
	rule_facts_init(&f, size, attachments);
	for (; from != NULL && *from != NULL; from++)
		assert_int_equal(
		    rule_facts_add(&f, RULE_FROM, span_str(*from), &err), 0);
	for (; to != NULL && *to != NULL; to++)
		assert_int_equal(
		    rule_facts_add(&f, RULE_TO, span_str(*to), &err), 0);
	if (subject != NULL)
		assert_int_equal(
		    rule_facts_add(&f, RULE_SUBJECT, span_str(subject), &err),
		    0);
	r = parse(rule, RULE_ANY, &arena, &column, &err);
	if (r == NULL)
		fail_msg("%s: column %zu: %s", rule, column, err.text);
	return rule_match(r, &f);
}

static void
test_match_subject(void **state)
{
	static const struct {
		const char *rule, *subject; /* NULL: the message has none */
		bool matches;
	} rows[] = {
		{ "subject=\"Hello\"", "hello", true },
		{ "subject=\"Hello\"", "hello!", false },
		{ "subject=\"Hello\"", "say hello", false },
		{ "subject=\"*hello*\"", "Say HELLO!", true },
		{ "subject=\"hello*\"", "say hello", false },
		{ "subject=\"*hello\"", "say hello", true },
		{ "subject=\"*hello\"", "hello hello", true },
		{ "subject=\"h?llo\"", "hällo", true },
		{ "subject=\"h?llo\"", "hllo", false },
		{ "subject=\"???\"", "領収書", true },
		{ "subject=\"??\"", "領収書", false },
		{ "subject=\"*?\"", "", false },
		{ "subject=\"*?\"", "領", true },
		{ "subject=\"*?領*\"", "領領", true },
		{ "subject=\"*領収書*\"", "【重要】領収書の送付", true },
		{ "subject=\"*領収書*\"", "領収", false },
		/* Full width and half width, composed or not. */
		{ "subject=\"*ＡＢＣ*\"", "xabcx", true },
		{ "subject=\"*abc*\"", "ＡＢＣ", true },
		{ "subject=\"*ガイド*\"", "旅のｶﾞｲﾄﾞ", true },
		{ "subject=\"*ｶﾞｲﾄﾞ*\"", "旅のガイド", true },
		{ "subject=\"が\"", "か\xe3\x82\x99", true },
		{ "subject=\"STRASSE\"", "straße", true },
		/* What shows nothing hides nothing. */
		{ "subject=\"*viagra*\"",
		    "vi\xe2\x80\x8b"
		    "agra",
		    true },
		/* A full-width mark is a character, an escaped one too. */
		{ "subject=\"＊\"", "x", false },
		{ "subject=\"＊\"", "*", true },
		{ "subject=\"\\*\"", "x", false },
		{ "subject=\"\\*\\?\"", "*?", true },
		{ "subject=\"\\?\"", "x", false },
		{ "subject=\"\\\"a\\\\b\\\"\"", "\"A\\B\"", true },
		/* No subject is an empty one. */
		{ "subject=\"\"", NULL, true },
		{ "subject=\"\"", "", true },
		{ "subject=\"\"", "x", false },
		{ "subject=\"*\"", NULL, true },
		{ "subject=\"**\"", "x", true },
		{ "not subject=\"*x*\"", NULL, true },
		{ "not subject=\"*x*\"", "axb", false },
		{ "subject=\"a*b*c\"", "abbbc", true },
		{ "subject=\"a*b*c\"", "abc", true },
		{ "subject=\"a*b*c\"", "acb", false },
		{ "subject=\"a*aa\"", "aa", false },
		{ "subject=\"a*aa\"", "aaa", true },
		{ "subject=\"*ab*ab\"", "ab", false },
		{ "subject=\"*ab*ab\"", "abab", true },
		{ "subject=\"*ab?c*\"", "ababxc", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (matches(rows[i].rule, NULL, NULL, rows[i].subject, 2048,
			0) != rows[i].matches)
			fail_msg("%s on \"%s\"", rows[i].rule,
			    rows[i].subject == NULL ? "" : rows[i].subject);
}

static void
test_match_others(void **state)
{
	static const struct {
		const char *rule;
		const char *from[3], *to[4];
		uint64_t size;
		unsigned attachments;
		bool matches;
	} rows[] = {
		{ "from=\"*@*.shop.example\"", { "a@b.Shop.Example" }, { NULL },
		    2048, 0, true },
		{ "from=\"*@*.shop.example\"", { "a@shop.example" }, { NULL },
		    2048, 0, false },
		{ "from=\"*@shop.example\"", { "a@shop.example.evil" },
		    { NULL }, 2048, 0, false },
		/* Any one of several; none counts as an empty text. */
		{ "from=\"b@x\"", { "a@x", "b@x" }, { NULL }, 2048, 0, true },
		{ "not from=\"b@x\"", { "a@x", "b@x" }, { NULL }, 2048, 0,
		    false },
		{ "to=\"c@x\"", { NULL }, { "a@x", "b@x", "c@x" }, 2048, 0,
		    true },
		{ "to=\"c@x\"", { "c@x" }, { "a@x" }, 2048, 0, false },
		{ "to=\"\"", { "a@x" }, { NULL }, 2048, 0, true },
		{ "to=\"?*\"", { "a@x" }, { NULL }, 2048, 0, false },
		{ "size>=2KB", { NULL }, { NULL }, 2047, 0, false },
		{ "size>=2KB", { NULL }, { NULL }, 2048, 0, true },
		{ "size>2KB", { NULL }, { NULL }, 2048, 0, false },
		{ "size>2KB", { NULL }, { NULL }, 2049, 0, true },
		{ "size<=2KB", { NULL }, { NULL }, 2048, 0, true },
		{ "size<=2KB", { NULL }, { NULL }, 2049, 0, false },
		{ "size<2KB", { NULL }, { NULL }, 2048, 0, false },
		{ "size<2KB", { NULL }, { NULL }, 2047, 0, true },
		{ "size=2KB", { NULL }, { NULL }, 2048, 0, true },
		{ "not size=2KB", { NULL }, { NULL }, 2048, 0, false },
		{ "attachments>=1", { NULL }, { NULL }, 1, 0, false },
		{ "attachments>=1", { NULL }, { NULL }, 1, 1, true },
		{ "attachments=0", { NULL }, { NULL }, 1, 0, true },
		/* All conditions; a pause. */
		{ "from=\"a@x\" and to=\"b@x\" and size>1KB and attachments<2",
		    { "a@x" }, { "b@x" }, 1025, 1, true },
		{ "from=\"a@x\" and to=\"b@x\" and size>1KB and attachments<2",
		    { "a@x" }, { "b@x" }, 1025, 2, false },
		{ "from=\"a@x\" and not to=\"b@x\"", { "a@x" }, { "b@x" }, 1, 0,
		    false },
		{ "paused from=\"a@x\"", { "a@x" }, { NULL }, 1, 0, false },
		{ "paused not from=\"a@x\"", { "a@x" }, { NULL }, 1, 0, false },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++)
		if (matches(rows[i].rule, rows[i].from, rows[i].to, NULL,
			rows[i].size, rows[i].attachments) != rows[i].matches)
			fail_msg("row %zu: %s", i, rows[i].rule);
}

/* Where a matcher that tries everything would take longer than the world. */
static void
test_match_is_quick(void **state)
{
	enum {
		TEXT = 1000000
	};
	CLEANUP(buf_fini) struct buf rule = { .max = 4096 };
	char *text = malloc(TEXT + 1);
	struct timespec begin, end;
	double seconds;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', TEXT);
	text[TEXT] = '\0';
	buf_append_str(&rule, "subject=\"");
	for (int i = 0; i < 100; i++)
		buf_append_str(&rule, "*a");
	buf_append_str(&rule, "*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"");
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	assert_false(matches(buf_str(&rule), NULL, NULL, text, 1, 0));
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	seconds = (double)(end.tv_sec - begin.tv_sec) +
		  (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	assert_true(seconds < 5);
	free(text);
}

static void
test_facts_are_bounded(void **state)
{
	CLEANUP(rule_facts_fini) struct rule_facts f;
	const size_t len = (size_t)17 << 20;
	char *text = calloc(1, len);
	struct err err = ERR_INIT;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', len);
	rule_facts_init(&f, len, 0);
	assert_int_equal(
	    rule_facts_add(&f, RULE_SUBJECT, span_of(text, len), &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_canonical),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_octets_of_any_class),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_match_subject),
		cmocka_unit_test(test_match_others),
		cmocka_unit_test(test_match_is_quick),
		cmocka_unit_test(test_facts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
