/* SPDX-License-Identifier: BSD-2-Clause */
/* What people type for a value, names in the tree, and tables as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tenants/csv.h"
#include "tenants/kind.h"
#include "tenants/naming.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define BASE "o=hikyaku"

/* ---- values ----------------------------------------------------------------
 */

static const struct {
	const char *field, *text;
	const char *value; /* NULL: refused */
	const char *again; /* as it is shown; NULL: as text */
} values[] = {
	{ "quota", "0", "0", NULL },
	{ "quota", "512M", "536870912", NULL },
	{ "quota", "1g", "1073741824", "1G" },
	{ "quota", "1000000", "1000000", NULL },
	{ "quota", "1024", "1024", "1k" },
	{ "quota", "909T", "999456069648384", NULL },
	{ "quota", "910T", NULL, NULL },
	{ "quota", "18446744073709551615", NULL, NULL },
	{ "quota", "18446744073709551616T", NULL, NULL },
	{ "quota", "5X", NULL, NULL },
	{ "quota", "5MM", NULL, NULL },
	{ "quota", "-1", NULL, NULL },
	{ "quota", " 5", NULL, NULL },
	{ "quota", "", NULL, NULL },
	{ "quota-messages", "5k", NULL, NULL },
	{ "virus-scan", "Yes", "TRUE", "yes" },
	{ "virus-scan", "off", "FALSE", "no" },
	{ "virus-scan", "maybe", NULL, NULL },
	{ "spam-level", "HIGH", "high", "high" },
	{ "spam-level", "higher", NULL, NULL },
	{ "alias", "Hana@AOZORA.example", "hana@aozora.example",
	    "hana@aozora.example" },
	{ "alias", "hana", NULL, NULL },
	{ "alias", "@aozora.example", NULL, NULL },
	{ "alias", "a@[192.0.2.1]", NULL, NULL },
	{ "alias", "a@b@c.example", NULL, NULL },
	{ "forward-to", "Ha.Na@Else.Example", "Ha.Na@else.example",
	    "Ha.Na@else.example" },
	{ "name", "花子", "花子", NULL },
	{ "name", "a\nb", NULL, NULL },
	{ "name", "a\033[2J", NULL, NULL },
	{ "name", "\xff", NULL, NULL },
	{ "name", "", NULL, NULL },
	{ "auto-reply-text", "a\r\nb\n", "a\nb\n", "a\nb\n" },
	{ "auto-reply-text", "a\n\tb", NULL, NULL },
	{ "auto-reply-start", "2026-08-10T09:00:00+09:00", "20260810000000Z",
	    "2026-08-10T00:00:00Z" },
	{ "auto-reply-start", "2026-08-10 09:00Z", "20260810090000Z",
	    "2026-08-10T09:00:00Z" },
	{ "auto-reply-start", "20260810090000+0900", "20260810000000Z",
	    "2026-08-10T00:00:00Z" },
	{ "auto-reply-start", "2028-02-29T00:00:00-00:30", "20280229003000Z",
	    "2028-02-29T00:30:00Z" },
	{ "auto-reply-start", "2026-02-29T00:00:00Z", NULL, NULL },
	{ "auto-reply-start", "2026-08-10T24:00:00Z", NULL, NULL },
	{ "auto-reply-start", "2026-08-10T09:00:00", NULL, NULL },
	{ "auto-reply-start", "2026-08-10", NULL, NULL },
	{ "auto-reply-start", "tomorrow", NULL, NULL },
	{ "class", "basic", "cn=basic,ou=classes,ou=platform," BASE, NULL },
	{ "class", "a,b=c", "cn=a\\,b=c,ou=classes,ou=platform," BASE, NULL },
	{ "class", "", NULL, NULL },
};

static void
test_values(void **state)
{
	const struct kind *account = kind_find("account");

	(void)state;
	for (size_t i = 0; i < LEN(values); i++) {
		const struct field *f =
		    kind_field_find(account, span_str(values[i].field));
		CLEANUP(buf_fini) struct buf value;
		CLEANUP(buf_fini) struct buf shown;
		struct err err = ERR_INIT;
		int rc;

		buf_init(&value, FIELD_VALUE_MAX);
		buf_init(&shown, FIELD_VALUE_MAX);
		assert_non_null(f);
		rc = field_parse(
		    f, BASE, span_str(values[i].text), &value, &err);
		if (values[i].value == NULL) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.kind, ERR_SYNTAX);
			/* Names the field, and says what is wanted. */
			assert_true(strncmp(err.text, values[i].field,
					strlen(values[i].field)) == 0);
			assert_non_null(strstr(err.text, "expected"));
			continue;
		}
		assert_int_equal(rc, 0);
		assert_string_equal(buf_str(&value), values[i].value);
		field_format(f, FIELD_FRIENDLY, buf_span(&value), &shown);
		assert_string_equal(buf_str(&shown),
		    values[i].again == NULL ? values[i].text : values[i].again);
	}
}

