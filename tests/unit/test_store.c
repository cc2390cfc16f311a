/* SPDX-License-Identifier: BSD-2-Clause */
/* Mailboxes on real files: UIDs that stay, flags, copies, foreign trees. */
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

#include "store/unique_id.h"
#include "tests/unit/store_rig.h"

#define TEXT "Subject: x\r\n\r\nbody\r\n"

static const uint32_t one[] = { 1 };

static uint64_t
letters_of(struct mailbox *m, uint32_t uid)
{
	uint32_t index;

	assert_true(view_find(mailbox_view(m), uid, &index));
	return view_at(mailbox_view(m), index)->letters;
}

static void
look(struct mailbox *m)
{
	struct err err = ERR_INIT;

	if (mailbox_refresh(m, NULL, &err) == -1 ||
	    mailbox_advance(m, true, NULL, NULL, &err) == -1)
		fail_msg("refresh: %s", err.text);
}

static void
assert_text(const struct store_rig *rig, const char *name, const char *text)
{
	char *got = store_rig_get(rig, name);

	assert_string_equal(got, text);
	free(got);
}

static void
assert_contains(const struct store_rig *rig, const char *name, const char *part)
{
	char *got = store_rig_get(rig, name);

	if (strstr(got, part) == NULL)
		fail_msg("%s holds \"%s\", not \"%s\"", name, got, part);
	free(got);
}

static void
test_delivery_is_seen_moved_and_numbered(void **state)
{
	struct store_rig *rig = *state;
	struct draft_result r = store_rig_deliver(rig, "INBOX", TEXT, NULL);
	struct mailbox *m;
	char seen[300];

	assert_int_equal(strncmp(r.name, "new/", 4), 0);
	assert_true(store_rig_has(rig, r.name));
	assert_non_null(strstr(r.name, ",S=20,W=20"));
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 1);
	assert_true(mailbox_recent(m, view_at(mailbox_view(m), 0)));
	assert_int_equal(mailbox_recent_count(m), 1);
	assert_true(store_rig_has(rig, r.name)); /* EXAMINE moves nothing */
	mailbox_close(m);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 1);
	assert_true(mailbox_recent(m, view_at(mailbox_view(m), 0)));
	assert_int_equal(mailbox_recent_count(m), 1);
	(void)snprintf(seen, sizeof(seen), "cur/%s:2,", r.name + 4);
	assert_true(store_rig_has(rig, seen));
	assert_int_equal(store_rig_count(rig, "new"), 0);
	mailbox_close(m);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_false(mailbox_recent(m, view_at(mailbox_view(m), 0)));
	assert_int_equal(mailbox_recent_count(m), 0);
	mailbox_close(m);
	assert_contains(rig, "dovecot-uidlist", "\n1 :");
	assert_false(store_rig_has(rig, "dovecot-uidlist.lock"));
}

