/* SPDX-License-Identifier: BSD-2-Clause */
/* Between a mailbox's name (list.h) and its directory in the Maildir. */
#ifndef HK_STORE_NAME_H
#define HK_STORE_NAME_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define NAME_DIRECTORY_MAX 250 /* leaves room below NAME_MAX */

/* Appends ".": INBOX; ".Work.2026": "Work/2026".  ERR_SYNTAX, ERR_LIMIT. */
int name_to_directory(
    struct span name, struct buf *directory_out, struct err *err);

/* The way back.  False: not a folder's directory ("..x", no mUTF-7). */
bool name_of_directory(struct span directory, struct buf *name_out);

#endif
