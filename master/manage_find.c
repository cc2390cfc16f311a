/* SPDX-License-Identifier: BSD-2-Clause */
/* From a name to its entry. */
#include <stdio.h>
#include <string.h>

#include "master/manage.h"
#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

/* Appends (attribute=value). */
static void
equals(struct buf *filter, const char *attribute, struct span value)
{
	buf_append_octet(filter, '(');
	buf_append_str(filter, attribute);
	buf_append_octet(filter, '=');
	ldap_filter_escape(value, filter);
	buf_append_octet(filter, ')');
}

static void
name_filter(const struct kind *kind, struct span name, struct buf *filter)
{
	buf_append_str(filter, "(&");
	equals(filter, "objectClass", span_str(kind->object_class));
	switch (kind->id) {
	case KIND_TENANT:
		equals(filter, "ou", name);
		break;
	case KIND_DOMAIN:
		equals(filter, "associatedDomain", name);
		break;
	case KIND_CLASS:
		equals(filter, "cn", name);
		break;
	case KIND_ACCOUNT:
	case KIND_GROUP:
		buf_append_str(filter, "(|");
		equals(filter, "mailLocalAddress", name);
		equals(filter, "hkIntlAddress", name);
		if (kind->id == KIND_ACCOUNT)
			equals(filter, "uid", name);
		buf_append_octet(filter, ')');
		break;
	}
	buf_append_octet(filter, ')');
}

/* Within a tenant it is the container, since parents may search that only. */
void
manage_list_base(
    const struct manage *m, const struct kind *kind, struct buf *base)
{
	static const char *const units[] = {
		[KIND_DOMAIN] = "ou=domains,",
		[KIND_ACCOUNT] = "ou=accounts,",
		[KIND_GROUP] = "ou=groups,",
	};
	CLEANUP(buf_fini) struct buf tenant;

	buf_init(&tenant, 256);
	if (kind->id == KIND_CLASS) {
		buf_append_fmt(
		    base, "ou=classes,ou=platform,%s", m->tenantd.base);
		return;
	}
	if (kind->id != KIND_TENANT &&
	    naming_tenant_of(buf_span(&m->scope), m->tenantd.base, &tenant))
		buf_append_str(base, units[kind->id]);
	buf_append(base, buf_span(&m->scope));
}

/* A tenant and a class have one place; everything else is looked for. */
static int
append_base(const struct manage *m, const struct kind *kind, struct span name,
    struct buf *base)
{
	if (kind->id == KIND_TENANT)
		naming_tenant(base, m->tenantd.base, name);
	else if (kind->id == KIND_CLASS)
		naming_class(base, m->tenantd.base, name);
	else
		manage_list_base(m, kind, base);
	return kind->id == KIND_TENANT || kind->id == KIND_CLASS
		   ? LDAP_SCOPE_BASE
		   : LDAP_SCOPE_SUBTREE;
}

/* Users without rights see one entry, their own, and can search nothing. */
static int
find_self(struct manage *m, const struct editor_query *query,
    struct found *found_out, struct err *err)
{
	struct editor_query self = *query;

	self.base = editor_bind_dn(m->editor);
	self.scope = LDAP_SCOPE_BASE;
	return editor_find(m->editor, &self, found_out, err);
}

int
manage_find(struct manage *m, const struct kind *kind, struct span name,
    struct found *found_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf filter;
	CLEANUP(buf_fini) struct buf base;
	const char *attrs[KIND_ATTRS_MAX];
	struct editor_query query = { .attrs = attrs };

	memset(found_out, 0, sizeof(*found_out));
	buf_init(&filter, FILTER_MAX);
	buf_init(&base, DN_MAX);
	name_filter(kind, name, &filter);
	query.scope = append_base(m, kind, name, &base);
	kind_attributes(kind, attrs);
	if (buf_check(&filter, err) == -1 || buf_check(&base, err) == -1)
		return -1;
	query.base = buf_str(&base);
	query.filter = buf_str(&filter);
	if (editor_find(m->editor, &query, found_out, err) == -1)
		return -1;
	if (found_out->entry != NULL || kind->id != KIND_ACCOUNT ||
	    m->options.as == NULL)
		return 0;
	found_fini(found_out);
	return find_self(m, &query, found_out, err);
}

int
manage_must_find(
    struct manage *m, const char *name, struct found *found_out, int *status)
{
	struct err err = ERR_INIT;

	if (manage_find(m, m->kind == NULL ? kind_of(KIND_ACCOUNT) : m->kind,
		span_str(name), found_out, &err) == -1) {
		*status = manage_fail(m, name, &err);
		return -1;
	}
	if (found_out->entry == NULL) {
		*status = manage_not_found(m, name);
		return -1;
	}
	return 0;
}

int
manage_must_find_primary(
    struct manage *m, const char *name, struct found *found_out, int *status)
{
	CLEANUP(buf_fini) struct buf primary;
	const char *attribute = kind_field(m->kind, 0)->attribute;

	buf_init(&primary, FIELD_VALUE_MAX);
	if (manage_must_find(m, name, found_out, status) == -1)
		return -1;
	(void)entry_value(
	    editor_ldap(m->editor), found_out->entry, attribute, &primary);
	if (span_eq_nocase(buf_span(&primary), span_str(name)))
		return 0;
	(void)fprintf(
	    stderr, "hikyaku: %s %s: that is another name of ", m->title, name);
	manage_print(stderr, buf_span(&primary));
	(void)fputs("; expected its first one\n", stderr);
	*status = MANAGE_REFUSED;
	return -1;
}

int
manage_person(
    struct manage *m, struct span address, struct buf *dn, struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };

	if (manage_find(m, kind_of(KIND_ACCOUNT), address, &found, err) == -1)
		return -1;
	if (found.entry == NULL)
		return err_set(err, ERR_POLICY, "there is no account %.*s",
		    SPAN_FMT(span_first(address, 120)));
	buf_append_str(dn, found.dn);
	return buf_check(dn, err);
}

int
manage_tenant_of_address(
    struct manage *m, struct span address, struct buf *tenant, struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	ptrdiff_t at = span_rindex(address, '@');
	struct span domain = span_from(address, (size_t)(at + 1));

	if (manage_find(m, kind_of(KIND_DOMAIN), domain, &found, err) == -1)
		return -1;
	if (found.entry == NULL)
		return err_set(err, ERR_POLICY,
		    "there is no domain %.*s that %.80s may see; expected one "
		    "of \"hikyaku domain list\"",
		    SPAN_FMT(span_first(domain, 80)),
		    editor_bind_dn(m->editor));
	if (!naming_tenant_of(span_str(found.dn), m->tenantd.base, tenant))
		return err_set(err, ERR_POLICY,
		    "the domain %.*s is in no tenant's branch",
		    SPAN_FMT(span_first(domain, 80)));
	return buf_check(tenant, err);
}
