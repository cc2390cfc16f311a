/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several modifications that happen together or not at all, for the price of
 * one flush.                                                     RFC 5805
 *
 * slapd runs them one after the other when the batch is committed, with every
 * check that it makes of single ones.
 *
 * Of no attribute that unique watches: a batch that takes the lock of its
 * "serialize" and another writer wait for each other for ever.  And nothing
 * but modifications: slapd 2.5.13 ends in a crash after a batch that failed and
 * renamed something, and fails when entries are removed below different
 * parents.
 *
 * slapd 2.5 tells its followers of a change before it is committed, and does
 * not take that back: a replica gets what a batch which failed would have made.
 */
#ifndef HK_TENANTS_BATCH_H
#define HK_TENANTS_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "tenants/editor.h"

enum {
	BATCH_MAX = 500
};

struct batch {
	struct editor *editor;
	struct berval *id;  /* slapd's, NULL before the first change */
	int ids[BATCH_MAX]; /* message ids, in order */
	size_t len;
};

void batch_init(struct batch *b, struct editor *editor);
/* Whatever was not committed did not happen. */
void batch_fini(struct batch *b);
CLEANUP_DEFINE_VALUE(struct batch, batch_fini)

/*
 * Sends one more; does not wait.
 * Errors: ERR_LIMIT, it is full; ERR_TEMP.
 */
int batch_add(
    struct batch *b, const char *dn, const struct changes *c, struct err *err);
int batch_modify(
    struct batch *b, const char *dn, const struct changes *c, struct err *err);

/*
 * Does all of it.  On failure *failed_out, unless it is NULL, is the place in
 * order of the change that slapd refused, or SIZE_MAX when it names none.  The
 * batch is empty afterwards, and can be filled again.
 *
 * Errors: as of editor_modify.
 */
int batch_commit(struct batch *b, size_t *failed_out, struct err *err);

/*
 * Asks slapd to make every check of a change, but not to do it.  Does not wait;
 * answers the message id, or -1.  The answer is
 * LDAP_X_NO_OPERATION when it would have been done.
 * (draft-zeilenga-ldap-noop)
 */
int batch_try_add(
    struct editor *e, const char *dn, const struct changes *c, struct err *err);

int batch_try_modify(
    struct editor *e, const char *dn, const struct changes *c, struct err *err);

#endif