/* Whatever is shown can be typed. */
static void
test_shown_is_read_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(values); i++) {
		const struct field *f = kind_field_find(
		    kind_find("account"), span_str(values[i].field));
		static const enum field_style styles[] = { FIELD_PLAIN,
			FIELD_FRIENDLY };

		for (size_t s = 0; s < 2 && values[i].value != NULL; s++) {
			CLEANUP(buf_fini) struct buf shown;
			CLEANUP(buf_fini) struct buf value;

			buf_init(&shown, FIELD_VALUE_MAX);
			buf_init(&value, FIELD_VALUE_MAX);
			field_format(
			    f, styles[s], span_str(values[i].value), &shown);
			assert_int_equal(field_parse(f, BASE, buf_span(&shown),
					     &value, NULL),
			    0);
			assert_string_equal(buf_str(&value), values[i].value);
		}
	}
}

static void
test_split(void **state)
{
	static const struct {
		const char *field, *text;
		const char *parts; /* with "|" between */
	} rows[] = {
		{ "alias", " a@b.example\tc@d.example\r\ne@f.example ",
		    "a@b.example|c@d.example|e@f.example|" },
		{ "alias", "", "" },
		{ "alias", " \n ", "" },
		{ "forward-rule", "1: from=\"a b\"\r\n\n2: size>=1KB",
		    "1: from=\"a b\"|2: size>=1KB|" },
		{ "name", "a b", "a b|" },
		{ "name", "", "" },
		{ "auto-reply-text", "a\nb\n", "a\nb\n|" },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		const struct field *f = kind_field_find(
		    kind_find("account"), span_str(rows[i].field));
		struct span rest = span_str(rows[i].text), part;
		char got[256] = "";

		while (field_split(f, &rest, &part)) {
			strncat(got, part.p, part.len);
			strcat(got, "|");
		}
		assert_string_equal(got, rows[i].parts);
	}
}

/* Tables that contradict themselves would show as nonsense somewhere. */
static void
test_tables(void **state)
{
	(void)state;
	for (size_t k = 0; k < kinds_len; k++) {
		const char *attrs[KIND_ATTRS_MAX];
		const struct field *f;
		size_t count = 0;

		assert_int_equal(kinds[k].id, k);
		assert_ptr_equal(kind_of(kinds[k].id), &kinds[k]);
		kind_attributes(&kinds[k], attrs);
		while (attrs[count] != NULL)
			count++;
		assert_in_range(count, 2, KIND_ATTRS_MAX - 1);
		for (size_t i = 0; (f = kind_field(&kinds[k], i)) != NULL;
		     i++) {
			assert_ptr_equal(
			    kind_field_find(&kinds[k], span_str(f->name)), f);
			assert_int_equal(
			    f->words != NULL, f->type == FIELD_WORD);
			assert_false(
			    span_starts(span_str(f->name), SPAN("add-")) ||
			    span_starts(span_str(f->name), SPAN("remove-")) ||
			    span_starts(span_str(f->name), SPAN("no-")));
		}
	}
	assert_null(kind_find("accounts"));
}

/* ---- names ----------------------------------------------------------------
 */

static void
test_names(void **state)
{
	static const char *const raw[] = { "hanako@aozora.example", "a,b",
		"a+b=c", "#x", " x ", "a\\b", "a\"b", "<x>;y", "花子", "a\1b",
		"x" };

	(void)state;
	for (size_t i = 0; i < LEN(raw); i++) {
		CLEANUP(buf_fini) struct buf dn;
		CLEANUP(buf_fini) struct buf value;
		CLEANUP(buf_fini) struct buf tenant;

		buf_init(&dn, 1024);
		buf_init(&value, 1024);
		buf_init(&tenant, 1024);
		naming_rdn(&dn, "uid", span_str(raw[i]));
		buf_append_octet(&dn, ',');
		naming_unit(&dn, BASE, SPAN("aozora"), "accounts");
		assert_true(naming_first(buf_span(&dn), &value));
		assert_string_equal(buf_str(&value), raw[i]);
		assert_true(naming_tenant_of(buf_span(&dn), BASE, &tenant));
		assert_string_equal(buf_str(&tenant), "aozora");
	}
}

static void
test_tenant_of(void **state)
{
	static const struct {
		const char *dn, *tenant; /* NULL: none */
	} rows[] = {
		{ "ou=a,ou=tenants,o=hikyaku", "a" },
		{ "uid=x,ou=accounts,OU=a,OU=Tenants,O=Hikyaku", "a" },
		{ "ou=tenants,o=hikyaku", NULL },
		{ "o=hikyaku", NULL },
		{ "xou=tenants,o=hikyaku", NULL },
		{ "cn=operator,ou=platform,o=hikyaku", NULL },
		{ "ou=a,ou=tenants,o=other", NULL },
		{ "", NULL },
		{ "no dn", NULL },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf tenant;

		buf_init(&tenant, 64);
		assert_int_equal(
		    naming_tenant_of(span_str(rows[i].dn), BASE, &tenant),
		    rows[i].tenant != NULL);
		if (rows[i].tenant != NULL)
			assert_string_equal(buf_str(&tenant), rows[i].tenant);
	}
	assert_true(naming_tenant_valid(SPAN("aozora-2")));
	assert_false(naming_tenant_valid(SPAN("")));
	assert_false(naming_tenant_valid(SPAN("-a")));
	assert_false(naming_tenant_valid(SPAN("A")));
	assert_false(naming_tenant_valid(SPAN("a/..")));
	assert_false(naming_tenant_valid(
	    SPAN("0123456789012345678901234567890123456789012345678901234567"
		 "890123")));
}

