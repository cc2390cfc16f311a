/* SPDX-License-Identifier: BSD-2-Clause */
/* What the filters say to users, in their language. */
#ifndef HK_MILTERS_WORDS_H
#define HK_MILTERS_WORDS_H

#include "common/buf.h"
#include "common/span.h"

enum words {
	/* of what was found, whose name stands in them */
	WORDS_VIRUS_REMOVED,
	WORDS_UNSCANNABLE_REMOVED,
	/* the sender */
	WORDS_NOTICE_SUBJECT,
	/* the subject */
	WORDS_NOTICE_TEXT,
	WORDS_END,
};

/*
 * Appends a text.  language: of an account, RFC 5646; English for one that is
 * not here.
 */
void words_put(
    const char *language, enum words which, struct span name, struct buf *out);

#endif
