/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/recipients.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/ascii.h"

enum {
	/* Beyond so many a table tells who is there already. */
	SEEN_FROM = 16
};

static bool
same(const struct recipient *a, const struct recipient *b)
{
	if (a->local != b->local)
		return false;
	return a->local ? strcmp(a->account.id, b->account.id) == 0
			: strcasecmp(a->address, b->address) == 0;
}

static size_t
hash_of(const struct recipient *one)
{
	const char *p = one->local ? one->account.id : one->address;
	uint64_t hash = 14695981039346656037U; /* FNV-1a */

	for (; *p != '\0'; p++) {
		hash ^= (unsigned char)(one->local ? *p : ascii_lower(*p));
		hash *= 1099511628211U;
	}
	return (size_t)(hash ^ hash >> 32);
}

/* Where it stands, or would. */
static uint32_t *
slot_of(const struct recipients *r, const struct resolution *out,
    const struct recipient *one)
{
	size_t at = hash_of(one) & (r->seen_cap - 1);

	while (
	    r->seen[at] != 0 && !same(&out->recipients[r->seen[at] - 1], one))
		at = (at + 1) & (r->seen_cap - 1);
	return &r->seen[at];
}

bool
recipients_has(const struct recipients *r, const struct resolution *out,
    const struct recipient *one)
{
	if (r->seen != NULL)
		return *slot_of(r, out, one) != 0;
	for (size_t i = 0; i < out->count; i++)
		if (same(&out->recipients[i], one))
			return true;
	return false;
}

/* The newest goes into the table, which is at most half full. */
static int
keep(struct recipients *r, const struct resolution *out, struct err *err)
{
	size_t first = out->count - 1;

	if (out->count < SEEN_FROM)
		return 0;
	if (out->count * 2 > r->seen_cap) {
		r->seen_cap =
		    r->seen_cap == 0 ? SEEN_FROM * 4 : r->seen_cap * 2;
		free(r->seen);
		r->seen = calloc(r->seen_cap, sizeof(*r->seen));
		if (r->seen == NULL)
			return err_sys(err, "recipients");
		first = 0;
	}
	for (size_t i = first; i < out->count; i++)
		*slot_of(r, out, &out->recipients[i]) = (uint32_t)i + 1;
	return 0;
}

int
recipients_add(struct recipients *r, struct resolution *out,
    const struct recipient *new, struct err *err)
{
	if (recipients_has(r, out, new))
		return 0;
	if (out->count == r->cap) {
		size_t cap = r->cap == 0 ? 1 : r->cap * 2;
		struct recipient *grown =
		    reallocarray(out->recipients, cap, sizeof(*grown));

		if (grown == NULL)
			return err_sys(err, "recipients");
		out->recipients = grown;
		r->cap = cap;
	}
	out->recipients[out->count++] = *new;
	return keep(r, out, err);
}

void
recipients_fini(struct recipients *r)
{
	free(r->seen);
	*r = (struct recipients){ .cap = 0 };
}
