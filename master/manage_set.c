/* SPDX-License-Identifier: BSD-2-Clause */
/* What settings of the command line do to an entry. */
#include <stdio.h>
#include <string.h>

#include "master/manage.h"
#include "tenants/naming.h"

/* What makes one setting's values of LDAP. */
struct work {
	struct manage *m;
	const struct setting *setting;
	const struct found *found; /* NULL: new */
	struct changes *changes;
};

/* ---- what is there ----------------------------------------------------------
 */

static struct berval **
values_of(const struct work *w)
{
	return w->found == NULL
		   ? NULL
		   : ldap_get_values_len(editor_ldap(w->m->editor),
			 w->found->entry, w->setting->field->attribute);
}

static bool
has_value(const struct work *w, struct span value)
{
	struct berval **values = values_of(w);
	bool has = false;

	for (size_t i = 0; values != NULL && values[i] != NULL; i++)
		has |= span_eq_nocase(
		    span_of(values[i]->bv_val, values[i]->bv_len), value);
	ldap_value_free_len(values);
	return has;
}

/*
 * The value that must stay beside those that people set: the primary address
 * among all addresses, the name of the entry among login names.
 */
static void
kept_value(const struct work *w, struct buf *out)
{
	if (strcmp(w->setting->field->attribute, "uid") == 0)
		(void)naming_first(span_str(w->found->dn), out);
	else
		(void)entry_value(
		    editor_ldap(w->m->editor), w->found->entry, "mail", out);
}

/* ---- values -----------------------------------------------------------------
 */

/* A person's value: what LDAP is to hold. */
static int
value_of(
    const struct work *w, struct span text, struct buf *value, struct err *err)
{
	const struct field *f = w->setting->field;
	CLEANUP(buf_fini) struct buf address;

	buf_init(&address, FIELD_VALUE_MAX);
	buf_clear(value);
	if (f->type != FIELD_PERSON)
		return field_parse(f, w->m->tenantd.base, text, value, err);
	if (field_parse(f, w->m->tenantd.base, text, &address, err) == -1)
		return -1;
	if (manage_person(w->m, buf_span(&address), value, err) == -1)
		return err_prefix(err, "%s", f->name);
	return 0;
}

static void
put_value(const struct work *w, struct span value)
{
	const char *attribute = w->setting->field->attribute;

	switch (w->setting->how) {
	case SETTING_SET:
		changes_value(w->changes,
		    w->found == NULL ? LDAP_MOD_ADD : LDAP_MOD_REPLACE,
		    attribute, value);
		break;
	case SETTING_ADD: /* to say it twice is no error */
		if (changes_replaces(w->changes, attribute))
			changes_value(
			    w->changes, LDAP_MOD_REPLACE, attribute, value);
		else if (!has_value(w, value))
			changes_value(
			    w->changes, LDAP_MOD_ADD, attribute, value);
		break;
	case SETTING_REMOVE:
		if (has_value(w, value))
			changes_value(
			    w->changes, LDAP_MOD_DELETE, attribute, value);
		break;
	case SETTING_CLEAR:
		break;
	}
}

/* Replaces all of them, but never the one that must stay. */
static int
put_kept(const struct work *w, struct err *err)
{
	CLEANUP(buf_fini) struct buf kept;

	buf_init(&kept, FIELD_VALUE_MAX);
	if (w->found == NULL || (w->setting->field->flags & FIELD_BESIDE) == 0)
		return 0;
	kept_value(w, &kept);
	if (w->setting->how == SETTING_REMOVE &&
	    span_eq_nocase(buf_span(&kept), w->setting->text))
		return err_set(err, ERR_SYNTAX,
		    "%s: %.*s is the first one; expected another, or rename",
		    w->setting->field->name, SPAN_FMT(buf_span(&kept)));
	if (w->setting->how == SETTING_SET || w->setting->how == SETTING_CLEAR)
		changes_value(w->changes, LDAP_MOD_REPLACE,
		    w->setting->field->attribute, buf_span(&kept));
	return buf_check(&kept, err);
}

static int
apply(const struct work *w, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;
	struct span rest = w->setting->text, text;

	buf_init(&value, FIELD_VALUE_MAX);
	if (put_kept(w, err) == -1)
		return -1;
	if (w->setting->how == SETTING_CLEAR) {
		if ((w->setting->field->flags & FIELD_BESIDE) == 0)
			changes_clear(w->changes, w->setting->field->attribute);
		return 0;
	}
	if (rest.len == 0)
		return value_of(w, rest, &value, err);
	while (field_split(w->setting->field, &rest, &text)) {
		if (value_of(w, text, &value, err) == -1)
			return -1;
		put_value(w, buf_span(&value));
	}
	return 0;
}

int
manage_settings(struct manage *m, const struct found *found, struct changes *c,
    struct err *err)
{
	for (size_t i = 0; i < m->options.settings_len; i++) {
		struct work w = { m, &m->options.settings[i], found, c };

		if (apply(&w, err) == -1)
			return -1;
	}
	return changes_check(c, err);
}

/* ---- verbs ------------------------------------------------------------------
 */

int
manage_set(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(changes_fini) struct changes changes;
	const char *name = m->options.names[0];
	struct err err = ERR_INIT;
	int status;

	changes_init(&changes);
	if (m->options.settings_len == 0) {
		(void)err_set(
		    &err, ERR_SYNTAX, "nothing to set; expected --FIELD VALUE");
		return manage_fail(m, name, &err);
	}
	if (manage_must_find(m, name, &found, &status) == -1)
		return status;
	if (manage_settings(m, &found, &changes, &err) == -1 ||
	    editor_modify(m->editor, found.dn, &changes, &err) == -1)
		return manage_fail(m, name, &err);
	return MANAGE_DONE;
}

/* Sets the status; who is deleted comes back by undelete only. */
static int
set_status(struct manage *m, const char *status_word)
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
	(void)snprintf(
	    filter, sizeof(filter), "(!(%s=deleted))", m->kind->status);
	changes_value(
	    &changes, LDAP_MOD_REPLACE, m->kind->status, span_str(status_word));
	if (editor_modify_if(m->editor, found.dn, filter, &changes, &err) == 0)
		return MANAGE_DONE;
	if (editor_code(m->editor) == LDAP_ASSERTION_FAILED)
		(void)err_set(&err, ERR_POLICY,
		    "it is deleted; expected \"hikyaku %s undelete\" first",
		    m->kind->name);
	return manage_fail(m, name, &err);
}

int
manage_suspend(struct manage *m)
{
	return set_status(m, "suspended");
}

int
manage_resume(struct manage *m)
{
	return set_status(m, m->kind->active);
}