/* Fields that somebody gives to lines which are known already. */
static void
test_foreign_fields_are_taken_over(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;
	struct span value;

	store_rig_put(rig, "dovecot-uidlist",
	    "3 V9 N4 G0123456789abcdef0123456789abcdef\n"
	    "1 :1.h\n2 Pold O1 :2.h\n3 :3.h\n");
	store_rig_put(rig, "cur/1.h:2,", "x\r\n");
	store_rig_put(rig, "cur/2.h:2,", "x\r\n");
	store_rig_put(rig, "cur/3.h:2,", "x\r\n");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	store_rig_put(rig, "dovecot-uidlist.new",
	    "3 V9 N4 G0123456789abcdef0123456789abcdef\n"
	    "1 PUID7-1 O5 :1.h\n2 :2.h\n3 Pgone :3.h\n");
	store_rig_rename(rig, "dovecot-uidlist.new", "dovecot-uidlist");
	store_rig_rename(rig, "cur/3.h:2,", NULL);
	store_rig_rename(rig, "cur/1.h:2,", "cur/1.h:2,S");
	store_rig_put(rig, "new/4.h", "x\r\n");
	look(m);
	assert_int_equal(view_count(mailbox_view(m)), 3);
	assert_true(view_field(mailbox_view(m), 0, 'P', &value));
	assert_true(span_eq(value, SPAN("UID7-1")));
	assert_int_equal(letters_of(m, 1) & MESSAGE_SEEN, MESSAGE_SEEN);
	assert_false(view_field(mailbox_view(m), 1, 'P', &value));
	/* And they stand in the list when we write it. */
	(void)mailbox_keep_unique_ids(m,
	    (struct unique_id[]){ { 2, SPAN("two") }, { 3, SPAN("none") } }, 2,
	    NULL);
	assert_contains(rig, "dovecot-uidlist",
	    "\n1 PUID7-1 O5 :1.h\n2 Ptwo :2.h\n4 :4.h\n");
	assert_int_equal(
	    mailbox_keep_unique_ids(
		m, (struct unique_id[]){ { 2, SPAN("a b") } }, 1, NULL),
	    -1);
	mailbox_close(m);
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(mailbox_keep_unique_ids(m,
			     (struct unique_id[]){ { 2, SPAN("x") } }, 1, NULL),
	    -1);
	mailbox_close(m);
}

/* A tree as another server leaves it: every UID and flag stays. */
static void
test_foreign_tree_keeps_its_uids(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;
	const struct view *v;
	struct span value;
	char id[200];
	struct buf out;

	store_rig_put(rig, "dovecot-uidlist",
	    "3 V1234567891 N9 G0123456789abcdef0123456789abcdef Zkept\n"
	    "3 :1000.M1P1.h,S=4,W=5\n"
	    "5 W9 Punique5 Qq :1001.M1P1.h\n"
	    "7 P :1002.M1P1.h:2,S\n"
	    "8 :gone.M1P1.h\n");
	store_rig_put(rig, "dovecot-keywords", "0 $Junk\n3 work\n");
	store_rig_put(rig, "cur/1000.M1P1.h,S=4,W=5:2,FPSXabz", "a\nb\r");
	store_rig_put(rig, "cur/1001.M1P1.h:2,d", "x\ny\nzz\n");
	store_rig_put(rig, "cur/1002.M1P1.h", "c\r\n");
	store_rig_put(rig, "new/1003.M2P1.h", "second\r\n");
	store_rig_put(rig, "new/1003.M1P1.h", "first\r\n");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	v = mailbox_view(m);
	assert_int_equal(view_count(v), 5);
	assert_int_equal(view_uidvalidity(v), 1234567891);
	assert_int_equal(view_at(v, 0)->uid, 3);
	assert_int_equal(view_at(v, 1)->uid, 5);
	assert_int_equal(view_at(v, 2)->uid, 7);
	assert_int_equal(view_at(v, 3)->uid, 9); /* arrival, not readdir */
	assert_int_equal(view_at(v, 4)->uid, 10);
	assert_true(span_eq(view_base_name(v, 3), SPAN("1003.M1P1.h")));
	assert_string_equal(
	    view_mailbox_id(v), "0123456789abcdef0123456789abcdef");
	assert_int_equal(view_at(v, 0)->letters & MESSAGE_SYSTEM_FLAGS,
	    MESSAGE_FLAGGED | MESSAGE_SEEN);
	assert_true(span_eq(view_keyword(v, 3), SPAN("work")));
	assert_int_equal(view_keyword_find(v, SPAN("$junk")), 0);
	assert_true(span_eq(view_keyword(v, 25), SPAN("unknown-25")));
	assert_true((view_at(v, 1)->letters & MESSAGE_KEYWORD(3)) != 0);
	assert_int_equal(view_at(v, 1)->size_virtual, 9);
	assert_true(view_field(v, 1, 'Q', &value));
	buf_init(&out, 100);
	view_unique_id(v, 1, NULL, &out);
	assert_string_equal(buf_str(&out), "unique5");
	buf_clear(&out);
	view_unique_id(v, 2, NULL, &out);
	assert_string_equal(buf_str(&out), "1002.M1P1.h");
	buf_clear(&out);
	view_unique_id(v, 0, NULL, &out);
	assert_string_equal(buf_str(&out), "00000003499602d3");
	buf_fini(&out);
	/* Unknown letters stay, in their order. */
	(void)mailbox_flags(
	    m, (uint32_t[]){ 3 }, 1, FLAGS_ADD, MESSAGE_ANSWERED, NULL);
	assert_true(store_rig_has(rig, "cur/1000.M1P1.h,S=4,W=5:2,FPRSXabz"));
	mailbox_close(m);
	assert_contains(rig, "dovecot-uidlist", " Zkept\n");
	(void)snprintf(id, sizeof(id), "5 W9 Punique5 Qq :1001.M1P1.h\n");
	assert_contains(rig, "dovecot-uidlist", id);
}

