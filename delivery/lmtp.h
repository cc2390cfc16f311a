/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The LMTP server: connections, transactions, replies.              RFC 2033
 */
#ifndef HK_DELIVERY_LMTP_H
#define HK_DELIVERY_LMTP_H

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/reactor.h"
#include "delivery/backlog.h"
#include "delivery/place.h"
#include "tenants/client.h"

struct lmtp;

/*
 * Borrows all four until lmtp_free.  Without a backlog (NULL) each message is
 * written to its place before its 250.
 */
int lmtp_new(struct daemon *d, struct tenants *tenants, struct placer *placer,
    struct backlog *backlog, struct lmtp **lmtp_out, struct err *err);
/* Every connection must be gone. */
void lmtp_free(struct lmtp *l);
CLEANUP_DEFINE_PTR(struct lmtp, lmtp_free)

/* Listens on the daemon's listeners, which are all called "lmtp". */
int lmtp_start(struct lmtp *l, struct reactor *r, struct err *err);

#endif
