/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/ldap_pool.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "common/ascii.h"
#include "common/reactor.h"

enum {
	BACKOFF_MS = 1000,
	CONNECTIONS_MAX = 64
};

struct ldap_pool {
	struct ldap_options options;
	char *strings[4]; /* copies behind the options' pointers */
	pthread_mutex_t mutex;
	pthread_cond_t freed;
	LDAP *idle[CONNECTIONS_MAX]; /* guarded by mutex, as all below */
	unsigned idle_len;
	unsigned busy;
	uint64_t down_until; /* clock_ms; 0: some server answered last */
};

static const char *
keep(struct ldap_pool *p, size_t i, const char *text)
{
	p->strings[i] = strdup(text == NULL ? "" : text);
	return p->strings[i];
}

int
ldap_pool_new(const struct ldap_options *options, struct ldap_pool **pool_out,
    struct err *err)
{
	struct ldap_pool *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return err_sys(err, "LDAP pool");
	p->options = *options;
	p->options.uri = keep(p, 0, options->uri);
	p->options.bind_dn = keep(p, 1, options->bind_dn);
	p->options.password = keep(p, 2, options->password);
	p->options.ca_file = keep(p, 3, options->ca_file);
	if (p->options.connections > CONNECTIONS_MAX)
		p->options.connections = CONNECTIONS_MAX;
	(void)pthread_mutex_init(&p->mutex, NULL);
	(void)pthread_cond_init(&p->freed, NULL);
	for (size_t i = 0; i < 4; i++) {
		if (p->strings[i] == NULL) {
			ldap_pool_free(p);
			return err_sys(err, "LDAP pool");
		}
	}
	*pool_out = p;
	return 0;
}

void
ldap_pool_free(struct ldap_pool *p)
{
	if (p == NULL)
		return;
	for (unsigned i = 0; i < p->idle_len; i++)
		(void)ldap_unbind_ext(p->idle[i], NULL, NULL);
	if (p->strings[2] != NULL)
		OPENSSL_cleanse(p->strings[2], strlen(p->strings[2]));
	for (size_t i = 0; i < 4; i++)
		free(p->strings[i]);
	(void)pthread_mutex_destroy(&p->mutex);
	(void)pthread_cond_destroy(&p->freed);
	free(p);
}

static struct timeval
timeval_of(unsigned ms)
{
	return (struct timeval){ ms / 1000, (ms % 1000) * 1000 };
}

static int
ldap_err(struct err *err, int rc, const char *what)
{
	return err_set(err, ERR_TEMP, "%s: %s", what, ldap_err2string(rc));
}

static int
set_options(LDAP *ld, const struct ldap_options *o)
{
	int version = LDAP_VERSION3;
	int demand = LDAP_OPT_X_TLS_DEMAND, idle = 60, probes = 3, gap = 10;
	struct timeval connect = timeval_of(o->connect_ms);
	struct timeval search = timeval_of(o->search_ms);
	int rc;

	if ((rc = ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version)) !=
		0 ||
	    (rc = ldap_set_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &connect)) !=
		0 ||
	    (rc = ldap_set_option(ld, LDAP_OPT_TIMEOUT, &search)) != 0 ||
	    (rc = ldap_set_option(ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF)) != 0 ||
	    (rc = ldap_set_option(ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &demand)) !=
		0)
		return rc;
	/* A server whose machine is gone says nothing on an idle socket. */
	(void)ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_IDLE, &idle);
	(void)ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_PROBES, &probes);
	(void)ldap_set_option(ld, LDAP_OPT_X_KEEPALIVE_INTERVAL, &gap);
	if (o->ca_file[0] != '\0')
		return ldap_set_option(
		    ld, LDAP_OPT_X_TLS_CACERTFILE, o->ca_file);
	return 0;
}

int
ldap_pool_connect(struct ldap_pool *p, LDAP **ld_out, struct err *err)
{
	struct berval password = { strlen(p->options.password), p->strings[2] };
	int own_tls_context = 0;
	LDAP *ld = NULL;
	int rc = ldap_initialize(&ld, p->options.uri);

	if (rc == LDAP_SUCCESS)
		rc = set_options(ld, &p->options);
	if (rc == LDAP_SUCCESS && p->options.ca_file[0] != '\0')
		rc = ldap_set_option(
		    ld, LDAP_OPT_X_TLS_NEWCTX, &own_tls_context);
	if (rc == LDAP_SUCCESS && p->options.starttls)
		rc = ldap_start_tls_s(ld, NULL, NULL);
	if (rc == LDAP_SUCCESS)
		rc = ldap_sasl_bind_s(ld, p->options.bind_dn, LDAP_SASL_SIMPLE,
		    &password, NULL, NULL, NULL);
	if (rc != LDAP_SUCCESS) {
		if (ld != NULL)
			(void)ldap_unbind_ext(ld, NULL, NULL);
		return ldap_err(err, rc, p->options.uri);
	}
	*ld_out = ld;
	return 0;
}

