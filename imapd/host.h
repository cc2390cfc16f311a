/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The session process: IMAP after login, for the accounts of one tenant's
 * shard.  Its accounts share one store (views in memory, one inotify).
 */
#ifndef HK_IMAPD_HOST_H
#define HK_IMAPD_HOST_H

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/reactor.h"

struct host;

/* Opens the store. */
int host_new(struct daemon *d, struct host **host_out, struct err *err);
/* From here on clients are served as gates bring them. */
int host_start(struct host *host, struct reactor *r, struct err *err);
/* After reactor_free. */
void host_free(struct host *host);
CLEANUP_DEFINE_PTR(struct host, host_free)

/* New settings, for sessions from now on. */
void host_reload(struct host *host);

#endif
