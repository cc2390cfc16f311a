/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every daemon has in common: how hikyakud starts, feeds, reloads,
 * drains and finds it again.  (The packets: control.h.)
 *
 * hikyakud binds a SOCK_SEQPACKET socket for the daemon's control, starts the
 * daemon with it as descriptor 3, and connects.  Over that connection it sends
 * START with descriptors: the configuration text (sealed memfd), the TLS
 * material (sealed memfd: the ticket secret, then PEM), the counters, the log
 * file, and the listening sockets by name.  When hikyakud has died, its
 * successor connects to the same socket, asks for those descriptors back
 * (ADOPT) and goes on; meanwhile the daemon serves as before.  RELOAD brings
 * new configuration and TLS material, DRAIN asks for an orderly end.  The
 * daemon asks CONNECT to be connected with another process of ours, since
 * gates have no file system and may not call socket() or connect().
 * Only peers with the uid of who made descriptor 3 are accepted
 * (SO_PEERCRED).
 *
 * The start of a daemon, which daemon_main below does in this order:
 *
 *	1. daemon_init	options; START on descriptor 3; log; configuration.
 *			The process already runs under its own uid: hikyakud
 *			gave up root before it executed the program.
 *	2. prepare()	what still needs the file system: open directories,
 *			databases, load libraries' tables; sandbox_drop and
 *			sandbox_paths come at its end.
 *	3. reactor_new	no thread exists before the sandbox of step 2.
 *	4. start()	make TLS contexts, services; reactor_listen for each
 *			of daemon_listeners; sandbox_seccomp at its end.
 *			daemon_connect works here already.
 *	5. daemon_attach	READY; from now on RELOAD and DRAIN arrive.
 *	6. reactor_run	until drained.  Then reactor_free, stop().
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
	DAEMON_ONLY,    /* smtpd, deliveryd, tenantd */
	DAEMON_GATE,    /* pop3d, imapd: faces the network */
	DAEMON_SESSION, /* pop3d, imapd: one tenant, one shard, its uid */
};

struct daemon;

/* Settings of the top level that every daemon may need. */
struct daemon_conf {
	char *hostname;        /* "mail.isp.example" */
	char *store_directory; /* absolute */
	char *state_directory; /* absolute; each daemon has NAME/ below it */
	char *run_directory;   /* absolute; sockets */
	unsigned log_target, log_level; /* enum log_target, enum log_level */
	char *log_file;
	uint64_t workers; /* threads of a daemon's pool */
	uint64_t shards;  /* of daemon_shard; fixed until a restart */
	uint64_t session_idle, drain_wait; /* seconds; hikyakud's */
	char *tenant_uids;                 /* "200000-299999" */
};

/* Paths of the configuration are shorter than this. */
#define DAEMON_PATH_MAX 512

/* The section "tls". */
struct daemon_tls_conf {
	struct conf_strings certificate; /* read by hikyakud alone */
	unsigned minimum;
};
/* "TLSv1.2": for tls_options.minimum. */
const char *daemon_tls_version(const struct daemon_tls_conf *conf);

struct daemon_spec {
	const char *name;                /* "smtpd": program, section, log */
	const struct conf_section *conf; /* the daemon's own section */
	/* What the table cannot say; NULL: nothing.  At -n, start and reload.
	 */
	int (*check)(const void *section, struct err *err);
	/* Sections with names that are the daemon's too, or NULL; and what
	 * the tables of both cannot say. */
	const struct conf_section *titled;
	int (*check_titled)(const void *section,
	    const struct conf_titled_list *titled, struct err *err);
};

/*
 * Parses the command line, waits for START on descriptor 3, opens the log,
 * parses the configuration.  Exits the process itself for -n, -p, -k and -V.
 *
 *	-n -c FILE	check the daemon's section: exit status 0, or 1 and
 *			one line on standard error
 *	-p -c FILE	print the settings in force
 *	-i		with them: the text is on standard input, FILE is its
 *name -k		print the section's keys -V		print the
 *version
 *	--role=gate|session --tenant=NAME --shard=NUMBER
 */
int daemon_init(int argc, char **argv, const struct daemon_spec *spec,
    struct daemon **d_out, struct err *err);
void daemon_free(struct daemon *d);
CLEANUP_DEFINE_PTR(struct daemon, daemon_free)

enum daemon_role daemon_role(const struct daemon *d);
const char *daemon_tenant_name(const struct daemon *d); /* of a session role */
const struct daemon_conf *daemon_conf(const struct daemon *d);
const struct daemon_tls_conf *daemon_tls_conf(const struct daemon *d);
/*
 * The daemon's own section as its struct.  This and the two above stay valid
 * until daemon_free, also after a reload, which makes new ones: sessions may
 * hold on to what they began with.
 */
const void *daemon_section(const struct daemon *d);
/* Its sections with names; stays valid likewise. */
const struct conf_titled_list *daemon_titled(const struct daemon *d);
struct counters *daemon_counters(const struct daemon *d);
/* PEM text and ticket secret for tls_context_new.  Borrowed until a reload. */
struct span daemon_tls_pem(const struct daemon *d);
struct span daemon_ticket_secret(const struct daemon *d);

/* hikyakud's uid, which the connections have that it makes between us. */
uid_t daemon_master_uid(const struct daemon *d);

/* A listening socket that hikyakud gave: "mx", "imaps", "lmtp", "session". */
struct daemon_listener {
	char name[32];
	int fd; /* stays the daemon object's */
};
size_t daemon_listeners(
    const struct daemon *d, const struct daemon_listener **listeners_out);

/*
 * Begins to listen to hikyakud on a thread of its own, and tells it READY.
 * RELOAD calls reload() on a worker, with the new configuration already
 * parsed (a bad one is refused and changes nothing); DRAIN calls
 * reactor_drain.  Listening sockets that a reload adds or takes away are
 * added to and taken from the reactor, handled as their namesakes are.
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
/* The process's own, of a session role. */
unsigned daemon_shard_own(const struct daemon *d);

/*
 * The whole of a daemon's main(): see the order at the head of this file.
 * Every hook may be NULL; each answers 0, or -1 with err, which ends the
 * process with a line in the log.
 */
struct daemon_program {
	struct daemon_spec spec;
	size_t size; /* of the daemon's own state, zeroed, given to hooks */
	/* Connections at a time, from the section. */
	size_t (*conns_max)(const void *section);
	int (*prepare)(struct daemon *d, void *state, struct err *err);
	int (*start)(
	    struct daemon *d, struct reactor *r, void *state, struct err *err);
	void (*reload)(struct daemon *d, void *state);
	/* After reactor_run, before reactor_free; also on failure: threads of
	 * the daemon's own give the reactor no more work. */
	void (*finish)(void *state);
	void (*stop)(void *state); /* after reactor_free; also on failure */
};
int daemon_main(int argc, char **argv, const struct daemon_program *program);

#endif
