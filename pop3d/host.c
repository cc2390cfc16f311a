/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/host.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "pop3d/capa.h"
#include "pop3d/conf.h"
#include "pop3d/host_private.h"
#include "pop3d/transaction.h"

#define CAPA_MAX 1024

static void
host_client(
    void *arg, const struct handoff *h, int client_fd, struct span input)
{
	struct host *host = arg;
	struct err err = ERR_INIT;

	if (transaction_begin(host, h, client_fd, input, &err) == -1)
		log_error(&log_process, "client not served",
		    log_span("id", span_str(h->id.text)), log_err(&err));
}

/*
 * Capabilities of the AUTHORIZATION state are announced in both states, so
 * the gate's policy is worked out here too.		RFC 2449 section 5
 */
static int
host_capa(struct host *host, const struct pop3d_conf *conf, struct err *err)
{
	struct buf replies[2];

	for (int tls = 0; tls < 2; tls++) {
		CLEANUP(buf_fini) struct buf mechanisms;
		struct capa capa = { .user =
					 tls == 1 || conf->login.plaintext };

		buf_init(&mechanisms, CAPA_MAX);
		buf_init(&replies[tls], CAPA_MAX);
		login_conf_mechanisms(&conf->login, tls == 1, " ", &mechanisms);
		capa.mechanisms = buf_span(&mechanisms);
		capa_format(&capa, &replies[tls]);
	}
	if (buf_check(&replies[0], err) == -1 ||
	    buf_check(&replies[1], err) == -1) {
		buf_fini(&replies[0]);
		buf_fini(&replies[1]);
		return -1;
	}
	(void)pthread_mutex_lock(&host->mutex);
	for (int tls = 0; tls < 2; tls++) {
		buf_fini(&host->capa[tls]);
		host->capa[tls] = replies[tls];
	}
	(void)pthread_mutex_unlock(&host->mutex);
	return 0;
}

int
host_start(struct host *host, struct reactor *r, struct err *err)
{
	const struct daemon_listener *listeners;
	size_t i = 0, count = daemon_listeners(host->daemon, &listeners);

	while (i < count && strcmp(listeners[i].name, "session") != 0)
		i++;
	if (i == count)
		return err_set(err, ERR_TEMP, "no \"session\" listener");

	host->reactor = r;

	struct session_host_options options = { .reactor = r,
		.listener = listeners[i].fd,
		.protocol = "pop3",
		.tenant = host->tenant,
		.client = host_client,
		.arg = host };
	return session_host_new(&options, &host->clients, err);
}

static int
host_store(struct host *host, struct err *err)
{
	const struct pop3d_conf *conf = daemon_section(host->daemon);
	struct store_options options = {
		.path = daemon_conf(host->daemon)->store_directory,
		.cache_octets = conf->view_memory
	};

	return store_new(&options, &host->store, err);
}

int
host_new(struct daemon *d, struct host **host_out, struct err *err)
{
	CLEANUP(host_free) struct host *host = calloc(1, sizeof(*host));
	const struct pop3d_conf *conf = daemon_section(d);

	if (host == NULL)
		return err_sys(err, "session process");
	(void)pthread_mutex_init(&host->mutex, NULL);
	buf_init(&host->capa[0], CAPA_MAX);
	buf_init(&host->capa[1], CAPA_MAX);
	host->daemon = d;
	host->counters = daemon_counters(d);
	host->tenant = daemon_tenant_name(d);
	atomic_init(&host->wait_ms, (unsigned)conf->command_wait * 1000);
	atomic_init(&host->mark_seen, conf->mark_seen);
	if (host_capa(host, conf, err) == -1 || host_store(host, err) == -1 ||
	    maildrop_locks_new(&host->locks, err) == -1 ||
	    tally_new(&host->sessions, err) == -1)
		return -1;
	*host_out = STEAL(host);
	return 0;
}

void
host_free(struct host *host)
{
	if (host == NULL)
		return;
	session_host_free(host->clients);
	maildrop_locks_free(host->locks);
	tally_free(host->sessions);
	store_free(host->store);
	buf_fini(&host->capa[0]);
	buf_fini(&host->capa[1]);
	(void)pthread_mutex_destroy(&host->mutex);
	free(host);
}

void
host_reload(struct host *host)
{
	const struct pop3d_conf *conf = daemon_section(host->daemon);
	struct err err = ERR_INIT;

	atomic_store(&host->wait_ms, (unsigned)conf->command_wait * 1000);
	atomic_store(&host->mark_seen, conf->mark_seen);
	if (host_capa(host, conf, &err) == -1)
		log_error(&log_process, "old capabilities kept", log_err(&err));
}
