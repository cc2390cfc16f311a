/* SPDX-License-Identifier: BSD-2-Clause */
/* What is deleted is kept and comes back; what is old goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/kept.h"
#include "store/quota.h"
#include "store/retention.h"
#include "tests/unit/store_rig.h"

#define DAY 86400
#define TEXT "Subject: one\n\ntext\n"

static struct kept_result
back(const struct store_rig *rig, const struct kept_choice *choice)
{
	static const struct kept_choice all = { .dry = false };
	struct kept_result result;
	struct err err = ERR_INIT;

	if (kept_bring_back(rig->account, choice == NULL ? &all : choice, NULL,
		NULL, &result, &err) == -1)
		fail_msg("undelete: %s", err.text);
	return result;
}

static struct retention_result
purge(const struct store_rig *rig, const struct retention *r, time_t now)
{
	struct retention_result result;
	struct err err = ERR_INIT;

	if (account_purge(rig->account, r, now, NULL, NULL, &result, &err) ==
	    -1)
		fail_msg("purge: %s", err.text);
	return result;
}

static void
expunge(const struct store_rig *rig, const char *name)
{
	struct mailbox *m = store_rig_open(rig, name, MAILBOX_WRITE);
	const struct view *v = mailbox_view(m);
	uint32_t uids[64];

	for (uint32_t i = 0; i < view_count(v); i++)
		uids[i] = view_at(v, i)->uid;
	assert_int_equal(
	    mailbox_expunge(m, uids, view_count(v), NULL, NULL), 0);
	mailbox_close(m);
}

static unsigned
count(const struct store_rig *rig, const char *name)
{
	struct mailbox *m = store_rig_open(rig, name, MAILBOX_READ);
	unsigned n = view_count(mailbox_view(m));

	mailbox_close(m);
	return n;
}

static void
make(const struct store_rig *rig, const char *name)
{
	assert_int_equal(mailbox_create(rig->account, span_str(name), NULL), 0);
}

static void
outside_path(const struct store_rig *rig, char out[128])
{
	(void)snprintf(out, 128, "%s-outside", rig->path);
}

/* ---- kept and brought back ---- */

static void
test_comes_back_as_it_was(void **state)
{
	struct store_rig *rig = *state;
	const struct span keyword = SPAN("$Work");
	const struct draft_options o = { .has_date = true,
		.date = 1000000000,
		.want_uid = true,
		.letters = MESSAGE_SEEN | MESSAGE_FLAGGED | MESSAGE_DELETED,
		.keywords = &keyword,
		.keyword_count = 1 };
	struct draft_result first = store_rig_deliver(rig, "INBOX", TEXT, &o);
	struct mailbox *m;
	const struct message *message;
	struct content *content;
	struct span id;

	account_keep_days(rig->account, 7);
	expunge(rig, "INBOX");
	assert_int_equal(count(rig, "INBOX"), 0);
	assert_int_equal(back(rig, NULL).messages, 1);
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	message = view_at(mailbox_view(m), 0);
	assert_true(message->uid > first.uid);
	assert_int_equal(message->letters & MESSAGE_SYSTEM_FLAGS,
	    MESSAGE_SEEN | MESSAGE_FLAGGED);
	assert_int_equal(message->letters & MESSAGE_KEYWORDS,
	    MESSAGE_KEYWORD(
		(unsigned)view_keyword_find(mailbox_view(m), SPAN("$Work"))));
	assert_int_equal(content_open(m, message->uid, &content, NULL), 0);
	assert_int_equal(content_date(content), 1000000000);
	assert_true(span_eq(
	    content_span(content), SPAN("Subject: one\r\n\r\ntext\r\n")));
	content_free(content);
	/* Another name; and the old one is its identity. */
	assert_true(view_field(mailbox_view(m), 0, 'G', &id));
	assert_non_null(strstr(first.name, "/"));
	assert_memory_equal(id.p, strchr(first.name, '/') + 1, id.len);
	assert_false(span_starts(view_base_name(mailbox_view(m), 0), id));
	mailbox_close(m);
	assert_int_equal(back(rig, NULL).messages, 0);
}

