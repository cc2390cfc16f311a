/* SPDX-License-Identifier: BSD-2-Clause */
/* pop3d/maildrop on a real store in a temporary directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pop3d/maildrop.h"
#include "store/draft.h"
#include "store/mailbox.h"
#include "store/view.h"
#include "tests/unit/store_rig.h"

#define TENANT "midori"
#define ID "0a1b2c3d-0000-1111-2222-333344445555"
#define HH "a0" /* of the SHA-256 of that */

struct fixture {
	char root[64];
	struct store *store;
	struct maildrop_locks *locks;
	uint32_t login_delay;
};

static int
start(void **state)
{
	static struct fixture f;
	struct store_options options = { .path = f.root };
	struct err err = ERR_INIT;

	(void)strcpy(f.root, "/tmp/hk-maildrop-XXXXXX");
	assert_non_null(mkdtemp(f.root));
	store_rig_settle(f.root);
	assert_int_equal(
	    store_make_tenant(f.root, SPAN(TENANT), (uid_t)-1, (gid_t)-1, &err),
	    0);
	assert_int_equal(store_new(&options, &f.store, &err), 0);
	assert_int_equal(maildrop_locks_new(&f.locks, &err), 0);
	f.login_delay = 0;
	*state = &f;
	return 0;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static int
end(void **state)
{
	struct fixture *f = *state;

	maildrop_locks_free(f->locks);
	store_free(f->store);
	return nftw(f->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void
deliver(struct fixture *f, struct span octets)
{
	CLEANUP(account_unref) struct account *a = NULL;
	CLEANUP(draft_free) struct draft *d = NULL;
	struct draft_options options = { .letters = 0 };
	struct draft_result result;
	struct err err = ERR_INIT;

	assert_int_equal(account_open(f->store, SPAN(TENANT), SPAN(ID),
			     ACCOUNT_CREATE, &a, &err),
	    0);
	assert_int_equal(draft_new(a, SPAN("INBOX"), &d, &err), 0);
	assert_int_equal(draft_write(d, octets, &err), 0);
	assert_int_equal(draft_commit(d, &options, &result, &err), 0);
}

static enum maildrop_opened
try_open(struct fixture *f, const char *tenant, const char *id,
    struct maildrop **maildrop_out, struct err *err)
{
	struct maildrop_options options = { .locks = f->locks,
		.store = f->store,
		.tenant = tenant,
		.account_id = id,
		.login_delay = f->login_delay };

	assert_int_equal(
	    unique_id_form_parse(SPAN("cyrus"), &options.form, err), 0);
	return maildrop_open(&options, maildrop_out, err);
}

static struct maildrop *
open_maildrop(struct fixture *f)
{
	struct err err = ERR_INIT;
	struct maildrop *d = NULL;

	if (try_open(f, TENANT, ID, &d, &err) != MAILDROP_OPEN)
		fail_msg("%s", err.text);
	return d;
}

static void
assert_totals(struct maildrop *d, uint32_t count, uint64_t octets)
{
	struct err err = ERR_INIT;
	uint64_t got_octets;
	uint32_t got;

	assert_int_equal(maildrop_totals(d, &got, &got_octets, &err), 0);
	assert_int_equal(got, count);
	assert_int_equal(got_octets, octets);
}

static void
unique_id(struct maildrop *d, uint32_t number, char out[80])
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 79);
	maildrop_unique_id(d, number, &b);
	assert_int_equal(buf_check(&b, NULL), 0);
	(void)strcpy(out, buf_str(&b));
}

static uint64_t
letters(struct fixture *f, uint32_t index)
{
	CLEANUP(account_unref) struct account *a = NULL;
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(account_open(f->store, SPAN(TENANT), SPAN(ID),
			     ACCOUNT_EXISTING, &a, &err),
	    0);
	assert_int_equal(
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_READ, &m, &err), 0);
	return view_at(mailbox_view(m), index)->letters;
}

static void
expunge(struct fixture *f, uint32_t index)
{
	CLEANUP(account_unref) struct account *a = NULL;
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct err err = ERR_INIT;
	uint32_t uid;

	assert_int_equal(account_open(f->store, SPAN(TENANT), SPAN(ID),
			     ACCOUNT_EXISTING, &a, &err),
	    0);
	assert_int_equal(
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_WRITE, &m, &err), 0);
	uid = view_at(mailbox_view(m), index)->uid;
	assert_int_equal(mailbox_expunge(m, &uid, 1, NULL, &err), 0);
}

/* ---- tests --- */

static void
empty_account(void **state)
{
	struct maildrop *d = open_maildrop(*state);
	struct err err = ERR_INIT;
	size_t expunged = 7;

	assert_int_equal(maildrop_count(d), 0);
	assert_false(maildrop_has(d, 0));
	assert_false(maildrop_has(d, 1));
	assert_totals(d, 0, 0);
	maildrop_reset(d);
	assert_int_equal(maildrop_update(d, true, &expunged, &err), 0);
	assert_int_equal(expunged, 0);
	maildrop_close(d);
}

