/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Byte-stuffing of multi-line replies.			RFC 1939 section 3
 *
 * A message is cut into pieces that go out as they are (from memory or as
 * ranges of its file), with one more "." before those that begin with one.
 */
#ifndef HK_POP3D_DOTSTUFF_H
#define HK_POP3D_DOTSTUFF_H

#include <stdbool.h>

#include "common/span.h"

/*
 * Takes the longest such piece off the front of *content, which begins at the
 * start of a line and whose lines end in CRLF.  The piece is empty only when
 * the content is.  *dot_out: a "." goes before it.
 */
struct span dotstuff_take(struct span *content, bool *dot_out);

#endif
