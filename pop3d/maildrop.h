/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A maildrop: the INBOX as it was at login.	RFC 1939 sections 3 to 7
 *
 * Numbers, sizes and unique-ids stay as they were, whatever arrives or is
 * expunged meanwhile; marks take effect in maildrop_update only.  One POP3
 * session at a time has an account's maildrop.
 */
#ifndef HK_POP3D_MAILDROP_H
#define HK_POP3D_MAILDROP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "store/account.h"
#include "store/message.h"
#include "store/unique_id.h"

/* Which accounts have a session; one a process. */
struct maildrop_locks;

int maildrop_locks_new(struct maildrop_locks **locks_out, struct err *err);
/* Every maildrop must have been closed. */
void maildrop_locks_free(struct maildrop_locks *locks);
CLEANUP_DEFINE_PTR(struct maildrop_locks, maildrop_locks_free)

struct maildrop;

/* The process's parts and the account's. */
struct maildrop_options {
	struct maildrop_locks *locks; /* borrowed */
	struct store *store;          /* borrowed */
	const char *tenant, *account_id;
	struct unique_id_form form;
	uint32_t login_delay;   /* seconds from one login to the next */
	unsigned undelete_days; /* deleted mail is kept so long */
};

enum maildrop_opened {
	MAILDROP_OPEN,
	MAILDROP_IN_USE,   /* another session has it */
	MAILDROP_TOO_SOON, /* login_delay */
	MAILDROP_FAILED,   /* err: what account_open and mailbox_open say */
};

enum maildrop_opened maildrop_open(const struct maildrop_options *options,
    struct maildrop **maildrop_out, struct err *err);
/* Gives the lock back; marks are forgotten. */
void maildrop_close(struct maildrop *d);
CLEANUP_DEFINE_PTR(struct maildrop, maildrop_close)

/* Messages, the deleted ones too: numbers are 1 to this. */
uint32_t maildrop_count(const struct maildrop *d);
/* There is a message of this number and it is not marked as deleted. */
bool maildrop_has(const struct maildrop *d, uint32_t number);

/*
 * What follows takes a number of maildrop_has.
 *
 * Octets that RETR sends, before byte-stuffing; 0 when the message was
 * expunged by somebody else before anyone had asked, or cannot be read.
 */
int maildrop_size(
    struct maildrop *d, uint32_t number, uint64_t *octets_out, struct err *err);
/*
 * How many messages were found that cannot be read, since the last call, and
 * why the first one: the others are served.
 */
uint32_t maildrop_unreadable(struct maildrop *d, struct err *why_out);
/* After maildrop_unique_ids. */
void maildrop_unique_id(
    const struct maildrop *d, uint32_t number, struct buf *out);
/* content_open_cached */
bool maildrop_content_cached(
    struct maildrop *d, uint32_t number, struct content **content_out);
/* Errors: those of content_open. */
int maildrop_content(struct maildrop *d, uint32_t number,
    struct content **content_out, struct err *err);
int maildrop_delete(struct maildrop *d, uint32_t number, struct err *err);
/* It was retrieved. */
int maildrop_retrieved(struct maildrop *d, uint32_t number, struct err *err);

/*
 * Makes unique-ids differ, the first time, and keeps what it changed, so that
 * the next session finds the same.  *changed_out: how many were the same as
 * another one.  When they could not be kept, *kept_err says why; this session
 * tells them all the same.
 */
int maildrop_unique_ids(struct maildrop *d, size_t *changed_out,
    struct err *kept_err, struct err *err);

/* Messages not marked as deleted and their octets: the drop listing. */
int maildrop_totals(struct maildrop *d, uint32_t *count_out,
    uint64_t *octets_out, struct err *err);

/* What is asked of the sizes, of the unique-ids, is in memory. */
bool maildrop_is_measured(const struct maildrop *d);
bool maildrop_is_settled(const struct maildrop *d);
/* maildrop_update may have something to do. */
bool maildrop_is_marked(const struct maildrop *d);

/* RSET: no message is marked as deleted. */
void maildrop_reset(struct maildrop *d);

/*
 * The UPDATE state: removes what is marked as deleted and, with mark_seen,
 * gives \Seen to what was retrieved and stays.  *expunged_out: how many were
 * removed.
 */
int maildrop_update(
    struct maildrop *d, bool mark_seen, size_t *expunged_out, struct err *err);

#endif