static void
one_session_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct maildrop *d = open_maildrop(f), *other = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(
	    try_open(f, TENANT, ID, &other, &err), MAILDROP_IN_USE);
	assert_int_equal(
	    try_open(f, TENANT, "other", &other, &err), MAILDROP_OPEN);
	maildrop_close(other);
	maildrop_close(d);
	maildrop_close(open_maildrop(f));
}

/* What another session process has, if there ever are two. */
static void
one_process_at_a_time(void **state)
{
	struct fixture *f = *state;
	struct store_options options = { .path = f->root };
	struct maildrop *d = open_maildrop(f), *other = NULL;
	struct fixture again = { .root = "" };
	struct err err = ERR_INIT;

	(void)strcpy(again.root, f->root);
	assert_int_equal(store_new(&options, &again.store, &err), 0);
	assert_int_equal(maildrop_locks_new(&again.locks, &err), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(try_open(&again, TENANT, ID, &other, &err),
		    MAILDROP_IN_USE);
	maildrop_close(d);
	assert_int_equal(
	    try_open(&again, TENANT, ID, &other, &err), MAILDROP_OPEN);
	assert_int_equal(try_open(f, TENANT, ID, &d, &err), MAILDROP_IN_USE);
	maildrop_close(other);
	maildrop_close(open_maildrop(f));
	maildrop_locks_free(again.locks);
	store_free(again.store);
}

static void
login_delay(void **state)
{
	struct fixture *f = *state;
	struct maildrop *d = NULL;
	struct err err = ERR_INIT;

	f->login_delay = 1;
	d = open_maildrop(f);
	/* In use is what counts first. */
	assert_int_equal(try_open(f, TENANT, ID, &d, &err), MAILDROP_IN_USE);
	maildrop_close(d);
	for (int i = 0; i < 3; i++) /* asking does not make it longer */
		assert_int_equal(
		    try_open(f, TENANT, ID, &d, &err), MAILDROP_TOO_SOON);
	assert_int_equal(try_open(f, TENANT, "other", &d, &err), MAILDROP_OPEN);
	maildrop_close(d);
	(void)usleep(1100000);
	maildrop_close(open_maildrop(f));
}

/* What could not be opened leaves no lock behind. */
static void
failure_unlocks(void **state)
{
	struct fixture *f = *state;
	struct maildrop *d = NULL;
	char long_id[STORE_ACCOUNT_MAX + 2];
	struct err err = ERR_INIT;

	memset(long_id, 'x', sizeof(long_id) - 1);
	long_id[sizeof(long_id) - 1] = '\0';
	for (int i = 0; i < 2; i++) {
		err_clear(&err);
		assert_int_equal(
		    try_open(f, TENANT, "../x", &d, &err), MAILDROP_FAILED);
		assert_int_equal(err.kind, ERR_SYNTAX);
		err_clear(&err);
		assert_int_equal(
		    try_open(f, TENANT, long_id, &d, &err), MAILDROP_FAILED);
		assert_int_equal(err.kind, ERR_SYNTAX);
		err_clear(&err);
		assert_int_equal(
		    try_open(f, "nobody", "x", &d, &err), MAILDROP_FAILED);
		assert_int_equal(err.kind, ERR_TEMP);
	}
}

static void
marks_and_update(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct maildrop *d;
	char second[80], third[80], now[80];
	size_t expunged = 0;

	deliver(f, SPAN("Subject: 1\r\n\r\na\r\n"));
	deliver(f, SPAN("Subject: 22\r\n\r\nb\r\n"));
	deliver(f, SPAN("Subject: 333\n\nc\n")); /* as other servers store */
	d = open_maildrop(f);
	assert_int_equal(maildrop_count(d), 3);
	assert_totals(d, 3, 17 + 18 + 19);
	unique_id(d, 2, second);
	unique_id(d, 3, third);

	assert_int_equal(maildrop_delete(d, 1, &err), 0);
	assert_false(maildrop_has(d, 1));
	assert_totals(d, 2, 18 + 19);
	maildrop_reset(d);
	assert_true(maildrop_has(d, 1));
	assert_totals(d, 3, 17 + 18 + 19);

	assert_int_equal(maildrop_delete(d, 1, &err), 0);
	assert_int_equal(maildrop_retrieved(d, 1, &err), 0);
	assert_int_equal(maildrop_retrieved(d, 3, &err), 0);
	assert_int_equal(maildrop_update(d, true, &expunged, &err), 0);
	assert_int_equal(expunged, 1);
	maildrop_close(d);

	d = open_maildrop(f);
	assert_int_equal(maildrop_count(d), 2);
	unique_id(d, 1, now);
	assert_string_equal(now, second);
	unique_id(d, 2, now);
	assert_string_equal(now, third);
	maildrop_close(d);
	assert_int_equal(letters(f, 0) & MESSAGE_SEEN, 0);
	assert_int_equal(letters(f, 1) & MESSAGE_SEEN, MESSAGE_SEEN);
}

static void
closing_changes_nothing(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT;
	struct maildrop *d;
	size_t expunged;

	deliver(f, SPAN("Subject: x\r\n\r\n"));
	d = open_maildrop(f);
	assert_int_equal(maildrop_delete(d, 1, &err), 0);
	maildrop_close(d);

	d = open_maildrop(f);
	assert_int_equal(maildrop_count(d), 1);
	assert_int_equal(maildrop_retrieved(d, 1, &err), 0);
	assert_int_equal(maildrop_update(d, false, &expunged, &err), 0);
	maildrop_close(d);
	assert_int_equal(letters(f, 0) & MESSAGE_SEEN, 0);
}

static void
others_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct content *content = NULL;
	struct err err = ERR_INIT;
	struct maildrop *d;
	size_t expunged;

	for (int i = 0; i < 3; i++)
		deliver(f, SPAN("Subject: x\r\n\r\n"));
	d = open_maildrop(f);
	expunge(f, 1);
	deliver(f, SPAN("Subject: late\r\n\r\n"));

	assert_int_equal(maildrop_count(d), 3);
	assert_totals(d, 3, 3 * 14);
	assert_int_equal(maildrop_content(d, 2, &content, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	assert_int_equal(maildrop_content(d, 3, &content, &err), 0);
	assert_true(span_eq(content_span(content), SPAN("Subject: x\r\n\r\n")));
	content_free(content);

	assert_int_equal(maildrop_delete(d, 2, &err), 0);
	assert_int_equal(maildrop_delete(d, 3, &err), 0);
	assert_int_equal(maildrop_update(d, true, &expunged, &err), 0);
	assert_int_equal(expunged, 1);
	maildrop_close(d);

	d = open_maildrop(f);
	assert_int_equal(maildrop_count(d), 2);
	maildrop_close(d);
}

static void
maildir_path(const struct fixture *f, const char *name, char out[300])
{
	(void)snprintf(
	    out, 300, "%s/" TENANT "/" HH "/" ID "/Maildir/%s", f->root, name);
}

/* A list of another server with one unique-id twice. */
static void
doubled_unique_ids(void **state)
{
	struct fixture *f = *state;
	struct err err = ERR_INIT, kept;
	char path[300], id[80];
	struct maildrop *d;
	size_t changed;
	FILE *list;

	maildrop_close(open_maildrop(f));
	for (unsigned i = 1; i <= 3; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "cur/%u.h:2,S", i);
		maildir_path(f, name, path);
		list = fopen(path, "w");
		assert_non_null(list);
		assert_true(fputs("x\r\n", list) >= 0);
		assert_int_equal(fclose(list), 0);
	}
	maildir_path(f, "dovecot-uidlist", path);
	list = fopen(path, "w");
	assert_non_null(list);
	assert_true(fputs("3 V9 N4 G0123456789abcdef0123456789abcdef\n"
			  "1 PUID1-5 O2 :1.h\n2 W3 PUID1-5 :2.h\n3 :3.h\n",
			list) >= 0);
	assert_int_equal(fclose(list), 0);

	for (int session = 0; session < 2; session++) {
		d = open_maildrop(f);
		assert_int_equal(
		    maildrop_unique_ids(d, &changed, &kept, &err), 0);
		assert_int_equal(changed, session == 0 ? 1 : 0);
		assert_int_equal(kept.kind, ERR_NONE);
		unique_id(d, 1, id);
		assert_string_equal(id, "UID1-5");
		unique_id(d, 2, id);
		assert_string_equal(id, "UID1-5-2");
		unique_id(d, 3, id);
		assert_string_equal(id, "9.3");
		/* It asks and keeps once. */
		assert_int_equal(
		    maildrop_unique_ids(d, &changed, &kept, &err), 0);
		assert_int_equal(changed, 0);
		assert_int_equal(maildrop_delete(d, 1, &err), 0);
		if (session == 1)
			assert_int_equal(
			    maildrop_update(d, true, &changed, &err), 0);
		maildrop_close(d);
	}
	/* The first is gone, and the second stays what it was. */
	d = open_maildrop(f);
	assert_int_equal(maildrop_unique_ids(d, &changed, &kept, &err), 0);
	assert_int_equal(maildrop_count(d), 2);
	unique_id(d, 1, id);
	assert_string_equal(id, "UID1-5-2");
	maildrop_close(d);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, start, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(empty_account),
		WITH_STORE(one_session_at_a_time),
		WITH_STORE(one_process_at_a_time),
		WITH_STORE(login_delay),
		WITH_STORE(failure_unlocks),
		WITH_STORE(marks_and_update),
		WITH_STORE(closing_changes_nothing),
		WITH_STORE(others_meanwhile),
		WITH_STORE(doubled_unique_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
