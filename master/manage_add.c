/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku KIND add. */
#include <stdio.h>
#include <string.h>

#include "master/manage.h"
#include "master/manage_new.h"
#include "tenants/naming.h"

static const struct field address_field = { "address", "mail", FIELD_OWN, 0,
	NULL, "" };
static const struct field domain_field = { "domain", "associatedDomain",
	FIELD_DOMAIN, 0, NULL, "" };

static void
put(struct changes *c, const char *attribute, struct span value)
{
	changes_value(c, LDAP_MOD_ADD, attribute, value);
}

/* What an entry must have, where nobody said anything else. */
static void
put_default(struct changes *c, const char *attribute, struct span value)
{
	if (!changes_has(c, attribute))
		put(c, attribute, value);
}

/* The first value that is to be written. */
static struct span
value_of(const struct changes *c, const char *attribute, struct span otherwise)
{
	for (size_t i = 0; i < c->len; i++)
		if (strcmp(c->mods[i]->mod_type, attribute) == 0 &&
		    c->mods[i]->mod_bvalues != NULL)
			return span_of(c->mods[i]->mod_bvalues[0]->bv_val,
			    c->mods[i]->mod_bvalues[0]->bv_len);
	return otherwise;
}

/* ---- accounts and groups ----------------------------------------------------
 */

int
manage_new_address(struct manage *m, struct span text, struct buf *address,
    struct buf *tenant, struct err *err)
{
	if (field_parse(&address_field, m->tenantd.base, text, address, err) ==
	    -1)
		return -1;
	return manage_tenant_of_address(m, buf_span(address), tenant, err);
}

int
manage_new_account(struct manage *m, struct span address, struct span tenant,
    struct buf *dn, struct changes *c, struct err *err)
{
	struct span local_part =
	    span_first(address, (size_t)span_rindex(address, '@'));

	naming_rdn(dn, "uid", address);
	buf_append_octet(dn, ',');
	naming_unit(dn, m->tenantd.base, tenant, "accounts");
	put(c, "objectClass", SPAN("inetOrgPerson"));
	put(c, "objectClass", SPAN("hkAccount"));
	put(c, "uid", address);
	put(c, "mail", address);
	put(c, "mailLocalAddress", address);
	if (manage_settings(m, NULL, c, err) == -1)
		return -1;
	put_default(c, "cn", value_of(c, "displayName", local_part));
	put_default(c, "sn", value_of(c, "cn", local_part));
	put_default(c, "hkStatus", SPAN("active"));
	return buf_check(dn, err) == -1 ? -1 : changes_check(c, err);
}

static int
new_group(struct manage *m, struct span address, struct span tenant,
    struct buf *dn, struct changes *c, struct err *err)
{
	naming_rdn(dn, "cn", address);
	buf_append_octet(dn, ',');
	naming_unit(dn, m->tenantd.base, tenant, "groups");
	put(c, "objectClass", SPAN("hkGroup"));
	put(c, "cn", address);
	put(c, "mail", address);
	put(c, "mailLocalAddress", address);
	if (manage_settings(m, NULL, c, err) == -1)
		return -1;
	put_default(c, "hkStatus", SPAN("active"));
	return buf_check(dn, err);
}

static int
add_addressed(struct manage *m, struct buf *dn, struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	CLEANUP(buf_fini) struct buf address;
	CLEANUP(buf_fini) struct buf tenant;
	struct span name = span_str(m->options.names[0]);
	uint64_t left = UINT64_MAX;
	int rc;

	changes_init(&changes);
	buf_init(&address, FIELD_VALUE_MAX);
	buf_init(&tenant, FIELD_VALUE_MAX);
	if (manage_new_address(m, name, &address, &tenant, err) == -1 ||
	    (m->kind->id == KIND_ACCOUNT &&
		manage_room(m, buf_span(&tenant), &left, err) == -1))
		return -1;
	if (left == 0)
		return err_set(
		    err, ERR_LIMIT, "max-accounts of the tenant is reached");
	rc = m->kind->id == KIND_ACCOUNT
		 ? manage_new_account(m, buf_span(&address), buf_span(&tenant),
		       dn, &changes, err)
		 : new_group(m, buf_span(&address), buf_span(&tenant), dn,
		       &changes, err);
	if (rc == 0 && m->options.ask_password)
		rc = manage_password_ask(m, NULL, LDAP_MOD_ADD, &changes, err);
	if (rc == 0)
		rc = editor_add(m->editor, buf_str(dn), &changes, err);
	return rc;
}

