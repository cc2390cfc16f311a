/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/login_name.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "tenants/layers.h"
#include "tenants/saslprep.h"

enum login_form {
	FORM_ADDRESS = 1 << 0,
	FORM_ALIAS = 1 << 1,
	FORM_LOCAL = 1 << 2,
	FORM_LEGACY = 1 << 3,
};

static unsigned
forms_of(const struct entry *tenant)
{
	static const struct {
		const char *word;
		enum login_form form;
	} words[] = {
		{ "address", FORM_ADDRESS },
		{ "alias", FORM_ALIAS },
		{ "local", FORM_LOCAL },
		{ "legacy", FORM_LEGACY },
	};
	unsigned forms = 0;

	if (entry_get(tenant, ATTR_LOGIN_FORM).p == NULL)
		return FORM_ADDRESS | FORM_ALIAS;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (entry_has(tenant, ATTR_LOGIN_FORM, span_str(words[i].word)))
			forms |= words[i].form;
	return forms;
}

/* ---- the brand ----------------------------------------------------------- */

/* "192.0.2.1:995" and "[2001:db8::1]:995" without their port. */
static struct span
without_port(struct span local)
{
	ptrdiff_t colon = span_rindex(local, ':');

	if (colon > 1 && local.p[0] == '[' && local.p[colon - 1] == ']')
		return span_of(local.p + 1, (size_t)colon - 2);
	return colon == -1 ? local : span_first(local, (size_t)colon);
}

/*
 * What is found first.  In an outage one step may not know and the next may;
 * who must not wait does not go past a step that somebody else may know.
 */
static bool
is_decided(const struct directory *d, enum lookup found, enum lookup *all)
{
	if (found != LOOKUP_NONE)
		*all = found;
	return found == LOOKUP_FOUND ||
	       (found == LOOKUP_FAILED && d->memory_only);
}

enum lookup
login_name_brand(struct directory *d, const struct login_name *name,
    struct entry **tenant_out, struct err *err)
{
	const struct {
		enum directory_key key;
		struct span value;
	} steps[] = {
		{ KEY_HOST, name->host },
		{ KEY_HOST_ADDRESS, name->local },
		{ KEY_HOST_ADDRESS, without_port(name->local) },
	};
	enum lookup all = LOOKUP_NONE;

	*tenant_out = NULL;
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++)
		if (is_decided(d,
			directory_find(
			    d, steps[i].key, steps[i].value, tenant_out, err),
			&all))
			break;
	return all;
}

/* ---- addresses ----------------------------------------------------------- */

/* yuki@alias.example → the account yuki@target.example of the same tenant. */
static enum lookup
find_behind_alias(struct directory *d, struct span address,
    struct entry **e_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *domain = NULL;
	CLEANUP(buf_fini) struct buf other = { .max = TENANT_LOGIN_MAX };
	ptrdiff_t at = span_rindex(address, '@');
	enum lookup found;

	if (at <= 0)
		return LOOKUP_NONE;
	found = directory_find(
	    d, KEY_DOMAIN, span_from(address, (size_t)at + 1), &domain, err);
	if (found != LOOKUP_FOUND)
		return found;
	if (entry_get(domain, ATTR_ALIAS_DOMAIN).len == 0)
		return LOOKUP_NONE;
	buf_append(&other, span_first(address, (size_t)at + 1));
	buf_append(&other, entry_get(domain, ATTR_ALIAS_DOMAIN));
	if (buf_check(&other, NULL) == -1)
		return LOOKUP_NONE;
	found = directory_find(d, KEY_LOGIN, buf_span(&other), e_out, err);
	/* Nobody lends a name to another tenant's account. */
	if (found == LOOKUP_FOUND &&
	    strcmp((*e_out)->tenant, domain->tenant) != 0) {
		entry_unref(STEAL(*e_out));
		return LOOKUP_NONE;
	}
	return found;
}

/* In an outage one step may not know and the next may. */
enum lookup
directory_find_login(struct directory *d, struct span login,
    struct entry **e_out, struct err *err)
{
	enum lookup by_uid, by_address, behind;

	by_uid = directory_find(d, KEY_LOGIN, login, e_out, err);
	if (by_uid == LOOKUP_FOUND ||
	    (by_uid == LOOKUP_FAILED && d->memory_only))
		return by_uid;
	by_address = directory_find(d, KEY_ADDRESS, login, e_out, err);
	if (by_address == LOOKUP_FAILED && d->memory_only)
		return by_address;
	if (by_address == LOOKUP_FOUND && (*e_out)->kind == ENTRY_ACCOUNT)
		return by_address;
	if (by_address == LOOKUP_FOUND) {
		entry_unref(STEAL(*e_out));
		return LOOKUP_NONE;
	}
	behind = find_behind_alias(d, login, e_out, err);
	if (behind != LOOKUP_NONE)
		return behind;
	return by_uid == LOOKUP_FAILED || by_address == LOOKUP_FAILED
		   ? LOOKUP_FAILED
		   : LOOKUP_NONE;
}

/* ---- forms --------------------------------------------------------------- */

