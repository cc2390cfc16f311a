/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku KIND purge: what is deleted and whose time has come goes for good.
 *
 * An account's mail is put aside, then what names it and its entry go, then the
 * mail.  Where this is cut short, the next purge finds what
 * is aside: mail without an entry is removed, mail whose owner was brought
 * back in between is put back.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "master/manage_references.h"
#include "store/removal.h"
#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

struct purge {
	struct manage *m;
	char expired[160]; /* filter: deleted, and the time has come */
	unsigned done, elsewhere, failed;
	int status; /* of the last failure */
};

/* One entry that may go. */
struct victim {
	char *dn;
	struct buf name, id, tenant, node;
};

static void
victim_init(struct victim *v, struct purge *p, LDAP *ld, LDAPMessage *entry)
{
	const char *key =
	    kind_field_find(p->m->kind, span_str(p->m->kind->key))->attribute;

	v->dn = ldap_get_dn(ld, entry);
	buf_init(&v->name, 512);
	buf_init(&v->id, 256);
	buf_init(&v->tenant, 256);
	buf_init(&v->node, 512);
	(void)entry_value(ld, entry, key, &v->name);
	if (!entry_value(ld, entry, "hkAccountId", &v->id))
		(void)entry_value(ld, entry, "entryUUID", &v->id);
	(void)entry_value(ld, entry, "mailHost", &v->node);
	if (v->dn != NULL)
		(void)naming_tenant_of(
		    span_str(v->dn), p->m->tenantd.base, &v->tenant);
}

static void
victim_fini(struct victim *v)
{
	ldap_memfree(v->dn);
	buf_fini(&v->name);
	buf_fini(&v->id);
	buf_fini(&v->tenant);
	buf_fini(&v->node);
}
CLEANUP_DEFINE_VALUE(struct victim, victim_fini)

static const char *
store_path(const struct purge *p)
{
	return p->m->ctx->top.store_directory;
}

/* A tenant, by its name or its DN. */
struct leftover {
	struct purge *p;
	struct span tenant;
};

/* ---- accounts and groups ----------------------------------------------------
 */

/* First all that names it: whoever gets its DN next shall find nothing. */
static int
remove_entry(struct purge *p, const struct victim *v, struct err *err)
{
	CLEANUP(batch_fini) struct batch batch;

	batch_init(&batch, p->m->editor);
	if (manage_references(p->m, &batch, v->dn, NULL, err) == -1 ||
	    batch_commit(&batch, NULL, err) == -1)
		return -1;
	return editor_delete_if(p->m->editor, v->dn, p->expired, err);
}

static int
finish_mail(
    struct purge *p, struct span tenant, struct span id, struct err *err)
{
	const char *path = store_path(p);

	/* Twice: something may have been aside before this purge. */
	if (removal_finish(path, tenant, id, err) == -1 ||
	    removal_put_aside(path, tenant, id, NULL, err) == -1)
		return -1;
	return removal_finish(path, tenant, id, err);
}

static int
purge_account(struct purge *p, const struct victim *v, struct err *err)
{
	struct span tenant = buf_span(&v->tenant), id = buf_span(&v->id);
	bool there;

	if (removal_put_aside(store_path(p), tenant, id, &there, err) == -1)
		return -1;
	if (remove_entry(p, v, err) == -1) {
		if (there)
			(void)removal_put_back(store_path(p), tenant, id, NULL);
		return -1;
	}
	return finish_mail(p, tenant, id, err);
}

/* ---- tenants ----------------------------------------------------------------
 */

struct subtree {
	char **dns;
	size_t len, cap;
};

static bool
note_dn(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct subtree *t = arg;

	if (t->len == t->cap) {
		size_t cap = t->cap == 0 ? 1024 : t->cap * 2;
		char **grown = reallocarray(t->dns, cap, sizeof(*grown));

		if (grown == NULL) {
			(void)err_set(err, ERR_TEMP, "out of memory");
			return false;
		}
		t->dns = grown;
		t->cap = cap;
	}
	t->dns[t->len++] = ldap_get_dn(ld, entry);
	return true;
}

static int
depth_of(const char *dn)
{
	int depth = 0;

	for (; *dn != '\0'; dn++)
		depth += *dn == ',';
	return depth;
}

/* What is deepest goes first, so that nothing stands in the air. */
static int
deeper_first(const void *a, const void *b)
{
	return depth_of(*(char *const *)b) - depth_of(*(char *const *)a);
}

