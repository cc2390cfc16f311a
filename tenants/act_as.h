/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may log in as somebody else, by an authorization identity.
 *						       RFC 4422 section 3.4.1
 *	a service	cn=NAME,ou=platform,BASE with hkActor: as accounts of
 *			the tenants that its hkActAs names, or with ou=tenants
 *			of all.  It has no mailbox and logs in as itself never.
 *	an owner	of a tenant, with hkActAs: as accounts of that tenant
 *	a help desk	likewise, but not as an owner, nor as somebody who has
 *			hkActAs: it would be one
 *
 * hkActAs is the platform's to give, and the tenant's groups say whether it
 * still counts.
 */
#ifndef HK_TENANTS_ACT_AS_H
#define HK_TENANTS_ACT_AS_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"
#include "tenants/client.h"
#include "tenants/directory.h"

/*
 * The account that wanted (a login name) is, if actor (what it logged in as)
 * may log in as it.  LOOKUP_NONE: it may not, or there is no such account.
 */
enum lookup act_as(struct directory *d, const struct login_name *actor,
    struct span wanted, struct account_info *account_out, struct err *err);

/* The account is such a service's. */
bool account_is_service(const struct account_info *account);

#endif
