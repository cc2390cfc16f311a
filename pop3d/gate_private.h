/* SPDX-License-Identifier: BSD-2-Clause */
/* What gate.c (the process) and authorize.c (a connection) share. */
#ifndef HK_POP3D_GATE_PRIVATE_H
#define HK_POP3D_GATE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/conn.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/tls.h"
#include "pop3d/gate.h"
#include "tenants/client.h"
#include "tenants/login.h"

struct gate {
	struct daemon *daemon;
	struct reactor *reactor;
	struct tenants *tenants;
	struct login_gate *login;
	struct counters *counters;
	atomic_uint wait_ms;
	pthread_mutex_t mutex;   /* guards tls */
	struct tls_context *tls; /* NULL: no certificate, no TLS */
};

/* A counted reference, or NULL. */
struct tls_context *gate_tls(struct gate *gate);

/*
 * One connection until its client is gone.  With TLS that is the whole of the
 * client's session, so what a login needs is in objects of their own, freed
 * at the hand-off.
 */
struct gate_session {
	struct gate *gate;
	struct login *login; /* NULL: not tried yet */
	char *user;          /* of a USER command that PASS may follow */
	unsigned errors;     /* commands that were none */
	bool greeted;
	struct log log;
};

extern const struct conn_service gate_service;

struct gate_session *gate_session_new(struct gate *gate);

#endif
