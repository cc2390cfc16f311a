/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/ldap_pool.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "common/ascii.h"
#include "common/log.h"
#include "common/reactor.h"

enum {
	LINKS_MAX = 64,
	RETRY_MS = 500,
	/* A server that did not answer is tried after the others so long. */
	DOWN_MS = 10000,
	/* How often a better server is looked for. */
	RETURN_MS = 5000,
	STALL_MS = 2000,
	/* All links of a server that went may be found broken one by one. */
	TRIES = LINKS_MAX
};

enum pool_state {
	POOL_CONNECTING,
	POOL_UP,
	POOL_DOWN
};

struct server {
	char *uri;
	uint64_t down_until_ms;
};

struct slot {
	struct ldap_link *link; /* NULL: free */
	unsigned server, users;
	bool retired; /* no new search; freed by the keeper when unused */
};

struct ldap_pool {
	struct ldap_options options;
	char *strings[3]; /* behind its pointers */
	struct server servers[LDAP_SERVERS_MAX];
	unsigned servers_len;

	pthread_mutex_t mutex; /* guards all below */
	pthread_cond_t changed;
	struct slot slots[LINKS_MAX];
	enum pool_state state;
	unsigned server, turn;
	uint64_t return_ms; /* when to look for a better server */
	struct err trouble;
	bool stop, keeper_runs;
	pthread_t keeper;
};

/* ---- beginning -------------------------------------------------------------
 */

static int
pool_strings(struct ldap_pool *p, const struct ldap_options *o)
{
	const char *texts[3] = { o->bind_dn, o->password, o->ca_file };

	for (size_t i = 0; i < 3; i++) {
		p->strings[i] = strdup(texts[i] == NULL ? "" : texts[i]);
		if (p->strings[i] == NULL)
			return -1;
	}
	p->options.bind_dn = p->strings[0];
	p->options.password = p->strings[1];
	p->options.ca_file = p->strings[2];
	return 0;
}

static int
pool_servers(struct ldap_pool *p, const char *uris)
{
	struct span rest = span_str(uris), uri;

	while (
	    p->servers_len < LDAP_SERVERS_MAX && ldap_uri_take(&rest, &uri)) {
		p->servers[p->servers_len].uri = strndup(uri.p, uri.len);
		if (p->servers[p->servers_len++].uri == NULL)
			return -1;
	}
	return 0;
}

int
ldap_pool_new(const struct ldap_options *options, struct ldap_pool **pool_out,
    struct err *err)
{
	CLEANUP(ldap_pool_free) struct ldap_pool *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (p == NULL)
		return err_sys(err, "LDAP pool");
	p->options = *options;
	(void)pthread_mutex_init(&p->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->changed, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (pool_strings(p, options) == -1 ||
	    pool_servers(p, options->uri) == -1)
		return err_sys(err, "LDAP pool");
	if (p->options.connections > LINKS_MAX / 2)
		p->options.connections = LINKS_MAX / 2;
	(void)err_set(&p->trouble, ERR_TEMP, "no LDAP server");
	*pool_out = STEAL(p);
	return 0;
}

/* ---- taking a link ---------------------------------------------------------
 */

/* The live link with the fewest searches; NULL: there is none. */
static struct slot *
slot_choose(struct ldap_pool *p)
{
	struct slot *best = NULL;

	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct slot *s = &p->slots[i];

		if (s->link == NULL || s->retired || ldap_link_broken(s->link))
			continue;
		if (best == NULL || s->users < best->users)
			best = s;
	}
	return best;
}

static struct timespec
timespec_of(uint64_t ms)
{
	return (struct timespec){
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};
}

