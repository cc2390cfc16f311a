/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The account's counter of UIDVALIDITY values, in its Maildir:
 *
 *	dovecot-uidvalidity		8 lower-case hex digits: the last one
 *	dovecot-uidvalidity.XXXXXXXX	empty; its name is the last one (Dovecot
 *					makes it 0444, which nothing looks at)
 *
 * Renaming the second to the next number takes that number, for us and for
 * Dovecot alike.
 */
#ifndef HK_STORE_UIDVALIDITY_H
#define HK_STORE_UIDVALIDITY_H

#include <stdint.h>

#include "common/err.h"

/* A value never given out before in this account, for a new mailbox. */
int uidvalidity_next(int root_fd, uint32_t *value_out, struct err *err);

#endif
