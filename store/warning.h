/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mail that tells people their mailbox gets full: at 80, 95 and 100 per cent
 * of a limit, once for each time that it is crossed.
 *
 * What has been told stands as empty files in the Maildir,
 *
 *	hikyaku-warned-80, hikyaku-warned-95, hikyaku-warned-100
 *
 * so that whoever looks next knows it; who makes the file tells.  Each goes
 * when use has fallen five points below its level: a mailbox that swings about
 * it is told once.
 *
 * Whom to tell, and in whose name, a process knows of the accounts it was told
 * of with account_owner.  Of others nothing is told until a process looks that
 * does know.
 */
#ifndef HK_STORE_WARNING_H
#define HK_STORE_WARNING_H

#include "common/buf.h"
#include "common/span.h"
#include "store/quota.h"

/* A message that tells it, with its header, lines ending in CRLF. */
void warning_compose(const struct quota_owner *owner, const struct usage *usage,
    unsigned level, int64_t now, int offset, const char *id, struct buf *out);

#endif