/* NULL, with err set: no server, or none in time. */
static struct slot *
slot_take(struct ldap_pool *p, uint64_t deadline_ms, struct err *err)
{
	struct timespec until = timespec_of(deadline_ms);
	struct slot *s;
	int rc = 0;

	(void)pthread_mutex_lock(&p->mutex);
	while ((s = slot_choose(p)) == NULL && p->state != POOL_DOWN && rc == 0)
		rc = pthread_cond_timedwait(&p->changed, &p->mutex, &until);
	if (s != NULL)
		s->users++;
	else if (err != NULL)
		*err = p->trouble;
	(void)pthread_mutex_unlock(&p->mutex);
	return s;
}

static void
slot_give(struct ldap_pool *p, struct slot *s)
{
	(void)pthread_mutex_lock(&p->mutex);
	s->users--;
	if (s->users == 0 && s->retired)
		(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
}

int
ldap_pool_search(
    struct ldap_pool *p, const struct ldap_query *query, struct err *err)
{
	uint64_t deadline_ms = clock_ms() + p->options.search_ms;
	struct err why = ERR_INIT;

	for (int tries = 0; tries < TRIES; tries++) {
		struct slot *s = slot_take(p, deadline_ms, &why);
		enum ldap_searched outcome;

		if (s == NULL)
			break;
		outcome = ldap_link_search(s->link, query, deadline_ms, &why);
		slot_give(p, s);
		if (outcome == LDAP_SEARCHED)
			return 0;
		if (outcome != LDAP_SEARCH_BROKEN)
			break;
		query->restart(query->arg);
	}
	if (err != NULL)
		*err = why;
	return -1;
}

/* ---- the keeper ------------------------------------------------------------
 */

/* Connecting to it would take its time, too. */
static void
server_stalled(struct ldap_pool *p, unsigned server)
{
	if (p->servers[server].down_until_ms == 0)
		log_warning(&log_process, "LDAP server not usable",
		    log_str("uri", p->servers[server].uri),
		    log_str("reason", "it does not answer"));
	p->servers[server].down_until_ms = clock_ms() + DOWN_MS;
	/* Each other link would be found out no sooner. */
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (p->slots[i].link != NULL && p->slots[i].server == server)
			ldap_link_break(p->slots[i].link);
}

/* A link broke, on its own thread. */
static void
link_ended(void *arg)
{
	struct ldap_pool *p = arg;

	(void)pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (p->slots[i].link != NULL && !p->slots[i].retired &&
		    ldap_link_stalled(p->slots[i].link))
			server_stalled(p, p->slots[i].server);
	if (p->state == POOL_UP && slot_choose(p) == NULL)
		p->state = POOL_CONNECTING;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
}

/* With the mutex held, which is let go while a link is freed. */
static void
slots_reap(struct ldap_pool *p)
{
	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct slot *s = &p->slots[i];
		struct ldap_link *link = s->link;

		if (link == NULL)
			continue;
		if (ldap_link_broken(link))
			s->retired = true;
		if (!s->retired || s->users > 0)
			continue;
		/* Out of the table first: the readers of others look there. */
		*s = (struct slot){ .link = NULL };
		(void)pthread_mutex_unlock(&p->mutex);
		ldap_link_free(link);
		(void)pthread_mutex_lock(&p->mutex);
	}
}

static unsigned
links_live(const struct ldap_pool *p)
{
	unsigned live = 0;

	for (size_t i = 0; i < LINKS_MAX; i++)
		live += p->slots[i].link != NULL && !p->slots[i].retired;
	return live;
}

static struct slot *
slot_unused(struct ldap_pool *p)
{
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (p->slots[i].link == NULL)
			return &p->slots[i];
	return NULL;
}

/* All links lead to this server from now on. */
static void
pool_switch(struct ldap_pool *p, unsigned server)
{
	for (size_t i = 0; i < LINKS_MAX; i++)
		if (p->slots[i].link != NULL && p->slots[i].server != server)
			p->slots[i].retired = true;
	if (p->turn != 0 && p->server == server)
		return;
	p->server = server;
	p->turn++;
	p->return_ms = clock_ms() + RETURN_MS;
	log_notice(&log_process, "LDAP server in use",
	    log_str("uri", p->servers[server].uri));
}

