/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Looking for text in messages as their readers see it: encoded words,
 * transfer encodings and charsets undone, case folded (text_fold).  needle is
 * in that form already.
 */
#ifndef HK_IMAPD_SEARCH_TEXT_H
#define HK_IMAPD_SEARCH_TEXT_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "mime/structure.h"

/* Appends a field's value in the form in which it is compared. */
int search_value_fold(struct span value, struct buf *folded, struct err *err);

/*
 * A field of that name has the needle in its value; an empty needle asks
 * whether there is such a field.                  RFC 3501 section 6.4.4
 */
int header_has(struct span fields, struct span name, struct span needle,
    bool *found_out, struct err *err);

/*
 * The needle is in the body: the text parts, and the headers of messages
 * inside.  headers: or in any header, those of parts too (TEXT).
 */
int message_has(struct span message, const struct mime_structure *structure,
    bool headers, struct span needle, bool *found_out, struct err *err);

#endif
