/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The base subject: what is left of a subject without "Re:", "[list]",
 * "(fwd)" and the like.                         RFC 5256 section 2.1
 */
#ifndef HK_MIME_SUBJECT_H
#define HK_MIME_SUBJECT_H

#include <stdbool.h>

#include "common/span.h"

/*
 * Of a subject in UTF-8 (encoded_words_decode), which is changed in place:
 * white space becomes one SP.  The base subject lies in it.  *reply_out:
 * something of a reply or a forwarded message was taken away.
 */
struct span subject_base(char *text, size_t len, bool *reply_out);

#endif