/* ---- domains and classes ----------------------------------------------------
 */

static void
owners_dn(const struct manage *m, struct span tenant, struct buf *dn)
{
	buf_append_str(dn, "cn=owners,");
	naming_unit(dn, m->tenantd.base, tenant, "admins");
}

int
manage_new_domain(struct manage *m, struct span name, struct span tenant,
    struct buf *dn, struct changes *c, struct err *err)
{
	CLEANUP(buf_fini) struct buf domain;
	CLEANUP(buf_fini) struct buf owners;

	buf_init(&domain, FIELD_VALUE_MAX);
	buf_init(&owners, DN_MAX);
	if (field_parse(&domain_field, m->tenantd.base, name, &domain, err) ==
	    -1)
		return -1;
	naming_rdn(dn, "associatedDomain", buf_span(&domain));
	buf_append_octet(dn, ',');
	naming_unit(dn, m->tenantd.base, tenant, "domains");
	owners_dn(m, tenant, &owners);
	put(c, "objectClass", SPAN("hkDomain"));
	put(c, "associatedDomain", buf_span(&domain));
	put(c, "hkAdminGroup", buf_span(&owners));
	return buf_check(dn, err) == -1 ? -1 : buf_check(&owners, err);
}

/* The tenant it shall be in: --tenant, or the one of --as. */
static int
tenant_of_scope(const struct manage *m, struct buf *tenant, struct err *err)
{
	if (naming_tenant_of(buf_span(&m->scope), m->tenantd.base, tenant))
		return buf_check(tenant, err);
	return err_set(
	    err, ERR_SYNTAX, "whose is it? expected --tenant TENANT");
}

static int
add_domain(struct manage *m, struct buf *dn, struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	CLEANUP(buf_fini) struct buf tenant;

	changes_init(&changes);
	buf_init(&tenant, FIELD_VALUE_MAX);
	if (tenant_of_scope(m, &tenant, err) == -1 ||
	    manage_new_domain(m, span_str(m->options.names[0]),
		buf_span(&tenant), dn, &changes, err) == -1 ||
	    manage_settings(m, NULL, &changes, err) == -1)
		return -1;
	put_default(&changes, "hkTenantStatus", SPAN("active"));
	return editor_add(m->editor, buf_str(dn), &changes, err);
}

static int
add_class(struct manage *m, struct buf *dn, struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	struct span name = span_str(m->options.names[0]);

	changes_init(&changes);
	naming_class(dn, m->tenantd.base, name);
	put(&changes, "objectClass", SPAN("hkClassOfService"));
	put(&changes, "objectClass", SPAN("hkLimits"));
	put(&changes, "cn", name);
	if (buf_check(dn, err) == -1 ||
	    manage_settings(m, NULL, &changes, err) == -1)
		return -1;
	return editor_add(m->editor, buf_str(dn), &changes, err);
}

/* ---- the verb ---------------------------------------------------------------
 */

int
manage_add(struct manage *m)
{
	CLEANUP(buf_fini) struct buf dn;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int rc = -1;

	buf_init(&dn, DN_MAX);
	switch (m->kind->id) {
	case KIND_ACCOUNT:
	case KIND_GROUP:
		rc = add_addressed(m, &dn, &err);
		break;
	case KIND_DOMAIN:
		rc = add_domain(m, &dn, &err);
		break;
	case KIND_CLASS:
		rc = add_class(m, &dn, &err);
		break;
	case KIND_TENANT:
		rc = manage_add_tenant(m, &err);
		break;
	}
	return rc == -1 ? manage_fail(m, name, &err) : MANAGE_DONE;
}
