/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries that name another by its DN: members and owners of groups,
 * administrators, parents.  slapd keeps no watch over them, and whoever gets
 * an address anew gets its DN, too: rights must not wait there for them.
 */
#ifndef HK_MASTER_MANAGE_REFERENCES_H
#define HK_MASTER_MANAGE_REFERENCES_H

#include "master/manage.h"
#include "tenants/batch.h"

/*
 * Puts into the batch what replaces old_dn by new_dn wherever it stands, or
 * takes it out when new_dn is NULL.  A batch that gets full is committed and
 * begun anew.
 */
int manage_references(struct manage *m, struct batch *batch, const char *old_dn,
    const char *new_dn, struct err *err);

/*
 * Takes one value out of "member" of a groupOfNames, which must keep one: the
 * last owner is followed by the operator, any other group goes at once.
 * *left_out tells whether it was a member.
 */
int manage_member_leave(struct manage *m, struct batch *batch,
    LDAPMessage *group, const char *member_dn, bool *left_out, struct err *err);

#endif
