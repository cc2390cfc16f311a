/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mail data as SMTP sends it: lines up to <CRLF>.<CRLF>, with dots stuffed.
 * A parser of pieces: how the octets are split never changes the result.
 *					RFC 5321 4.1.1.4, 4.5.2, 2.3.8
 */
#ifndef HK_COMMON_MAILDATA_H
#define HK_COMMON_MAILDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/span.h"

enum maildata_state {
	MAILDATA_BOL,    /* after <CRLF>, or at the very beginning */
	MAILDATA_DOT,    /* "." at the beginning of a line */
	MAILDATA_DOT_CR, /* ".<CR>" there */
	MAILDATA_TEXT,   /* inside a line */
	MAILDATA_CR,     /* inside a line, after <CR> */
	MAILDATA_END,    /* the dot was seen: nothing more is taken */
};

struct maildata {
	enum maildata_state state;
	bool bad; /* a bare CR, a bare LF, or NUL was in it */
	/* Content, without stuffed dots, in order, in pieces. */
	void (*content)(void *arg, struct span octets);
	void *arg;
};

/* Ready for the octet after the DATA command's line. */
void maildata_init(
    struct maildata *m, void (*content)(void *arg, struct span), void *arg);

/* Takes octets up to the end of mail data, or all; answers how many. */
size_t maildata_take(struct maildata *m, struct span octets);

#endif
