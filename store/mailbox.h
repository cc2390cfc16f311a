/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A session's hold on a mailbox.
 *
 * Behind it stands the folder that all sessions of the process share: its
 * current view, brought up to date by mailbox_refresh from whichever session
 * comes first.  The handle itself keeps the view that this session's client
 * knows (for IMAP: its sequence numbers), which moves only when the session
 * asks (mailbox_advance).  POP3 opens, reads mailbox_view, and never advances.
 *
 * A handle belongs to one session and is used by one thread at a time.  Calls
 * may wait for the disk and for dovecot-uidlist.lock (store_options).
 *
 * ERR_CLOSED from any call here: the mailbox was deleted or renumbered by
 * somebody else; the session cannot go on with it (BYE).
 */
#ifndef HK_STORE_MAILBOX_H
#define HK_STORE_MAILBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"
#include "store/message.h"
#include "store/view.h"

struct mailbox;

enum mailbox_mode {
	MAILBOX_READ,  /* EXAMINE, STATUS: assigns UIDs, moves nothing */
	MAILBOX_WRITE, /* SELECT, POP3: moves new/ to cur/, claims \Recent */
};

/*
 * Opens a mailbox by its name in UTF-8, levels separated by '/' (list.h has
 * the rules; a modified UTF-7 name from IMAP goes through name_from_imap).
 * INBOX, in any case, is the Maildir itself and always exists.  Its view is
 * current when this returns.
 *
 * Errors: ERR_POLICY, no such mailbox; ERR_SYNTAX, no name; ERR_TEMP.
 */
int mailbox_open(struct account *a, struct span name, enum mailbox_mode mode,
    struct mailbox **mailbox_out, struct err *err);
void mailbox_close(struct mailbox *m);
CLEANUP_DEFINE_PTR(struct mailbox, mailbox_close)

struct account *mailbox_account(const struct mailbox *m);
struct span mailbox_name(const struct mailbox *m); /* as opened; borrowed */

/* What this session's client knows.  Borrowed until the next advance, rest
 * or close. */
struct view *mailbox_view(const struct mailbox *m);
bool mailbox_recent(const struct mailbox *m, const struct message *message);
/* How many messages of the view are \Recent. */
uint32_t mailbox_recent_count(const struct mailbox *m);

/*
 * Looks for changes on disk (two stats when there are none) and brings the
 * folder's view up to date; in MAILBOX_WRITE, new mail is moved to cur/ and
 * becomes this session's \Recent.  The session's view stays as it is.
 * *changed_out (may be NULL): mailbox_advance has something to tell.
 */
int mailbox_refresh(struct mailbox *m, bool *changed_out, struct err *err);

/*
 * Moves the session's view to the folder's current one, and tells what
 * changed: first expunges, then one exists, then flags.  Callbacks may be
 * NULL.  Without expunges (IMAP forbids them during FETCH, STORE, SEARCH),
 * messages that are gone stay in the session's view, marked MESSAGE_GONE.
 */
struct mailbox_events {
	/* seq counts down as earlier messages go, as IMAP's EXPUNGE does. */
	void (*expunged)(void *arg, uint32_t seq, uint32_t uid);
	void (*exists)(void *arg, uint32_t count);
	void (*flags)(void *arg, uint32_t seq, const struct message *message);
	void (*keywords)(void *arg, const struct view *v); /* names changed */
};
int mailbox_advance(struct mailbox *m, bool expunges,
    const struct mailbox_events *events, void *arg, struct err *err);

/*
 * The session will be idle: gives back what memory it can.  Its view shrinks
 * to a few octets a message, and when every session on the folder rests, so
 * does the folder.  mailbox_refresh wakes it; until then mailbox_view may not
 * be called.
 */
void mailbox_rest(struct mailbox *m);

/* ---- changes ------------------------------------------------------------
 *
 * uids: ascending, unknown ones are passed over.  Changes are on disk, and in
 * the folder's current view, when these return; call mailbox_advance to see
 * them in the session's.  In MAILBOX_READ: ERR_POLICY.
 */

