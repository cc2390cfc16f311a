/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process: listeners, TLS, the ways to tenantd and deliveryd.
 */
#ifndef HK_SMTPD_SERVER_H
#define HK_SMTPD_SERVER_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/counters.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/reactor.h"
#include "common/tls.h"
#include "smtpd/lmtp_client.h"
#include "smtpd/relay_client.h"
#include "smtpd/milter.h"
#include "tenants/client.h"

enum smtp_listener {
	SMTP_LISTENER_MX,
	SMTP_LISTENER_SUBMISSION,  /* STARTTLS, AUTH */
	SMTP_LISTENER_SUBMISSIONS, /* implicit TLS, AUTH */
};

/* "mx", "submission", "submissions". */
const char *smtp_listener_name(enum smtp_listener listener);

struct smtp_server;
struct tally;

/* Opens the spool directory: before the sandbox. */
int smtp_server_new(
    struct daemon *d, struct smtp_server **server_out, struct err *err);
void smtp_server_free(struct smtp_server *server);
CLEANUP_DEFINE_PTR(struct smtp_server, smtp_server_free)
/* The directory that stays open to it. */
const char *smtp_server_spool(const struct smtp_server *server);

int smtp_server_start(
    struct smtp_server *server, struct reactor *r, struct err *err);
void smtp_server_reload(struct smtp_server *server);

/* ---- for sessions
 * ------------------------------------------------------------------ */

struct daemon *smtp_server_daemon(const struct smtp_server *server);
const char *smtp_server_hostname(const struct smtp_server *server);
struct counters *smtp_server_counters(const struct smtp_server *server);
struct tenants *smtp_server_tenants(const struct smtp_server *server);
struct lmtp_client *smtp_server_lmtp(const struct smtp_server *server);
struct relay_client *smtp_server_relay(const struct smtp_server *server);
struct tally *smtp_server_clients(const struct smtp_server *server);
int smtp_server_spool_fd(const struct smtp_server *server);
/* A counted reference. */
struct milters *smtp_server_milters(struct smtp_server *server);
/* A counted reference, or NULL: no certificate. */
struct tls_context *smtp_server_tls(struct smtp_server *server);

#endif
