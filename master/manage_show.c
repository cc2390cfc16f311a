/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku KIND show, list. */
#include <stdio.h>
#include <string.h>

#include "master/manage.h"
#include "master/record.h"
#include "tenants/csv.h"
#include "tenants/ldap_pool.h"
#include "tenants/naming.h"

#define JSON_FORMAT (JSON_INDENT(2) | JSON_SORT_KEYS)

int
manage_show(struct manage *m)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	struct record r = { m->kind, m->tenantd.base, editor_ldap(m->editor),
		NULL };
	json_t *json;
	int status;

	if (manage_must_find(m, m->options.names[0], &found, &status) == -1)
		return status;
	r.entry = found.entry;
	if (!m->options.json) {
		record_print(&r, stdout);
		return MANAGE_DONE;
	}
	json = record_json(&r, NULL);
	(void)json_dumpf(json, stdout, JSON_FORMAT);
	(void)fputc('\n', stdout);
	json_decref(json);
	return MANAGE_DONE;
}

/* ---- list -------------------------------------------------------------------
 */

enum {
	COLUMNS_MAX = 120,
	WIDTH_MAX = 40
};

struct list {
	struct manage *m;
	const struct field *columns[COLUMNS_MAX + 1]; /* NULL at the end */
	struct buf line;
	size_t count;
	bool for_import;
};

static int
choose_named(struct list *l, struct err *err)
{
	struct span rest = span_str(l->m->options.columns), name;
	size_t len = 0;

	while (rest.len > 0) {
		if (!span_take_until(&rest, ',', &name)) {
			name = rest;
			rest = span_from(rest, rest.len);
		}
		if (len == COLUMNS_MAX)
			return err_set(err, ERR_LIMIT, "too many columns");
		l->columns[len] = kind_field_find(l->m->kind, name);
		if (l->columns[len++] == NULL)
			return err_set(err, ERR_SYNTAX,
			    "--columns: \"%.*s\"; expected fields of \"hikyaku "
			    "%s help\"",
			    SPAN_FMT(span_first(name, 40)), l->m->kind->name);
	}
	return 0;
}

/* CSV and JSON have everything, a terminal what fits; a table for import has
 * no more than import takes. */
static int
choose_columns(struct list *l, struct err *err)
{
	const struct manage_options *o = &l->m->options;
	const struct field *f;
	size_t len = 0;

	if (o->columns != NULL)
		return choose_named(l, err);
	for (size_t i = 0; (f = kind_field(l->m->kind, i)) != NULL; i++)
		if (l->for_import
			? (f->flags & FIELD_FIXED) == 0 ||
			      (f->flags & FIELD_COLUMN) != 0
			: o->json || o->csv || (f->flags & FIELD_COLUMN) != 0)
			l->columns[len++] = f;
	return 0;
}

static int
append_filter(const struct list *l, struct buf *filter, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;

	buf_init(&value, FIELD_VALUE_MAX);
	buf_append_fmt(filter, "(&(objectClass=%s)", l->m->kind->object_class);
	for (size_t i = 0; i < l->m->options.settings_len; i++) {
		const struct setting *s = &l->m->options.settings[i];

		buf_clear(&value);
		if (s->field->type == FIELD_PERSON
			? manage_person(l->m, s->text, &value, err) == -1
			: field_parse(s->field, l->m->tenantd.base, s->text,
			      &value, err) == -1)
			return -1;
		buf_append_fmt(filter, "(%s=", s->field->attribute);
		ldap_filter_escape(buf_span(&value), filter);
		buf_append_octet(filter, ')');
	}
	buf_append_octet(filter, ')');
	return buf_check(filter, err);
}

/* ---- one entry --------------------------------------------------------------
 */

static bool
in_domain(const struct list *l, const struct record *r)
{
	CLEANUP(buf_fini) struct buf text;
	struct span rest, address;
	const char *domain = l->m->options.domain;
	ptrdiff_t at;

	buf_init(&text, FIELD_VALUE_MAX);
	if (domain == NULL)
		return true;
	(void)entry_value(r->ld, r->entry, "mail", &text);
	rest = buf_span(&text);
	at = span_rindex(rest, '@');
	address = span_from(rest, (size_t)(at + 1));
	return at != -1 && span_eq_nocase(address, span_str(domain));
}

