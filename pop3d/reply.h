/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single-line replies.  A reply is 512 octets at most with its CRLF; ours are
 * short texts of our own.				RFC 1939 section 3
 */
#ifndef HK_POP3D_REPLY_H
#define HK_POP3D_REPLY_H

#include "common/conn.h"
#include "common/err.h"
#include "pop3d/text.h"

/* "+OK text", the text in that language. */
void pop3_ok(struct conn *c, enum language language, const char *text);
/* "-ERR [code] text"; code NULL: none.		RFC 2449 section 8, RFC 3206 */
void pop3_err(
    struct conn *c, enum language language, const char *code, const char *text);
/*
 * The code that belongs to a failure of ours: "SYS/TEMP" when trying later may
 * help, "SYS/PERM" when somebody has to act first, or NULL.
 */
const char *pop3_err_code(const struct err *err);

#endif
