/* SPDX-License-Identifier: BSD-2-Clause */
/* maildirsize: its text, and that it is true after every change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"

#include "mime/encoded.h"
#include "store/maildirsize.h"
#include "store/quota.h"
#include "tests/unit/store_rig.h"

#define TEN "0123456789"

/* ---- text ---- */

static void
test_text_is_read(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		uint64_t octets_max, messages_max, octets, messages;
		unsigned lines;
	} rows[] = {
		{ "1000S\n0 0\n", ERR_NONE, 1000, 0, 0, 0, 1 },
		{ "1000S,5C\n300 2\n-100 -1\n", ERR_NONE, 1000, 5, 200, 1, 2 },
		{ "7C,8S\n1 1\n", ERR_NONE, 8, 7, 1, 1, 1 },
		{ "0S\n5 1\n", ERR_NONE, 0, 0, 5, 1, 1 },
		{ "\n5 1\n", ERR_NONE, 0, 0, 5, 1, 1 },
		/* Courier pads; a sign may be a plus. */
		{ "9S\n          12 3\n+8  +1   \n", ERR_NONE, 9, 0, 20, 4, 2 },
		/* A line without LF is being written. */
		{ "9S\n1 1\n50 ", ERR_NONE, 9, 0, 1, 1, 1 },
		{ "18446744073709551615S\n1 1\n", ERR_NONE, INT64_MAX, 0, 1, 1,
		    1 },
		/* Wrong: the limits stay known where the header is good. */
		{ "9S,2C\n", ERR_SYNTAX, 9, 2, 0, 0, 0 },
		{ "9S\nx y\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n1\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n1 2 3\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n1 1\n-2 0\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n1 1\n0 -2\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "9S\n9223372036854775807 1\n1 0\n", ERR_SYNTAX, 9, 0, 0, 0,
		    0 },
		{ "9S\n9223372036854775808 1\n", ERR_SYNTAX, 9, 0, 0, 0, 0 },
		{ "", ERR_SYNTAX, 0, 0, 0, 0, 0 },
		{ "9S", ERR_SYNTAX, 0, 0, 0, 0, 0 },
		{ "9S,\n1 1\n", ERR_SYNTAX, 0, 0, 0, 0, 0 },
		{ "9\n1 1\n", ERR_SYNTAX, 0, 0, 0, 0, 0 },
		{ "9X\n1 1\n", ERR_SYNTAX, 0, 0, 0, 0, 0 },
		{ "S\n1 1\n", ERR_SYNTAX, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct maildirsize m;
		struct err err = ERR_INIT;

		(void)maildirsize_parse(span_str(rows[i].text), &m, &err);
		if (err.kind != rows[i].kind ||
		    m.octets_max != rows[i].octets_max ||
		    m.messages_max != rows[i].messages_max ||
		    m.octets != rows[i].octets ||
		    m.messages != rows[i].messages || m.lines != rows[i].lines)
			fail_msg("row %zu: %s", i, err.text);
	}
}

static void
test_nul_is_broken(void **state)
{
	struct maildirsize m;

	(void)state;
	assert_int_equal(
	    maildirsize_parse(SPAN("9S\n1 1\n\0\0\0\n"), &m, NULL), -1);
	assert_int_equal(
	    maildirsize_parse(SPAN("\0\0\0\0\n1 1\n"), &m, NULL), -1);
}

