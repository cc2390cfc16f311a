/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process of a gate (pop3d, imapd): listeners, TLS, the ways to tenantd
 * and to session processes.  It has no file system and never sees mail.
 *
 * What the two differ in is a struct gate_protocol; the words of a connection
 * before login are theirs (authorize.c), and login.h logs it in.
 */
#ifndef HK_TENANTS_GATE_H
#define HK_TENANTS_GATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/cleanup.h"
#include "common/conn.h"
#include "common/counters.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/log.h"
#include "common/reactor.h"
#include "common/span.h"
#include "common/tally.h"
#include "common/tls.h"
#include "tenants/client.h"
#include "tenants/login.h"

struct gate;

struct gate_protocol {
	const char *daemon;       /* "imapd" */
	const char *protocol;     /* "imap": its listener in clear, too */
	const char *listener_tls; /* "imaps" */
	unsigned service;         /* SERVICE_IMAP */
	struct span busy;  /* said, in clear, to who comes when all is full */
	struct span crowd; /* the same, when the client's share is full */
	/* A connection: made here, ended by sessions->closed. */
	const struct conn_service *sessions;
	/* NULL: no memory.  gate_left(gate, client) when it ends. */
	void *(*session_new)(struct gate *gate, struct tallied *client);
	const struct log *(*session_log)(const void *session);
	/* Of the daemon's section: the login keys, and how long a command
	 * before login may take. */
	const struct login_conf *(*login_conf)(const void *section);
	unsigned (*wait_ms)(const void *section);
};

/* Connections read it; only gate.c writes it. */
struct gate {
	struct daemon *daemon;
	const struct gate_protocol *protocol;
	struct reactor *reactor;
	struct tenants *tenants;
	struct login_gate *login;
	struct counters *counters;
	struct tally *clients; /* connections of each */
	_Atomic uint64_t client_max;
	atomic_uint wait_ms;
	pthread_mutex_t mutex;   /* guards tls */
	struct tls_context *tls; /* NULL: no certificate, no TLS */
};

/* Makes the gate of this process; certificates are read here. */
int gate_new(struct daemon *d, const struct gate_protocol *protocol,
    struct gate **gate_out, struct err *err);
/* After reactor_free. */
void gate_free(struct gate *gate);
CLEANUP_DEFINE_PTR(struct gate, gate_free)

/* Its listeners begin to accept. */
int gate_start(struct gate *gate, struct reactor *r, struct err *err);

/* A connection has ended, or was given away. */
void gate_left(struct gate *gate, struct tallied *client);

/* New certificates and settings, for connections from now on. */
void gate_reload(struct gate *gate);

/* A counted reference, or NULL. */
struct tls_context *gate_tls(struct gate *gate);

#endif
