/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From an address to the final recipients.
 *
 * The steps for one address, each only when the former found nothing:
 *
 *	1. an account or group that has it (mailLocalAddress, hkIntlAddress)
 *	2. in an alias domain: the same local part in the domain behind it
 *	3. user+detail: the address without the detail, where the tenant wants
 *it
 *	4. postmaster, abuse: the owners of the domain      RFC 2142, 5321 4.5.1
 *	5. the domain's catch-all
 *
 * Whatever is found must stand in the branch of the tenant that has the
 * domain.  Members of groups are resolved likewise, each group once.
 */
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/ascii.h"
#include "common/log.h"
#include "tenants/info.h"
#include "tenants/recipients.h"

enum {
	LOCAL_PART_MAX = 64, /* RFC 5321 4.5.3.1.1 */
	DEPTH_MAX = 8,
	GROUPS_MAX = 256,
	/* More take too long for a thread that must not wait. */
	AT_ONCE_MAX = 64,
};

struct resolver {
	struct directory *d;
	struct err *err;
	struct resolution *out;
	struct recipients recipients; /* of *out */
	bool met_again;               /* a group was met twice */
	bool too_much;
	bool met_group;
	/* Groups that are or were expanded, by entryUUID. */
	size_t groups_len;
	char groups[GROUPS_MAX][ENTRY_UUID_SIZE];
};

void
resolution_fini(struct resolution *r)
{
	free(r->recipients);
	memset(r, 0, sizeof(*r));
}

/* ---- recipients -------------------------------------------------------------
 */

static int
recipient_add(struct resolver *r, const struct recipient *new)
{
	if (r->d->memory_only && r->out->count >= AT_ONCE_MAX)
		return directory_set_would_wait(r->err);
	if (r->out->count >= TENANT_RECIPIENTS_MAX &&
	    !recipients_has(&r->recipients, r->out, new)) {
		r->too_much = true;
		return 0;
	}
	return recipients_add(&r->recipients, r->out, new, r->err);
}

static void
copy_span(struct span value, char *out, size_t size)
{
	size_t len = value.len < size ? value.len : size - 1;

	if (len > 0)
		memcpy(out, value.p, len);
	out[len] = '\0';
}

/* ---- one address ------------------------------------------------------------
 */

/* An address in its parts, and what is known of its domain. */
struct place {
	struct span local_part;
	char domain[TENANT_DOMAIN_MAX + 1]; /* lower case */
	struct span detail;                 /* of user+detail, once cut off */
	struct entry *domain_entry, *tenant_entry;
	struct domain_info info;
};

static void
place_fini(struct place *p)
{
	entry_unref(p->domain_entry);
	entry_unref(p->tenant_entry);
}
CLEANUP_DEFINE_VALUE(struct place, place_fini)

static bool
address_split(struct span address, struct place *p)
{
	ptrdiff_t at = span_rindex(address, '@');
	struct span domain;

	if (at <= 0 || address.len > TENANT_ADDRESS_MAX)
		return false;
	domain = span_from(address, (size_t)at + 1);
	if (domain.len == 0 || domain.len > TENANT_DOMAIN_MAX)
		return false;
	p->local_part = span_first(address, (size_t)at);
	for (size_t i = 0; i < domain.len; i++)
		p->domain[i] = ascii_lower(domain.p[i]);
	p->domain[domain.len] = '\0';
	return true;
}

/* FOUND: ours; NONE: somebody else's. */
static enum lookup
place_find(struct resolver *r, struct place *p)
{
	struct span name = span_str(p->domain);
	enum lookup found =
	    directory_find(r->d, KEY_DOMAIN, name, &p->domain_entry, r->err);

	if (found != LOOKUP_FOUND)
		return found;
	found = directory_find(r->d, KEY_TENANT,
	    span_str(p->domain_entry->tenant), &p->tenant_entry, r->err);
	if (found == LOOKUP_FOUND)
		found =
		    info_domain(r->d, p->domain_entry, name, &p->info, r->err);
	if (found == LOOKUP_NONE) {
		/* The domain is ours and its tenant is in disorder: that is
		 * nothing to bounce mail for. */
		(void)err_set(r->err, ERR_TEMP,
		    "domain %s has no usable tenant", p->domain);
		return LOOKUP_FAILED;
	}
	return found;
}

/* The entry of local_part@domain in the tenant's branch. */
static enum lookup
find_at(struct resolver *r, const struct place *p, struct span local_part,
    struct span domain, struct entry **e_out)
{
	CLEANUP(buf_fini) struct buf address;
	enum lookup found;