static void
test_text_is_written_as_dovecot_writes_it(void **state)
{
	static const struct {
		struct maildirsize m;
		const char *text;
	} rows[] = {
		{ { 1000, 0, 5, 1, 0 }, "1000S\n5 1\n" },
		{ { 1000, 9, 5, 1, 0 }, "1000S,9C\n5 1\n" },
		{ { 0, 9, 5, 1, 0 }, "9C\n5 1\n" },
		{ { 0, 0, 5, 1, 0 }, "0S\n5 1\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf out;

		buf_init(&out, 100);
		maildirsize_format(&rows[i].m, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
		buf_fini(&out);
	}
}

/* ---- the account ---- */

static void
limits(const struct store_rig *rig, uint64_t octets, uint64_t messages)
{
	account_limits(rig->account,
	    &(struct quota_limits){ .octets = octets, .messages = messages });
}

static struct usage
usage(const struct store_rig *rig)
{
	struct usage u;
	struct err err = ERR_INIT;

	if (account_usage(rig->account, &u, &err) == -1)
		fail_msg("usage: %s", err.text);
	return u;
}

#define assert_usage(rig, o, m)                                                \
	do {                                                                   \
		struct usage u_ = usage(rig);                                  \
		assert_int_equal(u_.octets, (o));                              \
		assert_int_equal(u_.messages, (m));                            \
	} while (0)

/* The file as it is says so too, without anybody counting. */
static void
assert_file(const struct store_rig *rig, uint64_t octets, uint64_t messages)
{
	char *text = store_rig_get(rig, "maildirsize");
	struct maildirsize m;
	struct err err = ERR_INIT;

	if (maildirsize_parse(span_str(text), &m, &err) == -1)
		fail_msg("%s: \"%s\"", err.text, text);
	assert_int_equal(m.octets, octets);
	assert_int_equal(m.messages, messages);
	free(text);
}

static void
assert_header(const struct store_rig *rig, const char *header)
{
	char *text = store_rig_get(rig, "maildirsize");

	assert_non_null(strchr(text, '\n'));
	*strchr(text, '\n') = '\0';
	assert_string_equal(text, header);
	free(text);
}

static void
test_every_change_is_a_line(void **state)
{
	struct store_rig *rig = *state;
	struct draft_options seen = { .letters = MESSAGE_SEEN,
		.want_uid = true };
	struct mailbox_copied copied;
	const uint32_t uids[] = { 1, 2, 3 };
	struct mailbox *m;

	limits(rig, 100000, 50);
	assert_usage(rig, 0, 0);
	assert_header(rig, "100000S,50C");
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	store_rig_deliver(rig, "INBOX", TEN TEN, &seen);
	assert_file(rig, 30, 2);
	assert_int_equal(mailbox_create(rig->account, SPAN("Work"), NULL), 0);
	store_rig_deliver(rig, "Work", TEN, NULL);
	assert_file(rig, 40, 3);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(
	    mailbox_copy(m, uids, 2, SPAN("Work"), false, &copied, NULL), 0);
	mailbox_copied_fini(&copied);
	assert_file(rig, 70, 5);
	assert_int_equal(
	    mailbox_copy(m, uids, 1, SPAN("Work"), true, &copied, NULL), 0);
	mailbox_copied_fini(&copied);
	assert_file(rig, 70, 5);
	assert_int_equal(mailbox_expunge(m, uids, 3, NULL, NULL), 0);
	assert_file(rig, 50, 4);
	mailbox_close(m);
	assert_int_equal(mailbox_delete(rig->account, SPAN("Work"), NULL), 0);
	assert_file(rig, 0, 0);
	assert_usage(rig, 0, 0);
}

static void
test_refused_change_leaves_no_line(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_copied copied;
	const uint32_t uids[] = { 1 };
	struct mailbox *m;

	limits(rig, 1000, 0);
	assert_usage(rig, 0, 0);
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(
	    mailbox_copy(m, uids, 1, SPAN("None"), false, &copied, NULL), -1);
	assert_int_equal(mailbox_delete(rig->account, SPAN("None"), NULL), -1);
	mailbox_close(m);
	assert_file(rig, 10, 1);
}

static void
assert_over(int outcome, const struct err *err)
{
	assert_int_equal(outcome, -1);
	assert_int_equal(err->kind, ERR_LIMIT);
	assert_int_equal(err->os, EDQUOT);
}

static int
append(const struct store_rig *rig, const char *text, struct err *err)
{
	const struct draft_options o = { .want_uid = true,
		.within_quota = true };
	CLEANUP(draft_free) struct draft *d = NULL;

	if (draft_new(rig->account, SPAN("INBOX"), &d, err) == -1 ||
	    draft_write(d, span_str(text), err) == -1)
		return -1;
	return draft_commit(d, &o, NULL, err);
}

static void
test_limits_hold(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_copied copied;
	const uint32_t uids[] = { 1, 2 };
	struct err err = ERR_INIT;
	struct mailbox *m;

	assert_int_equal(mailbox_create(rig->account, SPAN("Work"), NULL), 0);
	limits(rig, 25, 0);
	assert_int_equal(append(rig, TEN, &err), 0);
	assert_int_equal(append(rig, TEN, &err), 0);
	assert_over(append(rig, TEN, &err), &err);
	assert_int_equal(store_rig_count(rig, "tmp"), 0);
	assert_file(rig, 20, 2);
	assert_int_equal(account_room(rig->account, 5, 1, &err), 0);
	assert_over(account_room(rig->account, 6, 1, &err), &err);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_over(
	    mailbox_copy(m, uids, 2, SPAN("Work"), false, &copied, &err), &err);
	assert_int_equal(store_rig_count(rig, ".Work/cur"), 0);
	/* What is moved takes no more room. */
	assert_int_equal(
	    mailbox_copy(m, uids, 2, SPAN("Work"), true, &copied, &err), 0);
	mailbox_copied_fini(&copied);
	mailbox_close(m);
	/* Messages, and a limit that came down. */
	limits(rig, 0, 2);
	assert_over(account_room(rig->account, 0, 1, &err), &err);
	assert_header(rig, "2C");
	limits(rig, 1000, 3);
	assert_int_equal(account_room(rig->account, 980, 1, &err), 0);
	limits(rig, 5, 1);
	assert_over(account_room(rig->account, 0, 0, &err), &err);
	/* Delivery is asked before: what was let in is stored. */
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	assert_usage(rig, 30, 3);
}

static void
test_percent(void **state)
{
	static const struct {
		struct usage u;
		unsigned percent;
	} rows[] = {
		{ { 0, 0, { 100, 0 } }, 0 },
		{ { 79, 0, { 100, 0 } }, 79 },
		{ { 7, 0, { 9, 0 } }, 77 },
		{ { 99, 9, { 100, 9 } }, 100 },
		{ { 1, 8, { 100, 10 } }, 80 },
		{ { 500, 0, { 100, 0 } }, 100 },
		{ { 500, 5, { 0, 0 } }, 0 },
		{ { UINT64_MAX / 2, 0, { UINT64_MAX, 0 } }, 49 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(usage_percent(&rows[i].u), rows[i].percent);
}

/* ---- counting ---- */

static void
test_what_is_counted(void **state)
{
	struct store_rig *rig = *state;

	limits(rig, 1000000, 0);
	assert_int_equal(mailbox_create(rig->account, SPAN("Trash"), NULL), 0);
	/* The name tells, else the file; W= does not count. */
	store_rig_put(rig, "new/1.a,S=500,W=600", "x");
	store_rig_put(rig, "cur/2.b:2,ST", TEN);
	store_rig_put(rig, "cur/3.c,S=7x:2,", TEN TEN);
	store_rig_put(rig, ".Trash/cur/4.d,S=1:2,", TEN);
	store_rig_put(rig, "tmp/5.e,S=90000", TEN);
	store_rig_put(rig, "cur/.hidden", TEN);
	assert_usage(rig, 531, 4);
	assert_file(rig, 531, 4);
}

static void
test_wrong_file_is_counted_anew(void **state)
{
	struct store_rig *rig = *state;
	static const char *const texts[] = {
		"",
		"1000S\n",
		"1000S\n-5 1\n",
		"1000S\nnothing\n",
		"1000\n5 5\n",
		/* Over the limit: believed only when alone and fresh. */
		"1000S\n900 1\n900 1\n",
	};

	limits(rig, 1000, 0);
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		store_rig_put(rig, "maildirsize", texts[i]);
		assert_usage(rig, 10, 1);
		assert_file(rig, 10, 1);
		assert_header(rig, "1000S");
	}
}

static void
test_over_and_stale_is_counted_anew(void **state)
{
	struct store_rig *rig = *state;
	const struct timespec old[2] = { { .tv_sec = time(NULL) - 901 },
		{ .tv_sec = time(NULL) - 901 } };
	char path[300];

	limits(rig, 1000, 0);
	store_rig_put(rig, "maildirsize", "1000S\n1900 1\n");
	assert_usage(rig, 1900, 1);
	(void)snprintf(path, sizeof(path), "%s/maildirsize", rig->maildir);
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_usage(rig, 0, 0);
	/* Below the limit age says nothing. */
	store_rig_put(rig, "maildirsize", "1000S\n500 1\n");
	assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	assert_usage(rig, 500, 1);
	{
		struct usage u;

		assert_int_equal(account_recount(rig->account, &u, NULL), 0);
		assert_int_equal(u.octets, 0);
		assert_file(rig, 0, 0);
	}
}

static void
test_long_file_is_counted_anew(void **state)
{
	struct store_rig *rig = *state;
	char *text;

	limits(rig, 1000000, 0);
	assert_usage(rig, 0, 0);
	for (int i = 0; i < 800; i++) {
		struct quota_change change;

		quota_begin(rig->account, &change);
		quota_end(&change, 1000, 1);
	}
	text = store_rig_get(rig, "maildirsize");
	assert_true(strlen(text) > MAILDIRSIZE_MAX);
	free(text);
	assert_header(rig, "1000000S");
	assert_usage(rig, 0, 0);
	text = store_rig_get(rig, "maildirsize");
	assert_string_equal(text, "1000000S\n0 0\n");
	free(text);
}

/* A line that a crash cut off must not change the next one. */
static void
test_torn_line_is_not_continued(void **state)
{
	struct store_rig *rig = *state;

	limits(rig, 100000, 0);
	store_rig_put(rig, "maildirsize", "100000S\n0 0\n5");
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	assert_usage(rig, 10, 1);
	assert_file(rig, 10, 1);
}

/* ---- who says what the limits are ---- */

static void
test_old_session_goes_by_the_file(void **state)
{
	struct store_rig *rig = *state;
	struct account *again;
	struct store *other = store_rig_again(rig, &again);

	limits(rig, 1000, 0);
	assert_usage(rig, 0, 0);
	account_limits(again, &(struct quota_limits){ .octets = 5 });
	assert_int_equal(account_room(again, 10, 1, NULL), -1);
	assert_header(rig, "5S");
	/* Another process has newer news. */
	assert_int_equal(account_room(rig->account, 10, 1, NULL), -1);
	assert_header(rig, "5S");
	account_unref(again);
	store_free(other);
}

static void
test_without_limits_somebody_elses_file_is_kept_true(void **state)
{
	struct store_rig *rig = *state;

	store_rig_deliver(rig, "INBOX", TEN, NULL);
	assert_false(store_rig_has(rig, "maildirsize"));
	assert_usage(rig, 10, 1);
	assert_false(store_rig_has(rig, "maildirsize"));
	store_rig_put(rig, "maildirsize", "15S,3C\n10 1\n");
	limits(rig, 0, 0);
	store_rig_deliver(rig, "INBOX", TEN, NULL);
	assert_header(rig, "15S,3C");
	assert_file(rig, 20, 2);
	assert_int_equal(account_room(rig->account, 100, 1, NULL), 0);
	store_rig_put(rig, "maildirsize", "15S,3C\nbroken\n");
	assert_usage(rig, 20, 2);
	assert_header(rig, "15S,3C");
}

/* ---- warnings ---- */

static void
owner(const struct store_rig *rig, const char *language)
{
	account_owner(rig->account,
	    &(struct quota_owner){ .address = "yuki@midori.example",
		.title = "緑メール",
		.language = language });
}

/* How many there are, and the last. */
static unsigned
warnings(const struct store_rig *rig, char last[4096])
{
	struct mailbox *m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	const struct view *v = mailbox_view(m);
	unsigned count = 0;

	for (uint32_t i = 0; i < view_count(v); i++) {
		CLEANUP(content_free) struct content *c = NULL;
		struct span text;

		assert_int_equal(
		    content_open(m, view_at(v, i)->uid, &c, NULL), 0);
		text = content_span(c);
		if (span_find(text, SPAN("Auto-Submitted")) < 0)
			continue;
		count++;
		(void)snprintf(last, 4096, "%.*s", (int)text.len, text.p);
	}
	mailbox_close(m);
	return count;
}

static void
assert_subject(const char *message, const char *subject)
{
	const char *at = strstr(message, "Subject: ");
	const char *end = at == NULL ? NULL : strstr(at, "\r\nMessage-ID: ");
	CLEANUP(buf_fini) struct buf utf8;

	buf_init(&utf8, 1000);
	assert_non_null(end);
	at += sizeof("Subject: ") - 1;
	assert_int_equal(
	    encoded_words_decode(span_of(at, (size_t)(end - at)), &utf8, NULL),
	    0);
	assert_string_equal(buf_str(&utf8), subject);
}

static char *
filler(size_t octets)
{
	char *text = calloc(1, octets + 1);

	assert_non_null(text);
	memset(text, 'x', octets);
	return text;
}

/* As delivery does it: asked for room, then there. */
static void
fill(const struct store_rig *rig, size_t octets)
{
	CLEANUP(mem_free) char *text = filler(octets);

	(void)account_room(rig->account, octets, 1, NULL);
	store_rig_deliver(rig, "INBOX", text, NULL);
}

static void
empty(const struct store_rig *rig)
{
	struct mailbox *m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	const struct view *v = mailbox_view(m);

	for (uint32_t i = 0; i < view_count(v); i++)
		assert_int_equal(
		    mailbox_expunge(m, &view_at(v, i)->uid, 1, NULL, NULL), 0);
	mailbox_close(m);
}

static void
test_warnings_come_once_for_each_level(void **state)
{
	struct store_rig *rig = *state;
	char text[4096];

	limits(rig, 100000, 0);
	owner(rig, "ja-JP");
	fill(rig, 70000);
	assert_int_equal(warnings(rig, text), 0);
	fill(rig, 10500);
	assert_int_equal(warnings(rig, text), 1);
	assert_subject(text, "メールボックスの使用量が80%になりました");
	assert_non_null(strstr(text,
	    "From: =?UTF-8?B?57eR44Oh44O844Or?= <postmaster@midori.example>"
	    "\r\nTo: <yuki@midori.example>\r\n"));
	assert_non_null(strstr(text, "0.0 MB のうち 0.0 MB (80%) です。\r\n"));
	assert_non_null(strstr(text, "Content-Language: ja\r\n"));
	fill(rig, 1000);
	assert_int_equal(warnings(rig, text), 1);
	owner(rig, "fr");
	fill(rig, 13500);
	assert_int_equal(warnings(rig, text), 2);
	assert_subject(text, "Your mailbox is 95% full");
	/* Refused, since it is full; a crossing of its own. */
	assert_int_equal(account_room(rig->account, 50000, 1, NULL), -1);
	assert_int_equal(warnings(rig, text), 3);
	assert_subject(text, "Your mailbox is full");
	assert_int_equal(account_room(rig->account, 50000, 1, NULL), -1);
	assert_int_equal(warnings(rig, text), 3);
	empty(rig);
	assert_false(store_rig_has(rig, "hikyaku-warned-80"));
	assert_false(store_rig_has(rig, "hikyaku-warned-95"));
	assert_false(store_rig_has(rig, "hikyaku-warned-100"));
	/* From nothing over two levels at once: one mail. */
	fill(rig, 96000);
	assert_int_equal(warnings(rig, text), 1);
	assert_subject(text, "Your mailbox is 96% full");
	assert_true(store_rig_has(rig, "hikyaku-warned-80"));
}

static void
test_swinging_about_a_level_is_told_once(void **state)
{
	struct store_rig *rig = *state;
	char text[4096];

	limits(rig, 0, 100);
	owner(rig, "");
	for (int i = 0; i < 80; i++)
		fill(rig, 1);
	assert_int_equal(warnings(rig, text), 1);
	assert_non_null(
	    strstr(text, "holds 80 messages of 100 messages (80%)"));
	for (int i = 0; i < 3; i++) {
		const uint32_t uid = 1 + (uint32_t)i;
		struct mailbox *m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);

		assert_int_equal(mailbox_expunge(m, &uid, 1, NULL, NULL), 0);
		mailbox_close(m);
		fill(rig, 1);
	}
	assert_int_equal(warnings(rig, text), 1);
}

/* Who does not know the owner tells nothing; who looks next and does, will. */
static void
test_warning_waits_for_who_knows_whom_to_tell(void **state)
{
	struct store_rig *rig = *state;
	char text[4096];

	limits(rig, 20000, 0);
	fill(rig, 17000);
	assert_int_equal(warnings(rig, text), 0);
	assert_false(store_rig_has(rig, "hikyaku-warned-80"));
	owner(rig, "");
	assert_int_equal(account_room(rig->account, 1, 1, NULL), 0);
	assert_int_equal(warnings(rig, text), 1);
}

/* A message that can never fit is no full mailbox. */
static void
test_too_large_a_message_is_no_warning(void **state)
{
	struct store_rig *rig = *state;
	char text[4096];

	limits(rig, 1000, 0);
	owner(rig, "");
	fill(rig, 300);
	assert_int_equal(account_room(rig->account, 2000, 1, NULL), -1);
	assert_int_equal(warnings(rig, text), 0);
}

/* ---- processes ---- */

/* Delivers and expunges; now and then counts in the middle of it all. */
static void
work(const struct store_rig *rig, unsigned seed)
{
	struct account *a;
	struct store *s = store_rig_again(rig, &a);
	struct store_rig mine = *rig;

	mine.store = s;
	mine.account = a;
	for (int i = 0; i < 60; i++) {
		store_rig_deliver(&mine, "INBOX", TEN, NULL);
		if ((seed + (unsigned)i) % 5 == 0) {
			struct mailbox *m =
			    store_rig_open(&mine, "INBOX", MAILBOX_WRITE);
			const struct view *v = mailbox_view(m);
			uint32_t uid = view_at(v, view_count(v) / 2)->uid;

			(void)mailbox_expunge(m, &uid, 1, NULL, NULL);
			mailbox_close(m);
		}
		if ((seed + (unsigned)i) % 7 == 0) {
			struct usage u;

			(void)account_recount(a, &u, NULL);
		}
	}
	account_unref(a);
	store_free(s);
}

static void
test_processes_together_are_exact(void **state)
{
	struct store_rig *rig = *state;
	uint64_t messages;
	pid_t pids[3];
	struct usage u;
	int status;

	limits(rig, 1000000, 0);
	assert_usage(rig, 0, 0);
	for (unsigned i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			work(rig, i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	messages = store_rig_count(rig, "new") + store_rig_count(rig, "cur");
	assert_true(messages >= 3 * 60 - 3 * 12);
	/* Counted in the middle it may have been dropped; if it is there, it
	 * is true. */
	if (store_rig_has(rig, "maildirsize"))
		assert_file(rig, 10 * messages, messages);
	assert_int_equal(account_recount(rig->account, &u, NULL), 0);
	assert_int_equal(u.messages, messages);
	assert_file(rig, 10 * messages, messages);
}

#define ON_STORE(f)                                                            \
	cmocka_unit_test_setup_teardown(f, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_is_read),
		cmocka_unit_test(test_nul_is_broken),
		cmocka_unit_test(test_text_is_written_as_dovecot_writes_it),
		cmocka_unit_test(test_percent),
		ON_STORE(test_every_change_is_a_line),
		ON_STORE(test_refused_change_leaves_no_line),
		ON_STORE(test_limits_hold),
		ON_STORE(test_what_is_counted),
		ON_STORE(test_wrong_file_is_counted_anew),
		ON_STORE(test_over_and_stale_is_counted_anew),
		ON_STORE(test_long_file_is_counted_anew),
		ON_STORE(test_torn_line_is_not_continued),
		ON_STORE(test_old_session_goes_by_the_file),
		ON_STORE(test_without_limits_somebody_elses_file_is_kept_true),
		ON_STORE(test_warnings_come_once_for_each_level),
		ON_STORE(test_swinging_about_a_level_is_told_once),
		ON_STORE(test_warning_waits_for_who_knows_whom_to_tell),
		ON_STORE(test_too_large_a_message_is_no_warning),
		ON_STORE(test_processes_together_are_exact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
