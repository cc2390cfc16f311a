/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of LIST and UIDL without an argument. */
#ifndef HK_POP3D_LISTING_H
#define HK_POP3D_LISTING_H

#include <stdint.h>

#include "common/buf.h"
#include "common/conn.h"
#include "pop3d/transaction.h"

/*
 * Writes "number SP value CRLF" for each message that is not deleted, and the
 * last line; line appends the value.
 */
void listing_write(struct transaction *t, struct conn *c,
    void (*line)(struct transaction *t, uint32_t number, struct buf *out));

#endif
