/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Patterns of LIST: "*" matches anything, "%" anything without "/".
 *                                               RFC 3501 section 6.3.8
 */
#ifndef HK_IMAPD_PATTERN_H
#define HK_IMAPD_PATTERN_H

#include <stdbool.h>

#include "common/span.h"

#define PATTERN_MAX 2000 /* octets; a name has MAILBOX_NAME_MAX */

/*
 * The whole name matches.  INBOX matches without case.  Takes time in
 * proportion to the product of both lengths, whatever the pattern.
 */
bool pattern_match(struct span pattern, struct span name);

#endif
