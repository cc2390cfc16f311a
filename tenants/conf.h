/* SPDX-License-Identifier: BSD-2-Clause */
/* The section "tenantd" of the configuration. */
#ifndef HK_TENANTS_CONF_H
#define HK_TENANTS_CONF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/err.h"
#include "common/network.h"
#include "tenants/penalty.h"

/* See penalty.h. */
struct penalty_conf {
	uint64_t half_life;           /* seconds */
	uint64_t delay_ms, delay_max; /* milliseconds, seconds */
	uint64_t account_lock, block_free, block_lock, tenant_free, tenant_lock;
	struct conf_strings exempt;
};

struct tenantd_conf {
	char *uri; /* "ldap://127.0.0.1:389": servers, in order */
	char *base;
	char *bind_dn;
	char *password_file; /* absolute; one line */
	char *ca_file;       /* absolute, or "": the system's */
	bool starttls;
	uint64_t connections;               /* to LDAP, at most */
	uint64_t connect_wait, search_wait; /* seconds */
	uint64_t cache_keys;
	uint64_t cache_disk;   /* octets of memory for the entries on disk */
	uint64_t hash_threads; /* 0: one a processor */
	uint64_t hash_waiting; /* slow hashes of one tenant */
	struct penalty_conf penalty;
	uint64_t password_cost; /* of yescrypt, for new passwords */
	char *rehash_uri;       /* takes writes; "": uri */
	char *rehash_dn;
	char *rehash_password_file; /* absolute; "": nothing is written */
};

extern const struct conf_section tenantd_section;

/* What the table cannot say: URIs and absolute paths. */
int tenantd_conf_check(const void *section, struct err *err);

/* The rules as penalty.h wants them; the caller frees *exempt_out. */
int tenantd_conf_penalty(const struct penalty_conf *conf,
    struct penalty_rules *rules_out, struct network **exempt_out,
    struct err *err);

#endif
