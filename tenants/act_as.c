/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/act_as.h"

#include <string.h>

#include "tenants/directory_private.h"
#include "tenants/info.h"

enum {
	DN_MAX = 1024
};

bool
account_is_service(const struct account_info *account)
{
	return account->tenant.name[0] == '\0';
}

/* A value of hkActAs is "prefix ou=tenants,BASE". */
static bool
names(struct directory *d, const struct entry *actor, const char *prefix,
    const char *tenant)
{
	CLEANUP(buf_fini) struct buf dn = { .max = DN_MAX };

	buf_append_fmt(&dn, "%s%s%sou=tenants,%s", prefix, tenant,
	    tenant[0] == '\0' ? "" : ",", d->base);
	return buf_check(&dn, NULL) == 0 &&
	       entry_has(actor, ATTR_ACT_AS, buf_span(&dn));
}

/* Is it in this group of its tenant's administrators? */
static enum lookup
is_in(struct directory *d, const struct entry *account, const char *group,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf dn = { .max = DN_MAX };
	CLEANUP(entry_unref) struct entry *e = NULL;
	enum lookup found;

	buf_append_fmt(&dn, "cn=%s,ou=admins,ou=%s,ou=tenants,%s", group,
	    account->tenant, d->base);
	if (buf_check(&dn, err) == -1)
		return LOOKUP_FAILED;
	found = directory_find(d, KEY_DN, buf_span(&dn), &e, err);
	if (found != LOOKUP_FOUND)
		return found;
	return e->kind == ENTRY_ROLE &&
		       entry_has(e, ATTR_MEMBER, entry_get(account, ATTR_DN))
		   ? LOOKUP_FOUND
		   : LOOKUP_NONE;
}

static enum lookup
desk_may(struct directory *d, const struct entry *account, struct err *err)
{
	if (entry_get(account, ATTR_ACT_AS).p != NULL)
		return LOOKUP_NONE;
	switch (is_in(d, account, "owners", err)) {
	case LOOKUP_FOUND:
		return LOOKUP_NONE;
	case LOOKUP_NONE:
		return LOOKUP_FOUND;
	case LOOKUP_FAILED:
		break;
	}
	return LOOKUP_FAILED;
}

static enum lookup
may(struct directory *d, const struct entry *actor, const struct entry *account,
    struct err *err)
{
	enum lookup found;

	if (actor->kind == ENTRY_ACTOR)
		return names(d, actor, "", "") ||
			       names(d, actor, "ou=", account->tenant)
			   ? LOOKUP_FOUND
			   : LOOKUP_NONE;
	/* Never across the border, whatever the directory says. */
	if (strcmp(actor->tenant, account->tenant) != 0 ||
	    !names(d, actor, "ou=", actor->tenant))
		return LOOKUP_NONE;
	found = is_in(d, actor, "owners", err);
	if (found != LOOKUP_NONE)
		return found;
	found = is_in(d, actor, "helpdesk", err);
	return found == LOOKUP_FOUND ? desk_may(d, account, err) : found;
}

enum lookup
act_as(struct directory *d, const struct login_name *actor, struct span wanted,
    struct account_info *account_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *who = NULL, *e = NULL;
	enum lookup found = directory_find_identity(d, actor, &who, err);

	if (found == LOOKUP_FOUND)
		found = directory_find_login(d, wanted, &e, err);
	/* One's own other names. */
	if (found == LOOKUP_FOUND &&
	    !span_eq(entry_get(who, ATTR_UUID), entry_get(e, ATTR_UUID)))
		found = may(d, who, e, err);
	if (found == LOOKUP_FOUND)
		found = info_account(d, e, account_out, err);
	return found == LOOKUP_FOUND && account_out->status == ACCOUNT_DELETED
		   ? LOOKUP_NONE
		   : found;
}
