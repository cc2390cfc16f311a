/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku domain rename.
 *
 *	1. the new domain is made, if it is not there yet
 *	2. the old one becomes an alias of it: from now on mail and logins for
 *	   either name reach those who are renamed already
 *	3. each account and group whose addresses are in the old one is renamed
 *	4. what names the old domain follows
 *	5. the old domain goes, unless it shall stay an alias
 *
 * Each step finds what is left to do, so that a command that was cut short is
 * given once more.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/manage_new.h"
#include "master/manage_rename.h"
#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

static const struct field domain_field = { "domain", "associatedDomain",
	FIELD_DOMAIN, 0, NULL, "" };

struct move {
	struct manage *m;
	struct mapping map;
	struct buf from, to, tenant, from_dn, to_dn;
	char **dns; /* entries to be renamed */
	size_t dns_len, dns_cap;
	unsigned long renamed, refused;
};

static void
move_init(struct move *v, struct manage *m)
{
	memset(v, 0, sizeof(*v));
	v->m = m;
	v->map.domain = true;
	buf_init(&v->from, 512);
	buf_init(&v->to, 512);
	buf_init(&v->tenant, 256);
	buf_init(&v->from_dn, DN_MAX);
	buf_init(&v->to_dn, DN_MAX);
}

static void
move_fini(struct move *v)
{
	for (size_t i = 0; i < v->dns_len; i++)
		ldap_memfree(v->dns[i]);
	free(v->dns);
	buf_fini(&v->from);
	buf_fini(&v->to);
	buf_fini(&v->tenant);
	buf_fini(&v->from_dn);
	buf_fini(&v->to_dn);
}
CLEANUP_DEFINE_VALUE(struct move, move_fini)

/* ---- both domains -----------------------------------------------------------
 */

/* Its catch-all stands in the old one until that is renamed, too. */
static int
make_new(struct move *v, const struct found *old, struct err *err)
{
	static const char *const copied[] = { "hkTenantStatus", "hkCatchAll",
		"description" };
	CLEANUP(changes_fini) struct changes c;

	changes_init(&c);
	if (manage_new_domain(v->m, buf_span(&v->to), buf_span(&v->tenant),
		&v->to_dn, &c, err) == -1)
		return -1;
	for (size_t i = 0; i < sizeof(copied) / sizeof(*copied); i++) {
		CLEANUP(buf_fini) struct buf value;

		buf_init(&value, FIELD_VALUE_MAX);
		if (entry_value(editor_ldap(v->m->editor), old->entry,
			copied[i], &value))
			changes_value(
			    &c, LDAP_MOD_ADD, copied[i], buf_span(&value));
	}
	return editor_add(v->m->editor, buf_str(&v->to_dn), &c, err);
}

static int
check_new(struct move *v, const struct found *new, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 512);
	(void)naming_tenant_of(span_str(new->dn), v->m->tenantd.base, &text);
	if (!span_eq(buf_span(&text), buf_span(&v->tenant)))
		return err_set(err, ERR_POLICY, "%.80s is a domain of %.63s",
		    buf_str(&v->to), buf_str(&text));
	buf_clear(&text);
	if (entry_value(
		editor_ldap(v->m->editor), new->entry, "hkAliasDomain", &text))
		return err_set(err, ERR_POLICY,
		    "%.80s is another name of %.80s; expected a domain of its "
		    "own",
		    buf_str(&v->to), buf_str(&text));
	buf_append_str(&v->to_dn, new->dn);
	return 0;
}

static int
become_alias(struct move *v, struct err *err)
{
	CLEANUP(changes_fini) struct changes c;

	changes_init(&c);
	changes_value(&c, LDAP_MOD_REPLACE, "hkAliasDomain", buf_span(&v->to));
	/* What is for nobody is for the new one's. */
	changes_clear(&c, "hkCatchAll");
	return editor_modify(v->m->editor, buf_str(&v->from_dn), &c, err);
}

/* 1: there is no old one. */
static int
prepare(struct move *v, struct err *err)
{
	CLEANUP(found_fini) struct found old = { NULL, NULL, NULL };
	CLEANUP(found_fini) struct found new = { NULL, NULL, NULL };
	struct manage *m = v->m;
	const char *base = m->tenantd.base;

	if (field_parse(&domain_field, base, span_str(m->options.names[0]),
		&v->from, err) == -1 ||
	    field_parse(&domain_field, base, span_str(m->options.names[1]),
		&v->to, err) == -1 ||
	    manage_find(m, m->kind, buf_span(&v->from), &old, err) == -1)
		return -1;
	if (old.entry == NULL)
		return 1;
	v->map.from = buf_span(&v->from);
	v->map.to = buf_span(&v->to);
	buf_append_str(&v->from_dn, old.dn);
	if (!naming_tenant_of(span_str(old.dn), base, &v->tenant))
		return err_set(err, ERR_POLICY, "it is in no tenant's branch");
	if (span_eq(v->map.from, v->map.to))
		return err_set(err, ERR_SYNTAX, "expected another name");
	if (manage_find(m, m->kind, v->map.to, &new, err) == -1 ||
	    (new.entry == NULL ? make_new(v, &old, err)
			       : check_new(v, &new, err)) == -1)
		return -1;
	return become_alias(v, err);
}

/* ---- accounts and groups ----------------------------------------------------
 */

