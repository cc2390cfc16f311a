/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores passwords anew when they were right at a login, where the brand says
 * so (hkRehash): those that are not stored as new ones are, or have nothing for
 * SCRAM beside them.
 *
 * One thread, bound to LDAP as an identity that may write passwords and read
 * nothing.  A value goes only if it is still the one that was right, so that a
 * password that is changed meanwhile stays.  What comes while many wait, or
 * after a failure, waits for its next login.
 */
#ifndef HK_TENANTS_REHASH_H
#define HK_TENANTS_REHASH_H

#include "common/cleanup.h"
#include "common/err.h"
#include "tenants/conf.h"
#include "tenants/directory.h"
#include "tenants/remember.h"

struct rehash;

/*
 * *rehash_out is NULL where rehash-password-file names none.  remember is
 * borrowed: what is stored anew need not be hashed again at the next login.
 */
int rehash_new(const struct tenantd_conf *conf, struct remember *remember,
    struct rehash **rehash_out, struct err *err);
int rehash_start(struct rehash *r, struct err *err);
void rehash_free(struct rehash *r);
CLEANUP_DEFINE_PTR(struct rehash, rehash_free)

/*
 * The password was right for stored, one of c->passwords.  Never waits; r may
 * be NULL.
 */
void rehash_offer(struct rehash *r, const struct credentials *c,
    struct span stored, struct span password);

#endif
