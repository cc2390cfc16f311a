/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Removing an account's or a tenant's mail for good.  For the hikyaku command;
 * no daemon calls this.
 *
 *	<store>/<tenant>/<hh>/<account id>		it may be used
 *	<store>/<tenant>/<hh>/<account id>.removed	put aside: nobody finds
 *it <store>/<tenant>.removed			a whole tenant, likewise
 *
 * What was put aside can be put back until its removal has begun, so that the
 * entry of the directory can be removed in between, and whatever a crash
 * leaves behind is found again.
 */
#ifndef HK_STORE_REMOVAL_H
#define HK_STORE_REMOVAL_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

/*
 * Of one account, or of the whole tenant when account_id is empty.  Nothing
 * there is no error: *there_out, which may be NULL, tells.  Nor is something
 * that was put aside before: then both stay, until removal_finish has made
 * room.
 *
 * Errors: ERR_SYNTAX, no tenant's name, no account's id; ERR_TEMP.
 */
int removal_put_aside(const char *store_path, struct span tenant,
    struct span account_id, bool *there_out, struct err *err);
int removal_put_back(const char *store_path, struct span tenant,
    struct span account_id, struct err *err);
/*
 * Removes what was put aside, through no link.  Errors: ERR_TEMP; some of it
 * may be gone.
 */
int removal_finish(const char *store_path, struct span tenant,
    struct span account_id, struct err *err);

/*
 * Calls each() for every account of the tenant that is put aside.  False, with
 * err set, ends it as failed.
 */
int removal_each(const char *store_path, struct span tenant,
    bool (*each)(void *arg, struct span account_id, struct err *err), void *arg,
    struct err *err);

#endif
