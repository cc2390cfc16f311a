/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: IMAP's not authenticated state.       RFC 3501 section 3.1, 6.2
 *
 * Greets, offers TLS, logs in, and gives the client to the session process
 * that owns the account.  It has no file system and never sees mail.
 */
#ifndef HK_IMAPD_GATE_H
#define HK_IMAPD_GATE_H

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/reactor.h"

struct gate;

/* Makes the gate of this process; certificates are read here. */
int gate_new(struct daemon *d, struct gate **gate_out, struct err *err);
/* After reactor_free. */
void gate_free(struct gate *gate);
CLEANUP_DEFINE_PTR(struct gate, gate_free)

/* Its listeners begin to accept. */
int gate_start(struct gate *gate, struct reactor *r, struct err *err);

/* New certificates and settings, for connections from now on. */
void gate_reload(struct gate *gate);

#endif
