/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The mailboxes of an account: names, list, create, delete, rename,
 * subscriptions.
 *
 * A name is UTF-8, levels separated by '/': "Work/2026".  On disk it is the
 * Maildir++ directory ".Work.2026" with each level in modified UTF-7, so a
 * level is 1 or more characters without '/', '.', NUL, CR, LF or other
 * control characters, and the directory's name fits 250 octets.  INBOX in any
 * case is the Maildir itself; it can have children ("INBOX/x").
 */
#ifndef HK_STORE_LIST_H
#define HK_STORE_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

#define MAILBOX_NAME_MAX 1000 /* octets of UTF-8 */

/* Modified UTF-7 of IMAP4rev1 to UTF-8, and back.       RFC 3501 section 5.1.3
 * ERR_SYNTAX: not well formed (or, on the way back, no UTF-8). */
int mutf7_decode(struct span mutf7, struct buf *utf8_out, struct err *err);
int mutf7_encode(struct span utf8, struct buf *mutf7_out, struct err *err);

/* A mailbox name as it may be opened or created. ERR_SYNTAX, ERR_LIMIT. */
int mailbox_name_check(struct span name, struct err *err);
bool mailbox_name_is_inbox(struct span name);

struct mailbox_entry {
	char *name;  /* UTF-8 */
	bool exists; /* false: a level above some mailbox (\Noselect),
			or a subscription without its mailbox */
	bool has_children;
	bool subscribed;
};

struct mailbox_list {
	struct mailbox_entry *entries; /* INBOX first, then by name's octets */
	size_t count;
};
void mailbox_list_fini(struct mailbox_list *l);
CLEANUP_DEFINE_VALUE(struct mailbox_list, mailbox_list_fini)

/* Everything there is, with the levels above, and what is subscribed. */
int mailbox_list(
    struct account *a, struct mailbox_list *list_out, struct err *err);

/*
 * Errors: ERR_POLICY, it exists already (create, rename), does not exist
 * (delete, rename), is INBOX (delete), or a name inside itself (rename);
 * ERR_SYNTAX, ERR_LIMIT, not a name; ERR_TEMP.
 *
 * Create makes no levels above: they are listed though nothing is there.
 * Delete leaves children and the subscription.  Rename takes the children
 * along; renaming INBOX moves its messages to a new mailbox and leaves INBOX
 * empty (RFC 3501 section 6.3.5).
 */
int mailbox_create(struct account *a, struct span name, struct err *err);
int mailbox_delete(struct account *a, struct span name, struct err *err);
int mailbox_rename(
    struct account *a, struct span from, struct span to, struct err *err);

/* Whether a mailbox of this name can be opened. */
bool mailbox_exists(struct account *a, struct span name);

/* SUBSCRIBE and UNSUBSCRIBE; doing it twice is no error. */
int mailbox_subscribe(
    struct account *a, struct span name, bool subscribed, struct err *err);

/* All of them, with one flush.  names in UTF-8. */
int mailbox_subscribe_all(
    struct account *a, const struct span *names, size_t count, struct err *err);

/*
 * Makes the mailboxes that are not there, with one flush of the Maildir for
 * all.  INBOX among the names is left alone.
 */
int mailbox_create_all(
    struct account *a, const struct span *names, size_t count, struct err *err);

#endif
