/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tools can add, set, show and list: tables of fields. */
#ifndef HK_TENANTS_KIND_H
#define HK_TENANTS_KIND_H

#include <stddef.h>

#include "tenants/field.h"

enum kind_id {
	KIND_TENANT,
	KIND_DOMAIN,
	KIND_ACCOUNT,
	KIND_GROUP,
	KIND_CLASS,
};

struct field_list {
	const struct field *items;
	size_t len;
};

enum {
	KIND_LISTS_MAX = 5
};

struct kind {
	enum kind_id id;
	const char *name;         /* "account" */
	const char *key;          /* field whose value names one: "address" */
	const char *object_class; /* "hkAccount" */
	const char *status;       /* attribute, or NULL */
	const char *active;       /* value of status that ends the others */
	struct field_list lists[KIND_LISTS_MAX];
};

extern const struct kind kinds[];
extern const size_t kinds_len;

const struct kind *kind_find(const char *name);
const struct kind *kind_of(enum kind_id id);
/* The i-th field, NULL behind the last. */
const struct field *kind_field(const struct kind *k, size_t i);
const struct field *kind_field_find(const struct kind *k, struct span name);

enum {
	KIND_ATTRS_MAX = 120
};
/* Attributes of all fields, each once, with entryUUID and times; NULL at the
 * end.  Borrowed. */
void kind_attributes(const struct kind *k, const char **attrs_out);

#endif
