/* SPDX-License-Identifier: BSD-2-Clause */
/* Backups and their return; what a damaged mailbox looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "store/backup.h"
#include "store/fsck.h"
#include "store/unique_id.h"
#include "tests/unit/store_rig.h"

#define TEXT "Subject: one\n\ntext\n"

struct sides {
	unsigned depth, steps;
	bool is_outside;
};

static void
outside(void *arg)
{
	((struct sides *)arg)->is_outside = true;
}

static void
inside(void *arg)
{
	((struct sides *)arg)->is_outside = false;
}

static void
step(void *arg, uint64_t octets)
{
	(void)octets;
	((struct sides *)arg)->steps++;
}

static int
open_backup(const struct store_rig *rig, char path[160])
{
	int fd;

	(void)snprintf(path, 160, "%s/backup", rig->path);
	(void)mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd != -1);
	return fd;
}

static struct backup_result
copy(const struct store_rig *rig, struct account *a, bool restore,
    const char *mailbox)
{
	const struct backup_options o = { .mailbox = span_str(mailbox) };
	struct sides sides = { 0 };
	const struct backup_side side = { &sides, outside, inside, step };
	struct backup_result result;
	struct err err = ERR_INIT;
	char path[160];
	int fd = open_backup(rig, path);

	if ((restore ? backup_read(a, fd, &o, &side, &result, &err)
		     : backup_write(a, fd, &o, &side, &result, &err)) == -1)
		fail_msg("%s: %s", restore ? "restore" : "backup", err.text);
	assert_false(sides.is_outside);
	assert_int_equal(sides.steps, result.messages);
	(void)close(fd);
	return result;
}

static struct account *
second_account(const struct store_rig *rig)
{
	struct account *a;

	assert_int_equal(account_open(rig->store, SPAN("aozora"),
			     SPAN("user-2"), ACCOUNT_CREATE, &a, NULL),
	    0);
	return a;
}

static void
fill(const struct store_rig *rig)
{
	const struct span keyword = SPAN("$Work");
	const struct draft_options flagged = { .has_date = true,
		.date = 1000000000,
		.want_uid = true,
		.letters = MESSAGE_SEEN | MESSAGE_FLAGGED,
		.keywords = &keyword,
		.keyword_count = 1 };
	struct mailbox *m;
	uint32_t two = 2;

	assert_int_equal(
	    mailbox_create(rig->account, SPAN("Work/2026"), NULL), 0);
	assert_int_equal(
	    mailbox_subscribe(rig->account, SPAN("Work/2026"), true, NULL), 0);
	(void)store_rig_deliver(rig, "INBOX", TEXT, &flagged);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	(void)store_rig_deliver(rig, "Work/2026", TEXT, &flagged);
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	mailbox_close(m);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(mailbox_expunge(m, &two, 1, NULL, NULL), 0);
	mailbox_close(m);
}

static void
assert_same(struct account *a, struct account *b, const char *name)
{
	struct mailbox *m, *n;
	const struct view *v, *w;

	assert_int_equal(
	    mailbox_open(a, span_str(name), MAILBOX_READ, &m, NULL), 0);
	assert_int_equal(
	    mailbox_open(b, span_str(name), MAILBOX_READ, &n, NULL), 0);
	v = mailbox_view(m);
	w = mailbox_view(n);
	assert_int_equal(view_count(v), view_count(w));
	assert_int_equal(view_uidvalidity(v), view_uidvalidity(w));
	assert_string_equal(view_mailbox_id(v), view_mailbox_id(w));
	for (uint32_t i = 0; i < view_count(v); i++) {
		time_t x, y;

		assert_int_equal(view_at(v, i)->uid, view_at(w, i)->uid);
		assert_int_equal(
		    view_at(v, i)->letters, view_at(w, i)->letters);
		assert_true(
		    span_eq(view_base_name(v, i), view_base_name(w, i)));
		assert_int_equal(
		    message_date(m, view_at(v, i)->uid, &x, NULL), 0);
		assert_int_equal(
		    message_date(n, view_at(w, i)->uid, &y, NULL), 0);
		assert_int_equal(x, y);
	}
	for (unsigned i = 0; i < 26; i++)
		assert_true(span_eq(view_keyword(v, i), view_keyword(w, i)));
	mailbox_close(m);
	mailbox_close(n);
}

static void
test_there_and_back(void **state)
{
	struct store_rig *rig = *state;
	struct account *a = second_account(rig);
	struct backup_result r;
	struct mailbox *m;
	uint32_t one = 1;

	fill(rig);
	r = copy(rig, rig->account, false, NULL);
	assert_int_equal(r.copied, 3);
	assert_int_equal(r.mailboxes, 2);
	r = copy(rig, rig->account, false, NULL);
	assert_int_equal(r.copied + r.renamed + r.removed, 0);
	r = copy(rig, a, true, NULL);
	assert_int_equal(r.copied, 3);
	assert_int_equal(r.renumbered, 0);
	assert_same(rig->account, a, "INBOX");
	assert_same(rig->account, a, "Work/2026");
	r = copy(rig, a, true, NULL);
	assert_int_equal(r.copied, 0);
	/* Gone there: it comes back as another one, and POP3 knows it. */
	assert_int_equal(
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_WRITE, &m, NULL), 0);
	assert_int_equal(mailbox_expunge(m, &one, 1, NULL, NULL), 0);
	mailbox_close(m);
	r = copy(rig, a, true, NULL);
	assert_int_equal(r.copied, 1);
	assert_int_equal(r.renumbered, 1);
	assert_int_equal(
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_READ, &m, NULL), 0);
	{
		const struct view *v = mailbox_view(m);
		struct buf id;
		char expected[20];

		buf_init(&id, 300);
		assert_int_equal(view_count(v), 2);
		assert_true(view_at(v, 1)->uid > BACKUP_UID_GAP);
		view_unique_id(v, 1, NULL, &id);
		(void)snprintf(expected, sizeof(expected), "%08x%08x", 1U,
		    view_uidvalidity(v));
		assert_string_equal(buf_str(&id), expected);
		assert_int_equal(view_at(v, 1)->letters & MESSAGE_SYSTEM_FLAGS,
		    MESSAGE_SEEN | MESSAGE_FLAGGED);
		buf_fini(&id);
	}
	mailbox_close(m);
	r = copy(rig, a, true, NULL);
	assert_int_equal(r.copied, 0);
	account_unref(a);
}

