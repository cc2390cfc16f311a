/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku account, group, domain rename.
 *
 * The store names a mailbox by the entry's entryUUID, which no rename changes:
 * no file moves.  To rename an entry, to edit what names it, and to edit its
 * addresses are operations of their own, in this order: as long as an address
 * is the old one, something may be left to do, and the same command, given
 * once more, does it.
 */
#include <stdio.h>
#include <string.h>

#include "master/manage_rename.h"
#include "tenants/naming.h"

bool
mapping_apply(const struct mapping *map, struct span value, struct buf *mapped)
{
	ptrdiff_t at;

	if (!map->domain) {
		if (!span_eq_nocase(value, map->from))
			return false;
		buf_append(mapped, map->to);
		return true;
	}
	at = span_rindex(value, '@');
	if (at == -1 ||
	    !span_eq_nocase(span_from(value, (size_t)at + 1), map->from))
		return false;
	buf_append(mapped, span_first(value, (size_t)at + 1));
	buf_append(mapped, map->to);
	return true;
}

/* ---- one entry --------------------------------------------------------------
 */

static bool
has_value(struct berval **values, struct span value)
{
	for (size_t i = 0; values[i] != NULL; i++)
		if (span_eq_nocase(
			span_of(values[i]->bv_val, values[i]->bv_len), value))
			return true;
	return false;
}

/* Each value that has another form from now on. */
static void
map_attribute(const struct mapping *map, LDAP *ld, LDAPMessage *entry,
    const char *attribute, struct changes *c)
{
	struct berval **values = ldap_get_values_len(ld, entry, attribute);
	bool addresses = strcmp(attribute, "mailLocalAddress") == 0;

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		struct span value =
		    span_of(values[i]->bv_val, values[i]->bv_len);
		CLEANUP(buf_fini) struct buf mapped;

		buf_init(&mapped, FIELD_VALUE_MAX);
		if (!mapping_apply(map, value, &mapped))
			continue;
		if (!(map->keep && addresses))
			changes_value(c, LDAP_MOD_DELETE, attribute, value);
		if (!has_value(values, buf_span(&mapped)))
			changes_value(
			    c, LDAP_MOD_ADD, attribute, buf_span(&mapped));
	}
	ldap_value_free_len(values);
}

/*
 * uid has the value of the RDN too, which the rename has changed: those beside
 * it only.
 */
static void
map_logins(const struct mapping *map, LDAP *ld, LDAPMessage *entry,
    struct span rdn, struct changes *c)
{
	struct berval **values = ldap_get_values_len(ld, entry, "uid");

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		struct span value =
		    span_of(values[i]->bv_val, values[i]->bv_len);
		CLEANUP(buf_fini) struct buf mapped;

		buf_init(&mapped, FIELD_VALUE_MAX);
		if (span_eq_nocase(value, rdn) ||
		    !mapping_apply(map, value, &mapped))
			continue;
		changes_value(c, LDAP_MOD_DELETE, "uid", value);
		changes_value(c, LDAP_MOD_ADD, "uid", buf_span(&mapped));
	}
	ldap_value_free_len(values);
}

/* The RDN and the DN it gets; false when its name stays. */
static bool
new_names(const struct mapping *map, const char *dn, struct buf *rdn,
    struct buf *new_dn)
{
	CLEANUP(buf_fini) struct buf name;
	CLEANUP(buf_fini) struct buf mapped;
	const char *comma = dn, *equals = strchr(dn, '=');

	buf_init(&name, FIELD_VALUE_MAX);
	buf_init(&mapped, FIELD_VALUE_MAX);
	/* An escaped comma belongs to the name. */
	do {
		comma = strchr(comma + 1, ',');
	} while (comma != NULL && comma[-1] == '\\');
	if (equals == NULL || comma == NULL || equals - dn > 16 ||
	    !naming_first(span_str(dn), &name) ||
	    !mapping_apply(map, buf_span(&name), &mapped))
		return false;
	naming_rdn(rdn, equals - dn == 2 ? "cn" : "uid", buf_span(&mapped));
	buf_append(new_dn, buf_span(rdn));
	buf_append_str(new_dn, comma);
	return true;
}

static int
try_changes(
    struct manage *m, const char *dn, const struct changes *c, struct err *err)
{
	LDAP *ld = editor_ldap(m->editor);
	struct timeval limit = { editor_answer_ms(m->editor) / 1000, 0 };
	LDAPMessage *result = NULL;
	char *text = NULL;
	int id, code = LDAP_TIMEOUT, rc;

