/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: POP3's AUTHORIZATION state.	RFC 1939 section 4, RFC 5034
 *
 * Greets, offers TLS, logs in, and gives the client to the session process
 * that owns the account.
 */
#ifndef HK_POP3D_GATE_H
#define HK_POP3D_GATE_H

#include "tenants/gate.h"

extern const struct gate_protocol pop3_gate;

#endif
