/* SPDX-License-Identifier: BSD-2-Clause */
/* Whom no automatic answer goes to.     RFC 3834 section 2, RFC 5230 4.6 */
#ifndef HK_MILTERS_SUPPRESS_H
#define HK_MILTERS_SUPPRESS_H

#include <stdbool.h>

#include "common/span.h"

/*
 * Why a message must not be answered, "list" and the like: one word; NULL: it
 * may be.  fields: of its header.
 */
const char *suppress_reason(struct span reverse_path, struct span fields);

/* As above, for a sender alone: a role or a program, not a person. */
bool suppress_sender(struct span reverse_path);

#endif
