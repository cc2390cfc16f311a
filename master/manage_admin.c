/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku admin: who has which rights in a tenant.
 *
 * Administrators are accounts that are members of cn=owners, cn=helpdesk or
 * cn=report below ou=admins of their tenant.  Operators, members of
 * cn=operators below ou=platform, are shown but not made here: an account of a
 * tenant, whose administrators can set its password, must not be one.
 */
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "master/manage_references.h"
#include "tenants/naming.h"

static int admin_add(struct manage *m);
static int admin_delete(struct manage *m);
static int admin_list(struct manage *m);

static const struct verb verbs[] = {
	{ "add", 0, OPTION_TENANT | OPTION_ROLE, 1, 1,
	    " ADDRESS [--role owners|helpdesk|report]",
	    "give an account rights; owners unless another role is named",
	    admin_add },
	{ "delete", 0, OPTION_TENANT | OPTION_ROLE, 1, 1,
	    " ADDRESS [--role ROLE]", "take them back; all unless one is named",
	    admin_delete },
	{ "list", 0, OPTION_TENANT | OPTION_ROLE | OPTION_FORMAT, 0, 0,
	    " [--tenant T] [--role ROLE] [--json]", "who has rights",
	    admin_list },
};
#define VERBS_LEN (sizeof(verbs) / sizeof(*verbs))

static const char *const roles[] = { "owners", "helpdesk", "report" };

/* ---- roles ------------------------------------------------------------------
 */

static int
check_role(const struct manage *m, struct err *err)
{
	if (m->options.role == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (strcmp(m->options.role, roles[i]) == 0)
			return 0;
	return err_set(err, ERR_SYNTAX,
	    "--role: \"%.40s\"; expected one of owners, helpdesk, report",
	    m->options.role);
}

/* Appends the DN of a role's group, for the tenant of an account. */
static int
group_dn(const struct manage *m, const char *role, const char *account_dn,
    struct buf *dn, struct err *err)
{
	CLEANUP(buf_fini) struct buf tenant;

	buf_init(&tenant, 256);
	naming_rdn(dn, "cn", span_str(role));
	buf_append_octet(dn, ',');
	if (!naming_tenant_of(span_str(account_dn), m->tenantd.base, &tenant))
		return err_set(err, ERR_POLICY, "it is in no tenant's branch");
	naming_unit(dn, m->tenantd.base, buf_span(&tenant), "admins");
	return buf_check(dn, err);
}

static int
find_group(
    struct manage *m, const char *dn, struct found *found, struct err *err)
{
	static const char *const attrs[] = { "cn", "member", NULL };
	struct editor_query query = { dn, LDAP_SCOPE_BASE,
		"(objectClass=groupOfNames)", attrs };

	return editor_find(m->editor, &query, found, err);
}

/* ---- add --------------------------------------------------------------------
 */

static int
make_group(struct manage *m, const char *dn, const char *role,
    const char *account_dn, struct err *err)
{
	CLEANUP(changes_fini) struct changes c;

	changes_init(&c);
	changes_value(&c, LDAP_MOD_ADD, "objectClass", SPAN("groupOfNames"));
	changes_value(&c, LDAP_MOD_ADD, "cn", span_str(role));
	changes_value(&c, LDAP_MOD_ADD, "member", span_str(account_dn));
	return editor_add(m->editor, dn, &c, err);
}

/* The operator's place is taken: see manage_tenant.c. */
static void
end_stand_in(struct manage *m, const struct found *group, struct changes *c)
{
	struct berval **values =
	    ldap_get_values_len(editor_ldap(m->editor), group->entry, "member");

	for (size_t i = 0; values != NULL && values[i] != NULL; i++) {
		struct span value =
		    span_of(values[i]->bv_val, values[i]->bv_len);

		if (span_eq_nocase(value, span_str(m->conf.bind_dn)))
			changes_value(c, LDAP_MOD_DELETE, "member", value);
	}
	ldap_value_free_len(values);
}

static int
join(
    struct manage *m, const char *account_dn, const char *role, struct err *err)
{
	CLEANUP(found_fini) struct found group = { NULL, NULL, NULL };
	CLEANUP(changes_fini) struct changes c;
	CLEANUP(buf_fini) struct buf dn;

	changes_init(&c);
	buf_init(&dn, DN_MAX);
	if (group_dn(m, role, account_dn, &dn, err) == -1 ||
	    find_group(m, buf_str(&dn), &group, err) == -1)
		return -1;
	if (group.entry == NULL)
		return make_group(m, buf_str(&dn), role, account_dn, err);
	changes_value(&c, LDAP_MOD_ADD, "member", span_str(account_dn));
	end_stand_in(m, &group, &c);
	if (editor_modify(m->editor, buf_str(&dn), &c, err) == 0)
		return 0;
	/* To say it twice is no error. */
	if (editor_code(m->editor) != LDAP_TYPE_OR_VALUE_EXISTS)
		return -1;
	err_clear(err);
	return 0;
}

static int
admin_add(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int status;

	if (check_role(m, &err) == -1)
		return manage_fail(m, name, &err);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	if (join(m, found.dn,
		m->options.role == NULL ? roles[0] : m->options.role,
		&err) == -1)
		return manage_fail(m, name, &err);
	return MANAGE_DONE;
}

/* ---- delete -----------------------------------------------------------------
 */

static int
leave(struct manage *m, struct batch *batch, const char *account_dn,
    const char *role, bool *left_out, struct err *err)
{
	CLEANUP(found_fini) struct found group = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf dn;

	buf_init(&dn, DN_MAX);
	*left_out = false;
	if (group_dn(m, role, account_dn, &dn, err) == -1 ||
	    find_group(m, buf_str(&dn), &group, err) == -1)
		return -1;
	return group.entry == NULL ? 0
				   : manage_member_leave(m, batch, group.entry,
					 account_dn, left_out, err);
}

static int
leave_roles(struct manage *m, const char *account_dn, struct err *err)
{
	CLEANUP(batch_fini) struct batch batch;
	bool any = false, left;

	batch_init(&batch, m->editor);
	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (m->options.role != NULL &&
		    strcmp(m->options.role, roles[i]) != 0)
			continue;
		if (leave(m, &batch, account_dn, roles[i], &left, err) == -1)
			return -1;
		any |= left;
	}
	if (!any)
		return err_set(err, ERR_POLICY,
		    "it has no such rights; expected one of \"hikyaku admin "
		    "list\"");
	return batch_commit(&batch, NULL, err);
}

