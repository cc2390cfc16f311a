/* SPDX-License-Identifier: BSD-2-Clause */
/* What gate.c (the process) and authorize.c (a connection) share. */
#ifndef HK_IMAPD_GATE_PRIVATE_H
#define HK_IMAPD_GATE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/conn.h"
#include "common/counters.h"
#include "common/log.h"
#include "common/tls.h"
#include "imapd/gate.h"
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

extern const struct conn_service gate_service;

/* A connection until its client is gone; with TLS that is all of its life. */
struct gate_session;
struct gate_session *gate_session_new(struct gate *gate);
const struct log *gate_session_log(const struct gate_session *s);

#endif
