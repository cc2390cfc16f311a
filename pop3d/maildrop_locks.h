/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The exclusive lock on a maildrop.  An account belongs to one session
 * process, so a table in its memory is the whole truth; it knows nothing of
 * IMAP, whose sessions may share the mailbox.	RFC 1939 section 4
 */
#ifndef HK_POP3D_MAILDROP_LOCKS_H
#define HK_POP3D_MAILDROP_LOCKS_H

#include "common/err.h"

struct maildrop_locks;
struct maildrop_lock;

/* ERR_LIMIT: it is taken. */
int maildrop_lock_take(struct maildrop_locks *locks, const char *account_id,
    struct maildrop_lock **lock_out, struct err *err);
/* NULL is accepted. */
void maildrop_lock_give(
    struct maildrop_locks *locks, struct maildrop_lock *lock);

#endif
