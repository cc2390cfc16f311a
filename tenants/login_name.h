/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From what a client typed to an account.
 *
 *	name with "@"	an address; nobody's: a legacy id of the brand
 *	name without	the local part of an address in the primary domain of
 *			the brand, or a legacy id of it
 *
 * The brand is the one whose host name the client asked for by SNI; else the
 * one whose address it came to.  Nothing is tried in another one.  Where a
 * local part and a legacy id are two people's the name is nobody's, and a line
 * in the log says so.  hkLoginForm of the account's tenant says which of these
 * forms there are.
 */
#ifndef HK_TENANTS_LOGIN_NAME_H
#define HK_TENANTS_LOGIN_NAME_H

#include "tenants/directory_private.h"

/* The brand by where a client came to: the caller's reference. */
enum lookup login_name_brand(struct directory *d, const struct login_name *name,
    struct entry **tenant_out, struct err *err);

/* The account: the caller's reference. */
enum lookup login_name_find(struct directory *d, const struct login_name *name,
    struct entry **account_out, struct err *err);

#endif