static void
test_version_1_is_upgraded(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;

	store_rig_put(rig, "dovecot-uidlist", "1 77 5\n2 1000.M1.h:2,S\n");
	store_rig_put(rig, "cur/1000.M1.h:2,S", "x");
	store_rig_put(rig, "cur/1001.M1.h:2,", "y");
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_uidvalidity(mailbox_view(m)), 77);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 2);
	assert_int_equal(view_at(mailbox_view(m), 1)->uid, 5);
	mailbox_close(m);
	assert_contains(rig, "dovecot-uidlist", "3 V77 N6 G");
	assert_contains(
	    rig, "dovecot-uidlist", "\n2 :1000.M1.h\n5 :1001.M1.h\n");
}

static void
test_torn_and_broken_lists_renumber_only_what_is_lost(void **state)
{
	static const struct {
		const char *list;
		uint32_t uids[3];
	} rows[] = {
		/* The last line was being written. */
		{ "3 V9 N1 G0123456789abcdef0123456789abcdef\n4 :a.h\n5 :b",
		    { 4, 5, 6 } },
		/* NULs where a power cut left no data. */
		{ "3 V9 N1 G0123456789abcdef0123456789abcdef\n4 :a.h\n5 :b.h\n"
		  "\1",
		    { 4, 5, 6 } },
		/* Behind a broken line nothing is trusted, nor reused. */
		{ "3 V9 N1 G0123456789abcdef0123456789abcdef\n4 :a.h\nxx\n"
		  "9 :b.h\n",
		    { 4, 10, 11 } },
		{ "3 V9 N1 G0123456789abcdef0123456789abcdef\n4 :a.h\n4 :b.h\n",
		    { 4, 5, 6 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		void *fresh = NULL;
		struct store_rig *rig;
		struct mailbox *m;

		(void)store_rig_setup(&fresh);
		rig = fresh;
		store_rig_put(rig, "dovecot-uidlist", rows[i].list);
		store_rig_put(rig, "cur/a.h:2,", "x");
		store_rig_put(rig, "cur/b.h:2,", "y");
		store_rig_put(rig, "cur/c.h:2,", "z");
		m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
		assert_int_equal(view_count(mailbox_view(m)), 3);
		assert_int_equal(view_uidvalidity(mailbox_view(m)), 9);
		for (uint32_t j = 0; j < 3; j++)
			assert_int_equal(
			    view_at(mailbox_view(m), j)->uid, rows[i].uids[j]);
		mailbox_close(m);
		(void)store_rig_teardown(&fresh);
	}
}

static void
test_two_processes_agree(void **state)
{
	struct store_rig *rig = *state;
	struct store_rig other = *rig;
	struct mailbox *m, *n;

	other.store = store_rig_again(rig, &other.account);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	n = store_rig_open(&other, "INBOX", MAILBOX_WRITE);
	for (uint32_t i = 1; i <= 300; i++) {
		struct store_rig *who = i % 2 == 0 ? rig : &other;

		(void)store_rig_deliver(who, "INBOX", TEXT, NULL);
		look(i % 3 == 0 ? m : n);
	}
	look(m);
	look(n);
	assert_int_equal(view_count(mailbox_view(m)), 300);
	assert_int_equal(view_count(mailbox_view(n)), 300);
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(view_at(mailbox_view(m), i)->uid, i + 1);
		assert_int_equal(view_at(mailbox_view(n), i)->uid, i + 1);
		assert_true(span_eq(view_base_name(mailbox_view(m), i),
		    view_base_name(mailbox_view(n), i)));
	}
	assert_int_equal(
	    mailbox_flags(m, one, 1, FLAGS_ADD, MESSAGE_SEEN, NULL), 0);
	assert_int_equal(
	    mailbox_expunge(m, (uint32_t[]){ 7, 9 }, 2, NULL, NULL), 0);
	look(n);
	assert_int_equal(view_count(mailbox_view(n)), 298);
	assert_true((letters_of(n, 1) & MESSAGE_SEEN) != 0);
	mailbox_close(m);
	mailbox_close(n);
	account_unref(other.account);
	store_free(other.store);
}

static void
test_uid_is_not_reused_after_expunge_of_the_last(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;

	for (uint32_t i = 1; i <= 200; i++) {
		uint32_t uid = i;

		(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
		m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
		assert_int_equal(view_count(mailbox_view(m)), 1);
		assert_int_equal(view_at(mailbox_view(m), 0)->uid, i);
		assert_int_equal(mailbox_expunge(m, &uid, 1, NULL, NULL), 0);
		mailbox_close(m);
	}
}

static void
test_append_with_flags_and_uid(void **state)
{
	struct store_rig *rig = *state;
	struct span words[] = { SPAN("$Forwarded"), SPAN("work") };
	struct draft_options options = {
		.has_date = true,
		.date = 1000000000,
		.want_uid = true,
		.letters = MESSAGE_SEEN | MESSAGE_DRAFT,
		.keywords = words,
		.keyword_count = 2,
	};
	struct mailbox *m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	struct draft_result r;
	time_t date;

	r = store_rig_deliver(rig, "INBOX", "a\nb\r\n", &options);
	assert_int_equal(r.uid, 1);
	assert_int_equal(r.size_virtual, 6);
	assert_int_equal(r.uidvalidity, view_uidvalidity(mailbox_view(m)));
	assert_non_null(strstr(r.name, ",S=5,W=6:2,DSab"));
	look(m);
	assert_int_equal(letters_of(m, 1) & MESSAGE_LETTERS,
	    MESSAGE_SEEN | MESSAGE_DRAFT | MESSAGE_KEYWORD(0) |
		MESSAGE_KEYWORD(1));
	assert_int_equal(message_date(m, 1, &date, NULL), 0);
	assert_int_equal(date, 1000000000);
	assert_text(rig, "dovecot-keywords", "0 $Forwarded\n1 work\n");
	mailbox_close(m);
}

static void
test_content_has_crlf_and_its_size(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;
	struct content *c;
	uint64_t octets;
	char *big = calloc(1, 300001);
	size_t lines = 0;

	assert_non_null(big);
	for (size_t i = 0; i < 300000; i++)
		big[i] = i % 60 == 59 ? '\n' : 'x';
	lines = 5000;
	store_rig_put(rig, "cur/1.M1.h:2,", "a\nb\r\nc\n");
	store_rig_put(rig, "cur/2.M1.h:2,", big);
	store_rig_put(
	    rig, "cur/3.M1.h,S=3,W=3:2,", "a\nb"); /* W is wrong? no */
	store_rig_put(rig, "cur/4.M1.h:2,", "");
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(message_size(m, 1, &octets, NULL), 0);
	assert_int_equal(octets, 9);
	assert_int_equal(content_open(m, 1, &c, NULL), 0);
	assert_true(span_eq(content_span(c), SPAN("a\r\nb\r\nc\r\n")));
	content_free(c);
	assert_int_equal(content_open(m, 2, &c, NULL), 0);
	assert_int_equal(content_span(c).len, 300000 + lines);
	assert_int_not_equal(content_fd(c), -1);
	content_free(c);
	assert_int_equal(content_open(m, 4, &c, NULL), 0);
	assert_int_equal(content_span(c).len, 0);
	content_free(c);
	assert_int_equal(content_open(m, 99, &c, NULL), -1);
	mailbox_close(m);
	free(big);
}

/* Another program renames without telling; the file is found again. */
static void
test_renamed_file_is_found(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;
	struct content *c;
	char from[512], to[512];

	store_rig_put(rig, "cur/1.M1.h:2,", "x\r\n");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	(void)snprintf(from, sizeof(from), "%s/cur/1.M1.h:2,", rig->maildir);
	(void)snprintf(to, sizeof(to), "%s/cur/1.M1.h:2,FS", rig->maildir);
	assert_int_equal(rename(from, to), 0);
	assert_int_equal(content_open(m, 1, &c, NULL), 0);
	content_free(c);
	assert_int_equal(
	    mailbox_flags(m, one, 1, FLAGS_ADD, MESSAGE_ANSWERED, NULL), 0);
	assert_true(store_rig_has(rig, "cur/1.M1.h:2,FRS"));
	mailbox_close(m);
}

static void
test_copy_and_move(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox_copied copied = { 0 };
	struct mailbox *m, *n;
	struct err err = ERR_INIT;
	struct stat a, b;
	char path[512];
	unsigned k;
	struct draft_result r = store_rig_deliver(rig, "INBOX", TEXT, NULL);

	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(
	    mailbox_copy(m, one, 1, SPAN("Work"), false, &copied, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(mailbox_create(rig->account, SPAN("Work"), &err), 0);
	assert_int_equal(mailbox_keyword(m, SPAN("later"), &k, &err), 0);
	assert_int_equal(mailbox_flags(m, one, 1, FLAGS_SET,
			     MESSAGE_SEEN | MESSAGE_KEYWORD(k), &err),
	    0);
	assert_int_equal(mailbox_copy(m, (uint32_t[]){ 1, 2, 50 }, 3,
			     SPAN("Work"), false, &copied, &err),
	    0);
	assert_int_equal(copied.count, 2);
	assert_int_equal(copied.from[1], 2);
	assert_int_equal(copied.to[1], 2);
	mailbox_copied_fini(&copied);
	n = store_rig_open(rig, "Work", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(n)), 2);
	assert_int_equal(letters_of(n, 1) & MESSAGE_LETTERS,
	    MESSAGE_SEEN | MESSAGE_KEYWORD(0));
	assert_true(span_eq(view_keyword(mailbox_view(n), 0), SPAN("later")));
	/* One file, two names, one base. */
	(void)snprintf(
	    path, sizeof(path), "%s/cur/%s:2,Sa", rig->maildir, r.name + 4);
	assert_int_equal(stat(path, &a), 0);
	(void)snprintf(path, sizeof(path), "%s/.Work/cur/%s:2,Sa", rig->maildir,
	    r.name + 4);
	assert_int_equal(stat(path, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	/* The same base may not come twice. */
	assert_int_equal(
	    mailbox_copy(m, one, 1, SPAN("Work"), true, &copied, &err), 0);
	assert_int_equal(copied.to[0], 3);
	mailbox_copied_fini(&copied);
	look(m);
	look(n);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	assert_int_equal(view_count(mailbox_view(n)), 3);
	assert_contains(rig, ".Work/dovecot-uidlist", "\n3 G");
	mailbox_close(m);
	mailbox_close(n);
}

struct told {
	char text[400];
};

static void
tell_expunged(void *arg, uint32_t seq, uint32_t uid)
{
	struct told *t = arg;
	size_t len = strlen(t->text);

	(void)snprintf(
	    t->text + len, sizeof(t->text) - len, "-%u/%u ", seq, uid);
}

static void
tell_exists(void *arg, uint32_t count)
{
	struct told *t = arg;
	size_t len = strlen(t->text);

	(void)snprintf(t->text + len, sizeof(t->text) - len, "=%u ", count);
}

static void
tell_flags(void *arg, uint32_t seq, const struct message *message)
{
	struct told *t = arg;
	size_t len = strlen(t->text);

	(void)snprintf(
	    t->text + len, sizeof(t->text) - len, "f%u/%u ", seq, message->uid);
}

static const struct mailbox_events tell = {
	.expunged = tell_expunged,
	.exists = tell_exists,
	.flags = tell_flags,
};

static void
test_advance_tells_what_changed(void **state)
{
	struct store_rig *rig = *state;
	struct told told = { "" };
	struct mailbox *m, *n;
	bool changed;

	for (int i = 0; i < 5; i++)
		(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	n = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_ptr_equal(mailbox_view(m), mailbox_view(n));
	(void)mailbox_expunge(n, (uint32_t[]){ 2, 3 }, 2, NULL, NULL);
	(void)mailbox_flags(
	    n, (uint32_t[]){ 4 }, 1, FLAGS_ADD, MESSAGE_SEEN, NULL);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	assert_int_equal(mailbox_refresh(m, &changed, NULL), 0);
	assert_true(changed);
	assert_int_equal(view_count(mailbox_view(m)), 5);
	assert_int_equal(mailbox_advance(m, false, &tell, &told, NULL), 0);
	assert_string_equal(told.text, "=6 f4/4 ");
	assert_true((letters_of(m, 2) & MESSAGE_GONE) != 0);
	told.text[0] = '\0';
	assert_int_equal(mailbox_advance(m, true, &tell, &told, NULL), 0);
	assert_string_equal(told.text, "-2/2 -2/3 ");
	assert_int_equal(view_count(mailbox_view(m)), 4);
	assert_int_equal(view_at(mailbox_view(m), 3)->uid, 6);
	mailbox_close(m);
	mailbox_close(n);
}

static void
test_rest_and_wake(void **state)
{
	struct store_rig *rig = *state;
	struct told told = { "" };
	struct mailbox *m, *n;
	struct content *c;
	bool changed;

	for (int i = 0; i < 300; i++)
		(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	n = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	(void)mailbox_flags(
	    n, (uint32_t[]){ 4 }, 1, FLAGS_ADD, MESSAGE_SEEN, NULL);
	look(m);
	look(n);
	mailbox_rest(m);
	mailbox_rest(n);
	mailbox_rest(n);
	assert_int_equal(mailbox_refresh(m, &changed, NULL), 0);
	assert_false(changed);
	assert_int_equal(mailbox_advance(m, true, &tell, &told, NULL), 0);
	assert_string_equal(told.text, "");
	assert_int_equal(content_open(m, 300, &c, NULL), 0);
	content_free(c);
	mailbox_rest(m);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	store_rig_put(rig, "dovecot-keywords", "");
	assert_int_equal(mailbox_refresh(n, &changed, NULL), 0);
	assert_true(changed);
	assert_int_equal(mailbox_advance(n, true, &tell, &told, NULL), 0);
	assert_string_equal(told.text, "=301 ");
	told.text[0] = '\0';
	assert_int_equal(mailbox_refresh(m, &changed, NULL), 0);
	assert_int_equal(mailbox_advance(m, true, &tell, &told, NULL), 0);
	assert_string_equal(told.text, "=301 ");
	mailbox_close(m);
	mailbox_rest(n);
	mailbox_close(n);
}

static void
note(void *arg)
{
	++*(unsigned *)arg;
}

static void
test_watch(void **state)
{
	struct store_rig *rig = *state;
	unsigned news = 0;
	struct mailbox *m = store_rig_open(rig, "INBOX", MAILBOX_READ);

	assert_int_equal(mailbox_watch(m, note, &news, NULL), 0);
	store_watch_ready(rig->store);
	assert_int_equal(news, 0);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	store_watch_ready(rig->store);
	assert_int_not_equal(news, 0);
	assert_int_equal(mailbox_watch(m, NULL, NULL, NULL), 0);
	news = 0;
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	store_watch_ready(rig->store);
	assert_int_equal(news, 0);
	mailbox_close(m);
}

static void
test_list_create_rename_delete_subscribe(void **state)
{
	struct store_rig *rig = *state;
	struct account *a = rig->account;
	struct mailbox_list list = { 0 };
	struct mailbox *m;
	struct err err = ERR_INIT;

	assert_int_equal(mailbox_create(a, SPAN("A/B/C"), &err), 0);
	assert_int_equal(
	    mailbox_create(a, SPAN("\xe9\x80\x81\xe4\xbf\xa1"), &err), 0);
	assert_true(store_rig_has(rig, ".&kAFP4Q-/maildirfolder"));
	assert_int_equal(mailbox_create(a, SPAN("inbox"), &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(mailbox_create(a, SPAN("a.b"), &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_int_equal(mailbox_create(a, SPAN("A//B"), &err), -1);
	assert_int_equal(mailbox_create(a, SPAN("A/B/C"), &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(mailbox_subscribe(a, SPAN("A/B/C"), true, &err), 0);
	assert_int_equal(mailbox_subscribe(a, SPAN("A/B/C"), true, &err), 0);
	assert_int_equal(mailbox_subscribe(a, SPAN("inbox"), true, &err), 0);
	assert_text(rig, "subscriptions", "V\t2\n\nA\tB\tC\nINBOX\n");
	assert_int_equal(mailbox_list(a, &list, &err), 0);
	assert_int_equal(list.count, 5);
	assert_string_equal(list.entries[0].name, "INBOX");
	assert_true(list.entries[0].subscribed);
	assert_string_equal(list.entries[1].name, "A");
	assert_false(list.entries[1].exists);
	assert_true(list.entries[1].has_children);
	assert_string_equal(list.entries[3].name, "A/B/C");
	assert_true(list.entries[3].exists && list.entries[3].subscribed);
	mailbox_list_fini(&list);
	m = store_rig_open(rig, "A/B/C", MAILBOX_WRITE);
	assert_int_equal(mailbox_rename(a, SPAN("A"), SPAN("A/x"), &err), -1);
	assert_int_equal(mailbox_rename(a, SPAN("A"), SPAN("Z"), &err), 0);
	assert_true(store_rig_has(rig, ".Z.B.C/cur"));
	assert_int_equal(mailbox_refresh(m, NULL, &err), 0);
	mailbox_close(m);
	m = store_rig_open(rig, "Z/B/C", MAILBOX_WRITE);
	assert_int_equal(mailbox_delete(a, SPAN("Z/B/C"), &err), 0);
	assert_false(store_rig_has(rig, ".Z.B.C"));
	assert_false(store_rig_has(rig, "..DOVECOT-TRASHED"));
	assert_int_equal(mailbox_refresh(m, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_CLOSED);
	mailbox_close(m);
	assert_int_equal(mailbox_delete(a, SPAN("INBOX"), &err), -1);
	assert_int_equal(mailbox_subscribe(a, SPAN("A/B/C"), false, &err), 0);
	assert_text(rig, "subscriptions", "V\t2\n\nINBOX\n");
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL);
	assert_int_equal(
	    mailbox_rename(a, SPAN("INBOX"), SPAN("Old"), &err), 0);
	m = store_rig_open(rig, "Old", MAILBOX_READ);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	mailbox_close(m);
	m = store_rig_open(rig, "INBOX", MAILBOX_READ);
	assert_int_equal(view_count(mailbox_view(m)), 0);
	mailbox_close(m);
}

static void
test_stale_and_live_locks(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m = NULL;
	struct err err = ERR_INIT;
	char host[65] = "", text[100];
	pid_t child;

	(void)gethostname(host, 64);
	/* A process that is gone. */
	child = fork();
	if (child == 0)
		_exit(0);
	(void)waitpid(child, NULL, 0);
	(void)snprintf(text, sizeof(text), "%d:%s", (int)child, host);
	store_rig_put(rig, "dovecot-uidlist.lock", text);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_false(store_rig_has(rig, "dovecot-uidlist.lock"));
	mailbox_close(m);
	/* One that lives: wait (3 seconds here), then fail, and leave it. */
	(void)snprintf(text, sizeof(text), "1:%s", host);
	store_rig_put(rig, "dovecot-uidlist.lock", text);
	(void)store_rig_deliver(rig, "INBOX", TEXT, NULL); /* needs no lock */
	assert_int_equal(
	    mailbox_open(rig->account, SPAN("INBOX"), MAILBOX_WRITE, &m, &err),
	    -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_text(rig, "dovecot-uidlist.lock", text);
}

static void
test_twins_become_two_messages(void **state)
{
	struct store_rig *rig = *state;
	struct mailbox *m;

	store_rig_put(rig, "cur/1.M1.h:2,S", "one");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	store_rig_put(rig, "new/1.M1.h", "two");
	look(m);
	look(m);
	sleep(2); /* the second look at a directory that just changed */
	look(m);
	look(m);
	assert_int_equal(view_count(mailbox_view(m)), 2);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 1);
	assert_text(rig, "cur/1.M1.h:2,S", "one");
	mailbox_close(m);
}

static void
test_ids_that_are_none(void **state)
{
	struct store_rig *rig = *state;
	struct account *a;
	char too_long[66];
	const char *const bad[] = { "", ".", "..", "a/b", "a.b", "a b",
		too_long };

	memset(too_long, '0', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    account_open(rig->store, SPAN("aozora"), span_str(bad[i]),
			ACCOUNT_CREATE, &a, NULL),
		    -1);
	assert_int_equal(account_open(rig->store, SPAN("Aozora"), SPAN("x"),
			     ACCOUNT_CREATE, &a, NULL),
	    -1);
	assert_int_equal(account_open(rig->store, SPAN("midori"), SPAN("x"),
			     ACCOUNT_CREATE, &a, NULL),
	    -1);
	assert_int_equal(account_open(rig->store, SPAN("aozora"), SPAN("x"),
			     ACCOUNT_EXISTING, &a, NULL),
	    -1);
}

#define T(f)                                                                   \
	cmocka_unit_test_setup_teardown(f, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_delivery_is_seen_moved_and_numbered),
		T(test_foreign_tree_keeps_its_uids),
		T(test_foreign_fields_are_taken_over),
		T(test_version_1_is_upgraded),
		cmocka_unit_test(
		    test_torn_and_broken_lists_renumber_only_what_is_lost),
		T(test_two_processes_agree),
		T(test_uid_is_not_reused_after_expunge_of_the_last),
		T(test_append_with_flags_and_uid),
		T(test_content_has_crlf_and_its_size),
		T(test_renamed_file_is_found),
		T(test_copy_and_move),
		T(test_advance_tells_what_changed),
		T(test_rest_and_wake),
		T(test_watch),
		T(test_list_create_rename_delete_subscribe),
		T(test_stale_and_live_locks),
		T(test_twins_become_two_messages),
		T(test_ids_that_are_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