	*e_out = NULL;
	buf_init(&address, TENANT_ADDRESS_MAX);
	buf_append(&address, local_part);
	buf_append_octet(&address, '@');
	buf_append(&address, domain);
	if (buf_check(&address, NULL) == -1)
		return LOOKUP_NONE;
	found = directory_find(
	    r->d, KEY_ADDRESS, buf_span(&address), e_out, r->err);
	if (found == LOOKUP_FOUND &&
	    strcmp((*e_out)->tenant, p->domain_entry->tenant) != 0) {
		log_error(&log_process, "address in a domain of another tenant",
		    log_span("dn", entry_get(*e_out, ATTR_DN)),
		    log_span("address", buf_span(&address)));
		entry_unref(STEAL(*e_out));
		return LOOKUP_NONE;
	}
	return found;
}

/* The step before must be known first. */
static bool
must_wait(const struct resolver *r, enum lookup found)
{
	return found == LOOKUP_FAILED && r->d->memory_only;
}

/*
 * Steps 1 and 2.  In an outage "not known" stands where "none" did before, as
 * for the alias domain's own address; the next step may well be known, and the
 * mail goes where it went yesterday.
 */
static enum lookup
find_exactly(struct resolver *r, const struct place *p, struct span local_part,
    struct entry **e_out)
{
	enum lookup found =
	    find_at(r, p, local_part, span_str(p->domain), e_out);
	enum lookup behind;

	if (found == LOOKUP_FOUND || p->info.target[0] == '\0' ||
	    must_wait(r, found))
		return found;
	behind = find_at(r, p, local_part, span_str(p->info.target), e_out);
	return behind == LOOKUP_NONE ? found : behind;
}

/* Steps 1 to 3, likewise. */
static enum lookup
find_entry(struct resolver *r, struct place *p, struct entry **e_out)
{
	enum lookup found = find_exactly(r, p, p->local_part, e_out), whole;
	ptrdiff_t plus = span_index(p->local_part, '+');

	if (found == LOOKUP_FOUND || plus <= 0 || must_wait(r, found) ||
	    !entry_has(p->tenant_entry, ATTR_PLUS_ADDRESSING, SPAN("TRUE")))
		return found;
	whole =
	    find_exactly(r, p, span_first(p->local_part, (size_t)plus), e_out);
	if (whole == LOOKUP_FOUND)
		p->detail = span_from(p->local_part, (size_t)plus + 1);
	return whole == LOOKUP_NONE ? found : whole;
}

/* Mail for it is not taken; *outcome says how it is refused. */
static bool
takes_nothing(enum account_status status, enum resolve_outcome *outcome)
{
	switch (status) {
	case ACCOUNT_ACTIVE:
	case ACCOUNT_NOLOGIN:
		return false;
	case ACCOUNT_NORECEIVE:
		*outcome = RESOLVE_REFUSED;
		break;
	case ACCOUNT_SUSPENDED:
		*outcome = RESOLVE_SUSPENDED;
		break;
	case ACCOUNT_DELETED: /* and no catch-all gets what was for it */
		*outcome = RESOLVE_UNKNOWN;
		break;
	}
	return true;
}

static int
add_account(struct resolver *r, struct entry *e, struct span detail,
    enum resolve_outcome *outcome)
{
	struct recipient new = { .local = true };

	if (takes_nothing(info_status(e), outcome))
		return 0;
	switch (info_account(r->d, e, &new.account, r->err)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_NONE:
		/* In disorder (the log says how): not for ever. */
		(void)err_set(r->err, ERR_TEMP, "account entry unusable");
		return -1;
	case LOOKUP_FAILED:
		return -1;
	}
	(void)snprintf(
	    new.address, sizeof(new.address), "%s", new.account.address);
	copy_span(detail, new.detail, sizeof(new.detail));
	*outcome = RESOLVE_MAILBOX;
	return recipient_add(r, &new);
}

static int expand(struct resolver *r, struct span address, unsigned depth,
    enum resolve_outcome *outcome);

static int
add_elsewhere(struct resolver *r, struct span address)
{
	struct recipient new = { .local = false };

	if (address.len > TENANT_ADDRESS_MAX)
		return 0;
	copy_span(address, new.address, sizeof(new.address));
	return recipient_add(r, &new);
}

/* ---- groups
 * ------------------------------------------------------------------ */

/* Accounts that a "member" value or the owners' group names, by DN. */
static int
add_dn(struct resolver *r, struct span dn, const char *tenant,
    enum resolve_outcome *outcome)
{
	CLEANUP(entry_unref) struct entry *e = NULL;

