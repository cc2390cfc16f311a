/* SPDX-License-Identifier: BSD-2-Clause */
/* deliveryd: mail into mailboxes, by LMTP. */
#include <linux/capability.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "delivery/backlog.h"
#include "delivery/conf.h"
#include "delivery/lmtp.h"
#include "delivery/place.h"
#include "tenants/client.h"

struct process {
	struct placer *placer;
	struct backlog *backlog;
	struct tenants *tenants;
	struct lmtp *lmtp;
};

static size_t
process_conns_max(const void *section)
{
	const struct deliveryd_conf *conf = section;

	return (size_t)conf->connections_max;
}

/* The store is all it can open; of root it keeps what setfsuid needs. */
static int
process_prepare(struct daemon *d, void *state, struct err *err)
{
	static const int keep[] = { CAP_SETUID, CAP_SETGID };
	const struct deliveryd_conf *conf = daemon_section(d);
	struct process *p = state;
	struct sandbox_path store = {
		.path = daemon_conf(d)->store_directory,
		.write = true,
	};
	struct backlog_options backlog = {
		.store_directory = store.path,
		.journal_max = conf->journal_max,
		.counters = daemon_counters(d),
	};
	bool landlock = false;

	if (sandbox_drop(geteuid(), getegid(), keep,
		sizeof(keep) / sizeof(keep[0]), err) == -1 ||
	    placer_keep_rights_here(err) == -1 ||
	    placer_new(d, &p->placer, err) == -1 ||
	    sandbox_paths(&store, 1, &landlock, err) == -1)
		return -1;
	backlog.placer = p->placer;
	if (backlog_open(&backlog, &p->backlog, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	if (!placer_switches(p->placer))
		log_info(&log_process, "all mail is stored as one user",
		    log_u64("uid", geteuid()));
	return 0;
}

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "tenantd", NULL, 0, fd_out, err);
}

static int
process_start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct process *p = state;
	struct tenants_options options = {
		.connect = connect_tenantd,
		.arg = d,
		.sockets_max = (unsigned)daemon_conf(d)->workers,
	};

	if (tenants_new(&options, &p->tenants, err) == -1 ||
	    lmtp_new(d, p->tenants, p->placer, p->backlog, &p->lmtp, err) ==
		-1 ||
	    backlog_start(p->backlog, err) == -1 ||
	    lmtp_start(p->lmtp, r, err) == -1)
		return -1;
	return sandbox_seccomp(SANDBOX_NETWORK, err);
}

static void
process_stop(void *state)
{
	struct process *p = state;

	lmtp_free(p->lmtp);
	tenants_free(p->tenants);
	backlog_free(p->backlog);
	placer_free(p->placer);
}

int
main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.spec = { .name = "deliveryd", .conf = &deliveryd_section },
		.size = sizeof(struct process),
		.conns_max = process_conns_max,
		.prepare = process_prepare,
		.start = process_start,
		.stop = process_stop,
	};

	return daemon_main(argc, argv, &program);
}