/* Where there is no other server, there is no hurry. */
static unsigned
stall_ms(const struct ldap_pool *p)
{
	unsigned half_ms = p->options.search_ms / 2;

	if (p->servers_len == 1)
		return p->options.search_ms;
	return half_ms < STALL_MS ? half_ms : STALL_MS;
}

/* Without the mutex; false: it does not answer. */
static bool
server_connect(struct ldap_pool *p, unsigned server, struct err *err)
{
	struct ldap_link *link;
	struct slot *slot;
	LDAP *ld;

	if (ldap_server_connect(
		&p->options, p->servers[server].uri, &ld, err) == -1 ||
	    ldap_link_new(ld, stall_ms(p), link_ended, p, &link, err) == -1)
		return false;
	(void)pthread_mutex_lock(&p->mutex);
	p->servers[server].down_until_ms = 0;
	pool_switch(p, server);
	slot = slot_unused(p);
	if (slot != NULL)
		*slot = (struct slot){ .link = link, .server = server };
	p->state = POOL_UP;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	if (slot == NULL)
		ldap_link_free(link);
	return true;
}

static bool
server_is_down(struct ldap_pool *p, unsigned server)
{
	bool down;

	(void)pthread_mutex_lock(&p->mutex);
	down = clock_ms() < p->servers[server].down_until_ms;
	(void)pthread_mutex_unlock(&p->mutex);
	return down;
}

static void
server_failed(struct ldap_pool *p, unsigned server, const struct err *why)
{
	(void)pthread_mutex_lock(&p->mutex);
	/* Each time once, not with every try. */
	if (p->servers[server].down_until_ms == 0)
		log_warning(&log_process, "LDAP server not usable",
		    log_str("uri", p->servers[server].uri), log_err(why));
	p->servers[server].down_until_ms = clock_ms() + DOWN_MS;
	p->trouble = *why;
	(void)pthread_mutex_unlock(&p->mutex);
}

/* Those first that are not known to be down, in the order of the list. */
static bool
pool_connect(struct ldap_pool *p)
{
	bool down[LDAP_SERVERS_MAX];

	for (unsigned i = 0; i < p->servers_len; i++)
		down[i] = server_is_down(p, i);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < p->servers_len; i++) {
			struct err err = ERR_INIT;

			if (down[i] != (round == 1))
				continue;
			if (server_connect(p, i, &err))
				return true;
			server_failed(p, i, &err);
		}
	}
	return false;
}

/* A better server may have come back. */
static void
pool_return(struct ldap_pool *p)
{
	unsigned better;

	(void)pthread_mutex_lock(&p->mutex);
	better = clock_ms() < p->return_ms ? 0 : p->server;
	if (better > 0)
		p->return_ms = clock_ms() + RETURN_MS;
	(void)pthread_mutex_unlock(&p->mutex);
	for (unsigned i = 0; i < better; i++) {
		struct err err = ERR_INIT;

		if (server_connect(p, i, &err))
			return;
		server_failed(p, i, &err);
	}
}

/* What there is to do; the mutex is not held.  False: rest before more. */
static bool
pool_keep(struct ldap_pool *p)
{
	unsigned missing;

	(void)pthread_mutex_lock(&p->mutex);
	slots_reap(p);
	missing = links_live(p) >= p->options.connections
		      ? 0
		      : p->options.connections - links_live(p);
	(void)pthread_mutex_unlock(&p->mutex);
	if (missing == 0) {
		pool_return(p);
		return true;
	}
	if (pool_connect(p))
		return true;
	(void)pthread_mutex_lock(&p->mutex);
	if (slot_choose(p) == NULL)
		p->state = POOL_DOWN;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	return false;
}

/* True: something needs the keeper now. */
static bool
pool_wants(const struct ldap_pool *p)
{
	for (size_t i = 0; i < LINKS_MAX; i++) {
		const struct slot *s = &p->slots[i];

		if (s->link != NULL && s->users == 0 &&
		    (s->retired || ldap_link_broken(s->link)))
			return true;
	}
	return links_live(p) < p->options.connections;
}

