/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/host.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/log.h"
#include "common/session_host.h"
#include "common/tally.h"
#include "imapd/conf.h"
#include "imapd/session.h"
#include "store/records.h"

/* Octets a second a client must take or send; the slowest modem does. */
#define RATE_MIN 100
/* The clock that looks for quiet sessions. */
#define TICK_MS 1000
/* Parked so long, a session gives its view back. */
#define REST_AFTER_MS 3000
/* Idling without a watch (no inotify), it looks this often. */
#define POLL_EVERY_MS 5000
/* What packed views leave behind goes back to the kernel this often. */
#define TRIM_EVERY_MS 5000

struct host {
	struct daemon *daemon;
	struct reactor *reactor;
	struct store *store;
	struct records *records; /* the message cache */
	struct session_host *clients;
	struct tally *accounts; /* sessions of each */
	struct counters *counters;
	const char *tenant;
	atomic_uint wait_ms;
	_Atomic uint64_t message_max;
	pthread_mutex_t mutex; /* guards sessions and their member hosted */
	struct imap_session *sessions;
	/* Of the clock alone. */
	bool rested;
	uint64_t trimmed_ms;
};

struct store *
host_store(struct host *host)
{
	return host->store;
}

struct records *
host_records(struct host *host)
{
	return host->records;
}

struct counters *
host_counters(struct host *host)
{
	return host->counters;
}

struct tally *
host_accounts(struct host *host)
{
	return host->accounts;
}

uint64_t
host_message_max(const struct host *host)
{
	return atomic_load(&host->message_max);
}

/* ---- sessions
 * ---------------------------------------------------------------- */

void
host_session_add(struct host *host, struct imap_session *s)
{
	(void)pthread_mutex_lock(&host->mutex);
	s->hosted.next = host->sessions;
	s->hosted.link = &host->sessions;
	if (s->hosted.next != NULL)
		s->hosted.next->hosted.link = &s->hosted.next;
	host->sessions = s;
	(void)pthread_mutex_unlock(&host->mutex);
}

void
host_session_remove(struct host *host, struct imap_session *s)
{
	(void)pthread_mutex_lock(&host->mutex);
	*s->hosted.link = s->hosted.next;
	if (s->hosted.next != NULL)
		s->hosted.next->hosted.link = s->hosted.link;
	(void)pthread_mutex_unlock(&host->mutex);
}

bool
host_session_running(struct host *host, struct imap_session *s)
{
	bool asked;

	(void)pthread_mutex_lock(&host->mutex);
	asked = s->hosted.rest_asked;
	s->hosted.rest_asked = false;
	s->hosted.parked = false;
	(void)pthread_mutex_unlock(&host->mutex);
	return asked;
}

void
host_session_parked(struct host *host, struct imap_session *s)
{
	(void)pthread_mutex_lock(&host->mutex);
	s->hosted.parked = true;
	s->hosted.since_ms = clock_ms();
	s->hosted.can_rest = s->mailbox != NULL && !s->resting;
	s->hosted.polls = s->mailbox != NULL && s->idling && !s->watching;
	(void)pthread_mutex_unlock(&host->mutex);
}

/* On a worker: it takes the allocator's locks for a while. */
static void
host_trim(void *arg)
{
	(void)arg;
	(void)malloc_trim(0);
}

static void
host_trim_sometimes(struct host *host, uint64_t now)
{
	if (!host->rested || now - host->trimmed_ms < TRIM_EVERY_MS)
		return;
	host->rested = false;
	host->trimmed_ms = now;
	(void)reactor_defer(host->reactor, host_trim, NULL, NULL);
}

/* On a worker: it may wait for the disk. */
static void
host_tend_records(void *arg)
{
	records_tend(arg);
}

/* Wakes who should rest, or look for mail. */
static void
host_tick(struct reactor *r, void *arg)
{
	struct host *host = arg;
	uint64_t now = clock_ms();

	(void)r;
	host_trim_sometimes(host, now);
	if (records_due(host->records) &&
	    reactor_defer(
		host->reactor, host_tend_records, host->records, NULL) == 0)
		host->rested = true; /* there will be memory to give back */
	(void)pthread_mutex_lock(&host->mutex);
	for (struct imap_session *s = host->sessions; s != NULL;
	     s = s->hosted.next) {
		uint64_t quiet_ms = now - s->hosted.since_ms;

		if (!s->hosted.parked)
			continue;
		if (s->hosted.can_rest && quiet_ms >= REST_AFTER_MS)
			host->rested = s->hosted.rest_asked = true;
		else if (!s->hosted.polls || quiet_ms < POLL_EVERY_MS)
			continue;
		/* Woken once; parking again makes it a candidate again. */
		s->hosted.parked = false;
		conn_wake(s->conn);
	}
	(void)pthread_mutex_unlock(&host->mutex);
}

