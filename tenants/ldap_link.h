/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection on which many searches are under way at a time.  Whoever
 * searches sends; one thread of the link reads what comes, takes each entry
 * apart for its search, and wakes who waits for it.
 *
 * A link that breaks, or on which nothing has come for stall_ms while searches
 * wait, is broken for good: all its searches fail at once, so that they can be
 * repeated elsewhere.
 */
#ifndef HK_TENANTS_LDAP_LINK_H
#define HK_TENANTS_LDAP_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <ldap.h>

#include "common/err.h"

struct ldap_query {
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	const char *filter;
	const char *const *attrs;
	/*
	 * Called for each entry, on the link's thread: it must not search, nor
	 * wait for who does.  False, with err set, ends it as failed.
	 */
	bool (*found)(
	    void *arg, LDAP *ld, LDAPMessage *message, struct err *err);
	void *arg;
	/* Undoes what found() did, when the search is begun anew. */
	void (*restart)(void *arg);
	int size_limit; /* 0: none */
};

struct ldap_link;

/* Takes ld over, also on failure.  ended(arg) is called once, on the link's
 * thread, when it has broken. */
int ldap_link_new(LDAP *ld, unsigned stall_ms, void (*ended)(void *arg),
    void *arg, struct ldap_link **link_out, struct err *err);
/* Nobody searches any more. */
void ldap_link_free(struct ldap_link *l);
/* Breaks it; ldap_link_free may then follow once nobody searches. */
void ldap_link_break(struct ldap_link *l);
bool ldap_link_broken(struct ldap_link *l);
/* It broke because nothing came: connecting anew would take its time, too. */
bool ldap_link_stalled(struct ldap_link *l);

enum ldap_searched {
	LDAP_SEARCHED,
	LDAP_SEARCH_FAILED, /* the server refused, or found() did: err */
	LDAP_SEARCH_LATE,   /* not in time: err */
	LDAP_SEARCH_BROKEN, /* the link is of no use: another may be: err */
};
/* Waits until deadline_ms of clock_ms. */
enum ldap_searched ldap_link_search(struct ldap_link *l,
    const struct ldap_query *query, uint64_t deadline_ms, struct err *err);

#endif
