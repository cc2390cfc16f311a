/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku passwd, and the passwords of new accounts. */
#include <string.h>

#include "master/ask.h"
#include "master/manage.h"
#include "tenants/naming.h"
#include "tenants/password_new.h"

/* ---- may it be kept in clear? -----------------------------------------------
 */

struct permission {
	bool said_yes, said_no, unreadable;
};

static void
note(struct manage *m, const struct found *found, struct permission *p)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 64);
	if (found->entry == NULL)
		p->unreadable = true;
	else if (entry_value(editor_ldap(m->editor), found->entry,
		     "hkKeepSecret", &text)) {
		if (span_eq_nocase(buf_span(&text), SPAN("TRUE")))
			p->said_yes = true;
		else
			p->said_no = true;
	}
}

/* The class that an entry names. */
static int
note_class(struct manage *m, const struct found *found, struct permission *p,
    struct err *err)
{
	CLEANUP(found_fini) struct found class = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf dn;
	struct editor_query query = { .scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=hkClassOfService)" };

	buf_init(&dn, DN_MAX);
	if (!entry_value(editor_ldap(m->editor), found->entry, "hkClass", &dn))
		return 0;
	query.base = buf_str(&dn);
	if (editor_find(m->editor, &query, &class, err) == -1)
		return -1;
	note(m, &class, p);
	return 0;
}

/*
 * Class, tenant and account: somebody must have allowed it, and nobody
 * forbidden.
 */
static int
check_permission(struct manage *m, const struct found *account, struct err *err)
{
	CLEANUP(found_fini) struct found tenant = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf name;
	struct permission p = { false, false, false };

	buf_init(&name, 256);
	if (account == NULL ||
	    !naming_tenant_of(span_str(account->dn), m->tenantd.base, &name))
		return err_set(err, ERR_POLICY,
		    "--cram-md5: expected an account that is there already");
	if (manage_find(
		m, kind_of(KIND_TENANT), buf_span(&name), &tenant, err) == -1)
		return -1;
	note(m, account, &p);
	note(m, &tenant, &p);
	if (note_class(m, account, &p, err) == -1 ||
	    (tenant.entry != NULL && note_class(m, &tenant, &p, err) == -1))
		return -1;
	if (p.said_no || !p.said_yes)
		return err_set(err, ERR_POLICY,
		    "--cram-md5: %s; expected keep-secret = yes in the class "
		    "of service",
		    p.said_no      ? "the class of service forbids it"
		    : p.unreadable ? "the class of service cannot be read"
				   : "the class of service does not allow it");
	return 0;
}

/* ---- passwords --------------------------------------------------------------
 */

static void
put_secrets(struct changes *c, int op, const struct password_new *p)
{
	changes_value(c, op, "userPassword", buf_span(&p->stored));
	changes_value(c, op, "hkSecret", buf_span(&p->scram));
	if (p->clear.len > 0)
		changes_value(c, op, "hkSecret", buf_span(&p->clear));
}

int
manage_password_ask(struct manage *m, const struct found *account, int op,
    struct changes *c, struct err *err)
{
	CLEANUP(secret_fini) struct buf password;
	CLEANUP(password_new_fini) struct password_new made;

	buf_init(&password, ASK_MAX + 1);
	password_new_init(&made);
	if (m->options.cram_md5 && check_permission(m, account, err) == -1)
		return -1;
	if (ask_new_password("New password: ", &password, err) == -1 ||
	    password_new_make(buf_span(&password),
		(unsigned)m->tenantd.password_cost, m->options.cram_md5, &made,
		err) == -1)
		return -1;
	put_secrets(c, op, &made);
	return changes_check(c, err);
}

int
manage_passwd(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(changes_fini) struct changes changes;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int status;

	changes_init(&changes);
	if (m->options.app != NULL)
		return manage_app(m);
	if (m->options.revoke_app != NULL)
		return manage_app_revoke(m);
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	if (manage_password_ask(m, &found, LDAP_MOD_REPLACE, &changes, &err) ==
		-1 ||
	    editor_modify(m->editor, found.dn, &changes, &err) == -1)
		return manage_fail(m, name, &err);
	return MANAGE_DONE;
}