	if (c->len == 0)
		return 0;
	id = batch_try_modify(m->editor, dn, c, err);
	if (id == -1)
		return -1;
	if (ldap_result(ld, id, LDAP_MSG_ALL, &limit, &result) > 0)
		(void)ldap_parse_result(
		    ld, result, &code, NULL, &text, NULL, NULL, 1);
	rc = code == LDAP_X_NO_OPERATION
		 ? 0
		 : editor_refused(m->editor, code, text, err);
	ldap_memfree(text);
	return rc;
}

static int
follow_dn(struct manage *m, const char *from, const char *to, struct err *err)
{
	CLEANUP(batch_fini) struct batch batch;

	batch_init(&batch, m->editor);
	if (manage_references(m, &batch, from, to, err) == -1)
		return -1;
	return batch_commit(&batch, NULL, err);
}

/* All of it, or back again if somebody took an address in between. */
static int
rename_and_change(struct manage *m, const char *dn, const char *rdn,
    const char *new_dn, const struct changes *c, struct err *err)
{
	CLEANUP(buf_fini) struct buf old_rdn;

	buf_init(&old_rdn, DN_MAX);
	if (editor_rename(m->editor, dn, rdn, err) == -1 ||
	    follow_dn(m, dn, new_dn, err) == -1)
		return -1;
	if (editor_modify(m->editor, new_dn, c, err) == 0)
		return 0;
	if (err->kind != ERR_POLICY)
		return -1;
	buf_append(
	    &old_rdn, span_of(dn, strlen(dn) - strlen(new_dn) + strlen(rdn)));
	(void)editor_rename(m->editor, new_dn, buf_str(&old_rdn), NULL);
	(void)follow_dn(m, new_dn, dn, NULL);
	return -1;
}

/* Its DN is new already: what named the old one may not be. */
static int
finish(struct manage *m, const struct mapping *map, const char *dn,
    const struct changes *c, struct err *err)
{
	struct mapping back = { map->to, map->from, map->domain, false };
	CLEANUP(buf_fini) struct buf rdn;
	CLEANUP(buf_fini) struct buf former;

	buf_init(&rdn, DN_MAX);
	buf_init(&former, DN_MAX);
	if (new_names(&back, dn, &rdn, &former) &&
	    follow_dn(m, buf_str(&former), dn, err) == -1)
		return -1;
	return editor_modify(m->editor, dn, c, err);
}

int
rename_entry(struct manage *m, const struct mapping *map, LDAPMessage *entry,
    struct err *err)
{
	static const char *const attributes[] = { "mail", "mailLocalAddress",
		"hkIntlAddress", "rfc822MailMember" };
	CLEANUP(changes_fini) struct changes c;
	CLEANUP(buf_fini) struct buf rdn;
	CLEANUP(buf_fini) struct buf new_dn;
	CLEANUP(buf_fini) struct buf name;
	LDAP *ld = editor_ldap(m->editor);
	char *dn = ldap_get_dn(ld, entry);
	int rc;

	changes_init(&c);
	buf_init(&rdn, DN_MAX);
	buf_init(&new_dn, DN_MAX);
	buf_init(&name, FIELD_VALUE_MAX);
	if (dn == NULL)
		return err_set(err, ERR_TEMP, "entry without a DN");
	(void)naming_first(span_str(dn), &name);
	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		map_attribute(map, ld, entry, attributes[i], &c);
	map_logins(map, ld, entry, buf_span(&name), &c);
	if (!new_names(map, dn, &rdn, &new_dn)) {
		rc = finish(m, map, dn, &c, err);
	} else {
		rc = try_changes(m, dn, &c, err);
		if (rc == 0)
			rc = rename_and_change(
			    m, dn, buf_str(&rdn), buf_str(&new_dn), &c, err);
	}
	ldap_memfree(dn);
	return rc;
}

/* ---- what names addresses ---------------------------------------------------
 */

struct follow {
	struct manage *m;
	const struct mapping *map;
	struct batch batch;
};

/* Lists that contain the address, and domains whose catch-all it is. */
static bool
follow_entry(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct follow *f = arg;
	CLEANUP(changes_fini) struct changes c;
	struct mapping map = *f->map;
	char *dn = ldap_get_dn(ld, entry);
	int rc = 0;

	map.keep = false;
	changes_init(&c);
	map_attribute(&map, ld, entry, "rfc822MailMember", &c);
	map_attribute(&map, ld, entry, "hkCatchAll", &c);
	if (f->batch.len == BATCH_MAX)
		rc = batch_commit(&f->batch, NULL, err);
	if (rc == 0 && dn != NULL)
		rc = batch_modify(&f->batch, dn, &c, err);
	ldap_memfree(dn);
	return rc == 0;
}

