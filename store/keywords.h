/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of dovecot-keywords: which keyword a small letter means.
 *
 *	<0..25> <keyword> LF		0 is 'a'
 *
 * Gaps are allowed, other lines are passed over.  A number is never given to
 * another name while a file may still carry the letter.
 */
#ifndef HK_STORE_KEYWORDS_H
#define HK_STORE_KEYWORDS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define KEYWORDS_MAX 26
#define KEYWORD_NAME_MAX 100

/* Counted and never changed once shared. */
struct keywords;

/* NULL: out of memory. */
struct keywords *keywords_parse(struct span text);
/* A copy with one more name; n must be free. */
struct keywords *keywords_with(
    const struct keywords *k, unsigned n, struct span name);
struct keywords *keywords_ref(struct keywords *k);
void keywords_unref(struct keywords *k);
CLEANUP_DEFINE_PTR(struct keywords, keywords_unref)

/* Empty: the number is free. */
struct span keywords_name(const struct keywords *k, unsigned n);
int keywords_find(const struct keywords *k, struct span name);
/*
 * The lowest free number that is not in letters (MESSAGE_KEYWORD bits that
 * some file carries); -1: none.
 */
int keywords_lowest_free(const struct keywords *k, uint64_t letters);
bool keywords_equal(const struct keywords *a, const struct keywords *b);

void keywords_format(const struct keywords *k, struct buf *out);

/* An atom: no control, space, or any of ( ) { % * " \ ].  RFC 3501 section 9 */
bool keyword_valid(struct span name);

#endif
