/* SPDX-License-Identifier: BSD-2-Clause */
/* Renaming of accounts and groups, one by one or with their domain. */
#ifndef HK_MASTER_MANAGE_RENAME_H
#define HK_MASTER_MANAGE_RENAME_H

#include "master/manage_references.h"

/* From one address, or one domain, to another. */
struct mapping {
	struct span from, to;
	bool domain;
	bool keep; /* the old address stays, as a further one */
};

/* Appends what value becomes; false, when it stays as it is. */
bool mapping_apply(
    const struct mapping *map, struct span value, struct buf *mapped);

/*
 * An account or group: its DN, what names that, and its addresses.  What was
 * half done is finished.
 */
int rename_entry(struct manage *m, const struct mapping *map,
    LDAPMessage *entry, struct err *err);

/* Members of lists and catch-alls of a tenant, which name addresses. */
int rename_followers(struct manage *m, const struct mapping *map,
    struct span tenant, struct err *err);

int manage_rename_domain(struct manage *m);

#endif
