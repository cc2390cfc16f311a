/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Tokens of structured header fields.       RFC 5322 3.2, RFC 2045 5.1
 *
 * Lenient by design: fields of received mail are read for display and
 * search, never refused.  Every function makes progress or answers false.
 */
#ifndef HK_MIME_LEX_H
#define HK_MIME_LEX_H

#include <stdbool.h>
#include <stddef.h>

#include "common/arena.h"
#include "common/span.h"

/* Comments nest no deeper than this; beyond, "(" is text of the comment. */
#define LEX_COMMENT_DEPTH_MAX 32

/*
 * CFWS: white space, line ends and comments.  True when there was any.
 * *comment_out (may be NULL): the inside of the last comment, raw; else
 * unchanged.
 */
bool lex_cfws(struct span *in, struct span *comment_out);

/*
 * quoted-string.  *inside_out is what stands between the quotes, raw; a
 * string without end reaches to the end of the field.  False: *in does not
 * begin with DQUOTE.
 */
bool lex_quoted(struct span *in, struct span *inside_out);

/* The longest run of octets that are not in stops, nor white space, CR, LF. */
bool lex_run(struct span *in, const char *stops, struct span *out);

/*
 * Resolves "\" pairs and drops line ends, at to; it needs raw.len octets.
 * Answers how many were written.
 */
size_t lex_unquote(struct span raw, char *to);

#endif
