/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors that carry their origin.  A function that can fail returns 0 or -1
 * and takes a struct err last.  The first place that sees a failure records
 * it; callers pass it up and may put words in front.  Storage is the
 * caller's; nothing is allocated.
 */
#ifndef HK_COMMON_ERR_H
#define HK_COMMON_ERR_H

#include <errno.h>

enum err_kind {
	ERR_NONE,
	ERR_SYNTAX, /* the peer broke the grammar */
	ERR_POLICY, /* understood and refused */
	ERR_LIMIT,  /* a size, count, or quota was reached */
	ERR_TEMP,   /* our side failed; trying later may work */
	ERR_CLOSED, /* the peer is gone or too slow */
};

struct err {
	enum err_kind kind;
	int os;           /* errno, or 0 */
	const char *file; /* where it was first seen */
	int line;
	char text[256];
};

#define ERR_INIT ((struct err){ .kind = ERR_NONE })

/*
 * Records an error and answers -1.  err may be NULL when the caller does not
 * care.  The text is for the operator: no secret, no content of a message;
 * octets from outside are escaped when it is logged.
 */
#define err_set(err, kind, ...)                                                \
	err_set_at((err), (kind), 0, __FILE__, __LINE__, __VA_ARGS__)

/* The same for a failed system call: ERR_TEMP with errno. */
#define err_sys(err, ...)                                                      \
	err_set_at((err), ERR_TEMP, errno, __FILE__, __LINE__, __VA_ARGS__)

int err_set_at(struct err *err, enum err_kind kind, int os, const char *file,
    int line, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Puts "words: " in front of what is recorded; answers -1. */
int err_prefix(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Forgets what was recorded. */
void err_clear(struct err *err);

/* "syntax", "policy", "limit", "temp", "closed" or "none". */
const char *err_kind_name(enum err_kind kind);

#endif
