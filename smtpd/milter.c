/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/milter.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "common/conf_value.h"
#include "common/log.h"

#define FAILURES_MAX 5
#define REST_MS 5000
/* Filters read their settings anew, and libmilter gives up in the end. */
#define SPARE_AGE_MS 60000

struct milter {
	struct milters *all;
	char name[32];
	/* Its own copy: sessions hold on to it across reloads. */
	struct milter_conf conf;
	struct sockaddr_storage address;
	socklen_t address_len;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t freed;
	struct milter_conn *spare[64];
	size_t spare_len, open;
	bool filling;
	bool known;
	uint32_t protocol; /* of the last negotiation */
	unsigned failures; /* in a row */
	uint64_t retry_ms;
};

struct milters {
	atomic_size_t refs;
	_Atomic(struct reactor *) reactor;
	size_t len;
	struct milter items[];
};

const char *
milter_name(const struct milter *m)
{
	return m->name;
}

const struct milter_conf *
milter_settings(const struct milter *m)
{
	return &m->conf;
}

/* ---- the set
 * ----------------------------------------------------------------------- */

static int
tenants_copy(
    struct conf_strings *to, const struct conf_strings *from, struct err *err)
{
	for (size_t i = 0; i < from->len; i++) {
		if (conf_strings_add(to, from->items[i], err) == -1)
			return -1;
	}
	return 0;
}

bool
milter_is_for(const struct milter *m, const char *tenant)
{
	const struct conf_strings *tenants = &m->conf.tenants;

	for (size_t i = 0; i < tenants->len; i++) {
		if (strcmp(tenants->items[i], tenant) == 0)
			return true;
	}
	return tenants->len == 0;
}

