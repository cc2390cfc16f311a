/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Encoded words and content transfer encodings.    RFC 2047, RFC 2045 6
 *
 *	encoded-word = "=?" charset "?" encoding "?" encoded-text "?="
 *
 * Decoding is lenient: octets that do not belong are passed over.
 */
#ifndef HK_MIME_ENCODED_H
#define HK_MIME_ENCODED_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Append the decoded octets; a full buf shows in buf_check. */
void base64_decode_lenient(struct span text, struct buf *out);
void quoted_printable_decode(struct span text, struct buf *out);

/*
 * Appends the value of a header field as UTF-8, unfolded: encoded words are
 * decoded, white space between two of them dropped, and octets of
 * neighbours in one charset joined before they are converted (senders cut
 * characters in two).  An encoded word in an unknown charset stays as it is,
 * unless its octets are ASCII's.
 *
 * Errors: buf_check's.
 */
int encoded_words_decode(
    struct span value, struct buf *utf8_out, struct err *err);

/*
 * Appends text of ours, UTF-8 without control characters, as it may stand in a
 * field: as it is when it is ASCII, else as encoded words, each on a line of
 * its own.  As a display name it is quoted, too.
 */
void encoded_words_format(struct span utf8, struct buf *out);
void display_name_format(struct span utf8, struct buf *out);

#endif
