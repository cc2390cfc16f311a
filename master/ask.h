/* SPDX-License-Identifier: BSD-2-Clause */
/* Passwords from a terminal or a file: never from the command line. */
#ifndef HK_MASTER_ASK_H
#define HK_MASTER_ASK_H

#include "common/buf.h"
#include "common/err.h"

enum {
	ASK_MAX = 1024 /* octets of a password; the schema allows no more */
};

/* Cleans and frees what held a secret. */
void secret_fini(struct buf *b);
CLEANUP_DEFINE_VALUE(struct buf, secret_fini)

/*
 * Appends a password: from the terminal, without showing it, or one line of
 * standard input when that is none.
 *
 * Errors: ERR_SYNTAX, none, empty, or over ASK_MAX octets.
 */
int ask_password(const char *prompt, struct buf *out, struct err *err);
/* Likewise, on a terminal twice: ERR_SYNTAX when they differ. */
int ask_new_password(const char *prompt, struct buf *out, struct err *err);
/* The first line of a file; "-" is standard input. */
int ask_file(const char *path, struct buf *out, struct err *err);

#endif
