/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku tenant add. */
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "master/manage_new.h"
#include "tenants/naming.h"

static const char *const units[] = { "domains", "accounts", "groups",
	"admins" };

/* ---- the number of its system user ------------------------------------------
 */

struct used {
	uint64_t low, high;
	bool *taken; /* high - low + 1 */
};

static bool
note_uid(void *arg, LDAP *ld, LDAPMessage *entry, struct err *err)
{
	struct used *used = arg;
	CLEANUP(buf_fini) struct buf text;
	uint64_t uid;

	(void)err;
	buf_init(&text, 64);
	if (entry_value(ld, entry, "hkUid", &text) &&
	    span_to_u64(buf_span(&text), &uid) && uid >= used->low &&
	    uid <= used->high)
		used->taken[uid - used->low] = true;
	return true;
}

static int
pick_uid(
    struct manage *m, struct used *used, uint64_t *uid_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf base;
	static const char *const attrs[] = { "hkUid", NULL };
	struct editor_query query = { NULL, LDAP_SCOPE_ONELEVEL,
		"(objectClass=hkTenant)", attrs };

	buf_init(&base, DN_MAX);
	naming_tenants(&base, m->tenantd.base);
	query.base = buf_str(&base);
	if (editor_search(m->editor, &query, note_uid, used, err) == -1)
		return -1;
	for (uint64_t uid = used->low; uid <= used->high; uid++)
		if (!used->taken[uid - used->low]) {
			*uid_out = uid;
			return 0;
		}
	return err_set(err, ERR_LIMIT,
	    "no number of tenant-uids is free; expected --uid, or a wider "
	    "range in the configuration");
}

/* The first of tenant-uids that no tenant has; unique keeps two at once from
 * getting the same. */
static int
free_uid(struct manage *m, uint64_t *uid_out, struct err *err)
{
	uid_t low, high;
	struct used used = { .taken = NULL };
	int rc;

	if (hikyaku_load(m->ctx) == -1 ||
	    !daemon_uid_range(m->ctx->top.tenant_uids, &low, &high))
		return err_set(err, ERR_SYNTAX,
		    "tenant-uids: expected LOW-HIGH, such as 200000-299999");
	used.low = low;
	used.high = high;
	used.taken = calloc((size_t)high - low + 1, sizeof(bool));
	if (used.taken == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	rc = pick_uid(m, &used, uid_out, err);
	free(used.taken);
	return rc;
}

/* ---- its entries ------------------------------------------------------------
 */

static void
put(struct changes *c, const char *attribute, struct span value)
{
	changes_value(c, LDAP_MOD_ADD, attribute, value);
}

/* What is there already stays as it is, so that an add that was cut short can
 * be repeated. */
static int
add_once(
    struct manage *m, const char *dn, const struct changes *c, struct err *err)
{
	if (editor_add(m->editor, dn, c, err) == 0)
		return 0;
	if (editor_code(m->editor) != LDAP_ALREADY_EXISTS)
		return -1;
	err_clear(err);
	return 0;
}

static int
add_unit(
    struct manage *m, struct span tenant, const char *unit, struct err *err)
{
	CLEANUP(changes_fini) struct changes c;
	CLEANUP(buf_fini) struct buf dn;

	changes_init(&c);
	buf_init(&dn, DN_MAX);
	naming_unit(&dn, m->tenantd.base, tenant, unit);
	put(&c, "objectClass", SPAN("organizationalUnit"));
	put(&c, "ou", span_str(unit));
	return buf_check(&dn, err) == -1 ? -1
					 : add_once(m, buf_str(&dn), &c, err);
}

/*
 * A group must have a member (RFC 4519 3.5).  Until there is an owner it is
 * the operator; "hikyaku admin add" takes that out again.
 */
static int
add_owners(struct manage *m, struct span tenant, struct err *err)
{
	CLEANUP(changes_fini) struct changes c;
	CLEANUP(buf_fini) struct buf dn;

	changes_init(&c);
	buf_init(&dn, DN_MAX);
	buf_append_str(&dn, "cn=owners,");
	naming_unit(&dn, m->tenantd.base, tenant, "admins");
	put(&c, "objectClass", SPAN("groupOfNames"));
	put(&c, "cn", SPAN("owners"));
	put(&c, "member", span_str(m->conf.bind_dn));
	return buf_check(&dn, err) == -1 ? -1
					 : add_once(m, buf_str(&dn), &c, err);
}

static int
add_top(struct manage *m, struct span tenant, struct err *err)
{
	CLEANUP(changes_fini) struct changes c;
	CLEANUP(buf_fini) struct buf dn;
	CLEANUP(buf_fini) struct buf number;
	CLEANUP(buf_fini) struct buf owners;
	uint64_t uid = 0;

	changes_init(&c);
	buf_init(&dn, DN_MAX);
	buf_init(&number, 32);
	buf_init(&owners, DN_MAX);
	naming_tenant(&dn, m->tenantd.base, tenant);
	buf_append_str(&owners, "cn=owners,");
	naming_unit(&owners, m->tenantd.base, tenant, "admins");
	put(&c, "objectClass", SPAN("organizationalUnit"));
	put(&c, "objectClass", SPAN("hkTenant"));
	put(&c, "ou", tenant);
	put(&c, "hkAdminGroup", buf_span(&owners));
	if (buf_check(&dn, err) == -1 || buf_check(&owners, err) == -1 ||
	    manage_settings(m, NULL, &c, err) == -1)
		return -1;
	if (!changes_has(&c, "hkTenantStatus"))
		put(&c, "hkTenantStatus", SPAN("active"));
	if (!changes_has(&c, "hkUid")) {
		if (free_uid(m, &uid, err) == -1)
			return -1;
		buf_append_u64(&number, uid);
		put(&c, "hkUid", buf_span(&number));
	}
	return editor_add(m->editor, buf_str(&dn), &c, err);
}

/* All containers are there: then a second add is a mistake. */
static bool
is_whole(struct manage *m, struct span tenant)
{
	CLEANUP(found_fini) struct found found = { NULL, NULL, NULL };
	CLEANUP(buf_fini) struct buf dn;
	struct editor_query query = { .scope = LDAP_SCOPE_BASE,
		.filter = "(objectClass=groupOfNames)" };

	buf_init(&dn, DN_MAX);
	buf_append_str(&dn, "cn=owners,");
	naming_unit(&dn, m->tenantd.base, tenant, "admins");
	query.base = buf_str(&dn);
	return editor_find(m->editor, &query, &found, NULL) == 0 &&
	       found.entry != NULL;
}

int
manage_add_tenant(struct manage *m, struct err *err)
{
	struct span tenant = span_str(m->options.names[0]);

	if (!naming_tenant_valid(tenant))
		return err_set(err, ERR_SYNTAX,
		    "expected up to 63 small letters, digits and hyphens: it "
		    "names "
		    "a directory of the store");
	if (add_top(m, tenant, err) == -1) {
		if (editor_code(m->editor) != LDAP_ALREADY_EXISTS ||
		    is_whole(m, tenant))
			return -1;
		err_clear(err);
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (add_unit(m, tenant, units[i], err) == -1)
			return -1;
	/* Last, since it tells that all is there. */
	return add_owners(m, tenant, err);
}
