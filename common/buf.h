/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Owned octets that grow up to a maximum stated at birth and no further.
 * A failure (limit or memory) is sticky: appends after it do nothing, and
 * buf_check reports it once at the end.
 */
#ifndef HK_COMMON_BUF_H
#define HK_COMMON_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct buf {
	char *data; /* data[len] is NUL once anything was appended */
	size_t len, cap, max;
	enum err_kind failed;
};

/* max: octets of content allowed, without the NUL.  Allocates nothing. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
CLEANUP_DEFINE_VALUE(struct buf, buf_fini)

/* Empties it, keeps the memory, and forgets a failure. */
void buf_clear(struct buf *b);

/* Gives the memory back when it is empty; an idle session holds none. */
void buf_shrink(struct buf *b);

void buf_append(struct buf *b, struct span s);
void buf_append_octet(struct buf *b, char c);
void buf_append_str(struct buf *b, const char *s);
void buf_append_u64(struct buf *b, uint64_t number);
void buf_append_fmt(struct buf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Makes room for at least len octets behind the content and answers where
 * they begin, or NULL (sticky).  buf_commit then says how many were written.
 */
char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);

/* Drops len octets off the front, or shortens to len. */
void buf_consume(struct buf *b, size_t len);
void buf_truncate(struct buf *b, size_t len);

/* Borrowed: valid until the next change. */
struct span buf_span(const struct buf *b);

/* The content as a C string, never NULL.  Borrowed likewise. */
const char *buf_str(const struct buf *b);

/* 0, or -1 with ERR_LIMIT (max reached) or ERR_TEMP (no memory). */
int buf_check(const struct buf *b, struct err *err);

#endif
