/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpd: mail in, by SMTP: MX, submission and submissions. */
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "smtpd/conf.h"
#include "smtpd/milter_conf.h"
#include "smtpd/server.h"

struct process {
	struct smtp_server *server;
};

static size_t
process_conns_max(const void *section)
{
	const struct smtpd_conf *conf = section;

	return (size_t)conf->connections_max;
}

/* Of the file system, only the directory of large messages stays open. */
static int
process_prepare(struct daemon *d, void *state, struct err *err)
{
	struct process *p = state;
	struct sandbox_path spool = { .write = true };
	bool landlock = false;

	if (smtp_server_new(d, &p->server, err) == -1)
		return -1;
	spool.path = smtp_server_spool(p->server);
	if (sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    sandbox_paths(&spool, 1, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
process_start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct process *p = state;

	(void)d;
	if (smtp_server_start(p->server, r, err) == -1)
		return -1;
	return sandbox_seccomp(SANDBOX_NETWORK, err);
}

static void
process_reload(struct daemon *d, void *state)
{
	struct process *p = state;

	(void)d;
	smtp_server_reload(p->server);
}

static void
process_stop(void *state)
{
	struct process *p = state;

	smtp_server_free(p->server);
}

int
main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.spec = { .name = "smtpd",
		    .conf = &smtpd_section,
		    .check = smtpd_conf_check,
		    .titled = &milter_section,
		    .check_titled = milter_conf_check },
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