static int
remove_subtree(
    struct purge *p, struct subtree *t, const char *top, struct err *err)
{
	qsort(t->dns, t->len, sizeof(*t->dns), deeper_first);
	for (size_t i = 0; i < t->len; i++)
		if ((strcmp(t->dns[i], top) == 0
			    ? editor_delete_if(
				  p->m->editor, top, p->expired, err)
			    : editor_delete(p->m->editor, t->dns[i], err)) ==
		    -1)
			return -1;
	return 0;
}

/* Services that may act for its people. */
static bool
leave_actor(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	const struct leftover *l = arg;
	CLEANUP(changes_fini) struct changes changes;
	char *dn = ldap_get_dn(ld, entry);
	int rc;

	changes_init(&changes);
	changes_value(&changes, LDAP_MOD_DELETE, "hkActAs", l->tenant);
	rc = dn == NULL ? 0 : editor_modify(l->p->m->editor, dn, &changes, err);
	ldap_memfree(dn);
	return rc == 0;
}

static int
leave_actors(struct purge *p, const char *tenant_dn, struct err *err)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct leftover l = { p, span_str(tenant_dn) };
	CLEANUP(buf_fini) struct buf base;
	CLEANUP(buf_fini) struct buf filter;
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE, NULL, attrs };

	buf_init(&base, DN_MAX);
	buf_init(&filter, FILTER_MAX);
	buf_append_fmt(&base, "ou=platform,%s", p->m->tenantd.base);
	buf_append_str(&filter, "(hkActAs=");
	ldap_filter_escape(l.tenant, &filter);
	buf_append_octet(&filter, ')');
	query.base = buf_str(&base);
	query.filter = buf_str(&filter);
	return editor_search(p->m->editor, &query, leave_actor, &l, err);
}

/* No way back from here: everything below the tenant, then its mail. */
static int
purge_tenant(struct purge *p, const struct victim *v, struct err *err)
{
	struct span tenant = buf_span(&v->tenant);
	static const char *const attrs[] = { "1.1", NULL };
	struct editor_query query = { v->dn, LDAP_SCOPE_SUBTREE,
		"(objectClass=*)", attrs };
	struct subtree t = { NULL, 0, 0 };
	int rc = leave_actors(p, v->dn, err);

	if (rc == 0)
		rc = editor_search(p->m->editor, &query, note_dn, &t, err);
	if (rc == 0)
		rc = remove_subtree(p, &t, v->dn, err);
	for (size_t i = 0; i < t.len; i++)
		ldap_memfree(t.dns[i]);
	free(t.dns);
	return rc == -1 ? -1 : finish_mail(p, tenant, SPAN_NONE, err);
}

/* ---- what is expired --------------------------------------------------------
 */

static int
purge_one(struct purge *p, const struct victim *v, struct err *err)
{
	switch (p->m->kind->id) {
	case KIND_ACCOUNT:
		return purge_account(p, v, err);
	case KIND_TENANT:
		return purge_tenant(p, v, err);
	case KIND_GROUP:
	case KIND_DOMAIN:
	case KIND_CLASS:
		break;
	}
	return remove_entry(p, v, err);
}

static bool
each(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct purge *p = arg;
	CLEANUP(victim_fini) struct victim v;
	struct err why = ERR_INIT;

	(void)err;
	victim_init(&v, p, ld, entry);
	if (v.node.len > 0 && !span_eq_nocase(buf_span(&v.node),
				  span_str(p->m->ctx->top.hostname == NULL
					       ? ""
					       : p->m->ctx->top.hostname))) {
		p->elsewhere++;
		return true;
	}
	if (v.dn != NULL && purge_one(p, &v, &why) == 0) {
		p->done++;
		return true;
	}
	p->failed++;
	p->status = manage_fail(p->m, buf_str(&v.name), &why);
	return true;
}

static int
purge_expired(struct purge *p, const char *only, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	CLEANUP(buf_fini) struct buf filter;
	const char *attrs[KIND_ATTRS_MAX];
	struct editor_query query = { .scope = LDAP_SCOPE_SUBTREE,
		.attrs = attrs };

	buf_init(&base, DN_MAX);
	buf_init(&filter, FILTER_MAX);
	kind_attributes(p->m->kind, attrs);
	if (only != NULL) {
		buf_append_str(&base, only);
		query.scope = LDAP_SCOPE_BASE;
	} else {
		manage_list_base(p->m, p->m->kind, &base);
	}
	buf_append_fmt(&filter, "(&(objectClass=%s)%s)",
	    p->m->kind->object_class, p->expired);
	if (buf_check(&base, err) == -1 || buf_check(&filter, err) == -1)
		return -1;
	query.base = buf_str(&base);
	query.filter = buf_str(&filter);
	return editor_search(p->m->editor, &query, each, p, err);
}

