/* SPDX-License-Identifier: BSD-2-Clause */
/* pop3d: one program, as a gate or as a session process. */
#include <stdio.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/reactor.h"
#include "common/sandbox.h"
#include "pop3d/conf.h"
#include "pop3d/gate.h"
#include "pop3d/host.h"
#include "store/account.h"

struct process {
	struct gate *gate; /* one of the two, by the role */
	struct host *host;
};

static size_t
process_conns_max(const void *section)
{
	const struct pop3d_conf *conf = section;

	return (size_t)conf->connections_max;
}

/* Gates open no file at all, session processes those of their tenant. */
static int
process_drop(struct daemon *d, bool session, struct err *err)
{
	char path[DAEMON_PATH_MAX + STORE_TENANT_MAX + 2];
	struct sandbox_path tree = { .path = path, .write = true };
	bool landlock = false;

	if (session)
		(void)snprintf(path, sizeof(path), "%s/%s",
		    daemon_conf(d)->store_directory, daemon_tenant_name(d));
	if (sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    sandbox_paths(&tree, session ? 1 : 0, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
process_prepare(struct daemon *d, void *state, struct err *err)
{
	struct process *p = state;

	switch (daemon_role(d)) {
	case DAEMON_ONLY:
		return err_set(err, ERR_POLICY, "pop3d needs --role");
	case DAEMON_GATE:
		return gate_new(d, &pop3_gate, &p->gate, err) == -1
			   ? -1
			   : process_drop(d, false, err);
	case DAEMON_SESSION:
		break;
	}
	return host_new(d, &p->host, err) == -1 ? -1
						: process_drop(d, true, err);
}

static int
process_start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct process *p = state;

	(void)d;
	if (p->gate != NULL)
		return gate_start(p->gate, r, err) == -1
			   ? -1
			   : sandbox_seccomp(SANDBOX_GATE, err);
	return host_start(p->host, r, err) == -1
		   ? -1
		   : sandbox_seccomp(SANDBOX_SESSION, err);
}

static void
process_reload(struct daemon *d, void *state)
{
	struct process *p = state;

	(void)d;
	if (p->gate != NULL)
		gate_reload(p->gate);
	else
		host_reload(p->host);
}

static void
process_stop(void *state)
{
	struct process *p = state;

	gate_free(p->gate);
	host_free(p->host);
}

int
main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.spec = { .name = "pop3d",
		    .conf = &pop3d_section,
		    .check = pop3d_conf_check },
		.size = sizeof(struct process),
		.conns_max = process_conns_max,
		.prepare = process_prepare,
		.start = process_start,
		.reload = process_reload,
		.stop = process_stop,
	};

	reactor_tune_memory();
	return daemon_main(argc, argv, &program);
}
