/* SPDX-License-Identifier: BSD-2-Clause */
/* tenantd: the only process that talks to LDAP and sees password hashes. */
#include <stdio.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "tenants/conf.h"
#include "tenants/hashing.h"
#include "tenants/ldap_connect.h"
#include "tenants/server.h"

enum {
	HASH_WAIT_MS = 4000 /* our clients wait for 5 seconds */
};

struct process {
	struct directory *directory;
	struct authenticate *authenticate;
	struct hashing *hashing;
	struct server *server;
};

/* Sockets of our own daemons, not of strangers. */
static size_t
process_conns_max(const void *section)
{
	(void)section;
	return 4096;
}

/* Its own state is all of the file system that stays open to it, and what
 * libldap and the resolver read when they connect anew. */
static int
process_drop(const char *state, const char *ca_file, struct err *err)
{
	const struct sandbox_path paths[] = {
		{ .path = state, .write = true },
		{ .path = "/etc" },
		{ .path = ca_file[0] == '\0' ? "/usr/share/ca-certificates"
					     : ca_file },
	};
	size_t len = access(paths[2].path, R_OK) == 0 ? 3 : 2;
	bool landlock = false;

	if (sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    sandbox_paths(paths, len, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
process_prepare(struct daemon *d, void *state, struct err *err)
{
	struct process *p = state;
	const struct tenantd_conf *conf = daemon_section(d);
	char path[DAEMON_PATH_MAX + 16];
	struct authenticate_options options = {
		.conf = conf,
		.state_directory = path,
		.hostname = daemon_conf(d)->hostname,
	};
	struct answers answers = { .counters = daemon_counters(d) };
	CLEANUP(mem_free) struct network *exempt = NULL;
	struct penalty_rules rules;

	(void)snprintf(
	    path, sizeof(path), "%s/tenantd", daemon_conf(d)->state_directory);
	if (directory_new(conf, path, &p->directory, err) == -1)
		return -1;
	options.directory = p->directory;
	options.rules = &rules;
	if (tenantd_conf_penalty(&conf->penalty, &rules, &exempt, err) == -1 ||
	    authenticate_new(&options, &p->authenticate, err) == -1 ||
	    hashing_new((unsigned)conf->hash_threads,
		(unsigned)conf->hash_waiting, HASH_WAIT_MS, &p->hashing,
		err) == -1)
		return -1;
	answers.directory = p->directory;
	answers.authenticate = p->authenticate;
	if (server_new(&answers, p->hashing, &p->server, err) == -1)
		return -1;
	return process_drop(path, conf->ca_file, err);
}

static int
process_start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct process *p = state;
	const struct daemon_listener *listeners;
	size_t count = daemon_listeners(d, &listeners);

	for (size_t i = 0; i < count; i++) {
		if (server_listen(p->server, r, listeners[i].fd, err) == -1)
			return -1;
	}
	/* Its threads must already be under the filter. */
	if (sandbox_seccomp(SANDBOX_NETWORK, err) == -1 ||
	    hashing_start(p->hashing, err) == -1 ||
	    authenticate_start(p->authenticate, err) == -1)
		return -1;
	return directory_start(p->directory, daemon_counters(d), err);
}

static void
process_finish(void *state)
{
	struct process *p = state;

	server_stop(p->server);
}

static void
process_stop(void *state)
{
	struct process *p = state;

	hashing_free(p->hashing);
	server_free(p->server);
	authenticate_free(p->authenticate);
	directory_free(p->directory);
}

int
main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.spec = { .name = "tenantd",
		    .conf = &tenantd_section,
		    .check = tenantd_conf_check },
		.size = sizeof(struct process),
		.conns_max = process_conns_max,
		.prepare = process_prepare,
		.start = process_start,
		.finish = process_finish,
		.stop = process_stop,
	};

	ldap_connect_init();
	return daemon_main(argc, argv, &program);
}