/* An idle connection, or NULL: the caller may make one. */
static int
pool_take(struct ldap_pool *p, LDAP **ld_out, struct err *err)
{
	*ld_out = NULL;
	(void)pthread_mutex_lock(&p->mutex);
	while (p->idle_len == 0 && p->busy >= p->options.connections)
		(void)pthread_cond_wait(&p->freed, &p->mutex);
	if (p->idle_len > 0) {
		*ld_out = p->idle[--p->idle_len];
	} else if (clock_ms() < p->down_until) {
		(void)pthread_mutex_unlock(&p->mutex);
		return err_set(err, ERR_TEMP, "no LDAP server answers");
	}
	p->busy++;
	(void)pthread_mutex_unlock(&p->mutex);
	return 0;
}

/* ld NULL: it was dropped. */
static void
pool_give(struct ldap_pool *p, LDAP *ld)
{
	(void)pthread_mutex_lock(&p->mutex);
	p->busy--;
	if (ld != NULL)
		p->idle[p->idle_len++] = ld;
	(void)pthread_cond_signal(&p->freed);
	(void)pthread_mutex_unlock(&p->mutex);
}

static void
pool_mark(struct ldap_pool *p, bool down)
{
	(void)pthread_mutex_lock(&p->mutex);
	p->down_until = down ? clock_ms() + BACKOFF_MS : 0;
	(void)pthread_mutex_unlock(&p->mutex);
}

static bool
deliver(LDAP *ld, LDAPMessage *result, const struct ldap_query *query,
    struct err *err)
{
	for (LDAPMessage *m = ldap_first_entry(ld, result); m != NULL;
	     m = ldap_next_entry(ld, m))
		if (!query->found(query->arg, ld, m, err))
			return false;
	return true;
}

/* One try; *broken_out says that the connection is of no more use. */
static int
search_once(struct ldap_pool *p, LDAP *ld, const struct ldap_query *query,
    bool *broken_out, struct err *err)
{
	struct timeval limit = timeval_of(p->options.search_ms);
	LDAPMessage *result = NULL;
	char **attrs;
	int rc;

	/* libldap reads the names only, but takes no const. */
	memcpy(&attrs, &query->attrs, sizeof(attrs));
	rc = ldap_search_ext_s(ld, query->base, query->scope, query->filter,
	    attrs, 0, NULL, NULL, &limit, query->size_limit, &result);
	*broken_out = false;
	if (rc == LDAP_SUCCESS || rc == LDAP_SIZELIMIT_EXCEEDED) {
		rc = deliver(ld, result, query, err) ? 0 : -1;
	} else if (rc == LDAP_NO_SUCH_OBJECT) {
		rc = 0;
	} else {
		/* A filter or DN that it refuses is not the connection's fault;
		 * for all else, also a timeout, the connection goes. */
		*broken_out =
		    rc != LDAP_FILTER_ERROR && rc != LDAP_INVALID_DN_SYNTAX;
		rc = ldap_err(err, rc, "LDAP search");
	}
	(void)ldap_msgfree(result);
	return rc;
}

int
ldap_pool_search(
    struct ldap_pool *p, const struct ldap_query *query, struct err *err)
{
	for (int tries = 0;; tries++) {
		bool broken = false, fresh = false;
		LDAP *ld;
		int rc;

		if (pool_take(p, &ld, err) == -1)
			return -1;
		if (ld == NULL) {
			fresh = true;
			if (ldap_pool_connect(p, &ld, err) == -1) {
				pool_mark(p, true);
				pool_give(p, NULL);
				return -1;
			}
			pool_mark(p, false);
		}
		rc = search_once(p, ld, query, &broken, err);
		if (broken) {
			(void)ldap_unbind_ext(ld, NULL, NULL);
			ld = NULL;
		}
		pool_give(p, ld);
		/* An idle connection may have died long ago, and so may the
		 * others of the pool. */
		if (!broken || fresh || tries > CONNECTIONS_MAX)
			return rc;
		err_clear(err);
	}
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
