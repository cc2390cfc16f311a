/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Charsets and case, by ICU.
 *
 * Mail from Japan says ISO-2022-JP and Shift_JIS and means what Windows made
 * of them (NEC row 13, IBM extensions); ICU's converters know those.
 */
#ifndef HK_MIME_CHARSET_H
#define HK_MIME_CHARSET_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define CHARSET_NAME_MAX 63

/* Whether text in this charset can be read. */
bool charset_known(struct span name);

/*
 * Appends text as UTF-8; what is malformed becomes U+FFFD.  An empty name is
 * US-ASCII; octets over 127 there are taken as UTF-8 if they are that.
 *
 * Errors: ERR_POLICY, unknown charset (octets that are ASCII's in any charset
 * that mail uses need none); buf_check's.
 */
int charset_decode(
    struct span name, struct span text, struct buf *utf8_out, struct err *err);

/*
 * Appends UTF-8 text in the form in which it is compared: case folded and
 * compatibility forms united (NFKC_Casefold, UAX 44), so that full-width
 * letters and half-width kana match the ordinary ones.
 */
int text_fold(struct span utf8, struct buf *out, struct err *err);

/*
 * Appends UTF-8 text in the form in which it is sorted, octet by octet: each
 * character's titlecase, decomposed (i;unicode-casemap).  RFC 5051 section 2
 */
int text_casemap(struct span utf8, struct buf *out, struct err *err);

#endif
