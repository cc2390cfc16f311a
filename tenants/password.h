/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords as LDAP stores them, in every scheme that comes with migrations.
 *
 *	userPassword = "{" scheme "}" material / clear-text	RFC 2307 5.3
 *
 *	{CRYPT}		crypt(3): DES, $1$, $5$, $6$, $2a$ $2b$ $2y$, $7$, $y$ …
 *	{SSHA} {SHA}	SHA-1 over password and salt, base64
 *	{SMD5} {MD5}	MD5 likewise
 *	{SSHA256} {SHA256} {SSHA512} {SHA512}
 *	{CLEARTEXT}	the password itself
 *	{SCRAM-SHA-256}	see common/sasl.h
 *
 * A value without braces is the password itself, unless it begins with "$":
 * an importer forgot {CRYPT}, and the text of a hash must never be a password.
 *
 * Besides, hkSecret holds material for the mechanisms that userPassword's
 * scheme cannot serve:
 *
 *	hkSecret = "for:" 16HEXDIG SP "{" scheme "}" material
 *
 * The digits are the start of SHA-256 over the userPassword value that it was
 * made with.  Whoever changes a password by LDAP alone changes userPassword
 * only; without this stamp the old password would go on opening the account.
 */
#ifndef HK_TENANTS_PASSWORD_H
#define HK_TENANTS_PASSWORD_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/sasl.h"
#include "common/span.h"

enum password_match {
	PASSWORD_RIGHT,
	PASSWORD_WRONG,
	PASSWORD_UNKNOWN, /* a scheme that we do not have, or malformed */
};

/*
 * Compares in constant time.  Costs what the scheme costs; twice that for a
 * password outside ASCII that is wrong as it was typed, and is then tried as
 * RFC 4013 prepares it.
 */
enum password_match password_check(struct span stored, struct span password);

/* A value with a scheme that we have; its material may be bad nevertheless. */
bool password_has_scheme(struct span stored);

/* Checking it takes milliseconds of CPU: {CRYPT} and {SCRAM-SHA-256}, but not
 * when it would take so many that it is not done (password_cost.h). */
bool password_is_slow(struct span stored);

/* Appends "{CRYPT}$y$..." with a fresh salt. */
int password_hash(struct span password, struct buf *out, struct err *err);
/* cost: of yescrypt, 1 to 8, or 0 for libcrypt's default, which is 5. */
int password_hash_cost(
    struct span password, unsigned cost, struct buf *out, struct err *err);

/*
 * Appends "{SSHA512}..." with a fresh salt: for passwords that nobody can
 * guess, such as those that we make.
 */
int password_hash_fast(struct span password, struct buf *out, struct err *err);

/* It is the password itself. */
bool password_is_clear(struct span stored);

/* Appends the clear password, when stored is {CLEARTEXT} or without scheme. */
bool password_clear(struct span stored, struct buf *out);

/* SCRAM material in, or derivable from, a userPassword value. */
bool password_scram(struct span stored, struct sasl_scram *scram_out);

enum {
	PASSWORD_STAMP_SIZE = 17
};
/* "for" digits of a userPassword value, and NUL. */
void password_stamp(struct span stored, char *stamp_out);
/*
 * The part behind the stamp ("{SCHEME}material") when the secret belongs to
 * stored.  Borrowed from secret.
 */
bool password_secret_of(
    struct span secret, struct span stored, struct span *value_out);
/* Appends a whole hkSecret value. */
void password_secret_format(
    struct span stored, struct span value, struct buf *out);

#endif
