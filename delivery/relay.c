/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/relay.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "common/reactor.h"
#include "delivery/relay_private.h"

/* A worker that has nothing to do ends. */
#define IDLE_MS 10000
/* OpenSSL, libunbound's answers, our buffers. */
#define STACK_OCTETS ((size_t)256 * 1024)

/* ---- one job after the other ---- */

/* The job ends without a session: reply says why. */
static void
fail_job(struct hop *h, struct queue_job *job, enum queue_state state,
    const char *reply, bool site_bad)
{
	struct work w;
	struct err err = ERR_INIT;

	if (work_init(&w, h, job, &err) == -1)
		return;
	w.tried = !job->down;
	w.site_bad = site_bad;
	if (work_begin(&w))
		work_set(&w, state, reply);
	work_finish(&w);
	work_fini(&w);
}

static void
send_job(struct hop *h, struct queue_job *job)
{
	struct work w;
	struct err err = ERR_INIT;

	if (work_init(&w, h, job, &err) == -1)
		return;
	w.tried = true;
	if (work_begin(&w))
		work_send(&w);
	work_finish(&w);
	work_fini(&w);
}

/* The session is open: this job, and what else waits at its site. */
static void
session(struct hop *h, struct queue_job *job)
{
	struct queue_site *site = job->site;
	uint64_t sent = 0;

	while (job != NULL) {
		send_job(h, job);
		job = NULL;
		if (h->open && ++sent < h->conf->session_messages_max)
			job = queue_take_same(h->relay->queue, site);
		if (job != NULL && job->down) {
			fail_job(h, job, QUEUE_WAITING,
			    queue_job_site_reply(job), false);
			job = NULL;
		}
	}
}

static void
serve(struct hop *h, struct queue_job *job)
{
	struct route route;
	char reply[512] = "";

	if (job->down) {
		fail_job(
		    h, job, QUEUE_WAITING, queue_job_site_reply(job), false);
		return;
	}
	route_find(&h->router, queue_job_domain(job), &route);
	switch (route.outcome) {
	case ROUTE_NEVER:
		fail_job(h, job, QUEUE_FAILED, route.reply, false);
		return;
	case ROUTE_LATER:
		fail_job(h, job, QUEUE_WAITING, route.reply, true);
		return;
	case ROUTE_LOCAL:
		if (hop_open_local(h, reply, sizeof(reply)) == 0)
			break;
		fail_job(h, job, QUEUE_WAITING, reply, true);
		return;
	case ROUTE_HOSTS:
		if (hop_open(h, &route, reply, sizeof(reply)) == 0)
			break;
		fail_job(h, job, QUEUE_WAITING, reply, true);
		return;
	}
	session(h, job);
	hop_close(h);
}

static void
take_job(struct relay *r, struct queue_job *job)
{
	struct queue_site *site = job->site;
	struct hop h;

	hop_init(&h, r);
	serve(&h, job);
	hop_close(&h);
	queue_leave(r->queue, site);
}

/* ---- threads ---- */

static void *
worker_run(void *arg)
{
	struct relay *r = arg;
	struct queue_job *job;

	counter_add(r->counters, COUNTER_SESSIONS, 1);
	while ((job = queue_take(r->queue, IDLE_MS)) != NULL)
		take_job(r, job);
	counter_sub(r->counters, COUNTER_SESSIONS, 1);
	(void)pthread_mutex_lock(&r->mutex);
	r->workers--;
	(void)pthread_cond_signal(&r->gone_cond);
	(void)pthread_mutex_unlock(&r->mutex);
	return NULL;
}

static int
worker_start(struct relay *r)
{
	pthread_attr_t attr;
	pthread_t thread;
	int failed;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)pthread_attr_setstacksize(&attr, STACK_OCTETS);
	failed = pthread_create(&thread, &attr, worker_run, r);
	(void)pthread_attr_destroy(&attr);
	return failed;
}

void
relay_wanted(void *relay)
{
	struct relay *r = relay;
	const struct relayd_conf *conf = daemon_section(r->daemon);

	(void)pthread_mutex_lock(&r->mutex);
	/* When none can be started, those that run take the job in their
	 * turn; and without any the clock asks again. */
	if (r->workers < conf->connections_max && worker_start(r) == 0)
		r->workers++;
	(void)pthread_mutex_unlock(&r->mutex);
}

int
relay_new(struct daemon *d, struct tenants *tenants, struct dns *dns,
    struct relay **relay_out, struct err *err)
{
	CLEANUP(relay_free) struct relay *r = calloc(1, sizeof(*r));
	pthread_condattr_t monotonic;

	if (r == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	r->daemon = d;
	r->tenants = tenants;
	r->dns = dns;
	r->counters = daemon_counters(d);
	(void)pthread_condattr_init(&monotonic);
	(void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->gone_cond, &monotonic);
	(void)pthread_condattr_destroy(&monotonic);
	r->tls = SSL_CTX_new(TLS_client_method());
	if (r->tls == NULL)
		return err_set(err, ERR_TEMP, "TLS: out of memory");
	/* Who it is matters where a policy says so; without one, TLS keeps
	 * listeners out and nobody else.		RFC 7435 */
	SSL_CTX_set_verify(r->tls, SSL_VERIFY_NONE, NULL);
	(void)SSL_CTX_set_min_proto_version(r->tls, TLS1_VERSION);
	(void)SSL_CTX_set_session_cache_mode(r->tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(r->tls, SSL_MODE_ENABLE_PARTIAL_WRITE |
				     SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				     SSL_MODE_RELEASE_BUFFERS);
	*relay_out = STEAL(r);
	return 0;
}

void
relay_start(struct relay *r, struct queue *q)
{
	r->queue = q;
}

bool
relay_stop(struct relay *r, unsigned wait_ms)
{
	uint64_t at = clock_ms() + wait_ms;
	struct timespec until = {
		.tv_sec = (time_t)(at / 1000),
		.tv_nsec = (long)(at % 1000) * 1000000,
	};
	bool gone;
	int late = 0;

	(void)pthread_mutex_lock(&r->mutex);
	while (r->workers > 0 && late == 0)
		late = pthread_cond_timedwait(&r->gone_cond, &r->mutex, &until);
	gone = r->workers == 0;
	(void)pthread_mutex_unlock(&r->mutex);
	return gone;
}

void
relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	SSL_CTX_free(r->tls);
	(void)pthread_mutex_destroy(&r->mutex);
	(void)pthread_cond_destroy(&r->gone_cond);
	free(r);
}
