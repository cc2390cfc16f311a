/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: IMAP's not authenticated state.       RFC 3501 section 3.1, 6.2
 *
 * Greets, offers TLS, logs in, and gives the client to the session process
 * that owns the account.
 */
#ifndef HK_IMAPD_GATE_H
#define HK_IMAPD_GATE_H

#include "tenants/gate.h"

extern const struct gate_protocol imap_gate;

#endif