static void
test_is_kept_only_where_it_should(void **state)
{
	struct store_rig *rig = *state;

	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	assert_false(store_rig_has(rig, "hikyaku-deleted"));
	assert_int_equal(back(rig, NULL).messages, 0);
}

static void
test_nobody_counts_or_lists_it(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_list list;
	struct usage u;

	account_keep_days(rig->account, 7);
	account_limits(rig->account, &(struct quota_limits){ .octets = 1000 });
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	assert_true(store_rig_has(rig, "hikyaku-deleted"));
	assert_int_equal(account_usage(rig->account, &u, NULL), 0);
	assert_int_equal(u.messages, 0);
	assert_int_equal(account_recount(rig->account, &u, NULL), 0);
	assert_int_equal(u.octets, 0);
	assert_int_equal(mailbox_list(rig->account, &list, NULL), 0);
	assert_int_equal(list.count, 1);
	mailbox_list_fini(&list);
	assert_int_equal(back(rig, NULL).messages, 1);
	assert_int_equal(account_usage(rig->account, &u, NULL), 0);
	assert_int_equal(u.messages, 1);
	assert_int_equal(u.octets, sizeof(TEXT) - 1);
}

static void
test_deleted_mailbox(void **state)
{
	struct store_rig *rig = *state;
	const struct span keyword = SPAN("Second");
	const struct draft_options o = { .want_uid = true,
		.letters = MESSAGE_SEEN,
		.keywords = &keyword,
		.keyword_count = 1 };
	struct mailbox *m;
	unsigned n;

	account_keep_days(rig->account, 7);
	make(rig, "Work/2026");
	(void)store_rig_deliver(rig, "Work/2026", TEXT, &o);
	(void)store_rig_deliver(rig, "Work/2026", TEXT, NULL);
	assert_int_equal(
	    mailbox_delete(rig->account, SPAN("Work/2026"), NULL), 0);
	assert_false(mailbox_exists(rig->account, SPAN("Work/2026")));
	/* Another keyword has the letter by then. */
	make(rig, "Work/2026");
	m = store_rig_open(rig, "Work/2026", MAILBOX_WRITE);
	assert_int_equal(mailbox_keyword(m, SPAN("First"), &n, NULL), 0);
	mailbox_close(m);
	assert_int_equal(back(rig, NULL).messages, 2);
	m = store_rig_open(rig, "Work/2026", MAILBOX_READ);
	assert_int_equal(view_count(mailbox_view(m)), 2);
	n = (unsigned)view_keyword_find(mailbox_view(m), SPAN("Second"));
	assert_int_equal(n, 1);
	assert_int_equal(view_at(mailbox_view(m), 0)->letters &
			     (MESSAGE_KEYWORDS | MESSAGE_SYSTEM_FLAGS),
	    MESSAGE_KEYWORD(n) | MESSAGE_SEEN);
	mailbox_close(m);
	/* Without anybody's help the mailbox is made. */
	assert_int_equal(
	    mailbox_delete(rig->account, SPAN("Work/2026"), NULL), 0);
	assert_int_equal(back(rig, NULL).messages, 2);
	assert_int_equal(count(rig, "Work/2026"), 2);
}

static void
test_once_though_deleted_twice(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_copied copied = { 0 };
	struct mailbox *m;
	struct kept_result result;
	uint32_t uid;

	account_keep_days(rig->account, 7);
	make(rig, "Trash");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	uid = view_at(mailbox_view(m), 0)->uid;
	assert_int_equal(
	    mailbox_copy(m, &uid, 1, SPAN("Trash"), false, &copied, NULL), 0);
	mailbox_copied_fini(&copied);
	mailbox_close(m);
	expunge(rig, "INBOX");
	/* It is still in Trash: nothing is lost. */
	result = back(rig, NULL);
	assert_int_equal(result.messages, 0);
	assert_int_equal(result.live, 1);
	expunge(rig, "Trash");
	result = back(rig, NULL);
	assert_int_equal(result.messages, 1);
	assert_int_equal(result.live, 1);
	assert_int_equal(count(rig, "INBOX"), 1);
	assert_int_equal(count(rig, "Trash"), 0);
}

