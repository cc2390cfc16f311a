/* SPDX-License-Identifier: BSD-2-Clause */
/* An entry as people and programs read it. */
#ifndef HK_MASTER_RECORD_H
#define HK_MASTER_RECORD_H

#include <stdio.h>

#include <jansson.h>
#include <ldap.h>

#include "common/buf.h"
#include "common/err.h"
#include "tenants/kind.h"

struct record {
	const struct kind *kind;
	const char *base; /* of the tree */
	LDAP *ld;
	LDAPMessage *entry;
};

/*
 * Appends the values of a field with its separator between them; nothing when
 * there is none.
 */
void record_text(const struct record *r, const struct field *f,
    enum field_style style, struct buf *out);

/* "field: value" lines for all that is set. */
void record_print(const struct record *r, FILE *out);

/*
 * Numbers, booleans and texts; an array for a field of many values; what is
 * not set is left out.  columns: NULL, all.  The caller decrefs.
 */
json_t *record_json(const struct record *r, const struct field *const *columns);

#endif
