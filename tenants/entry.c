/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/entry.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "common/packet.h"
#include "tenants/settings_spec.h"

struct span
entry_fields(const struct entry *e)
{
	return span_of(e->data, e->len);
}

bool
entry_next(struct span *rest, enum entry_attr attr, struct span *value_out)
{
	uint8_t tag;

	while (packet_next(rest, &tag, value_out) == PACKET_FIELD)
		if (tag == (uint8_t)attr)
			return true;
	return false;
}

struct span
entry_get(const struct entry *e, enum entry_attr attr)
{
	struct span rest = entry_fields(e), value;

	return entry_next(&rest, attr, &value) ? value : SPAN_NONE;
}

bool
entry_has(const struct entry *e, enum entry_attr attr, struct span value)
{
	struct span rest = entry_fields(e), one;

	while (entry_next(&rest, attr, &one))
		if (span_eq_nocase(one, value))
			return true;
	return false;
}

uint64_t
entry_number(const struct entry *e, enum entry_attr attr)
{
	uint64_t number;

	return span_to_u64(entry_get(e, attr), &number) ? number : 0;
}

static enum entry_kind
kind_of(const struct entry *e)
{
	static const struct {
		const char *object_class;
		enum entry_kind kind;
	} kinds[] = {
		{ "hkAccount", ENTRY_ACCOUNT },
		{ "hkGroup", ENTRY_GROUP },
		{ "hkDomain", ENTRY_DOMAIN },
		{ "hkTenant", ENTRY_TENANT },
		{ "hkClassOfService", ENTRY_CLASS },
		{ "groupOfNames", ENTRY_ROLE },
		{ "hkActor", ENTRY_ACTOR },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (entry_has(
			e, ATTR_OBJECT_CLASS, span_str(kinds[i].object_class)))
			return kinds[i].kind;
	return ENTRY_OTHER;
}

/*
 * "..., ou=NAME, ou=tenants, BASE" → NAME.  It becomes a directory of the
 * store, so it has letters, digits and hyphens, whatever LDAP would allow.
 */
static void
tenant_of_dn(struct span dn, const char *base, char *tenant, size_t size)
{
	CLEANUP(buf_fini) struct buf suffix;
	struct span name;
	ptrdiff_t comma;

	tenant[0] = '\0';
	buf_init(&suffix, 512);
	buf_append_fmt(&suffix, ",ou=tenants,%s", base);
	if (buf_check(&suffix, NULL) == -1 || dn.len <= suffix.len ||
	    !span_eq_nocase(
		span_from(dn, dn.len - suffix.len), buf_span(&suffix)))
		return;
	dn = span_first(dn, dn.len - suffix.len);
	comma = span_rindex(dn, ',');
	name = span_from(dn, (size_t)(comma + 1));
	if (!span_take_nocase(&name, SPAN("ou=")) || name.len == 0 ||
	    name.len >= size || name.p[0] == '-')
		return;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is(name.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    name.p[i] != '-')
			return;
	for (size_t i = 0; i < name.len; i++)
		tenant[i] = ascii_lower(name.p[i]);
	tenant[name.len] = '\0';
}

int
entry_from_fields(struct span fields, const char *base,
    struct entry **entry_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *e = NULL;
	struct span rest = fields, value;
	enum packet_next next;
	uint8_t tag;

	while ((next = packet_next(&rest, &tag, &value)) == PACKET_FIELD)
		;
	if (next == PACKET_BROKEN)
		return err_set(err, ERR_SYNTAX, "entry: broken field");
	e = calloc(1, sizeof(*e) + fields.len);
	if (e == NULL)
		return err_sys(err, "entry");
	atomic_init(&e->refs, 1);
	e->len = fields.len;
	memcpy(e->data, fields.p, fields.len);
	if (entry_get(e, ATTR_DN).len == 0 ||
	    entry_get(e, ATTR_UUID).len != ENTRY_UUID_SIZE)
		return err_set(err, ERR_SYNTAX, "entry: no DN or entryUUID");
	e->kind = kind_of(e);
	tenant_of_dn(entry_get(e, ATTR_DN), base, e->tenant, sizeof(e->tenant));
	/* In no tenant's branch there is nobody to own them, and services are
	 * the platform's alone. */
	if (e->tenant[0] == '\0'
		? e->kind != ENTRY_CLASS && e->kind != ENTRY_ROLE &&
		      e->kind != ENTRY_ACTOR
		: e->kind == ENTRY_ACTOR)
		e->kind = ENTRY_OTHER;
	*entry_out = STEAL(e);
	return 0;
}

/* The values of each attribute, borrowed from a message. */
struct received {
	BerVarray values[ATTR_BEHIND_LAST];
};

static void
received_fini(struct received *r)
{
	for (size_t i = 0; i < ATTR_BEHIND_LAST; i++)
		ber_memfree(r->values[i]);
}
CLEANUP_DEFINE_VALUE(struct received, received_fini)

/* 0: none that we asked for. */
static int
attr_of(const struct berval *name)
{
	struct span found = span_of(name->bv_val, name->bv_len);

	for (int attr = ATTR_UUID; attr < ATTR_BEHIND_LAST; attr++)
		if (span_eq_nocase(found,
			span_str(entry_attr_name((enum entry_attr)attr))))
			return attr;
	return 0;
}

/* In one pass: ldap_get_values_len reads the message for each name. */
static int
receive(LDAP *ld, LDAPMessage *message, struct received *r, struct berval *dn,
    struct err *err)
{
	BerElement *ber = NULL;
	struct berval name;
	BerVarray values;
	int rc = ldap_get_dn_ber(ld, message, &ber, dn);

	while (rc == LDAP_SUCCESS) {
		int attr;

		values = NULL;
		rc = ldap_get_attribute_ber(ld, message, ber, &name, &values);
		if (rc != LDAP_SUCCESS || name.bv_val == NULL)
			break;
		attr = attr_of(&name);
		ber_memfree(r->values[attr]);
		r->values[attr] = values;
	}
	ber_free(ber, 0);
	if (rc != LDAP_SUCCESS || dn->bv_len == 0)
		return err_set(err, ERR_TEMP, "entry: %s",
		    rc == LDAP_SUCCESS ? "no DN" : ldap_err2string(rc));
	return 0;
}

void
entry_clean(enum entry_attr attr, char *value, size_t len)
{
	const struct setting_spec *spec = setting_spec_find(attr);

	/* Passwords are octets; settings are judged as they stand. */
	if (attr == ATTR_PASSWORD || attr == ATTR_SECRET ||
	    (spec != NULL && spec->type != SETTING_TERMS))
		return;
	for (size_t i = 0; i < len; i++)
		if (ascii_is(value[i], ASCII_CTL))
			value[i] = '?';
}

static void
put_values(BerVarray values, enum entry_attr attr, struct buf *fields)
{
	for (size_t i = 0; values != NULL && values[i].bv_val != NULL; i++) {
		struct span value =
		    span_first(span_of(values[i].bv_val, values[i].bv_len),
			ATTR_VALUE_MAX);

		entry_clean(attr, values[i].bv_val, value.len);
		packet_put(fields, (uint8_t)attr, value);
	}
}

int
entry_from_ldap(LDAP *ld, LDAPMessage *message, const char *base,
    struct entry **entry_out, struct err *err)
{
	CLEANUP(received_fini) struct received r = { .values = { NULL } };
	CLEANUP(buf_fini) struct buf fields;
	struct berval dn = { 0, NULL };

	buf_init(&fields, ENTRY_OCTETS_MAX);
	if (receive(ld, message, &r, &dn, err) == -1)
		return -1;
	packet_put(&fields, ATTR_DN, span_of(dn.bv_val, dn.bv_len));
	for (int attr = ATTR_UUID; attr < ATTR_BEHIND_LAST; attr++)
		put_values(r.values[attr], (enum entry_attr)attr, &fields);
	packet_put(&fields, ATTR_FORMAT, SPAN("1"));
	if (buf_check(&fields, err) == -1)
		return -1;
	return entry_from_fields(buf_span(&fields), base, entry_out, err);
}

struct entry *
entry_ref(struct entry *e)
{
	if (e != NULL)
		atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
	return e;
}

void
entry_unref(struct entry *e)
{
	if (e != NULL &&
	    atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel) == 1)
		free(e);
}