static void
test_a_move_keeps_nothing(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_copied copied = { 0 };
	struct mailbox *m;
	uint32_t uid;

	account_keep_days(rig->account, 7);
	make(rig, "Work");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	uid = view_at(mailbox_view(m), 0)->uid;
	assert_int_equal(
	    mailbox_copy(m, &uid, 1, SPAN("Work"), true, &copied, NULL), 0);
	mailbox_copied_fini(&copied);
	mailbox_close(m);
	assert_false(store_rig_has(rig, "hikyaku-deleted"));
}

static void
test_choice(void **state)
{
	struct store_rig *rig = *state;
	unsigned today = kept_day(time(NULL));
	const struct kept_choice work = { .mailbox = SPAN("Work") };
	const struct kept_choice later = { .from = today + 1 };
	const struct kept_choice before = { .to = today - 1 };
	const struct kept_choice dry = { .dry = true };

	account_keep_days(rig->account, 7);
	make(rig, "Work");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	(void)store_rig_deliver(rig, "Work", TEXT, NULL);
	expunge(rig, "INBOX");
	expunge(rig, "Work");
	assert_int_equal(back(rig, &dry).messages, 2);
	assert_int_equal(back(rig, &later).messages, 0);
	assert_int_equal(back(rig, &before).messages, 0);
	assert_int_equal(back(rig, &work).messages, 1);
	assert_int_equal(count(rig, "Work"), 1);
	assert_int_equal(count(rig, "INBOX"), 0);
	assert_int_equal(back(rig, &dry).messages, 1);
}

