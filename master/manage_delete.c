/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku KIND delete, undelete.
 *
 * Accounts, groups and tenants are deleted in two steps: first they are marked
 * and are as if not there, but keep their addresses and their mail; when the
 * time in hkDeleteAfter has come, purge removes them.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "master/manage.h"
#include "tenants/naming.h"

/* ---- the grace --------------------------------------------------------------
 */

/* --days, or the smallest hkUndeleteDays of entry, tenant and classes. */
static int
grace_of(struct manage *m, const struct found *found, uint64_t *days_out,
    struct err *err)
{
	CLEANUP(found_fini) struct found tenant = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf name;
	uint64_t days = UINT64_MAX;

	buf_init(&name, 256);
	if (m->options.days != NULL) {
		if (!span_to_u64(span_str(m->options.days), days_out) ||
		    *days_out > 36500)
			return err_set(err, ERR_SYNTAX,
			    "--days: \"%.40s\"; expected a number of days",
			    m->options.days);
		return 0;
	}
	if (manage_limit(m, found, "hkUndeleteDays", &days, err) == -1)
		return -1;
	if (m->kind->id != KIND_TENANT &&
	    naming_tenant_of(span_str(found->dn), m->tenantd.base, &name) &&
	    (manage_find(m, kind_of(KIND_TENANT), buf_span(&name), &tenant,
		 err) == -1 ||
		manage_limit(m, &tenant, "hkUndeleteDays", &days, err) == -1))
		return -1;
	*days_out = days == UINT64_MAX ? m->conf.undelete_days : days;
	return 0;
}

/* ---- two steps --------------------------------------------------------------
 */

static int
mark(
    struct manage *m, const struct found *found, char when[32], struct err *err)
{
	CLEANUP(changes_fini) struct changes changes;
	char filter[64];
	uint64_t days;
	time_t then;
	struct tm tm;

	changes_init(&changes);
	if (grace_of(m, found, &days, err) == -1)
		return -1;
	then = time(NULL) + (time_t)(days * 86400);
	if (gmtime_r(&then, &tm) == NULL ||
	    strftime(when, 32, "%Y%m%d%H%M%SZ", &tm) == 0)
		return err_set(err, ERR_SYNTAX, "--days: too many");
	(void)snprintf(
	    filter, sizeof(filter), "(!(%s=deleted))", m->kind->status);
	changes_value(
	    &changes, LDAP_MOD_REPLACE, m->kind->status, SPAN("deleted"));
	changes_value(
	    &changes, LDAP_MOD_REPLACE, "hkDeleteAfter", span_str(when));
	if (editor_modify_if(m->editor, found->dn, filter, &changes, err) == 0)
		return 0;
	return editor_code(m->editor) == LDAP_ASSERTION_FAILED
		   ? err_set(err, ERR_POLICY, "it is deleted already")
		   : -1;
}

static void
tell_grace(const struct manage *m, const char *when)
{
	const struct field *f = kind_field_find(m->kind, SPAN("delete-after"));
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 64);
	field_format(f, FIELD_FRIENDLY, span_str(when), &text);
	if (!m->options.quiet)
		(void)printf("deleted; \"hikyaku %s undelete\" brings it back "
			     "until it is purged, after %s\n",
		    m->kind->name, buf_str(&text));
}

/* ---- at once: domains and classes -------------------------------------------
 */

struct users {
	const struct manage *m;
	struct span name;
	char first[FIELD_VALUE_MAX]; /* somebody who needs it */
};

static bool
in_domain(struct span value, struct span domain)
{
	ptrdiff_t at = span_rindex(value, '@');

	return at != -1 &&
	       span_eq_nocase(span_from(value, (size_t)at + 1), domain);
}

/* Does an entry need this domain? */
static bool
needs_domain(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	static const char *const attrs[] = { "mail", "mailLocalAddress",
		"hkIntlAddress", "uid", "hkAliasDomain", "hkPrimaryDomain" };
	struct users *u = arg;

	(void)err;
	for (size_t a = 0; a < sizeof(attrs) / sizeof(*attrs); a++) {
		struct berval **values =
		    ldap_get_values_len(ld, entry, attrs[a]);

		for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
			struct span value =
			    span_of(values[i]->bv_val, values[i]->bv_len);

			if (u->first[0] == '\0' &&
			    (in_domain(value, u->name) ||
				(a >= 4 && span_eq_nocase(value, u->name))))
				(void)snprintf(u->first, sizeof(u->first),
				    "%.*s", SPAN_FMT(value));
		}
		ldap_value_free_len(values);
	}
	return true;
}

static bool
needs_class(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct users *u = arg;
	char *dn = ldap_get_dn(ld, entry);

	(void)err;
	if (u->first[0] == '\0')
		(void)snprintf(u->first, sizeof(u->first), "%s", dn);
	ldap_memfree(dn);
	return true;
}

static int
check_unused(struct manage *m, const struct found *found, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	static const char *const attrs[] = { "mail", "mailLocalAddress",
		"hkIntlAddress", "uid", "hkAliasDomain", "hkPrimaryDomain",
		NULL };
	CLEANUP(mem_free) struct users *u = calloc(1, sizeof(*u));
	CLEANUP(buf_fini) struct buf filter;
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE, NULL, attrs };

	buf_init(&base, DN_MAX);
	buf_init(&filter, DN_MAX + 64);
	if (u == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	u->m = m;
	u->name = span_str(m->options.names[0]);
	if (m->kind->id == KIND_CLASS)
		buf_append_fmt(&filter, "(hkClass=%s)", found->dn);
	else
		buf_append_str(&filter,
		    "(|(objectClass=hkAccount)(objectClass=hkGroup)"
		    "(objectClass=hkDomain)(objectClass=hkTenant))");
	naming_tenants(&base, m->tenantd.base);
	query.base = buf_str(m->kind->id == KIND_CLASS ? &base : &m->scope);
	query.filter = buf_str(&filter);
	if (editor_search(m->editor, &query,
		m->kind->id == KIND_CLASS ? needs_class : needs_domain, u,
		err) == -1)
		return -1;
	if (u->first[0] != '\0')
		return err_set(err, ERR_POLICY,
		    "%.160s needs it; expected one that nobody needs",
		    u->first);
	return 0;
}

/* ---- verbs ------------------------------------------------------------------
 */

int
manage_delete(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	char when[32] = "";
	int status, rc;

	if (manage_must_find_primary(m, name, &found, &status) == -1)
		return status;
	if (m->kind->id == KIND_DOMAIN || m->kind->id == KIND_CLASS) {
		rc = check_unused(m, &found, &err);
		if (rc == 0)
			rc = editor_delete(m->editor, found.dn, &err);
	} else {
		rc = mark(m, &found, when, &err);
	}
	if (rc == -1)
		return manage_fail(m, name, &err);
	if (when[0] != '\0')
		tell_grace(m, when);
	return MANAGE_DONE;
}

int
manage_undelete(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(changes_fini) struct changes changes;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	char filter[64];
	int status;

	changes_init(&changes);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	(void)snprintf(filter, sizeof(filter), "(%s=deleted)", m->kind->status);
	changes_value(&changes, LDAP_MOD_REPLACE, m->kind->status,
	    span_str(m->kind->active));
	changes_clear(&changes, "hkDeleteAfter");
	if (editor_modify_if(m->editor, found.dn, filter, &changes, &err) == 0)
		return MANAGE_DONE;
	if (editor_code(m->editor) == LDAP_ASSERTION_FAILED)
		(void)err_set(&err, ERR_POLICY, "it is not deleted");
	return manage_fail(m, name, &err);
}