static void *
keeper_main(void *arg)
{
	struct ldap_pool *p = arg;
	struct timespec until;

	(void)pthread_mutex_lock(&p->mutex);
	while (!p->stop) {
		bool rest;

		(void)pthread_mutex_unlock(&p->mutex);
		rest = !pool_keep(p);
		(void)pthread_mutex_lock(&p->mutex);
		until = timespec_of(clock_ms() + RETRY_MS);
		if (!p->stop && (rest || !pool_wants(p)))
			(void)pthread_cond_timedwait(
			    &p->changed, &p->mutex, &until);
	}
	(void)pthread_mutex_unlock(&p->mutex);
	return NULL;
}

int
ldap_pool_start(struct ldap_pool *p, struct err *err)
{
	if (pthread_create(&p->keeper, NULL, keeper_main, p) != 0)
		return err_set(err, ERR_TEMP, "no thread for LDAP");
	p->keeper_runs = true;
	return 0;
}

void
ldap_pool_free(struct ldap_pool *p)
{
	if (p == NULL)
		return;
	(void)pthread_mutex_lock(&p->mutex);
	p->stop = true;
	p->state = POOL_DOWN;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->mutex);
	if (p->keeper_runs)
		(void)pthread_join(p->keeper, NULL);
	for (size_t i = 0; i < LINKS_MAX; i++) {
		struct ldap_link *link;

		/* Likewise, and its own reader looks for it, too. */
		(void)pthread_mutex_lock(&p->mutex);
		link = STEAL(p->slots[i].link);
		(void)pthread_mutex_unlock(&p->mutex);
		ldap_link_free(link);
	}
	for (unsigned i = 0; i < p->servers_len; i++)
		free(p->servers[i].uri);
	if (p->strings[1] != NULL)
		OPENSSL_cleanse(p->strings[1], strlen(p->strings[1]));
	for (size_t i = 0; i < 3; i++)
		free(p->strings[i]);
	(void)pthread_mutex_destroy(&p->mutex);
	(void)pthread_cond_destroy(&p->changed);
	free(p);
}

/* ---- connections of others --------------------------------------------------
 */

unsigned
ldap_pool_turn(struct ldap_pool *p)
{
	unsigned turn;

	(void)pthread_mutex_lock(&p->mutex);
	turn = p->turn;
	(void)pthread_mutex_unlock(&p->mutex);
	return turn;
}

bool
ldap_pool_is_down(struct ldap_pool *p)
{
	bool down;

	(void)pthread_mutex_lock(&p->mutex);
	down = p->state == POOL_DOWN;
	(void)pthread_mutex_unlock(&p->mutex);
	return down;
}

int
ldap_pool_connect(
    struct ldap_pool *p, LDAP **ld_out, unsigned *turn_out, struct err *err)
{
	unsigned server;
	bool up;

	(void)pthread_mutex_lock(&p->mutex);
	while (p->state == POOL_CONNECTING && !p->stop)
		(void)pthread_cond_wait(&p->changed, &p->mutex);
	server = p->server;
	*turn_out = p->turn;
	up = p->state == POOL_UP;
	if (!up && err != NULL)
		*err = p->trouble;
	(void)pthread_mutex_unlock(&p->mutex);
	return up ? ldap_server_connect(
			&p->options, p->servers[server].uri, ld_out, err)
		  : -1;
}

void
ldap_filter_escape(struct span value, struct buf *filter)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];

		if (ascii_is((char)c, ASCII_ALPHA | ASCII_DIGIT) ||
		    (c != '\0' && strchr("@.-_+= ", c) != NULL)) {
			buf_append_octet(filter, (char)c);
			continue;
		}
		buf_append_octet(filter, '\\');
		buf_append_octet(filter, hex[c >> 4]);
		buf_append_octet(filter, hex[c & 15]);
	}
}
