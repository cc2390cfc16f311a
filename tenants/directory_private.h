/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions about entries, answered from memory, LDAP, or, when no LDAP
 * server answers, from the last known good entries in Berkeley DB.
 *
 *	memory		used while the follower (follow.h) is live, so an
 *			edited entry acts within a moment
 *	Berkeley DB	"E" uuid → entry; "K" key → uuid.  Written when LDAP
 *			answered something new; read only in an outage.  What it
 *			does not know is ERR_TEMP, never "none".
 *
 * For any thread.
 */
#ifndef HK_TENANTS_DIRECTORY_PRIVATE_H
#define HK_TENANTS_DIRECTORY_PRIVATE_H

#include <stdbool.h>

#include "common/counters.h"
#include "common/db.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/cache.h"
#include "tenants/client.h"
#include "tenants/directory.h"
#include "tenants/entry.h"
#include "tenants/ldap_pool.h"

struct follower;
struct told;

struct directory {
	bool memory_only;         /* never waits: directory_memory */
	struct directory *memory; /* the same one with memory_only */
	char *base;               /* "o=hikyaku" */
	struct follower *follower;
	struct ldap_pool *pool;
	struct cache *cache;
	struct db *db; /* NULL: nothing is kept */
	struct told *told;
	struct counters *counters;
	/* Set by the follower: what is in memory is what LDAP has. */
	atomic_bool *live, live_here;
};

/* How an entry is asked for.  Values are compared without ASCII case. */
enum directory_key {
	KEY_ADDRESS, /* account or group, by any of its addresses */
	KEY_LOGIN,   /* account, by uid */
	KEY_ID,      /* account, by hkAccountId or entryUUID */
	KEY_DOMAIN,
	KEY_HOST,         /* tenant, by a host name of its own */
	KEY_TENANT,       /* by its name */
	KEY_DN,           /* anything */
	KEY_LEGACY,       /* account, by hkLegacyId */
	KEY_HOST_ADDRESS, /* tenant, by an address of its own */
};

/* LOOKUP_FOUND: *entry_out is a reference of the caller's, else NULL. */
enum lookup directory_find(struct directory *d, enum directory_key key,
    struct span value, struct entry **entry_out, struct err *err);

/*
 * The account of a login name: its uid, any address of it, or its address in
 * an alias domain; *entry_out is the caller's.
 */
enum lookup directory_find_login(struct directory *d, struct span login,
    struct entry **entry_out, struct err *err);

/*
 * The same, or the service of the platform that the name is the DN of
 * (act_as.h).
 */
enum lookup directory_find_identity(struct directory *d,
    const struct login_name *name, struct entry **entry_out, struct err *err);

/*
 * All tenants, or all domains (tenant "": of all tenants).  Not from memory.
 * Calls each() with a borrowed entry until it answers false.
 */
int directory_each(struct directory *d, enum entry_kind kind,
    const char *tenant, bool (*each)(void *arg, struct entry *entry), void *arg,
    struct err *err);

/* What the follower tells. */
void directory_changed(struct directory *d, struct entry *entry);
void directory_removed(struct directory *d, struct span uuid);

#endif