static void
test_not_over_the_quota(void **state)
{
	struct store_rig *rig = *state;
	const struct kept_choice all = { .dry = false };
	struct kept_result result;
	struct err err = ERR_INIT;

	account_keep_days(rig->account, 7);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	account_limits(
	    rig->account, &(struct quota_limits){ .octets = sizeof(TEXT) - 2 });
	assert_int_equal(
	    kept_bring_back(rig->account, &all, NULL, NULL, &result, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(err.os, EDQUOT);
	assert_int_equal(count(rig, "INBOX"), 0);
	account_limits(rig->account, &(struct quota_limits){ .octets = 0 });
	assert_int_equal(back(rig, NULL).messages, 1);
}

/* A full disk must be able to empty, and a planted link leads nowhere. */
static void
test_what_cannot_be_kept_goes_all_the_same(void **state)
{
	struct store_rig *rig = *state;
	char outside[128], link[256];

	account_keep_days(rig->account, 7);
	store_rig_put(rig, "hikyaku-deleted", "");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	assert_int_equal(count(rig, "INBOX"), 0);
	store_rig_rename(rig, "hikyaku-deleted", NULL);

	outside_path(rig, outside);
	(void)snprintf(link, sizeof(link), "%s/hikyaku-deleted", rig->maildir);
	assert_int_equal(mkdir(outside, 0700), 0);
	assert_int_equal(symlink(outside, link), 0);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	assert_int_equal(count(rig, "INBOX"), 0);
	assert_int_equal(rmdir(outside), 0); /* empty */
}

/* A crash between the link and the end of the kept name. */
static void
test_bringing_back_that_was_cut_short(void **state)
{
	struct store_rig *rig = *state;
	char day[64], from[400];

	account_keep_days(rig->account, 7);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	(void)snprintf(day, sizeof(day), "hikyaku-deleted/%08u/INBOX",
	    kept_day(time(NULL)));
	/* Linked, and not registered: it is a message like any other. */
	(void)snprintf(from, sizeof(from), "cd %s && ln %s/* new/1000.M1P1.x",
	    rig->maildir, day);
	assert_int_equal(system(from), 0);
	assert_int_equal(count(rig, "INBOX"), 1);
	/* Again: twice is better than not at all. */
	assert_int_equal(back(rig, NULL).messages, 1);
	assert_int_equal(count(rig, "INBOX"), 2);
	assert_int_equal(store_rig_count(rig, day), 0);
}

/* ---- what is old goes ---- */

static void
test_mailboxes_are_purged(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = {
		.junk = 30, .trash = 60, .quarantine = 14
	};
	time_t now = time(NULL);
	struct usage u;

	account_keep_days(rig->account, 7);
	account_limits(rig->account, &(struct quota_limits){ .messages = 100 });
	make(rig, "Junk");
	make(rig, "Trash");
	make(rig, "Quarantine");
	make(rig, "Work");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	for (int i = 0; i < 3; i++)
		(void)store_rig_deliver(rig, "Junk", TEXT, NULL);
	(void)store_rig_deliver(rig, "Trash", TEXT, NULL);
	(void)store_rig_deliver(rig, "Quarantine", TEXT, NULL);
	(void)store_rig_deliver(rig, "Work", TEXT, NULL);
	assert_int_equal(purge(rig, &r, now + 13 * DAY).messages, 0);
	assert_int_equal(purge(rig, &r, now + 15 * DAY).messages, 1);
	assert_int_equal(count(rig, "Quarantine"), 0);
	assert_int_equal(purge(rig, &r, now + 31 * DAY).messages, 3);
	assert_int_equal(count(rig, "Junk"), 0);
	assert_int_equal(count(rig, "Trash"), 1);
	assert_int_equal(purge(rig, &r, now + 61 * DAY).messages, 1);
	assert_int_equal(count(rig, "INBOX"), 1);
	assert_int_equal(count(rig, "Work"), 1);
	assert_int_equal(account_usage(rig->account, &u, NULL), 0);
	assert_int_equal(u.messages, 2);
	/* What went by itself is not kept. */
	assert_int_equal(back(rig, NULL).messages, 0);
}

static void
test_inbox_goes_by_arrival(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = { .inbox = 30 };
	const struct draft_options old = { .has_date = true, .date = 1000 };
	time_t now = time(NULL);

	/* Its own date is old, but it came just now. */
	(void)store_rig_deliver(rig, "INBOX", TEXT, &old);
	assert_int_equal(purge(rig, &r, now + 29 * DAY).messages, 0);
	/* Of another server, with a name that tells nothing. */
	store_rig_put(rig, "cur/name-of-another:2,S", TEXT);
	assert_int_equal(purge(rig, &r, now + 29 * DAY).messages, 0);
	assert_int_equal(purge(rig, &r, now + 31 * DAY).messages, 2);
	assert_int_equal(count(rig, "INBOX"), 0);
}

static void
test_a_touch_renews(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = { .trash = 1 };
	struct stat before, after;
	char path[512];
	struct draft_result d;

	make(rig, "Trash");
	d = store_rig_deliver(rig, "Trash", TEXT, NULL);
	(void)snprintf(
	    path, sizeof(path), "%s/.Trash/%s", rig->maildir, d.name);
	assert_int_equal(stat(path, &before), 0);
	/* Due by a second, and touched since. */
	do {
		(void)usleep(50000);
		assert_int_equal(chmod(path, 0600), 0);
		assert_int_equal(stat(path, &after), 0);
	} while (after.st_ctime == before.st_ctime);
	assert_int_equal(purge(rig, &r, before.st_ctime + DAY + 1).messages, 0);
	assert_int_equal(purge(rig, &r, after.st_ctime + DAY + 1).messages, 1);
}

static void
test_kept_mail_goes_by_whole_days(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = { .undelete = 7 }, none = { 0 };
	time_t now = time(NULL);

	account_keep_days(rig->account, 7);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	assert_int_equal(purge(rig, &r, now + 7 * DAY).deleted, 0);
	assert_int_equal(purge(rig, &r, now + 8 * DAY).deleted, 1);
	assert_int_equal(back(rig, NULL).messages, 0);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	expunge(rig, "INBOX");
	/* The class keeps nothing any more. */
	assert_int_equal(purge(rig, &none, now).deleted, 1);
	assert_false(store_rig_has(rig, "hikyaku-deleted"));
}

static void
test_leftovers_in_tmp(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = { 0 };
	time_t now = time(NULL);

	make(rig, "Work");
	store_rig_put(rig, "tmp/1.M1P1.x", TEXT);
	store_rig_put(rig, ".Work/tmp/1.M2P1.x", TEXT);
	assert_int_equal(purge(rig, &r, now + 35 * 3600).leftovers, 0);
	assert_int_equal(purge(rig, &r, now + 37 * 3600).leftovers, 2);
	assert_int_equal(store_rig_count(rig, "tmp"), 0);
	assert_int_equal(store_rig_count(rig, ".Work/tmp"), 0);
}

static bool
two_only(void *arg)
{
	unsigned *left = arg;

	return --*left > 0;
}

static void
test_the_pace_may_stop_it(void **state)
{
	struct store_rig *rig = *state;
	const struct retention r = { .junk = 1, .trash = 1 };
	struct retention_result result;
	time_t now = time(NULL);
	unsigned left = 1;

	make(rig, "Junk");
	make(rig, "Trash");
	(void)store_rig_deliver(rig, "Junk", TEXT, NULL);
	(void)store_rig_deliver(rig, "Trash", TEXT, NULL);
	store_rig_put(rig, "tmp/1.M1P1.x", TEXT);
	assert_int_equal(account_purge(rig->account, &r, now + 3 * DAY,
			     two_only, &left, &result, NULL),
	    0);
	assert_int_equal(result.messages, 1);
	assert_int_equal(count(rig, "Trash"), 1);
	assert_int_equal(store_rig_count(rig, "tmp"), 1);
}

struct found {
	unsigned count;
	char last[65];
};

static bool
found_one(void *arg, struct span id, struct err *err)
{
	struct found *f = arg;

	(void)err;
	f->count++;
	(void)snprintf(f->last, sizeof(f->last), "%.*s", SPAN_FMT(id));
	return true;
}

static void
test_accounts(void **state)
{
	struct store_rig *rig = *state;
	struct found f = { 0 };

	assert_int_equal(store_accounts_each(rig->path, SPAN("aozora"), 200,
			     found_one, &f, NULL),
	    0);
	assert_int_equal(f.count, 1);
	assert_string_equal(f.last, "user-1");
	assert_int_equal(store_accounts_each(
			     rig->path, SPAN("nobody"), 0, found_one, &f, NULL),
	    0);
	assert_int_equal(f.count, 1);
	assert_int_equal(store_accounts_each(
			     rig->path, SPAN("../x"), 0, found_one, &f, NULL),
	    -1);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(                                       \
	    name, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_comes_back_as_it_was),
		TEST(test_is_kept_only_where_it_should),
		TEST(test_nobody_counts_or_lists_it),
		TEST(test_deleted_mailbox),
		TEST(test_once_though_deleted_twice),
		TEST(test_a_move_keeps_nothing),
		TEST(test_choice),
		TEST(test_not_over_the_quota),
		TEST(test_what_cannot_be_kept_goes_all_the_same),
		TEST(test_bringing_back_that_was_cut_short),
		TEST(test_mailboxes_are_purged),
		TEST(test_inbox_goes_by_arrival),
		TEST(test_a_touch_renews),
		TEST(test_kept_mail_goes_by_whole_days),
		TEST(test_leftovers_in_tmp),
		TEST(test_the_pace_may_stop_it),
		TEST(test_accounts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