	switch (directory_find(r->d, KEY_DN, dn, &e, r->err)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_NONE:
		return 0;
	case LOOKUP_FAILED:
		return -1;
	}
	if (e->kind != ENTRY_ACCOUNT || strcmp(e->tenant, tenant) != 0) {
		log_warning(&log_process, "member is no account of the tenant",
		    log_str("tenant", tenant), log_span("dn", dn));
		return 0;
	}
	return add_account(r, e, SPAN_NONE, outcome);
}

/* False: it was met before, or there are too many. */
static bool
group_enter(struct resolver *r, const struct entry *e)
{
	struct span uuid = entry_get(e, ATTR_UUID);

	for (size_t i = 0; i < r->groups_len; i++) {
		if (memcmp(r->groups[i], uuid.p, ENTRY_UUID_SIZE) == 0) {
			r->met_again = true;
			return false;
		}
	}
	if (r->groups_len == GROUPS_MAX) {
		r->too_much = true;
		return false;
	}
	memcpy(r->groups[r->groups_len++], uuid.p, ENTRY_UUID_SIZE);
	return true;
}

static int
add_member_address(struct resolver *r, struct span address, unsigned depth)
{
	enum resolve_outcome outcome;

	if (expand(r, address, depth + 1, &outcome) == -1)
		return -1;
	return outcome == RESOLVE_FOREIGN ? add_elsewhere(r, address) : 0;
}

static int
add_group(struct resolver *r, const struct entry *e, unsigned depth,
    enum resolve_outcome *outcome)
{
	struct span rest = entry_fields(e), value;
	enum resolve_outcome ignored;

	if (takes_nothing(info_status(e), outcome))
		return 0;
	r->met_group = true;
	*outcome = RESOLVE_GROUP;
	if (depth >= DEPTH_MAX) {
		r->too_much = true;
		return 0;
	}
	if (!group_enter(r, e))
		return 0;
	while (entry_next(&rest, ATTR_MEMBER_ADDRESS, &value) && !r->too_much)
		if (add_member_address(r, value, depth) == -1)
			return -1;
	rest = entry_fields(e);
	while (entry_next(&rest, ATTR_MEMBER, &value) && !r->too_much)
		if (add_dn(r, value, e->tenant, &ignored) == -1)
			return -1;
	return 0;
}

/* ---- the last steps
 * ----------------------------------------------------------- */

static bool
is_role(struct span local_part)
{
	return span_eq_nocase(local_part, SPAN("postmaster")) ||
	       span_eq_nocase(local_part, SPAN("abuse"));
}

static int
add_owners(
    struct resolver *r, const struct place *p, enum resolve_outcome *outcome)
{
	CLEANUP(entry_unref) struct entry *group = NULL;
	struct span rest, dn = entry_get(p->domain_entry, ATTR_ADMIN_GROUP);
	struct span member;
	enum resolve_outcome ignored;

	switch (directory_find(r->d, KEY_DN, dn, &group, r->err)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_NONE:
		(void)err_set(
		    r->err, ERR_TEMP, "domain %s has no owners", p->domain);
		return -1;
	}
	rest = entry_fields(group);
	while (entry_next(&rest, ATTR_MEMBER, &member))
		if (add_dn(r, member, p->domain_entry->tenant, &ignored) == -1)
			return -1;
	*outcome = r->out->count == 1 ? RESOLVE_MAILBOX : RESOLVE_GROUP;
	r->met_group = r->met_group || r->out->count != 1;
	return 0;
}

static int
expand_found(struct resolver *r, struct place *p, struct entry *e,
    unsigned depth, enum resolve_outcome *outcome)
{
	return e->kind == ENTRY_GROUP ? add_group(r, e, depth, outcome)
				      : add_account(r, e, p->detail, outcome);
}

static int
expand_unknown(struct resolver *r, struct place *p, unsigned depth,
    enum resolve_outcome *outcome)
{
	CLEANUP(place_fini) struct place other = { .domain = "" };
	CLEANUP(entry_unref) struct entry *e = NULL;
	struct span catch_all = entry_get(p->domain_entry, ATTR_CATCH_ALL);

	*outcome = RESOLVE_UNKNOWN;
	if (is_role(p->local_part))
		return add_owners(r, p, outcome);
	/* The catch-all must exist itself, or one would lead to the next. */
	if (catch_all.len == 0 || !address_split(catch_all, &other))
		return 0;
	switch (place_find(r, &other)) {
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_NONE:
		return 0;
	case LOOKUP_FOUND:
		break;
	}
	if (strcmp(other.domain_entry->tenant, p->domain_entry->tenant) != 0)
		return 0;
	switch (find_entry(r, &other, &e)) {
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_NONE:
		return 0;
	case LOOKUP_FOUND:
		break;
	}
	return expand_found(r, &other, e, depth, outcome);
}