static int
host_session_begin(struct host *host, const struct handoff *h, int client_fd,
    struct span input, struct err *err)
{
	struct imap_session *s = imap_session_new(host, h, input);

	if (s == NULL) {
		(void)close(client_fd);
		return err_sys(err, "session");
	}

	struct conn_options options = { .service = &imap_service,
		.session = s,
		.log = &s->log,
		.line_max = IMAP_LINE_MAX,
		.wait_ms = atomic_load(&host->wait_ms),
		.min_rate = RATE_MIN,
		.counters = host->counters,
		.ready = true,
		.peer = &h->peer,
		.relayed = h->tls };
	struct conn *c;
	if (conn_new(host->reactor, client_fd, &options, &c, err) == -1) {
		imap_session_free(s);
		return -1;
	}
	return 0;
}

static void
host_client(
    void *arg, const struct handoff *h, int client_fd, struct span input)
{
	struct host *host = arg;
	struct err err = ERR_INIT;

	counter_add(host->counters, COUNTER_CONNECTIONS, 1);
	if (host_session_begin(host, h, client_fd, input, &err) == -1)
		log_error(&log_process, "client not served",
		    log_span("id", span_str(h->id.text)), log_err(&err));
}

/* ---- the process
 * ---------------------------------------------------------------- */

static void
host_watch_ready(struct reactor *r, int fd, void *arg)
{
	struct host *host = arg;

	(void)r;
	(void)fd;
	store_watch_ready(host->store);
}

int
host_start(struct host *host, struct reactor *r, struct err *err)
{
	const struct daemon_listener *listeners;
	size_t i = 0, count = daemon_listeners(host->daemon, &listeners);
	int watch_fd = store_watch_fd(host->store);

	while (i < count && strcmp(listeners[i].name, "session") != 0)
		i++;
	if (i == count)
		return err_set(err, ERR_TEMP, "no \"session\" listener");
	host->reactor = r;
	if (watch_fd == -1)
		log_warning(&log_process, "no inotify: idling sessions poll");
	else if (reactor_watch(r, watch_fd, host_watch_ready, host, err) == -1)
		return -1;
	if (reactor_every(r, TICK_MS, host_tick, host, err) == -1)
		return -1;

	struct session_host_options options = { .reactor = r,
		.listener = listeners[i].fd,
		.protocol = "imap",
		.tenant = host->tenant,
		.client = host_client,
		.arg = host };
	return session_host_new(&options, &host->clients, err);
}

static void
host_settings(struct host *host)
{
	const struct imapd_conf *conf = daemon_section(host->daemon);

	atomic_store(&host->wait_ms, (unsigned)conf->idle_wait * 1000);
	atomic_store(&host->message_max, conf->message_max);
	records_limit(
	    host->records, (size_t)conf->cache_memory, conf->cache_disk);
}

/* Below the tenant's own directory: its uid, and its Landlock domain. */
static int
host_records_new(struct host *host, struct err *err)
{
	struct daemon *d = host->daemon;
	char path[DAEMON_PATH_MAX + 128];
	struct records_options options = { .directory = path };

	(void)snprintf(path, sizeof(path), "%s/%s/imapd-cache-%u",
	    daemon_conf(d)->store_directory, daemon_tenant_name(d),
	    daemon_shard_own(d));
	return records_new(&options, &host->records, err);
}

int
host_new(struct daemon *d, struct host **host_out, struct err *err)
{
	CLEANUP(host_free) struct host *host = calloc(1, sizeof(*host));
	const struct imapd_conf *conf = daemon_section(d);
	struct store_options options = { .path =
					     daemon_conf(d)->store_directory,
		.cache_octets = conf->view_memory,
		.modseqs = true };

	if (host == NULL)
		return err_sys(err, "session process");
	(void)pthread_mutex_init(&host->mutex, NULL);
	host->daemon = d;
	host->counters = daemon_counters(d);
	host->tenant = daemon_tenant_name(d);
	if (tally_new(&host->accounts, err) == -1 ||
	    host_records_new(host, err) == -1)
		return -1;
	options.listener = records_listener(host->records);
	if (store_new(&options, &host->store, err) == -1)
		return -1;
	host_settings(host);
	*host_out = STEAL(host);
	return 0;
}

void
host_free(struct host *host)
{
	if (host == NULL)
		return;
	session_host_free(host->clients);
	store_free(host->store);
	records_free(host->records);
	tally_free(host->accounts);
	(void)pthread_mutex_destroy(&host->mutex);
	free(host);
}

void
host_reload(struct host *host)
{
	host_settings(host);
}