static bool
has_old(const struct move *v, LDAP *ld, LDAPMessage *entry)
{
	static const char *const attributes[] = { "mail", "mailLocalAddress",
		"hkIntlAddress", "uid", "cn" };
	bool has = false;

	for (size_t a = 0; a < sizeof(attributes) / sizeof(*attributes); a++) {
		struct berval **values =
		    ldap_get_values_len(ld, entry, attributes[a]);

		for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
			CLEANUP(buf_fini) struct buf mapped;

			buf_init(&mapped, FIELD_VALUE_MAX);
			has |= mapping_apply(&v->map,
			    span_of(values[i]->bv_val, values[i]->bv_len),
			    &mapped);
		}
		ldap_value_free_len(values);
	}
	return has;
}

static bool
note_entry(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct move *v = arg;

	if (!has_old(v, ld, entry))
		return true;
	if (v->dns_len == v->dns_cap) {
		size_t cap = v->dns_cap == 0 ? 1024 : v->dns_cap * 2;
		char **grown = reallocarray(v->dns, cap, sizeof(*grown));

		if (grown == NULL) {
			(void)err_set(err, ERR_TEMP, "out of memory");
			return false;
		}
		v->dns = grown;
		v->dns_cap = cap;
	}
	v->dns[v->dns_len++] = ldap_get_dn(ld, entry);
	return true;
}

static const char *const entry_attributes[] = { "mail", "mailLocalAddress",
	"hkIntlAddress", "rfc822MailMember", "uid", "cn", NULL };

static int
rename_noted(struct move *v, const char *dn, struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	struct editor_query query = { dn, LDAP_SCOPE_BASE, "(objectClass=*)",
		entry_attributes };

	if (editor_find(v->m->editor, &query, &found, err) == -1)
		return -1;
	/* Removed meanwhile, by somebody else. */
	return found.entry == NULL
		   ? 0
		   : rename_entry(v->m, &v->map, found.entry, err);
}

static void
show_progress(const struct move *v, size_t done)
{
	if (isatty(2) != 1 || v->m->options.quiet || done % 50 != 0)
		return;
	(void)fprintf(stderr, "\r\033[K%zu of %zu renamed", done, v->dns_len);
}

static int
rename_people(struct move *v, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=hkAccount)(objectClass=hkGroup))",
		entry_attributes };

	buf_init(&base, DN_MAX);
	naming_tenant(&base, v->m->tenantd.base, buf_span(&v->tenant));
	query.base = buf_str(&base);
	if (editor_search(v->m->editor, &query, note_entry, v, err) == -1)
		return -1;
	for (size_t i = 0; i < v->dns_len; i++) {
		struct err why = ERR_INIT;

		show_progress(v, i);
		if (rename_noted(v, v->dns[i], &why) == 0) {
			v->renamed++;
		} else if (why.kind == ERR_TEMP) {
			*err = why;
			return -1;
		} else {
			v->refused++;
			(void)manage_fail(v->m, v->dns[i], &why);
		}
	}
	if (isatty(2) == 1 && !v->m->options.quiet)
		(void)fputs("\r\033[K", stderr);
	return 0;
}

/* ---- what names the domain --------------------------------------------------
 */

static bool
follow_domain(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	static const char *const attributes[] = { "hkAliasDomain",
		"hkPrimaryDomain" };
	struct move *v = arg;
	CLEANUP(changes_fini) struct changes c;
	char *dn = ldap_get_dn(ld, entry);
	int rc = 0;

	changes_init(&c);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(buf_fini) struct buf value;

		buf_init(&value, 512);
		if (entry_value(ld, entry, attributes[i], &value) &&
		    span_eq_nocase(buf_span(&value), v->map.from))
			changes_value(
			    &c, LDAP_MOD_REPLACE, attributes[i], v->map.to);
	}
	if (dn != NULL && c.len > 0)
		rc = editor_modify(v->m->editor, dn, &c, err);
	ldap_memfree(dn);
	return rc == 0;
}

static int
follow_all(struct move *v, struct err *err)
{
	static const char *const attrs[] = { "hkAliasDomain", "hkPrimaryDomain",
		NULL };
	CLEANUP(buf_fini) struct buf base;
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=hkDomain)(objectClass=hkTenant))", attrs };

	buf_init(&base, DN_MAX);
	naming_tenant(&base, v->m->tenantd.base, buf_span(&v->tenant));
	query.base = buf_str(&base);
	if (rename_followers(v->m, &v->map, buf_span(&v->tenant), err) == -1)
		return -1;
	return editor_search(v->m->editor, &query, follow_domain, v, err);
}

/* ---- the verb ---------------------------------------------------------------
 */

int
manage_rename_domain(struct manage *m)
{
	CLEANUP(move_fini) struct move v;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int rc;

	move_init(&v, m);
	rc = prepare(&v, &err);
	if (rc == 1)
		return manage_not_found(m, name);
	if (rc == 0)
		rc = rename_people(&v, &err);
	if (rc == 0)
		rc = follow_all(&v, &err);
	if (rc == 0 && v.refused == 0 && !m->options.keep_old)
		rc = editor_delete(m->editor, buf_str(&v.from_dn), &err);
	if (rc == -1)
		return manage_fail(m, name, &err);
	if (!m->options.quiet)
		(void)printf("%lu accounts and groups renamed, %lu refused%s\n",
		    v.renamed, v.refused,
		    v.refused > 0 || m->options.keep_old
			? "; the old domain stays, as an alias"
			: "");
	return v.refused > 0 ? MANAGE_PARTLY : MANAGE_DONE;
}
