/* SPDX-License-Identifier: BSD-2-Clause */
/* relayd: the queue, and mail out to other hosts. */
#include <stdio.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "delivery/dns.h"
#include "delivery/handover.h"
#include "delivery/queue.h"
#include "delivery/relay.h"
#include "delivery/relayd_conf.h"
#include "tenants/client.h"

/* A session under way may end by itself. */
#define STOP_WAIT_MS 20000
/* deliveryd takes at most five minutes for a message. */
#define HELD_MS 900000

struct process {
	struct daemon *daemon;
	char state[DAEMON_PATH_MAX + 16];
	struct queue *queue;
	struct tenants *tenants;
	struct dns *dns;
	struct relay *relay;
	struct handover *handover;
};

static size_t
process_conns_max(const void *section)
{
	(void)section;
	return 1024; /* of our own processes */
}

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	return daemon_connect(arg, "tenantd", NULL, 0, fd_out, err);
}

static int
open_queue(struct daemon *d, struct process *p, struct err *err)
{
	const struct relayd_conf *conf = daemon_section(d);
	struct queue_options options = {
		.directory = p->state,
		.journal_max = conf->journal_max,
		.disk_reserve = conf->disk_reserve,
		.retry_min_ms = 1000 * conf->retry_min,
		.retry_max_ms = 1000 * conf->retry_max,
		.site_retry_min_ms = 1000 * conf->site_retry_min,
		.site_retry_max_ms = 1000 * conf->site_retry_max,
		.site_connections = conf->site_connections_max,
		.recipients_max = conf->recipients_max,
		.held_ms = HELD_MS,
		.counters = daemon_counters(d),
		.wanted = relay_wanted,
		.arg = p->relay,
	};

	return queue_open(&options, &p->queue, err);
}

/* Of the file system, only the queue stays open. */
static int
process_prepare(struct daemon *d, void *state, struct err *err)
{
	const struct relayd_conf *conf = daemon_section(d);
	struct process *p = state;
	struct sandbox_path queue = { .path = p->state, .write = true };
	struct dns_options dns = {
		.resolvers = &conf->resolvers,
		.anchors = &conf->trust_anchors,
		.dnssec = conf->dnssec,
	};
	bool landlock = false;

	p->daemon = d;
	(void)snprintf(p->state, sizeof(p->state), "%s/relayd",
	    daemon_conf(d)->state_directory);
	if (dns_new(&dns, &p->dns, err) == -1 ||
	    sandbox_drop(geteuid(), getegid(), NULL, 0, err) == -1 ||
	    sandbox_paths(&queue, 1, &landlock, err) == -1)
		return -1;
	if (!landlock)
		log_warning(&log_process, "no Landlock in this kernel");
	return 0;
}

static int
process_start(struct daemon *d, struct reactor *r, void *state, struct err *err)
{
	struct process *p = state;
	struct tenants_options tenants = {
		.connect = connect_tenantd,
		.arg = d,
		.sockets_max = (unsigned)daemon_conf(d)->workers,
	};

	if (tenants_new(&tenants, &p->tenants, err) == -1 ||
	    relay_new(d, p->tenants, p->dns, &p->relay, err) == -1 ||
	    open_queue(d, p, err) == -1 ||
	    handover_new(d, p->queue, &p->handover, err) == -1)
		return -1;
	relay_start(p->relay, p->queue);
	if (dns_start(p->dns, err) == -1 || queue_start(p->queue, err) == -1 ||
	    handover_start(p->handover, r, err) == -1)
		return -1;
	return sandbox_seccomp(SANDBOX_NETWORK, err);
}

static void
process_stop(void *state)
{
	struct process *p = state;

	handover_stop(p->handover);
	queue_stop(p->queue);
	/* Sessions that hang are cut off: their outcome is unknown, and they
	 * are begun anew. */
	if (p->relay != NULL && !relay_stop(p->relay, STOP_WAIT_MS)) {
		log_warning(&log_process, "sessions were cut off");
		_exit(0);
	}
	handover_free(p->handover);
	queue_free(p->queue);
	relay_free(p->relay);
	dns_free(p->dns);
	tenants_free(p->tenants);
}

int
main(int argc, char **argv)
{
	static const struct daemon_program program = {
		.spec = { .name = "relayd",
		    .conf = &relayd_section,
		    .check = relayd_conf_check },
		.size = sizeof(struct process),
		.conns_max = process_conns_max,
		.prepare = process_prepare,
		.start = process_start,
		.stop = process_stop,
	};

	return daemon_main(argc, argv, &program);
}
