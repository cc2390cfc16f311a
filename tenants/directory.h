/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The directory as tenantd knows it: entries from LDAP, kept in memory until
 * LDAP says that they changed (RFC 4533), and on disk for the time when LDAP
 * does not answer.
 *
 * Every function may be called from any thread and may wait for LDAP, for at
 * most a few seconds.  LOOKUP_FAILED and -1 mean that nobody knows now:
 * ERR_TEMP.
 */
#ifndef HK_TENANTS_DIRECTORY_H
#define HK_TENANTS_DIRECTORY_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/client.h"

struct directory;
struct tenantd_conf;

/*
 * state_directory: tenantd's own, for the entries kept on disk.  Succeeds
 * though LDAP does not answer: then what is on disk serves.
 */
int directory_new(const struct tenantd_conf *conf, const char *state_directory,
    struct directory **d_out, struct err *err);
/* Begins to follow changes, on a thread; until then memory is not used. */
int directory_start(
    struct directory *d, struct counters *counters, struct err *err);
void directory_free(struct directory *d);
CLEANUP_DEFINE_PTR(struct directory, directory_free)

/*
 * The same directory for a thread that must not wait: what memory does not
 * know now is a failure for which directory_would_wait is true; ask d then.
 * Lists are never known.  Borrowed from d, from directory_start on.
 */
struct directory *directory_memory(const struct directory *d);
bool directory_would_wait(const struct err *err);
/* Records that; answers -1. */
int directory_set_would_wait(struct err *err);

/* An account with what proves its owner. */
struct credentials {
	struct account_info account;
	struct buf passwords; /* userPassword values, each ended by NUL */
	struct buf secrets;   /* hkSecret values likewise */
	struct buf dn;
	bool rehash;      /* its tenant wants passwords stored anew */
	bool keep_secret; /* it may have them in clear */
	struct buf apps;  /* for app_password_next: those of the service */
};
/* Wipes them. */
void credentials_fini(struct credentials *c);
CLEANUP_DEFINE_VALUE(struct credentials, credentials_fini)

/* What a client typed, and where it came to; login_name.h. */
struct login_name {
	struct span text;
	struct span host;  /* host name of ours that it asked for, or empty */
	struct span local; /* "192.0.2.1:995", "[2001:db8::1]:995", or empty */
	unsigned service;  /* one of SERVICE_*: whose app passwords hold */
};

/* *out need not be initialised; it is to be finished in any case.  Of a service
 * (act_as.h) the account has only an id and a name. */
enum lookup directory_credentials(struct directory *d,
    const struct login_name *name, struct credentials *out, struct err *err);

/*
 * The tenant in whose turn a name is that nobody has, "" for none: by its
 * domain, or by where the client came to.
 */
enum lookup directory_tenant_of_login(struct directory *d,
    const struct login_name *name, char tenant_out[TENANT_NAME_MAX + 1],
    struct err *err);

/* The same as the functions of client.h, in this process. */
int directory_resolve(struct directory *d, struct span address,
    struct resolution *resolution_out, struct err *err);
enum lookup directory_may_send_as(struct directory *d, const char *account_id,
    struct span address, struct err *err);
enum lookup directory_account(struct directory *d, const char *id,
    struct account_info *account_out, struct err *err);
enum lookup directory_tenant(struct directory *d, const char *name,
    struct tenant_info *tenant_out, struct err *err);
enum lookup directory_host(struct directory *d, struct span host,
    struct tenant_info *tenant_out, struct err *err);
enum lookup directory_domain(struct directory *d, struct span domain,
    struct domain_info *domain_out, struct err *err);
/* Settings as fields TAG_SETTING (protocol.h), appended to *items. */
enum lookup directory_settings(struct directory *d, const char *id,
    struct account_info *account_out, struct buf *items, struct err *err);
enum lookup directory_settings_of(struct directory *d, struct span login,
    struct account_info *account_out, struct buf *items, struct err *err);
enum lookup directory_defaults(struct directory *d, const char *name,
    struct tenant_info *tenant_out, struct buf *items, struct err *err);
int directory_list(struct directory *d, struct tenant_info **list_out,
    size_t *count_out, struct err *err);
int directory_domains(struct directory *d, const char *tenant,
    struct domain_info **list_out, size_t *count_out, struct err *err);

#endif