/* ---- what a purge that was cut short left -----------------------------------
 */

static bool
settle(void *arg, struct span id, struct err *err)
{
	const struct leftover *l = arg;
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf base;
	CLEANUP(buf_fini) struct buf status;
	char filter[320];
	static const char *const attrs[] = { "hkStatus", NULL };
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE, filter, attrs };

	buf_init(&base, DN_MAX);
	buf_init(&status, 64);
	naming_unit(&base, l->p->m->tenantd.base, l->tenant, "accounts");
	query.base = buf_str(&base);
	/* An id has letters, digits and hyphens. */
	(void)snprintf(filter, sizeof(filter),
	    "(|(hkAccountId=%.*s)(&(entryUUID=%.*s)(!(hkAccountId=*))))",
	    SPAN_FMT(id), SPAN_FMT(id));
	if (editor_find(l->p->m->editor, &query, &found, err) == -1)
		return false;
	if (found.entry == NULL)
		return finish_mail(l->p, l->tenant, id, err) == 0;
	(void)entry_value(
	    editor_ldap(l->p->m->editor), found.entry, "hkStatus", &status);
	return span_eq_nocase(buf_span(&status), SPAN("deleted")) ||
	       removal_put_back(store_path(l->p), l->tenant, id, err) == 0;
}

static bool
settle_tenant(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct purge *p = arg;
	CLEANUP(buf_fini) struct buf name;
	struct leftover l = { .p = p };

	buf_init(&name, 256);
	if (!entry_value(ld, entry, "ou", &name) ||
	    !naming_tenant_valid(buf_span(&name)))
		return true;
	l.tenant = buf_span(&name);
	return removal_each(store_path(p), l.tenant, settle, &l, err) == 0;
}

static int
settle_all(struct purge *p, struct err *err)
{
	static const char *const attrs[] = { "ou", NULL };
	struct editor_query query = { buf_str(&p->m->scope), LDAP_SCOPE_SUBTREE,
		"(objectClass=hkTenant)", attrs };

	return editor_search(p->m->editor, &query, settle_tenant, p, err);
}

/* ---- the verb ---------------------------------------------------------------
 */

static int
expired_filter(struct purge *p, struct err *err)
{
	time_t now = time(NULL);
	char text[32];
	struct tm tm;

	if (gmtime_r(&now, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm) == 0)
		return err_set(err, ERR_TEMP, "no time");
	(void)snprintf(p->expired, sizeof(p->expired),
	    "(&(%s=deleted)(hkDeleteAfter<=%s))", p->m->kind->status, text);
	return 0;
}

static int
purge_named(struct purge *p, struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	int status;

	if (manage_must_find_primary(
		p->m, p->m->options.names[0], &found, &status) == -1) {
		p->status = status;
		return 0;
	}
	if (purge_expired(p, found.dn, err) == -1)
		return -1;
	if (p->done + p->elsewhere + p->failed == 0)
		return err_set(err, ERR_POLICY,
		    "it is not deleted, or its time has not come; expected "
		    "\"hikyaku %s delete\" before, with --days 0 for at once",
		    p->m->kind->name);
	return 0;
}

int
manage_purge(struct manage *m)
{
	struct purge p = { .m = m, .status = MANAGE_DONE };
	struct err err = ERR_INIT;
	int rc;

	if (m->options.expired == (m->options.names_len == 1)) {
		(void)err_set(
		    &err, ERR_SYNTAX, "expected either a name or --expired");
		return manage_fail(m, NULL, &err);
	}
	if (hikyaku_load(m->ctx) == -1)
		return MANAGE_REFUSED;
	rc = expired_filter(&p, &err);
	if (rc == 0)
		rc = m->options.expired ? purge_expired(&p, NULL, &err)
					: purge_named(&p, &err);
	if (rc == 0 && m->options.expired && m->kind->id == KIND_ACCOUNT)
		rc = settle_all(&p, &err);
	if (rc == -1)
		return manage_fail(
		    m, m->options.expired ? NULL : m->options.names[0], &err);
	if (m->options.expired && !m->options.quiet)
		(void)printf("%u purged, %u on other nodes, %u failed\n",
		    p.done, p.elsewhere, p.failed);
	return p.status;
}
