/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file `subscriptions` of a Maildir.
 *
 *	version 2: "V" TAB "2" LF LF, then a name a line, levels split by TAB
 *	version 1: a name a line, levels split by "."
 *
 * Levels are in modified UTF-7, as in directory names.  A file of version 1
 * stays one; lines that we cannot read stay as they are.
 */
#ifndef HK_STORE_SUBSCRIPTIONS_H
#define HK_STORE_SUBSCRIPTIONS_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

#define SUBSCRIPTIONS_OCTETS_MAX ((size_t)1024 * 1024)

/* Calls each(arg, name in UTF-8) for every name; false stops. */
int subscriptions_each(struct account *a,
    bool (*each)(void *arg, struct span name), void *arg, struct err *err);

/* The text with a directory's name (".Work.2026") put in or left out. */
void subscriptions_edit(
    struct span text, struct span directory, bool subscribed, struct buf *out);

/* One line's name in UTF-8; false: not readable. */
bool subscriptions_line(struct span line, bool v2, struct buf *name_out);

#endif
