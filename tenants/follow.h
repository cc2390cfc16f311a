/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Follows the changes of the directory by LDAP content synchronisation in
 * refreshAndPersist mode, on a thread and a connection of its own.  RFC 4533
 *
 * It begins from the contextCSN of the moment, so that nothing of the ten
 * million entries is sent; memory is empty then, which fits.  After a broken
 * connection it goes on from the last cookie.  When the server no longer knows
 * what changed since, memory is cleared and it begins anew.
 */
#ifndef HK_TENANTS_FOLLOW_H
#define HK_TENANTS_FOLLOW_H

#include "common/cleanup.h"
#include "common/err.h"

struct directory;
struct follower;

/* Sets directory->live while it is up to date. */
int follower_start(
    struct directory *d, struct follower **follower_out, struct err *err);
/* Ends the thread. */
void follower_free(struct follower *f);
CLEANUP_DEFINE_PTR(struct follower, follower_free)

#endif
