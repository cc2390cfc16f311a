/* SPDX-License-Identifier: BSD-2-Clause */
/* What the directory stores for a new password. */
#ifndef HK_TENANTS_PASSWORD_NEW_H
#define HK_TENANTS_PASSWORD_NEW_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct password_new {
	struct buf stored; /* userPassword: "{CRYPT}$y$..." */
	struct buf scram;  /* hkSecret, for SCRAM-SHA-256 */
	struct buf clear;  /* hkSecret, for CRAM-MD5; empty unless asked for */
};

void password_new_init(struct password_new *p);
void password_new_fini(struct password_new *p);
CLEANUP_DEFINE_VALUE(struct password_new, password_new_fini)

/*
 * cost: of yescrypt, 1 to 8; each step doubles time or memory.
 * keep_clear: also what CRAM-MD5 and APOP need, which is the password itself.
 *
 * Errors: ERR_LIMIT, too long, or a NUL in it; ERR_TEMP.
 */
int password_new_make(struct span password, unsigned cost, bool keep_clear,
    struct password_new *out, struct err *err);

enum {
	APP_PASSWORD_LETTERS = 20
};

/*
 * A new password for a single program, of APP_PASSWORD_LETTERS letters and
 * digits with 100 bits of chance, and what is stored of it: a hash that costs
 * little, since nobody can guess so many bits and programs log in often.
 */
int password_new_app(struct buf *password, struct buf *stored, struct err *err);

#endif