static int
admin_delete(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int status;

	if (check_role(m, &err) == -1)
		return manage_fail(m, name, &err);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	if (leave_roles(m, found.dn, &err) == -1)
		return manage_fail(m, name, &err);
	return MANAGE_DONE;
}

/* ---- list -------------------------------------------------------------------
 */

struct list {
	struct manage *m;
	json_t *json; /* NULL: text */
};

static void
show_member(
    struct list *l, struct span tenant, struct span role, struct span dn)
{
	CLEANUP(buf_fini) struct buf who;

	buf_init(&who, DN_MAX);
	if (!naming_first(dn, &who))
		return;
	if (l->json != NULL) {
		(void)json_array_append_new(
		    l->json, json_pack("{s:s%,s:s%,s:s%}", "account",
				 buf_str(&who), who.len, "tenant", tenant.p,
				 tenant.len, "role", role.p, role.len));
		return;
	}
	manage_print(stdout, tenant);
	(void)printf("%*s ", tenant.len < 15 ? (int)(15 - tenant.len) : 0, "");
	manage_print(stdout, role);
	(void)printf("%*s ", role.len < 10 ? (int)(10 - role.len) : 0, "");
	manage_print(stdout, buf_span(&who));
	(void)fputc('\n', stdout);
}

static bool
list_group(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct list *l = arg;
	struct berval **values = ldap_get_values_len(ld, entry, "member");
	char *dn = ldap_get_dn(ld, entry);
	CLEANUP(buf_fini) struct buf tenant;
	CLEANUP(buf_fini) struct buf role;

	(void)err;
	buf_init(&tenant, 256);
	buf_init(&role, 256);
	if (dn == NULL ||
	    !naming_tenant_of(span_str(dn), l->m->tenantd.base, &tenant))
		buf_append_octet(&tenant, '-');
	(void)entry_value(ld, entry, "cn", &role);
	for (size_t i = 0;
	     values != NULL && values[i] != NULL &&
	     (l->m->options.role == NULL ||
		 span_eq_nocase(buf_span(&role), span_str(l->m->options.role)));
	     i++)
		show_member(l, buf_span(&tenant), buf_span(&role),
		    span_of(values[i]->bv_val, values[i]->bv_len));
	ldap_value_free_len(values);
	ldap_memfree(dn);
	return true;
}

static int
admin_list(struct manage *m)
{
	static const char *const attrs[] = { "cn", "member", NULL };
	struct list l = { m, m->options.json ? json_array() : NULL };
	CLEANUP(buf_fini) struct buf tenant;
	struct editor_query query = { .scope = LDAP_SCOPE_SUBTREE,
		.filter = "(objectClass=groupOfNames)",
		.attrs = attrs };
	struct err err = ERR_INIT;

	buf_init(&tenant, 256);
	/* Without a tenant: the operators, too. */
	query.base =
	    naming_tenant_of(buf_span(&m->scope), m->tenantd.base, &tenant)
		? buf_str(&m->scope)
		: m->tenantd.base;
	if (check_role(m, &err) == -1 ||
	    editor_search(m->editor, &query, list_group, &l, &err) == -1) {
		json_decref(l.json);
		return manage_fail(m, NULL, &err);
	}
	if (l.json != NULL) {
		(void)json_dumpf(l.json, stdout, JSON_INDENT(2));
		(void)fputc('\n', stdout);
		json_decref(l.json);
	}
	return MANAGE_DONE;
}

/* ---- the command ------------------------------------------------------------
 */

int
hikyaku_admin(struct command_context *ctx, int argc, char **argv)
{
	struct manage m = { .ctx = ctx, .group = "admin" };
	FILE *out = argc == 2 && strcmp(argv[1], "help") == 0 ? stdout : stderr;

	for (size_t i = 0; argc >= 2 && i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return manage_run(&m, &verbs[i], argc - 2, argv + 2);
	(void)fputs("usage: hikyaku [-c file] admin VERB ...\n\n", out);
	for (size_t i = 0; i < VERBS_LEN; i++)
		(void)fprintf(out, "    %-8s%s\n             %s\n",
		    verbs[i].name, verbs[i].arguments, verbs[i].help);
	return out == stdout ? MANAGE_DONE : MANAGE_USAGE;
}
