/* SPDX-License-Identifier: BSD-2-Clause */
/* Limits that slapd cannot hold. */
#include <string.h>

#include "master/manage.h"
#include "tenants/naming.h"

static void
lower(struct manage *m, const struct found *found, const char *attribute,
    uint64_t *limit)
{
	CLEANUP(buf_fini) struct buf text;
	uint64_t number;

	buf_init(&text, 64);
	if (found->entry != NULL &&
	    entry_value(
		editor_ldap(m->editor), found->entry, attribute, &text) &&
	    span_to_u64(buf_span(&text), &number) && number < *limit)
		*limit = number;
}

int
manage_limit(struct manage *m, const struct found *found, const char *attribute,
    uint64_t *limit, struct err *err)
{
	CLEANUP(found_fini) struct found class = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf dn;
	struct editor_query query = { .scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=hkClassOfService)" };

	buf_init(&dn, DN_MAX);
	lower(m, found, attribute, limit);
	if (found->entry == NULL ||
	    !entry_value(editor_ldap(m->editor), found->entry, "hkClass", &dn))
		return 0;
	query.base = buf_str(&dn);
	if (editor_find(m->editor, &query, &class, err) == -1)
		return -1;
	lower(m, &class, attribute, limit);
	return 0;
}

static bool
count_one(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	uint64_t *count = arg;

	(void)ld;
	(void)entry;
	(void)err;
	(*count)++;
	return true;
}

int
manage_room(
    struct manage *m, struct span tenant, uint64_t *left_out, struct err *err)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf base;
	static const char *const none[] = { "1.1", NULL };
	struct editor_query query = { NULL, LDAP_SCOPE_ONELEVEL,
		"(&(objectClass=hkAccount)(!(hkStatus=deleted)))", none };
	uint64_t limit = UINT64_MAX, count = 0;

	buf_init(&base, DN_MAX);
	*left_out = UINT64_MAX;
	if (manage_find(m, kind_of(KIND_TENANT), tenant, &found, err) == -1 ||
	    manage_limit(m, &found, "hkMaxAccounts", &limit, err) == -1)
		return -1;
	if (limit == UINT64_MAX)
		return 0;
	naming_unit(&base, m->tenantd.base, tenant, "accounts");
	query.base = buf_str(&base);
	if (editor_search(m->editor, &query, count_one, &count, err) == -1)
		return -1;
	*left_out = count < limit ? limit - count : 0;
	return 0;
}
