/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections to the LDAP servers, for any thread.  Searches are pipelined on
 * a few links (ldap_link.h) to one server: the first of the list that answers.
 *
 * One server at a time, since what was read from one and what changes are
 * told by another do not fit together.  Its number changes with each switch
 * (ldap_pool_turn): the follower of changes then begins anew.
 *
 * A thread of the pool connects, so that nobody else waits for a connection:
 *
 *	CONNECTING	searches wait, until the servers have been tried
 *	UP		a search whose link breaks is repeated on another one
 *	DOWN		no server answers: searches fail at once; the servers
 *			are tried every half second
 *
 * While a later server of the list is in use, earlier ones are tried now and
 * then, and the first that answers again is returned to.
 */
#ifndef HK_TENANTS_LDAP_POOL_H
#define HK_TENANTS_LDAP_POOL_H

#include <ldap.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/ldap_connect.h"
#include "tenants/ldap_link.h"

struct ldap_pool;

/* Connects to nobody yet. */
int ldap_pool_new(const struct ldap_options *options,
    struct ldap_pool **pool_out, struct err *err);
int ldap_pool_start(struct ldap_pool *p, struct err *err);
void ldap_pool_free(struct ldap_pool *p);
CLEANUP_DEFINE_PTR(struct ldap_pool, ldap_pool_free)

/*
 * A base that does not exist is an empty answer.  Over size_limit is not an
 * error either: the first entries arrive.
 *
 * Errors: ERR_TEMP, no server, or not in time.
 */
int ldap_pool_search(
    struct ldap_pool *p, const struct ldap_query *query, struct err *err);

/*
 * A bound connection of one's own to the server in use, for who keeps it (LDAP
 * sync), and the turn that it belongs to.
 */
int ldap_pool_connect(
    struct ldap_pool *p, LDAP **ld_out, unsigned *turn_out, struct err *err);
unsigned ldap_pool_turn(struct ldap_pool *p);
/* No server answers; searches fail at once. */
bool ldap_pool_is_down(struct ldap_pool *p);

/* Appends a value as filters want it.                RFC 4515 section 3 */
void ldap_filter_escape(struct span value, struct buf *filter);

#endif
