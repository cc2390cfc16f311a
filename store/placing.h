/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message on its way into new/ in steps, for whoever brings many at once and
 * has a record of them elsewhere until they are there:
 *
 *	placing_write	tmp/<base>, whole
 *	placing_flush	of all of them: octets and names are on the disk
 *			(the caller notes that it is so, durably)
 *	placing_show	new/<base>,S=..,W=..
 *	placing_flush	of all of them: the new names are on the disk
 *			(the caller may forget them)
 *
 * After a crash, with such a note: placing_resume, then as from placing_show
 * on.  Without one, nothing was shown, and it begins again.
 *
 * Nothing here takes a lock.  Each call but placing_flush acts under the
 * calling thread's file system ids, which are the tenant's.
 */
#ifndef HK_STORE_PLACING_H
#define HK_STORE_PLACING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

struct placing;

/* A name never given out before, for a file of this store. */
void store_new_base(struct store *s, struct buf *out);
/* A base that store_new_base could have made: it comes from a record. */
bool store_base_valid(struct span base);

/* What is to be placed; the message is in pieces. */
struct placing_message {
	struct span mailbox, base;
	const struct span *pieces;
	size_t piece_count;
};

/* "<base>,S=..,W=..", its name in new/. */
void placing_name(const struct placing_message *m, struct buf *out);

/*
 * Writes the file.  One of that name from an earlier try is replaced.
 *
 * Errors: ERR_POLICY, no such mailbox; ERR_SYNTAX; ERR_LIMIT, no room;
 * ERR_TEMP.  Then there is nothing of it.
 */
int placing_write(struct account *a, const struct placing_message *m,
    struct placing **placing_out, struct err *err);

enum placing_found {
	PLACING_THERE,
	PLACING_GONE,   /* it was shown, or somebody tidied up */
	PLACING_SPOILT, /* of another size than was written */
};
/* Takes up one that was written and flushed before a crash.  Errors as above.
 */
int placing_resume(struct account *a, const struct placing_message *m,
    struct placing **placing_out, enum placing_found *found_out,
    struct err *err);

/*
 * Whether a message of this base is in the mailbox, or was: its name in new/,
 * in cur/, or in dovecot-uidlist.
 */
int placing_was_shown(struct placing *p, bool *shown_out, struct err *err);

/* ERR_TEMP with os ENOENT: it is not in tmp/ any more. */
int placing_show(struct placing *p, struct err *err);

/* Removes the file in tmp/, if it is still there. */
void placing_undo(struct placing *p);
void placing_free(struct placing *p);
CLEANUP_DEFINE_PTR(struct placing, placing_free)

/*
 * Flushes what placing_write (shown false) or placing_show (true) has done to
 * each of them, all on one file system, in whatever way is quickest there.
 * Those that cannot be flushed have failed_out set; the answer is -1 when
 * there are any, and *err tells of the first.  *whole_out: all that anybody
 * had done in that file system before the call is flushed.
 */
int placing_flush(struct placing *const *all, size_t count, bool shown,
    bool *failed_out, bool *whole_out, struct err *err);

#endif