/* ---- tables as text ---------------------------------------------------------
 */

static const struct {
	const char *text;
	const char *records; /* fields end with "|", records with "/" */
	enum csv_take last;
} tables[] = {
	{ "", "", CSV_END },
	{ "\n\r\n\n", "", CSV_END },
	{ "a,b\r\nc,d\r\n", "a|b|/c|d|/", CSV_END },
	{ "a,b\nc,d", "a|b|/c|d|/", CSV_END },
	{ "\xef\xbb\xbf"
	  "a\n",
	    "a|/", CSV_END },
	{ ",\n", "||/", CSV_END },
	{ "a,\n", "a||/", CSV_END },
	{ "\"a,b\",\"c\"\"d\"\n", "a,b|c\"d|/", CSV_END },
	{ "\"a\r\nb\"\nx\n", "a\r\nb|/x|/", CSV_END },
	{ "\"\"\n", "|/", CSV_END },
	{ "a b , c\n", "a b | c|/", CSV_END },
	{ "a\tb\n", "a\tb|/", CSV_END },
	/* One bad record; those behind it are read. */
	{ "a\n\xff\nb\n", "a|/b|/", CSV_END },
	{ "a\n\"x\x01\",y\nb\n", "a|/b|/", CSV_END },
	/* Where the next record begins nobody knows. */
	{ "a\nb\"c\nd\n", "a|/", CSV_BROKEN },
	{ "a\n\"b\"c\nd\n", "a|/", CSV_BROKEN },
	{ "a\n\"b\nc\nd\n", "a|/", CSV_BROKEN },
	{ "a\n\"", "a|/", CSV_BROKEN },
};

static void
test_csv(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(tables); i++) {
		CLEANUP(csv_record_fini) struct csv_record r;
		enum csv_take took;
		char got[256] = "";
		struct csv csv;

		csv_record_init(&r);
		csv_init(&csv, span_str(tables[i].text));
		while ((took = csv_take(&csv, &r, NULL)) == CSV_RECORD ||
		       took == CSV_BAD) {
			if (took == CSV_BAD)
				continue;
			for (size_t n = 0; n < r.len; n++) {
				strncat(got, r.fields[n].p, r.fields[n].len);
				strcat(got, "|");
			}
			strcat(got, "/");
		}
		assert_string_equal(got, tables[i].records);
		assert_int_equal(took, tables[i].last);
		if (took == CSV_BROKEN) /* and nothing more is read */
			assert_int_equal(csv_take(&csv, &r, NULL), CSV_END);
	}
}

static void
test_csv_lines(void **state)
{
	CLEANUP(csv_record_fini) struct csv_record r;
	static const unsigned lines[] = { 2, 3, 6, 7 };
	struct csv csv;

	(void)state;
	csv_record_init(&r);
	csv_init(&csv, SPAN("\na\r\n\"x\ny\nz\"\nb\nc"));
	for (size_t i = 0; i < LEN(lines); i++) {
		assert_int_equal(csv_take(&csv, &r, NULL), CSV_RECORD);
		assert_int_equal(r.line, lines[i]);
	}
	assert_int_equal(csv_take(&csv, &r, NULL), CSV_END);
}

static void
test_csv_limits(void **state)
{
	CLEANUP(csv_record_fini) struct csv_record r;
	CLEANUP(buf_fini) struct buf text;
	struct err err = ERR_INIT;
	struct csv csv;

	(void)state;
	csv_record_init(&r);
	buf_init(&text, 2 * CSV_RECORD_MAX);
	for (size_t i = 0; i < CSV_FIELDS_MAX; i++)
		buf_append_octet(&text, ',');
	csv_init(&csv, buf_span(&text));
	assert_int_equal(csv_take(&csv, &r, &err), CSV_BROKEN);
	assert_int_equal(err.kind, ERR_LIMIT);
	csv_init(&csv, span_first(buf_span(&text), CSV_FIELDS_MAX - 1));
	assert_int_equal(csv_take(&csv, &r, &err), CSV_RECORD);
	assert_int_equal(r.len, CSV_FIELDS_MAX);
	buf_clear(&text);
	for (size_t i = 0; i <= CSV_RECORD_MAX; i++)
		buf_append_octet(&text, 'x');
	csv_init(&csv, buf_span(&text));
	assert_int_equal(csv_take(&csv, &r, &err), CSV_BROKEN);
	assert_int_equal(err.kind, ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_shown_is_read_back),
		cmocka_unit_test(test_split),
		cmocka_unit_test(test_tables),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_tenant_of),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_lines),
		cmocka_unit_test(test_csv_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
