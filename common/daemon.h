/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every daemon has in common: how hikyakud starts, feeds, reloads,
 * drains and finds it again.
 *
 * hikyakud binds a SOCK_SEQPACKET socket for the daemon's control, starts the
 * daemon with it as descriptor 3, and connects.  Over that connection it sends
 * START with descriptors: the configuration text (sealed memfd), the TLS
 * material (sealed memfd: PEM, and the ticket secret), the counters, the log
 * file, and the listening sockets by name.  When hikyakud has died, its
 * successor connects to the same socket, asks for those descriptors back
 * (ADOPT) and goes on; meanwhile the daemon serves as before.  RELOAD brings
 * new configuration and TLS material, DRAIN asks for an orderly end.  The
 * daemon asks CONNECT to be connected with another process of ours, since
 * gates have no file system and may not call socket() or connect().
 * Only peers with hikyakud's uid are accepted (SO_PEERCRED).
 */
#ifndef HK_COMMON_DAEMON_H
#define HK_COMMON_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/conf.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/reactor.h"
#include "common/span.h"

enum daemon_role {
	DAEMON_ONLY,	/* smtpd, deliveryd, tenantd */
	DAEMON_GATE,	/* pop3d, imapd: faces the network */
	DAEMON_SESSION, /* pop3d, imapd: one tenant, one shard, its uid */
};

struct daemon;

/* Settings of the top level that every daemon may need. */
struct daemon_conf {
	char *hostname;	       /* "mail.isp.example" */
	char *store_directory; /* absolute */
	char *state_directory; /* absolute; each daemon has NAME/ below it */
	char *run_directory;   /* absolute; sockets */
	unsigned log_target, log_level; /* enum log_target, enum log_level */
	char *log_file;
	uint64_t workers; /* threads of a daemon's pool */
};

struct daemon_spec {
	const char *name;		 /* "smtpd": program, section, log */
	const struct conf_section *conf; /* the daemon's own section */
};

/*
 * Parses the command line (-n -c FILE: check the daemon's section and exit;
 * -V; --role=gate|session; --tenant=, --shard=), waits for START on
 * descriptor 3, opens the log, parses the configuration.  Exits the process
 * itself for -n and -V.
 */
int daemon_init(int argc, char **argv, const struct daemon_spec *spec,
    struct daemon **d_out, struct err *err);
void daemon_free(struct daemon *d);
CLEANUP_DEFINE_PTR(struct daemon, daemon_free)

enum daemon_role daemon_role(const struct daemon *d);
const char *daemon_tenant_name(const struct daemon *d); /* of a session role */
const struct daemon_conf *daemon_conf(const struct daemon *d);
/* The daemon's own section as its struct. */
const void *daemon_section(const struct daemon *d);
struct counters *daemon_counters(const struct daemon *d);
/* PEM text and ticket secret for tls_context_new.  Borrowed until a reload. */
struct span daemon_tls_pem(const struct daemon *d);
struct span daemon_ticket_secret(const struct daemon *d);

/* A listening socket that hikyakud gave: "mx", "imaps", "lmtp", "session". */
struct daemon_listener {
	char name[32];
	int fd; /* stays the daemon object's */
};
size_t daemon_listeners(
    const struct daemon *d, const struct daemon_listener **listeners_out);

/*
 * Attaches control to the reactor: RELOAD calls reload() on a worker (with
 * the new configuration already parsed; a bad one never arrives, it was
 * checked before), DRAIN calls reactor_drain.  Tells hikyakud READY.
 */
int daemon_attach(struct daemon *d, struct reactor *r,
    void (*reload)(struct daemon *d, void *arg), void *arg, struct err *err);

/*
 * A connected SOCK_SEQPACKET socket (deliveryd: SOCK_STREAM) to another
 * process of ours, brought by hikyakud: name is "tenantd", "deliveryd", or
 * "pop3d"/"imapd" with tenant and shard for a session process, which is
 * started if need be.  From any thread.
 *
 * Errors: ERR_TEMP, not now (hikyakud restarting, the process does not
 * start); ERR_POLICY, this daemon may not.
 */
int daemon_connect(struct daemon *d, const char *name, const char *tenant,
    unsigned shard, int *fd_out, struct err *err);

/*
 * Has hikyakud make <store>/<tenant> (0700, owned by the tenant's uid) if it
 * is missing.  deliveryd only.
 */
int daemon_tenant_directory(
    struct daemon *d, const char *tenant, struct err *err);

/* Session processes of a service for a tenant; the account's shard. */
unsigned daemon_shard(const struct daemon *d, const char *account_id);

#endif
