/* SPDX-License-Identifier: BSD-2-Clause */
/* STATUS, which LIST may ask for, too.             RFC 3501 6.3.10 */
#ifndef HK_IMAPD_STATUS_H
#define HK_IMAPD_STATUS_H

#include "imapd/session.h"

/* "(" status-att *(SP status-att) ")", as a set of bits. */
int status_items_parse(struct span *in, unsigned *items_out, struct err *err);

/*
 * Writes the STATUS response of a mailbox.
 * Errors: mailbox_status's; with ERR_POLICY there is no such mailbox.
 */
int status_write(
    struct imap_session *s, struct span name, unsigned items, struct err *err);

#endif