static void
test_what_changed(void **state)
{
	struct store_rig *rig = *state;
	struct backup_result r;
	struct mailbox *m;
	uint32_t uids[] = { 1, 3 };

	fill(rig);
	(void)copy(rig, rig->account, false, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(
	    mailbox_flags(m, &uids[0], 1, FLAGS_ADD, MESSAGE_ANSWERED, NULL),
	    0);
	assert_int_equal(mailbox_expunge(m, &uids[1], 1, NULL, NULL), 0);
	mailbox_close(m);
	assert_int_equal(
	    mailbox_delete(rig->account, SPAN("Work/2026"), NULL), 0);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	r = copy(rig, rig->account, false, "INBOX");
	assert_int_equal(r.copied, 1);
	assert_int_equal(r.renamed, 1);
	assert_int_equal(r.removed, 1);
	assert_int_equal(access("backup", F_OK), -1);
	{
		char path[160], work[200];
		int fd = open_backup(rig, path);

		(void)close(fd);
		(void)snprintf(work, sizeof(work), "%s/.Work.2026/cur", path);
		assert_int_equal(access(work, F_OK), 0);
		/* The account as a whole: the mailbox goes. */
		(void)copy(rig, rig->account, false, NULL);
		assert_int_equal(access(work, F_OK), -1);
	}
}

/* Courier's tree: its UIDs are in a file of another name and version. */
static void
test_courier(void **state)
{
	struct store_rig *rig = *state;
	char path[160], command[1200];
	struct backup_result r;
	struct mailbox *m;

	(void)close(open_backup(rig, path));
	(void)snprintf(command, sizeof(command),
	    "cd %s && mkdir cur new tmp && printf 'Subject: a\\n\\na\\n' "
	    ">cur/1000.M1P1.c:2,S && cp cur/1000.M1P1.c:2,S cur/1001.M1P1.c:2, "
	    "&& printf '1 77 9\\n4 1000.M1P1.c\\n8 1001.M1P1.c\\n' "
	    ">courierimapuiddb && ln -s /etc .Evil && ln -s /etc/passwd "
	    "cur/1002.M1P1.c:2,",
	    path);
	assert_int_equal(system(command), 0);
	{
		/* A link in the backup leads nowhere. */
		const struct backup_options o = { .keep = false };
		struct sides sides = { 0 };
		const struct backup_side side = { &sides, outside, inside,
			step };
		struct err err = ERR_INIT;
		int fd = open_backup(rig, path);

		assert_int_equal(
		    backup_read(rig->account, fd, &o, &side, &r, &err), -1);
		(void)close(fd);
	}
	(void)snprintf(
	    command, sizeof(command), "rm %s/cur/1002.M1P1.c:2,", path);
	assert_int_equal(system(command), 0);
	r = copy(rig, rig->account, true, NULL);
	assert_int_equal(r.copied, 2);
	assert_int_equal(r.mailboxes, 1);
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_uidvalidity(mailbox_view(m)), 77);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 4);
	assert_int_equal(view_at(mailbox_view(m), 1)->uid, 8);
	assert_int_equal(view_uidnext(mailbox_view(m)), 9 + BACKUP_UID_GAP);
	mailbox_close(m);
}

static void
test_fsck(void **state)
{
	struct store_rig *rig = *state;
	struct fsck_result r;
	struct err err = ERR_INIT;
	char *list;
	struct mailbox *m;

	fill(rig);
	assert_int_equal(
	    mailbox_fsck(rig->account, SPAN("INBOX"), false, &r, &err), 0);
	assert_false(fsck_found(&r));
	assert_int_equal(r.messages, 2);
	list = store_rig_get(rig, "dovecot-uidlist");
	list[strlen(list) - 5] = '\0';
	store_rig_put(rig, "dovecot-uidlist", list);
	free(list);
	store_rig_put(rig, "cur/.x", "");
	store_rig_put(rig, "cur/7.M1P1.x,S=5:2,", "123");
	assert_int_equal(
	    mailbox_fsck(rig->account, SPAN("INBOX"), false, &r, &err), 0);
	assert_true(r.torn);
	assert_int_equal(r.strangers, 1);
	assert_int_equal(r.wrong_size, 1);
	store_rig_rename(rig, "cur/.x", NULL);
	store_rig_rename(rig, "cur/7.M1P1.x,S=5:2,", NULL);
	assert_int_equal(
	    mailbox_fsck(rig->account, SPAN("INBOX"), true, &r, &err), 0);
	assert_true(r.torn);
	assert_int_equal(
	    mailbox_fsck(rig->account, SPAN("INBOX"), false, &r, &err), 0);
	assert_false(fsck_found(&r));
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 1);
	mailbox_close(m);
	assert_int_equal(
	    mailbox_fsck(rig->account, SPAN("None"), true, &r, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(                                       \
	    name, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_there_and_back),
		TEST(test_what_changed),
		TEST(test_courier),
		TEST(test_fsck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
