/* SPDX-License-Identifier: BSD-2-Clause */
/* Where entries stand in the tree: distinguished names.   RFC 4514 */
#ifndef HK_TENANTS_NAMING_H
#define HK_TENANTS_NAMING_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

/* Appends "attribute=value" with the value escaped (2.4). */
void naming_rdn(struct buf *dn, const char *attribute, struct span value);

/*
 * Appends what stands below base:
 *
 *	ou=tenants,BASE
 *	ou=TENANT,ou=tenants,BASE
 *	ou=UNIT,ou=TENANT,ou=tenants,BASE	accounts, groups, ...
 *	cn=NAME,ou=classes,ou=platform,BASE
 */
void naming_tenants(struct buf *dn, const char *base);
void naming_tenant(struct buf *dn, const char *base, struct span tenant);
void naming_unit(
    struct buf *dn, const char *base, struct span tenant, const char *unit);
void naming_class(struct buf *dn, const char *base, struct span name);

/* Appends the value of the first RDN; false when dn is none. */
bool naming_first(struct span dn, struct buf *value);
/* Appends the name of the tenant in whose branch, or which, dn is. */
bool naming_tenant_of(struct span dn, const char *base, struct buf *tenant);

/*
 * Small letters, digits and hyphens, no hyphen in front, at most 63: it names
 * a directory, and stands in the access rules.
 */
bool naming_tenant_valid(struct span name);

/* a is b or below it, without regard to case. */
bool naming_below(struct span a, struct span b);

#endif
