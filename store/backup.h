/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mailboxes of an account in a directory outside the store, and back.
 *
 * The directory is a Maildir++ as the account's own is, with the same file
 * names, dovecot-uidlist, dovecot-keywords and subscriptions, so that Dovecot
 * can serve it as it stands, and what Dovecot or Courier keep is read like a
 * backup.  Files in it never change: the next backup copies what is new,
 * renames what has other flags, and removes what is gone.
 *
 * Whoever keeps the backup may not be who owns the store: files on either side
 * are opened between calls of struct backup_side's.  No link is followed on
 * either.
 */
#ifndef HK_STORE_BACKUP_H
#define HK_STORE_BACKUP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"
#include "store/account.h"
#include "store/unique_id.h"

/* Stands in every backup: a directory without it is not written into. */
#define BACKUP_MARK "hikyaku-backup"

struct backup_side {
	void *arg;
	/* The calling thread may open the backup's files from here on; the
	 * store's again. */
	void (*outside)(void *arg);
	void (*inside)(void *arg);
	/* A message is done; octets: of its file, if it was copied. */
	void (*step)(void *arg, uint64_t octets);
};

struct backup_result {
	uint64_t mailboxes, messages; /* that were looked at */
	uint64_t copied, octets;
	uint64_t renamed, removed; /* backup_write */
	uint64_t renumbered;       /* backup_read: under another UID */
};

struct backup_options {
	struct span mailbox; /* only this one; empty: all */
	bool keep;           /* backup_write: what is gone stays */
	/* backup_read: the form of unique-ids that POP3 clients know. */
	const struct unique_id_form *form;
};

/* Messages in the mailboxes, or the files of a directory: for a progress bar.
 */
int backup_count(struct account *a, const struct backup_options *o,
    uint64_t *messages_out, struct err *err);
int backup_count_directory(int dir_fd, uint64_t *messages_out, struct err *err);

/*
 * Makes the directory hold what the account holds.  Durable when it returns 0.
 * After an error or a crash it holds some of the old and some of the new, and
 * the next backup goes on.  On both sides, called as inside.
 */
int backup_write(struct account *a, int dir_fd, const struct backup_options *o,
    const struct backup_side *side, struct backup_result *result_out,
    struct err *err);

/*
 * Brings its messages into the account.  A mailbox that is not there or is
 * empty, and of another UIDVALIDITY, becomes what the backup has, with UIDs,
 * UIDVALIDITY and all; its next UID is BACKUP_UID_GAP higher, since UIDs may
 * have been given out after the backup.  Into one that holds messages go those
 * that it has not got, under new UIDs; those of INBOX keep their unique-ids of
 * POP3 all the same, and all their identities (G), so that doing it twice adds
 * nothing.  The quota is not asked.
 */
#define BACKUP_UID_GAP 10000
int backup_read(struct account *a, int dir_fd, const struct backup_options *o,
    const struct backup_side *side, struct backup_result *result_out,
    struct err *err);

#endif
