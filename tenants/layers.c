/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/layers.h"

#include "common/log.h"

enum lookup
entry_unusable(const struct entry *e, const char *why)
{
	log_error(&log_process, "entry unusable", log_str("reason", why),
	    log_span("dn", entry_get(e, ATTR_DN)));
	return LOOKUP_NONE;
}

void
layers_fini(struct layers *l)
{
	for (size_t i = 0; i < l->len; i++)
		entry_unref(l->entries[i]);
	l->len = 0;
}

/* The entry, and the class of service that it names. */
static enum lookup
add_with_class(
    struct directory *d, struct entry *e, struct layers *l, struct err *err)
{
	struct span dn = entry_get(e, ATTR_CLASS);
	struct entry *class = NULL;
	enum lookup found;

	l->entries[l->len++] = entry_ref(e);
	if (dn.len == 0)
		return LOOKUP_FOUND;
	found = directory_find(d, KEY_DN, dn, &class, err);
	if (found == LOOKUP_FOUND)
		l->entries[l->len++] = class;
	else if (found == LOOKUP_NONE)
		/* No class means no ceiling: never by a typing error. */
		return entry_unusable(e, "hkClass names no entry");
	return found;
}

enum lookup
layers_of_tenant(struct directory *d, struct entry *tenant, struct layers *l,
    struct err *err)
{
	return add_with_class(d, tenant, l, err);
}

enum lookup
layers_tenant(struct directory *d, struct entry *e, struct entry **tenant_out,
    struct err *err)
{
	enum lookup found =
	    directory_find(d, KEY_TENANT, span_str(e->tenant), tenant_out, err);

	return found == LOOKUP_NONE ? entry_unusable(e, "in no tenant's branch")
				    : found;
}

enum lookup
layers_of_account(struct directory *d, struct entry *account, struct layers *l,
    struct entry **tenant_out, struct err *err)
{
	CLEANUP(entry_unref) struct entry *tenant = NULL;
	enum lookup found = add_with_class(d, account, l, err);

	if (found == LOOKUP_FOUND)
		found = layers_tenant(d, account, &tenant, err);
	if (found != LOOKUP_FOUND)
		return found;
	*tenant_out = tenant; /* add_with_class keeps it */
	return add_with_class(d, tenant, l, err);
}

uint64_t
layers_smallest(
    const struct layers *l, enum entry_attr own, enum entry_attr ceiling)
{
	uint64_t best = 0;

	for (size_t i = 0; i < l->len; i++) {
		uint64_t numbers[2] = { entry_number(l->entries[i], own),
			entry_number(l->entries[i], ceiling) };

		for (size_t k = 0; k < 2; k++)
			if (numbers[k] != 0 && (best == 0 || numbers[k] < best))
				best = numbers[k];
	}
	return best;
}

uint64_t
layers_ceiling(const struct layers *l, enum entry_attr attr, uint64_t otherwise)
{
	bool said = false;
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < l->len; i++) {
		uint64_t number = entry_number(l->entries[i], attr);

		if (entry_get(l->entries[i], attr).p == NULL)
			continue;
		said = true;
		if (number < least)
			least = number;
	}
	return said ? least : otherwise;
}

uint64_t
layers_floor(const struct layers *l, enum entry_attr attr, uint64_t otherwise)
{
	bool said = false;
	uint64_t most = 0;

	for (size_t i = 0; i < l->len; i++) {
		uint64_t number = entry_number(l->entries[i], attr);

		if (entry_get(l->entries[i], attr).p == NULL)
			continue;
		said = true;
		if (number > most)
			most = number;
	}
	return said ? most : otherwise;
}