int
rename_followers(struct manage *m, const struct mapping *map,
    struct span tenant, struct err *err)
{
	static const char *const attrs[] = { "rfc822MailMember", "hkCatchAll",
		NULL };
	struct follow f = { .m = m, .map = map };
	CLEANUP(buf_fini) struct buf base;
	struct editor_query query = { NULL, LDAP_SCOPE_SUBTREE,
		"(|(objectClass=hkGroup)(objectClass=hkDomain))", attrs };
	int rc;

	buf_init(&base, DN_MAX);
	naming_tenant(&base, m->tenantd.base, tenant);
	query.base = buf_str(&base);
	batch_init(&f.batch, m->editor);
	rc = editor_search(m->editor, &query, follow_entry, &f, err);
	if (rc == 0)
		rc = batch_commit(&f.batch, NULL, err);
	batch_fini(&f.batch);
	return rc;
}

/* ---- an account or a group --------------------------------------------------
 */

static int
rename_found(struct manage *m, const struct mapping *map, struct span tenant,
    struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf primary;

	buf_init(&primary, FIELD_VALUE_MAX);
	if (manage_find(m, m->kind, map->from, &found, err) == -1)
		return -1;
	if (found.entry == NULL) {
		CLEANUP(found_fini)
		struct found renamed = { NULL, NULL, NULL };

		if (manage_find(m, m->kind, map->to, &renamed, err) == -1)
			return -1;
		/* Cut short when only lists were left. */
		return renamed.entry == NULL
			   ? 1
			   : rename_followers(m, map, tenant, err);
	}
	(void)entry_value(
	    editor_ldap(m->editor), found.entry, "mail", &primary);
	if (!span_eq_nocase(buf_span(&primary), map->from))
		return err_set(err, ERR_POLICY,
		    "that is another name of %.120s; expected its first one",
		    buf_str(&primary));
	if (rename_entry(m, map, found.entry, err) == -1)
		return -1;
	return rename_followers(m, map, tenant, err);
}

static const struct field address_field = { "address", "mail", FIELD_OWN, 0,
	NULL, "" };

static int
rename_addressed(struct manage *m, struct err *err)
{
	CLEANUP(buf_fini) struct buf from;
	CLEANUP(buf_fini) struct buf to;
	CLEANUP(buf_fini) struct buf tenant;
	CLEANUP(buf_fini) struct buf other;
	struct mapping map = { .keep = m->options.keep_old };

	buf_init(&from, FIELD_VALUE_MAX);
	buf_init(&to, FIELD_VALUE_MAX);
	buf_init(&tenant, 256);
	buf_init(&other, 256);
	if (field_parse(&address_field, m->tenantd.base,
		span_str(m->options.names[0]), &from, err) == -1 ||
	    field_parse(&address_field, m->tenantd.base,
		span_str(m->options.names[1]), &to, err) == -1 ||
	    manage_tenant_of_address(m, buf_span(&from), &other, err) == -1 ||
	    manage_tenant_of_address(m, buf_span(&to), &tenant, err) == -1)
		return -1;
	if (!span_eq(buf_span(&tenant), buf_span(&other)))
		return err_set(err, ERR_POLICY,
		    "%.60s is a domain of %.60s; expected one of %.60s",
		    m->options.names[1], buf_str(&tenant), buf_str(&other));
	map.from = buf_span(&from);
	map.to = buf_span(&to);
	return rename_found(m, &map, buf_span(&tenant), err);
}

/* ---- the verb ---------------------------------------------------------------
 */

int
manage_rename(struct manage *m)
{
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int rc;

	switch (m->kind->id) {
	case KIND_ACCOUNT:
	case KIND_GROUP:
		rc = rename_addressed(m, &err);
		break;
	case KIND_DOMAIN:
		return manage_rename_domain(m);
	default:
		rc = err_set(&err, ERR_POLICY,
		    "its name is the one of its directory in the store, and "
		    "stands in the DN of all it has; expected --name to "
		    "change what the brand is called");
		break;
	}
	if (rc == 1)
		return manage_not_found(m, name);
	return rc == -1 ? manage_fail(m, name, &err) : MANAGE_DONE;
}
