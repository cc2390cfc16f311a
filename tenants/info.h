/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From entries to what the daemons are told: tenants, domains and accounts
 * with their limits.  A limit is the smallest of those that stand in the
 * account, its class of service, its tenant and the tenant's class; slapd
 * cannot compare numbers, so this is where a ceiling holds.
 */
#ifndef HK_TENANTS_INFO_H
#define HK_TENANTS_INFO_H

#include "tenants/directory_private.h"

/*
 * LOOKUP_NONE: the entry is unusable (no uid for its store, no good id); a
 * line in the log says so.
 */
enum lookup info_tenant(struct directory *d, struct entry *e,
    struct tenant_info *tenant_out, struct err *err);
/* The tenant in whose branch an entry stands. */
enum lookup info_tenant_of(struct directory *d, struct entry *e,
    struct tenant_info *tenant_out, struct err *err);
/* asked: the name by which it was asked for. */
enum lookup info_domain(struct directory *d, struct entry *e, struct span asked,
    struct domain_info *domain_out, struct err *err);
enum lookup info_account(struct directory *d, struct entry *e,
    struct account_info *account_out, struct err *err);

/* hkStatus of an account or a group. */
enum account_status info_status(const struct entry *e);
/* hkTenantStatus of a tenant or a domain. */
enum tenant_status info_tenant_status(const struct entry *e);

#endif
