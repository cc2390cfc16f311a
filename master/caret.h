/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows a line of text and a mark below the character that is meant. */
#ifndef HK_MASTER_CARET_H
#define HK_MASTER_CARET_H

#include <stddef.h>

#include "common/buf.h"
#include "common/span.h"

/*
 * Appends two lines, each begun with indent blanks: the text, and "^" under
 * the given column (characters from 1; one behind the end is allowed).
 * Characters of East Asian width take two places, combining ones none; what
 * is no text is shown as "?".  Of a text too long for a line of a terminal
 * the part around the column is shown, with "..." where something is left
 * out.  Column 0: the text alone, from its beginning.
 */
void caret_format(
    struct span text, size_t column, unsigned indent, struct buf *out);

#endif