enum flags_change {
	FLAGS_SET,
	FLAGS_ADD,
	FLAGS_REMOVE
};

/*
 * letters: MESSAGE_SYSTEM_FLAGS and MESSAGE_KEYWORD bits.  FLAGS_SET leaves
 * letters that are neither as they are.
 */
int mailbox_flags(struct mailbox *m, const uint32_t *uids, size_t count,
    enum flags_change change, uint64_t letters, struct err *err);
/*
 * The same, but for messages that have changed since (their number is
 * greater): they are left as they are, and *modified (room for count) gets
 * their UIDs.                                    RFC 7162 section 3.1.3
 */
int mailbox_flags_since(struct mailbox *m, const uint32_t *uids, size_t count,
    enum flags_change change, uint64_t letters, uint64_t since,
    uint32_t *modified, size_t *modified_count, struct err *err);

/*
 * The number of a keyword, made if it is not there.  An atom of 1 to 100
 * octets.  Errors: ERR_LIMIT, all 26 are in use; ERR_SYNTAX.
 */
int mailbox_keyword(
    struct mailbox *m, struct span name, unsigned *number_out, struct err *err);

/*
 * Removes the messages; account_keep_days (kept.h) says whether they can be
 * brought back.  *count_out (may be NULL): how many were there.
 */
int mailbox_expunge(struct mailbox *m, const uint32_t *uids, size_t count,
    size_t *count_out, struct err *err);

/*
 * Copies messages to the mailbox to (of the same account) with their flags,
 * keywords and dates; with move they are then removed here.  All or, on
 * failure, none.  What COPYUID needs is appended to *out: uids_out[i] of the
 * target belongs to from_out[i].  The caller frees both with
 * mailbox_copied_fini.
 *
 * Errors: ERR_POLICY, no such mailbox (IMAP: [TRYCREATE]); ERR_TEMP;
 * ERR_LIMIT.
 */
struct mailbox_copied {
	uint32_t uidvalidity;
	size_t count;
	uint32_t *from, *to;
};
void mailbox_copied_fini(struct mailbox_copied *c);
CLEANUP_DEFINE_VALUE(struct mailbox_copied, mailbox_copied_fini)
int mailbox_copy(struct mailbox *m, const uint32_t *uids, size_t count,
    struct span to, bool move, struct mailbox_copied *copied_out,
    struct err *err);

/*
 * Somebody wants the change numbers as MODSEQs (RFC 7162): they are kept when
 * nobody has the mailbox open any more (store_options.modseqs).
 */
void mailbox_track(struct mailbox *m);

/* ---- status ---- */

struct mailbox_status {
	uint32_t messages, recent, unseen, deleted;
	uint32_t uidnext, uidvalidity;
	uint64_t size_octets; /* sum of the known virtual sizes */
	uint64_t change;      /* view_change: HIGHESTMODSEQ */
	char mailbox_id[33];
};
/* STATUS without selecting: opens as MAILBOX_READ, counts, closes. */
int mailbox_status(struct account *a, struct span name,
    struct mailbox_status *status_out, struct err *err);

/* ---- news ---- */

/*
 * Calls changed(arg) soon after something happened in the folder's new/ or
 * cur/, from the thread that calls store_watch_ready (the reactor's): it must
 * only mark and wake (conn_wake).  The session then refreshes.  One watch a
 * handle; changed NULL ends it.  It may be called for nothing.
 */
int mailbox_watch(
    struct mailbox *m, void (*changed)(void *arg), void *arg, struct err *err);

/*
 * The process's inotify descriptor for reactor_watch, and what to call when it
 * is readable.  store_watch_fd is -1 when the kernel gave none; mailbox_watch
 * then fails and sessions must poll.
 */
int store_watch_fd(const struct store *s);
void store_watch_ready(struct store *s);

#endif
