/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/naming.h"

#include <string.h>

#include <ldap.h>

#include "common/ascii.h"

enum {
	DN_MAX = 4096,
	TENANT_NAME_MAX = 63
};

void
naming_rdn(struct buf *dn, const char *attribute, struct span value)
{
	static const char hex[] = "0123456789abcdef";

	buf_append_str(dn, attribute);
	buf_append_octet(dn, '=');
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.p[i];
		bool edge = i == 0 || i + 1 == value.len;

		if (c < 0x20 || c == 0x7f) {
			buf_append_octet(dn, '\\');
			buf_append_octet(dn, hex[c >> 4]);
			buf_append_octet(dn, hex[c & 15]);
			continue;
		}
		if (strchr("\"+,;<>\\", c) != NULL || (edge && c == ' ') ||
		    (i == 0 && c == '#'))
			buf_append_octet(dn, '\\');
		buf_append_octet(dn, (char)c);
	}
}

void
naming_tenants(struct buf *dn, const char *base)
{
	buf_append_str(dn, "ou=tenants,");
	buf_append_str(dn, base);
}

void
naming_tenant(struct buf *dn, const char *base, struct span tenant)
{
	naming_rdn(dn, "ou", tenant);
	buf_append_octet(dn, ',');
	naming_tenants(dn, base);
}

void
naming_unit(
    struct buf *dn, const char *base, struct span tenant, const char *unit)
{
	naming_rdn(dn, "ou", span_str(unit));
	buf_append_octet(dn, ',');
	naming_tenant(dn, base, tenant);
}

void
naming_class(struct buf *dn, const char *base, struct span name)
{
	naming_rdn(dn, "cn", name);
	buf_append_str(dn, ",ou=classes,ou=platform,");
	buf_append_str(dn, base);
}

/* Parsed, or NULL; the caller frees with ldap_dnfree. */
static LDAPDN
parse(struct span dn)
{
	CLEANUP(buf_fini) struct buf text;
	LDAPDN parsed = NULL;

	buf_init(&text, DN_MAX);
	buf_append(&text, dn);
	if (buf_check(&text, NULL) == -1 ||
	    ldap_str2dn(buf_str(&text), &parsed, LDAP_DN_FORMAT_LDAPV3) !=
		LDAP_SUCCESS)
		return NULL;
	return parsed;
}

bool
naming_first(struct span dn, struct buf *value)
{
	LDAPDN parsed = parse(dn);
	bool there =
	    parsed != NULL && parsed[0] != NULL && parsed[0][0] != NULL;

	if (there)
		buf_append(value, span_of(parsed[0][0]->la_value.bv_val,
				      parsed[0][0]->la_value.bv_len));
	ldap_dnfree(parsed);
	return there;
}

bool
naming_below(struct span a, struct span b)
{
	if (a.len == b.len)
		return span_eq_nocase(a, b);
	return a.len > b.len && a.p[a.len - b.len - 1] == ',' &&
	       span_eq_nocase(span_from(a, a.len - b.len), b);
}

bool
naming_tenant_of(struct span dn, const char *base, struct buf *tenant)
{
	CLEANUP(buf_fini) struct buf tenants;
	ptrdiff_t comma;

	buf_init(&tenants, DN_MAX);
	naming_tenants(&tenants, base);
	if (buf_check(&tenants, NULL) == -1 || dn.len <= tenants.len ||
	    !naming_below(dn, buf_span(&tenants)))
		return false;
	dn = span_first(dn, dn.len - tenants.len - 1);
	comma = span_rindex(dn, ',');
	return naming_first(span_from(dn, (size_t)(comma + 1)), tenant);
}

bool
naming_tenant_valid(struct span name)
{
	if (name.len == 0 || name.len > TENANT_NAME_MAX || name.p[0] == '-')
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!(name.p[i] >= 'a' && name.p[i] <= 'z') &&
		    !ascii_is(name.p[i], ASCII_DIGIT) && name.p[i] != '-')
			return false;
	return true;
}