/* The domain or its tenant takes nothing now? */
static bool
place_closed(const struct place *p, enum resolve_outcome *outcome)
{
	enum tenant_status domain = info_tenant_status(p->domain_entry);
	enum tenant_status tenant = p->info.tenant.status;

	if (domain == TENANT_SUSPENDED || tenant == TENANT_SUSPENDED) {
		*outcome = RESOLVE_SUSPENDED;
		return true;
	}
	*outcome = RESOLVE_REFUSED;
	return domain != TENANT_ACTIVE || tenant != TENANT_ACTIVE;
}

static int
expand(struct resolver *r, struct span address, unsigned depth,
    enum resolve_outcome *outcome)
{
	CLEANUP(place_fini) struct place p = { .domain = "" };
	CLEANUP(entry_unref) struct entry *e = NULL;

	*outcome = RESOLVE_FOREIGN;
	if (!address_split(address, &p))
		return 0;
	switch (place_find(r, &p)) {
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_NONE:
		return 0;
	case LOOKUP_FOUND:
		break;
	}
	if (depth == 0)
		r->out->tenant = p.info.tenant;
	if (place_closed(&p, outcome))
		return 0;
	*outcome = RESOLVE_UNKNOWN;
	if (p.local_part.len > LOCAL_PART_MAX)
		return 0;
	switch (find_entry(r, &p, &e)) {
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_FOUND:
		return expand_found(r, &p, e, depth, outcome);
	case LOOKUP_NONE:
		break;
	}
	return expand_unknown(r, &p, depth, outcome);
}

int
directory_resolve(struct directory *d, struct span address,
    struct resolution *resolution_out, struct err *err)
{
	struct resolver *r = malloc(sizeof(*r));
	int rc;

	memset(resolution_out, 0, sizeof(*resolution_out));
	if (r == NULL)
		return err_sys(err, "resolver");
	/* Most addresses meet no group. */
	memset(r, 0, offsetof(struct resolver, groups));
	r->d = d;
	r->err = err;
	r->out = resolution_out;
	rc = expand(r, address, 0, &resolution_out->outcome);
	resolution_out->last_known =
	    rc == 0 && resolution_out->outcome == RESOLVE_FOREIGN &&
	    ldap_pool_is_down(d->pool);
	/* A list of nobody, or one that leads back to itself only. */
	if (rc == 0 && resolution_out->outcome == RESOLVE_GROUP &&
	    (r->too_much || resolution_out->count == 0)) {
		resolution_out->outcome = r->too_much || r->met_again
					      ? RESOLVE_LOOP
					      : RESOLVE_REFUSED;
		log_warning(&log_process, "group not deliverable",
		    log_span("address", address),
		    log_str("reason", r->too_much ? "too many members"
				      : r->met_again
					  ? "contains only itself"
					  : "nobody in it may receive"));
	}
	if (rc == -1 || (resolution_out->outcome != RESOLVE_GROUP &&
			    resolution_out->outcome != RESOLVE_MAILBOX)) {
		free(resolution_out->recipients);
		resolution_out->recipients = NULL;
		resolution_out->count = 0;
	}
	recipients_fini(&r->recipients);
	free(r);
	return rc;
}

/* ---- whose address is it?
 * ------------------------------------------------------ */

enum lookup
directory_may_send_as(struct directory *d, const char *account_id,
    struct span address, struct err *err)
{
	CLEANUP(place_fini) struct place p = { .domain = "" };
	CLEANUP(entry_unref) struct entry *account = NULL, *e = NULL;
	struct resolver r = { .d = d, .err = err };
	enum lookup found =
	    directory_find(d, KEY_ID, span_str(account_id), &account, err);

	if (found != LOOKUP_FOUND)
		return found;
	if (!address_split(address, &p) || p.local_part.len > LOCAL_PART_MAX)
		return LOOKUP_NONE;
	found = place_find(&r, &p);
	if (found == LOOKUP_FOUND)
		found = find_entry(&r, &p, &e);
	if (found != LOOKUP_FOUND)
		return found;
	if (e->kind == ENTRY_ACCOUNT)
		return span_eq(entry_get(e, ATTR_UUID),
			   entry_get(account, ATTR_UUID))
			   ? LOOKUP_FOUND
			   : LOOKUP_NONE;
	return strcmp(e->tenant, account->tenant) == 0 &&
		       entry_has(e, ATTR_OWNER, entry_get(account, ATTR_DN))
		   ? LOOKUP_FOUND
		   : LOOKUP_NONE;
}
