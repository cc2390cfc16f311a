/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which accounts have a session, and who logged in just now.
 *							RFC 1939 section 4
 * An account belongs to one session process, so a table in its memory answers
 * at once; account_lock holds against what is left of another process.  It
 * knows nothing of IMAP, whose sessions may share the mailbox.
 */
#ifndef HK_POP3D_MAILDROP_LOCKS_H
#define HK_POP3D_MAILDROP_LOCKS_H

#include <stdint.h>

#include "common/err.h"

struct maildrop_locks;
struct maildrop_lock;

enum maildrop_lock_taken {
	MAILDROP_LOCK_TAKEN,
	MAILDROP_LOCK_IN_USE,
	MAILDROP_LOCK_TOO_SOON, /* after the last login */
	MAILDROP_LOCK_FAILED,   /* no memory, or no account id */
};

enum maildrop_lock_taken maildrop_lock_take(struct maildrop_locks *locks,
    const char *account_id, uint64_t now_ms, struct maildrop_lock **lock_out,
    struct err *err);
/* It was a login: there is no next one before that time. */
void maildrop_lock_until(struct maildrop_locks *locks,
    struct maildrop_lock *lock, uint64_t until_ms);
/* NULL is accepted. */
void maildrop_lock_give(
    struct maildrop_locks *locks, struct maildrop_lock *lock, uint64_t now_ms);

#endif