static void
print_csv(struct list *l, const struct record *r)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, (size_t)1 << 22);
	for (size_t i = 0; l->columns[i] != NULL; i++) {
		buf_clear(&text);
		if (r == NULL)
			buf_append_str(&text, l->columns[i]->name);
		else
			record_text(r, l->columns[i], FIELD_PLAIN, &text);
		if (i > 0)
			buf_append_octet(&l->line, ',');
		csv_field_format(buf_span(&text), &l->line);
	}
	buf_append(&l->line, SPAN("\r\n"));
}

static void
print_row(struct list *l, const struct record *r)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, (size_t)1 << 20);
	for (size_t i = 0; l->columns[i] != NULL; i++) {
		int width = i == 0 ? 36 : 14;

		buf_clear(&text);
		if (r == NULL)
			buf_append_str(&text, l->columns[i]->name);
		else
			record_text(r, l->columns[i], FIELD_FRIENDLY, &text);
		if (text.len == 0)
			buf_append_octet(&text, '-');
		for (size_t n = 0; n < text.len; n++)
			if (text.data[n] == '\n')
				text.data[n] = ' ';
		if (l->columns[i + 1] == NULL)
			width = 0;
		manage_print(stdout, buf_span(&text));
		(void)printf("%*s",
		    width > (int)text.len ? width - (int)text.len : 1,
		    l->columns[i + 1] == NULL ? "" : " ");
	}
	(void)fputc('\n', stdout);
}

static void
print_json(struct list *l, const struct record *r)
{
	json_t *json = record_json(r, l->columns);

	(void)fputs(l->count == 0 ? "[\n" : ",\n", stdout);
	(void)json_dumpf(json, stdout, JSON_SORT_KEYS);
	json_decref(json);
}

static bool
list_entry(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct list *l = arg;
	struct record r = { l->m->kind, l->m->tenantd.base, ld, entry };

	if (!in_domain(l, &r))
		return true;
	if (l->m->options.json) {
		print_json(l, &r);
	} else if (l->m->options.csv) {
		buf_clear(&l->line);
		print_csv(l, &r);
		(void)fwrite(buf_str(&l->line), 1, l->line.len, stdout);
	} else {
		print_row(l, &r);
	}
	l->count++;
	if (ferror(stdout) != 0) {
		(void)err_sys(err, "standard output");
		return false;
	}
	return true;
}

static int
list_all(struct list *l, struct err *err)
{
	CLEANUP(buf_fini) struct buf filter;
	CLEANUP(buf_fini) struct buf base;
	const char *attrs[KIND_ATTRS_MAX];
	struct editor_query query = { .scope = LDAP_SCOPE_SUBTREE,
		.attrs = attrs };

	buf_init(&filter, FILTER_MAX);
	buf_init(&base, DN_MAX);
	manage_list_base(l->m, l->m->kind, &base);
	kind_attributes(l->m->kind, attrs);
	if (append_filter(l, &filter, err) == -1 || buf_check(&base, err) == -1)
		return -1;
	query.base = buf_str(&base);
	query.filter = buf_str(&filter);
	if (l->m->options.csv) {
		print_csv(l, NULL);
		(void)fwrite(buf_str(&l->line), 1, l->line.len, stdout);
	} else if (!l->m->options.json && !l->m->options.quiet) {
		print_row(l, NULL);
	}
	return editor_search(l->m->editor, &query, list_entry, l, err);
}

static int
list(struct manage *m, bool for_import)
{
	struct list l = { .m = m, .count = 0, .for_import = for_import };
	struct err err = ERR_INIT;
	int rc;

	buf_init(&l.line, (size_t)1 << 24);
	rc = choose_columns(&l, &err);
	if (rc == 0)
		rc = list_all(&l, &err);
	if (rc == 0 && m->options.json)
		(void)fputs(l.count == 0 ? "[]\n" : "\n]\n", stdout);
	buf_fini(&l.line);
	if (rc == 0 && fflush(stdout) != 0)
		rc = err_sys(&err, "standard output");
	return rc == -1 ? manage_fail(m, NULL, &err) : MANAGE_DONE;
}

int
manage_list(struct manage *m)
{
	return list(m, false);
}

int
manage_export(struct manage *m)
{
	m->options.csv = true;
	m->options.json = false;
	return list(m, true);
}