static int
milter_init(struct milter *m, struct milters *all,
    const struct conf_titled *from, struct err *err)
{
	const struct milter_conf *conf = from->values;
	pthread_condattr_t attr;

	m->all = all;
	(void)snprintf(m->name, sizeof(m->name), "%s", from->name);
	m->conf = *conf;
	m->conf.socket = NULL;
	m->conf.tenants = (struct conf_strings){ NULL, 0 };
	(void)pthread_mutex_init(&m->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&m->freed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (tenants_copy(&m->conf.tenants, &conf->tenants, err) == -1)
		return -1;
	return milter_socket_parse(
	    conf->socket, &m->address, &m->address_len, err);
}

int
milters_new(const struct conf_titled_list *list, struct milters **milters_out,
    struct err *err)
{
	CLEANUP(milters_unref)
	struct milters *all =
	    calloc(1, sizeof(*all) + list->len * sizeof(all->items[0]));

	if (all == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	all->refs = 1;
	for (size_t i = 0; i < list->len; i++) {
		all->len++;
		if (milter_init(&all->items[i], all, &list->items[i], err) ==
		    -1)
			return err_prefix(
			    err, "milter %s", list->items[i].name);
	}
	*milters_out = STEAL(all);
	return 0;
}

struct milters *
milters_ref(struct milters *m)
{
	atomic_fetch_add(&m->refs, 1);
	return m;
}

void
milters_unref(struct milters *all)
{
	if (all == NULL || atomic_fetch_sub(&all->refs, 1) != 1)
		return;
	for (size_t i = 0; i < all->len; i++) {
		struct milter *m = &all->items[i];

		while (m->spare_len > 0)
			milter_conn_quit(m->spare[--m->spare_len]);
		conf_strings_fini(&m->conf.tenants);
		(void)pthread_cond_destroy(&m->freed);
		(void)pthread_mutex_destroy(&m->lock);
	}
	free(all);
}

void
milters_attach(struct milters *m, struct reactor *r)
{
	atomic_store(&m->reactor, r);
}

struct milter *
milters_find(struct milters *m, const char *name)
{
	for (size_t i = 0; i < m->len; i++) {
		if (strcmp(m->items[i].name, name) == 0)
			return &m->items[i];
	}
	return NULL;
}

bool
milter_known(struct milter *m, uint32_t *protocol_out)
{
	bool known;

	(void)pthread_mutex_lock(&m->lock);
	known = m->known;
	*protocol_out = m->protocol;
	(void)pthread_mutex_unlock(&m->lock);
	return known;
}

/* ---- failures
 * ---------------------------------------------------------------------- */

/* With the lock held. */
static void
failure_count(struct milter *m, bool good)
{
	if (good) {
		if (m->failures >= FAILURES_MAX)
			log_notice(&log_process, "milter is asked again",
			    log_str("milter", m->name));
		m->failures = 0;
		return;
	}
	m->retry_ms = clock_ms() + REST_MS;
	if (++m->failures == FAILURES_MAX)
		log_error(&log_process,
		    "milter failed again and again: it is left alone, and one "
		    "message in five seconds tries it",
		    log_str("milter", m->name),
		    log_u64("failures", m->failures));
}

void
milter_report(struct milter *m, bool good)
{
	(void)pthread_mutex_lock(&m->lock);
	failure_count(m, good);
	(void)pthread_mutex_unlock(&m->lock);
}

/* With the lock held: may this session try? */
static bool
failure_allows(struct milter *m)
{
	uint64_t now = clock_ms();

	if (m->failures < FAILURES_MAX)
		return true;
	if (now < m->retry_ms)
		return false;
	m->retry_ms = now + REST_MS;
	return true;
}

/* ---- connections
 * ---------------------------------------------------------------------- */

static int
milter_connect(struct milter *m, struct milter_conn **conn_out, struct err *err)
{
	return milter_conn_new(&m->address, m->address_len,
	    milter_conf_version(&m->conf),
	    (unsigned)m->conf.connect_wait * 1000, conn_out, err);
}

/* With the lock held. */
static void
options_keep(struct milter *m, const struct milter_conn *c)
{
	m->known = true;
	m->protocol = c->options.protocol;
}

static void
spare_make(void *arg)
{
	struct milter *m = arg;
	struct milter_conn *c = NULL;
	struct err err = ERR_INIT;
	bool made = milter_connect(m, &c, &err) == 0;

	(void)pthread_mutex_lock(&m->lock);
	m->filling = false;
	if (made && m->spare_len < m->conf.spare) {
		options_keep(m, c);
		m->spare[m->spare_len++] = c;
		c = NULL;
	} else {
		m->open--;
		(void)pthread_cond_signal(&m->freed);
	}
	(void)pthread_mutex_unlock(&m->lock);
	milter_conn_free(c);
	milters_unref(m->all);
}

/* With the lock held; a new spare one is made behind the caller's back. */
static void
spare_order(struct milter *m)
{
	struct reactor *r = atomic_load(&m->all->reactor);

	if (r == NULL || m->filling || m->spare_len >= m->conf.spare ||
	    m->failures > 0 || m->open >= m->conf.connections_max)
		return;
	m->filling = true;
	m->open++;
	(void)milters_ref(m->all);
	if (reactor_defer(r, spare_make, m, NULL) == 0)
		return;
	m->filling = false;
	m->open--;
	(void)atomic_fetch_sub(&m->all->refs, 1);
}

/* With the lock held: the newest one, or NULL.  Old ones are closed. */
static struct milter_conn *
spare_take(struct milter *m)
{
	uint64_t now = clock_ms();

	while (m->spare_len > 0) {
		struct milter_conn *c = m->spare[--m->spare_len];

		if (now - c->made_ms < SPARE_AGE_MS && milter_conn_quiet(c))
			return c;
		milter_conn_quit(c);
		m->open--;
	}
	return NULL;
}

void
milters_tick(struct milters *all)
{
	uint64_t now = clock_ms();

	for (size_t i = 0; i < all->len; i++) {
		struct milter *m = &all->items[i];
		size_t kept = 0;

		(void)pthread_mutex_lock(&m->lock);
		for (size_t k = 0; k < m->spare_len; k++) {
			struct milter_conn *c = m->spare[k];

			if (now - c->made_ms < SPARE_AGE_MS) {
				m->spare[kept++] = c;
				continue;
			}
			milter_conn_quit(c);
			m->open--;
		}
		m->spare_len = kept;
		(void)pthread_mutex_unlock(&m->lock);
	}
}

/* With the lock held: waits for room for one more. */
static bool
room_wait(struct milter *m)
{
	uint64_t until = clock_ms() + m->conf.connect_wait * 1000;
	struct timespec t = { .tv_sec = (time_t)(until / 1000),
		.tv_nsec = (long)(until % 1000) * 1000000 };

	while (m->open >= m->conf.connections_max) {
		if (pthread_cond_timedwait(&m->freed, &m->lock, &t) != 0)
			return m->open < m->conf.connections_max;
	}
	return true;
}

/* With the lock held; *conn_out NULL and 0: make one. */
static int
take_locked(struct milter *m, struct milter_conn **conn_out, struct err *err)
{
	if (!failure_allows(m))
		return err_set(err, ERR_TEMP,
		    "it failed %u times in a row and is left alone for a "
		    "moment",
		    m->failures);
	*conn_out = spare_take(m);
	if (*conn_out != NULL)
		return 0;
	if (!room_wait(m))
		return err_set(err, ERR_TEMP,
		    "all of its %llu connections are in use",
		    (unsigned long long)m->conf.connections_max);
	m->open++;
	return 0;
}

int
milter_take(struct milter *m, struct milter_conn **conn_out, struct err *err)
{
	int result;

	(void)pthread_mutex_lock(&m->lock);
	result = take_locked(m, conn_out, err);
	(void)pthread_mutex_unlock(&m->lock);
	if (result == -1)
		return -1;
	if (*conn_out == NULL)
		result = milter_connect(m, conn_out, err);
	(void)pthread_mutex_lock(&m->lock);
	if (result == 0) {
		options_keep(m, *conn_out);
		spare_order(m);
	} else {
		m->open--;
		(void)pthread_cond_signal(&m->freed);
		failure_count(m, false);
	}
	(void)pthread_mutex_unlock(&m->lock);
	return result;
}

void
milter_leave(struct milter *m, struct milter_conn *conn, bool good)
{
	if (conn == NULL)
		return;
	if (good)
		milter_conn_quit(conn);
	else
		milter_conn_free(conn);
	(void)pthread_mutex_lock(&m->lock);
	m->open--;
	(void)pthread_cond_signal(&m->freed);
	(void)pthread_mutex_unlock(&m->lock);
}
