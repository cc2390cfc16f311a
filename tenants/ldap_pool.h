/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bound connections to the LDAP servers, for any thread.  Each search takes
 * one for its time; one that fails is dropped and the search repeated once on
 * a fresh one.  When no server can be reached, searches fail at once for a
 * second, so that an outage costs callers no waiting.
 */
#ifndef HK_TENANTS_LDAP_POOL_H
#define HK_TENANTS_LDAP_POOL_H

#include <ldap.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct ldap_options {
	const char *uri; /* of servers, with spaces between: tried in order */
	const char *bind_dn;
	const char *password;
	const char *ca_file; /* "" : the system's */
	bool starttls;
	unsigned connect_ms, search_ms;
	unsigned connections; /* at most */
};

struct ldap_pool;

/* Connects to nobody yet. */
int ldap_pool_new(const struct ldap_options *options,
    struct ldap_pool **pool_out, struct err *err);
void ldap_pool_free(struct ldap_pool *p);
CLEANUP_DEFINE_PTR(struct ldap_pool, ldap_pool_free)

/* A bound connection outside the pool, for who keeps it (LDAP sync). */
int ldap_pool_connect(struct ldap_pool *p, LDAP **ld_out, struct err *err);

struct ldap_query {
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	const char *filter;
	const char *const *attrs;
	/* Called for each entry; false, with err set, ends it as failed. */
	bool (*found)(
	    void *arg, LDAP *ld, LDAPMessage *message, struct err *err);
	void *arg;
	int size_limit; /* 0: none */
};
/*
 * A base that does not exist is an empty answer.  Over size_limit is not an
 * error either: the first entries arrive.
 *
 * Errors: ERR_TEMP, no server, or not in time.
 */
int ldap_pool_search(
    struct ldap_pool *p, const struct ldap_query *query, struct err *err);

/* Appends a value as filters want it.                RFC 4515 section 3 */
void ldap_filter_escape(struct span value, struct buf *filter);

#endif
