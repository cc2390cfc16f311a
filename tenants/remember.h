/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords that were right lately, so that a POP3 client that comes every
 * minute does not cost a slow hash each time, nor a reboot a storm of them.
 *
 * What is kept is a set of digests:
 *
 *	HMAC-SHA-256(key, account id NUL stored value NUL password)
 *
 * A changed password changes the digest, so nothing needs to be forgotten.
 * The key lies in a file of its own beside the set and is replaced, with the
 * set, when it is a month old.  The set is a file mapped into memory; a lost
 * or damaged one costs slow hashes and lets nobody in.
 *
 *	remembered     = magic (8) created (8) digests
 *	remembered.key = 32 octets, mode 0600
 */
#ifndef HK_TENANTS_REMEMBER_H
#define HK_TENANTS_REMEMBER_H

#include <stdbool.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct remember;

enum {
	REMEMBER_DIGEST = 32
};

/*
 * directory: where the files are.  Where they cannot be made, the set lives
 * in memory only and a warning is logged.
 */
int remember_new(
    const char *directory, struct remember **remember_out, struct err *err);
void remember_free(struct remember *r);
CLEANUP_DEFINE_PTR(struct remember, remember_free)

/* The digest of a login that is being tried. */
int remember_digest(const struct remember *r, struct span account_id,
    struct span stored, struct span password,
    unsigned char digest_out[REMEMBER_DIGEST], struct err *err);
bool remember_has(
    struct remember *r, const unsigned char digest[REMEMBER_DIGEST]);
void remember_add(
    struct remember *r, const unsigned char digest[REMEMBER_DIGEST]);

/* HMAC under the same key, for made-up material of unknown users. */
int remember_derive(const struct remember *r, const char *label,
    struct span name, unsigned char out[REMEMBER_DIGEST], struct err *err);

#endif
