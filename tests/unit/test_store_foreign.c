/* SPDX-License-Identifier: BSD-2-Clause */
/* What Dovecot does to a folder while a session of ours has it open. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/store_rig.h"

static void
look(struct mailbox *m)
{
	struct err err = ERR_INIT;

	if (mailbox_refresh(m, NULL, &err) == -1 ||
	    mailbox_advance(m, true, NULL, NULL, &err) == -1)
		fail_msg("refresh: %s", err.text);
}

/* Another program appends a line. */
static void
append_line(const struct store_rig *rig, const char *line)
{
	char path[512];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/dovecot-uidlist", rig->maildir);
	f = fopen(path, "a");
	assert_non_null(f);
	assert_true(fputs(line, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

#define NAME "1700000000.M1P1.mx,S=3,W=4"

/*
 * Message 1 is moved to another mailbox, and a copy of it comes back under the
 * same name: that is message 2.  Who has seen neither step must take it for
 * that, and never for message 1.
 */
static void
moved_away_and_back(struct store_rig *rig, struct mailbox *m)
{
	store_rig_rename(rig, "cur/" NAME ":2,S", NULL);
	store_rig_put(rig, "cur/" NAME ":2,F", "x\n\n");
	append_line(rig, "2 :" NAME "\n");
	/* What a session that has seen nothing asks for does no harm. */
	assert_int_equal(
	    mailbox_expunge(m, (uint32_t[]){ 1 }, 1, NULL, NULL), 0);
	assert_true(store_rig_has(rig, "cur/" NAME ":2,F"));
}

static void
test_a_name_comes_back(void **state)
{
	struct store_rig *rig = *state;
	struct store_rig other = *rig;
	struct mailbox *m, *n;
	uint32_t index;
	char *list;

	store_rig_put(rig, "dovecot-uidlist",
	    "3 V1700000000 N2 G0123456789abcdef0123456789abcdef\n"
	    "1 :" NAME "\n");
	store_rig_put(rig, "cur/" NAME ":2,S", "x\n\n");
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_true(view_find(mailbox_view(m), 1, &index));
	moved_away_and_back(rig, m);
	look(m);
	assert_int_equal(view_count(mailbox_view(m)), 1);
	assert_true(view_find(mailbox_view(m), 2, &index));
	assert_true(
	    (view_at(mailbox_view(m), index)->letters & MESSAGE_FLAGGED) != 0);
	/* One line of it is left, so nobody else is misled. */
	list = store_rig_get(rig, "dovecot-uidlist");
	assert_null(strstr(list, "\n1 :"));
	assert_non_null(strstr(list, "\n2 :" NAME "\n"));
	free(list);
	mailbox_close(m);
	/* So it is for who opens it now. */
	other.store = store_rig_again(rig, &other.account);
	n = store_rig_open(&other, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(n)), 1);
	assert_true(view_find(mailbox_view(n), 2, &index));
	mailbox_close(n);
	account_unref(other.account);
	store_free(other.store);
}

/*
 * dovecot-uidlist was replaced twice, and its inode's number is that of the
 * first again: what we know of the front says nothing of this file's.
 */
static void
test_an_inode_comes_back(void **state)
{
	static const char name[] = "cur/1700000000.M%uP1.mx,S=3,W=4:2,";
	struct store_rig *rig = *state;
	struct mailbox *m;
	char file[80];

	store_rig_put(rig, "dovecot-uidlist",
	    "3 V1700000000 N4 G0123456789abcdef0123456789abcdef\n"
	    "1 :1700000000.M1P1.mx,S=3,W=4\n2 :1700000000.M2P1.mx,S=3,W=4\n"
	    "3 :1700000000.M3P1.mx,S=3,W=4\n");
	for (unsigned n = 1; n <= 3; n++) {
		(void)snprintf(file, sizeof(file), name, n);
		store_rig_put(rig, file, "x\n\n");
	}
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(m)), 3);
	/* 1 and 2 are gone, 17 and 18 have come; it is longer than before. */
	for (unsigned n = 1; n <= 2; n++) {
		(void)snprintf(file, sizeof(file), name, n);
		store_rig_rename(rig, file, NULL);
		(void)snprintf(file, sizeof(file), name, n + 16);
		store_rig_put(rig, file, "x\n\n");
	}
	store_rig_put(rig, "dovecot-uidlist",
	    "3 V1700000000 N19 G0123456789abcdef0123456789abcdef\n"
	    "3 :1700000000.M3P1.mx,S=3,W=4\n17 :1700000000.M17P1.mx,S=3,W=4\n"
	    "18 :1700000000.M18P1.mx,S=3,W=4\n");
	look(m);
	assert_int_equal(view_count(mailbox_view(m)), 3);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 3);
	assert_int_equal(view_at(mailbox_view(m), 1)->uid, 17);
	assert_int_equal(view_at(mailbox_view(m), 2)->uid, 18);
	assert_int_equal(view_uidnext(mailbox_view(m)), 19);
	mailbox_close(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_name_comes_back,
		    store_rig_setup, store_rig_teardown),
		cmocka_unit_test_setup_teardown(test_an_inode_comes_back,
		    store_rig_setup, store_rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
