/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/record.h"

#include <string.h>

#include "master/manage.h"
#include "tenants/naming.h"

/* The values of a field, one after the other. */
struct values {
	struct berval **all;
	size_t at;
	struct buf skip; /* the value that FIELD_BESIDE leaves out */
	struct buf own;  /* FIELD_TENANT */
};

static void
values_init(struct values *v, const struct record *r, const struct field *f)
{
	char *dn = ldap_get_dn(r->ld, r->entry);

	memset(v, 0, sizeof(*v));
	buf_init(&v->skip, FIELD_VALUE_MAX);
	buf_init(&v->own, FIELD_VALUE_MAX);
	if (f->attribute != NULL)
		v->all = ldap_get_values_len(r->ld, r->entry, f->attribute);
	if (f->type == FIELD_TENANT && dn != NULL)
		(void)naming_tenant_of(span_str(dn), r->base, &v->own);
	if ((f->flags & FIELD_BESIDE) != 0) {
		if (strcmp(f->attribute, "uid") != 0)
			(void)entry_value(r->ld, r->entry, "mail", &v->skip);
		else if (dn != NULL)
			(void)naming_first(span_str(dn), &v->skip);
	}
	ldap_memfree(dn);
}

static void
values_fini(struct values *v)
{
	ldap_value_free_len(v->all);
	buf_fini(&v->skip);
	buf_fini(&v->own);
}
CLEANUP_DEFINE_VALUE(struct values, values_fini)

static bool
values_next(struct values *v, struct span *out)
{
	if (v->own.len > 0 && v->at == 0) {
		v->at++;
		*out = buf_span(&v->own);
		return true;
	}
	while (v->all != NULL && v->all[v->at] != NULL) {
		const struct berval *value = v->all[v->at++];

		*out = span_of(value->bv_val, value->bv_len);
		if (v->skip.len == 0 ||
		    !span_eq_nocase(*out, buf_span(&v->skip)))
			return true;
	}
	return false;
}

void
record_text(const struct record *r, const struct field *f,
    enum field_style style, struct buf *out)
{
	CLEANUP(values_fini) struct values v;
	struct span value;
	bool first = true;

	values_init(&v, r, f);
	while (values_next(&v, &value)) {
		if (!first)
			buf_append_str(out, field_separator(f));
		first = false;
		field_format(f, style, value, out);
	}
}

/* ---- for people -------------------------------------------------------------
 */

enum {
	NAME_WIDTH = 21
};

static void
print_lines(FILE *out, struct span text)
{
	struct span line;

	while (span_take_until(&text, '\n', &line)) {
		manage_print(out, line);
		(void)fprintf(out, "\n%*s", NAME_WIDTH + 2, "");
	}
	manage_print(out, text);
	(void)fputc('\n', out);
}

void
record_print(const struct record *r, FILE *out)
{
	CLEANUP(buf_fini) struct buf text;
	const struct field *f;

	buf_init(&text, FIELD_VALUE_MAX);
	for (size_t i = 0; (f = kind_field(r->kind, i)) != NULL; i++) {
		CLEANUP(values_fini) struct values v;
		struct span value;

		values_init(&v, r, f);
		while (values_next(&v, &value)) {
			buf_clear(&text);
			field_format(f, FIELD_FRIENDLY, value, &text);
			(void)fprintf(out, "%-*s  ", NAME_WIDTH, f->name);
			print_lines(out, buf_span(&text));
		}
	}
}

/* ---- for programs -----------------------------------------------------------
 */

static json_t *
json_value(const struct field *f, struct span value)
{
	CLEANUP(buf_fini) struct buf text;
	uint64_t number;
	json_t *made;

	buf_init(&text, FIELD_VALUE_MAX);
	field_format(f, FIELD_PLAIN, value, &text);
	if (f->type == FIELD_BOOL)
		return json_boolean(span_eq(buf_span(&text), SPAN("yes")));
	if ((f->type == FIELD_NUMBER || f->type == FIELD_OCTETS) &&
	    span_to_u64(buf_span(&text), &number) && number <= INT64_MAX)
		return json_integer((json_int_t)number);
	made = json_stringn(buf_str(&text), text.len);
	/* LDAP holds octets that are no UTF-8 in few attributes only. */
	return made != NULL ? made : json_string("?");
}

static json_t *
json_field(const struct record *r, const struct field *f)
{
	CLEANUP(values_fini) struct values v;
	json_t *many = NULL;
	struct span value;

	values_init(&v, r, f);
	while (values_next(&v, &value)) {
		json_t *one = json_value(f, value);

		if ((f->flags & FIELD_MANY) == 0)
			return one;
		if (many == NULL)
			many = json_array();
		(void)json_array_append_new(many, one);
	}
	return many;
}

json_t *
record_json(const struct record *r, const struct field *const *columns)
{
	json_t *object = json_object();
	const struct field *f;

	for (size_t i = 0; (f = columns == NULL ? kind_field(r->kind, i)
						: columns[i]) != NULL;
	     i++) {
		json_t *value = json_field(r, f);

		if (value != NULL)
			(void)json_object_set_new(object, f->name, value);
	}
	return object;
}