static enum lookup
find_by_address(struct directory *d, struct span address,
    struct entry **account_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *account = NULL, *tenant = NULL;
	enum lookup found = directory_find_login(d, address, &account, err);
	unsigned form;

	if (found == LOOKUP_FOUND)
		found = layers_tenant(d, account, &tenant, err);
	if (found != LOOKUP_FOUND)
		return found;
	form =
	    entry_has(account, ATTR_UID, address) ? FORM_ADDRESS : FORM_ALIAS;
	if ((forms_of(tenant) & form) == 0)
		return LOOKUP_NONE;
	*account_out = STEAL(account);
	return LOOKUP_FOUND;
}

/* Only an account of the brand itself. */
static enum lookup
of_brand(const struct entry *brand, enum lookup found, struct entry **e)
{
	if (found != LOOKUP_FOUND || strcmp((*e)->tenant, brand->tenant) == 0)
		return found;
	entry_unref(STEAL(*e));
	return LOOKUP_NONE;
}

static enum lookup
find_local(struct directory *d, const struct entry *brand, struct span name,
    struct entry **account_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf address = { .max = TENANT_LOGIN_MAX };
	struct span domain = entry_get(brand, ATTR_PRIMARY_DOMAIN);

	if ((forms_of(brand) & FORM_LOCAL) == 0 || domain.len == 0 ||
	    span_index(name, '@') != -1)
		return LOOKUP_NONE;
	buf_append(&address, name);
	buf_append_octet(&address, '@');
	buf_append(&address, domain);
	if (buf_check(&address, NULL) == -1)
		return LOOKUP_NONE;
	return of_brand(brand,
	    directory_find_login(d, buf_span(&address), account_out, err),
	    account_out);
}

static enum lookup
find_legacy(struct directory *d, const struct entry *brand, struct span name,
    struct entry **account_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf id = { .max = TENANT_LOGIN_MAX };

	if ((forms_of(brand) & FORM_LEGACY) == 0)
		return LOOKUP_NONE;
	buf_append_str(&id, brand->tenant);
	buf_append_octet(&id, '/');
	buf_append(&id, name);
	if (buf_check(&id, NULL) == -1)
		return LOOKUP_NONE;
	return of_brand(brand,
	    directory_find(d, KEY_LEGACY, buf_span(&id), account_out, err),
	    account_out);
}

/* Both are the brand's, and each may be somebody's. */
static enum lookup
find_in_brand(struct directory *d, const struct entry *brand, struct span name,
    struct entry **account_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *local = NULL, *legacy = NULL;
	enum lookup all = LOOKUP_NONE;

	if ((is_decided(d, find_local(d, brand, name, &local, err), &all) &&
		all == LOOKUP_FAILED) ||
	    (is_decided(d, find_legacy(d, brand, name, &legacy, err), &all) &&
		all == LOOKUP_FAILED))
		return LOOKUP_FAILED;
	if (local == NULL && legacy == NULL)
		return all;
	if (local != NULL && legacy != NULL &&
	    !span_eq(
		entry_get(local, ATTR_UUID), entry_get(legacy, ATTR_UUID))) {
		log_warning(&log_process,
		    "login name is a local part and a legacy id of two people",
		    log_str("tenant", brand->tenant), log_span("login", name));
		return LOOKUP_NONE;
	}
	*account_out = local != NULL ? STEAL(local) : STEAL(legacy);
	return LOOKUP_FOUND;
}

static enum lookup
find_as_typed(struct directory *d, const struct login_name *name,
    struct entry **account_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *brand = NULL;
	enum lookup all = LOOKUP_NONE, found;

	*account_out = NULL;
	if (span_index(name->text, '@') != -1 &&
	    is_decided(
		d, find_by_address(d, name->text, account_out, err), &all))
		return all;
	found = login_name_brand(d, name, &brand, err);
	if (found == LOOKUP_FOUND)
		found = find_in_brand(d, brand, name->text, account_out, err);
	return found == LOOKUP_NONE ? all : found;
}

/* A keyboard's width of letters is no part of a name.	RFC 4013 */
enum lookup
login_name_find(struct directory *d, const struct login_name *name,
    struct entry **account_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf prepared = { .max = TENANT_LOGIN_MAX };
	struct login_name again = *name;
	enum lookup found = find_as_typed(d, name, account_out, err);

	if (found != LOOKUP_NONE || !saslprep(name->text, &prepared))
		return found;
	again.text = buf_span(&prepared);
	return find_as_typed(d, &again, account_out, err);
}

enum lookup
directory_tenant_of_login(struct directory *d, const struct login_name *name,
    char tenant_out[TENANT_NAME_MAX + 1], struct err *err)
{
	CLEANUP(entry_unref) struct entry *brand = NULL;
	ptrdiff_t at = span_rindex(name->text, '@');
	struct domain_info domain = { .name = "" };
	enum lookup found = LOOKUP_NONE;

	tenant_out[0] = '\0';
	if (at >= 0)
		found = directory_domain(
		    d, span_from(name->text, (size_t)at + 1), &domain, err);
	if (found == LOOKUP_FOUND) {
		(void)strcpy(tenant_out, domain.tenant.name);
		return found;
	}
	if (found == LOOKUP_NONE)
		found = login_name_brand(d, name, &brand, err);
	if (found == LOOKUP_FOUND)
		(void)snprintf(
		    tenant_out, TENANT_NAME_MAX + 1, "%.63s", brand->tenant);
	return found;
}
