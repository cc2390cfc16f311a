/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/manage_references.h"

#include <string.h>

#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

static const char *const attributes[] = { "member", "owner", "hkParent" };

struct references {
	struct manage *m;
	struct batch *batch;
	const char *old_dn, *new_dn;
};

static bool
has_value(LDAP *ld, LDAPMessage *entry, const char *attribute, const char *dn,
    size_t *count_out)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	bool has = false;

	*count_out = 0;
	for (; values != NULL && values[*count_out] != NULL; (*count_out)++)
		has |= span_eq_nocase(span_of(values[*count_out]->bv_val,
					  values[*count_out]->bv_len),
		    span_str(dn));
	ldap_value_free_len(values);
	return has;
}

static int
flush_if_full(struct batch *batch, struct err *err)
{
	return batch->len + 1 >= BATCH_MAX ? batch_commit(batch, NULL, err) : 0;
}

int
manage_member_leave(struct manage *m, struct batch *batch, LDAPMessage *group,
    const char *member_dn, bool *left_out, struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	CLEANUP(buf_fini) struct buf name;
	LDAP *ld = editor_ldap(m->editor);
	char *dn = ldap_get_dn(ld, group);
	size_t count;
	int rc = 0;

	changes_init(&changes);
	buf_init(&name, 256);
	(void)entry_value(ld, group, "cn", &name);
	*left_out =
	    dn != NULL && has_value(ld, group, "member", member_dn, &count);
	if (!*left_out) {
		ldap_memfree(dn);
		return 0;
	}
	changes_value(&changes, LDAP_MOD_DELETE, "member", span_str(member_dn));
	if (count == 1 && span_eq_nocase(buf_span(&name), SPAN("owners")))
		changes_value(&changes, LDAP_MOD_ADD, "member",
		    span_str(m->conf.bind_dn));
	if (count == 1 && !span_eq_nocase(buf_span(&name), SPAN("owners")))
		rc = editor_delete(m->editor, dn, err);
	else
		rc = batch_modify(batch, dn, &changes, err);
	ldap_memfree(dn);
	return rc;
}

static int
replace_in(
    const struct references *r, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	char *dn = ldap_get_dn(ld, entry);
	size_t count;
	int rc;

	changes_init(&changes);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		if (!has_value(ld, entry, attributes[i], r->old_dn, &count))
			continue;
		changes_value(&changes, LDAP_MOD_DELETE, attributes[i],
		    span_str(r->old_dn));
		if (r->new_dn != NULL)
			changes_value(&changes, LDAP_MOD_ADD, attributes[i],
			    span_str(r->new_dn));
	}
	rc = dn == NULL ? err_set(err, ERR_TEMP, "entry without a DN")
			: batch_modify(r->batch, dn, &changes, err);
	ldap_memfree(dn);
	return rc;
}

static bool
each(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	const struct references *r = arg;
	CLEANUP(buf_fini) struct buf class;
	bool is_role, left;

	/* The structural class comes first in what we and slapd write, but
	 * nobody promises that. */
	buf_init(&class, 64);
	(void)entry_value(ld, entry, "structuralObjectClass", &class);
	is_role = span_eq_nocase(buf_span(&class), SPAN("groupOfNames"));
	if (flush_if_full(r->batch, err) == -1)
		return false;
	if (is_role && r->new_dn == NULL)
		return manage_member_leave(
			   r->m, r->batch, entry, r->old_dn, &left, err) == 0;
	return replace_in(r, ld, entry, err) == 0;
}

int
manage_references(struct manage *m, struct batch *batch, const char *old_dn,
    const char *new_dn, struct err *err)
{
	static const char *const attrs[] = { "cn", "member", "owner",
		"hkParent", "structuralObjectClass", NULL };
	CLEANUP(buf_fini) struct buf filter;
	CLEANUP(buf_fini) struct buf tenant;
	struct references r = { m, batch, old_dn, new_dn };
	struct editor_query query = { m->tenantd.base, LDAP_SCOPE_SUBTREE, NULL,
		attrs };

	buf_init(&filter, FILTER_MAX);
	buf_init(&tenant, 256);
	buf_append_str(&filter, "(|");
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++) {
		buf_append_fmt(&filter, "(%s=", attributes[i]);
		ldap_filter_escape(span_str(old_dn), &filter);
		buf_append_octet(&filter, ')');
	}
	buf_append_octet(&filter, ')');
	/* Whoever is of a tenant sees no more of the tree than that. */
	if (naming_tenant_of(buf_span(&m->scope), m->tenantd.base, &tenant) &&
	    m->options.as != NULL)
		query.base = buf_str(&m->scope);
	query.filter = buf_str(&filter);
	if (buf_check(&filter, err) == -1)
		return -1;
	return editor_search(m->editor, &query, each, &r, err);
}
