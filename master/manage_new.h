/* SPDX-License-Identifier: BSD-2-Clause */
/* What new entries are made of; for add and import. */
#ifndef HK_MASTER_MANAGE_NEW_H
#define HK_MASTER_MANAGE_NEW_H

#include "master/manage.h"

/* Appends the address as it is stored, and the tenant that has its domain. */
int manage_new_address(struct manage *m, struct span text, struct buf *address,
    struct buf *tenant, struct err *err);
/* Appends the DN and all attributes of an account, m's settings included. */
int manage_new_account(struct manage *m, struct span address,
    struct span tenant, struct buf *dn, struct changes *c, struct err *err);
/* Likewise of a domain, without settings. */
int manage_new_domain(struct manage *m, struct span name, struct span tenant,
    struct buf *dn, struct changes *c, struct err *err);
/* Adds all entries of a tenant that are not there yet. */
int manage_add_tenant(struct manage *m, struct err *err);

#endif
