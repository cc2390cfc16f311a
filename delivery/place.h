/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Puts messages into Maildirs, each under the uid of the tenant that owns it.
 *
 * As root would start it, the process has a uid of its own that owns no mail,
 * and of root's rights only CAP_SETUID and CAP_SETGID: a thread that places a
 * message takes the tenant's file system uid and gid (setfsuid), and nothing
 * else changes.  Not started by root, it places as itself.
 */
#ifndef HK_DELIVERY_PLACE_H
#define HK_DELIVERY_PLACE_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"
#include "store/draft.h"
#include "store/placing.h"
#include "tenants/client.h"

struct placer;

int placer_new(struct daemon *d, struct placer **placer_out, struct err *err);
void placer_free(struct placer *p);
CLEANUP_DEFINE_PTR(struct placer, placer_free)

/*
 * Takes what of root's rights setfsuid needs out of the sets that an execve
 * would pass on.  For the start of the process.
 */
int placer_keep_rights_here(struct err *err);

/* True when it acts under the tenants' uids. */
bool placer_switches(const struct placer *p);

/* Whose mailbox it is, for a message that comes from a record. */
struct placer_owner {
	struct span tenant, account; /* its name, its id */
	uid_t uid;
	gid_t gid;
};

/*
 * Opens the account, making what is missing, and has the calling thread act as
 * the tenant until placer_leave, which must follow a 0.
 *
 * Errors: ERR_LIMIT, no room; ERR_TEMP; ERR_POLICY, the tenant's uid is none
 * that mail may belong to.
 */
int placer_enter(struct placer *p, const struct placer_owner *owner,
    struct account **account_out, struct err *err);
void placer_leave(struct placer *p);

struct store *placer_store(struct placer *p);

struct placer_message {
	const struct account_info *account;
	struct span mailbox, trace, text;
};

/*
 * A mailbox that is not there is made; where that cannot be, INBOX takes the
 * message.
 */

/*
 * Stores trace and then text in the account's mailbox.  Durable when it
 * returns 0.
 * Errors as above.
 */
int placer_place(struct placer *p, const struct placer_message *m,
    struct draft_result *result_out, struct err *err);

/* As placing_write; m->mailbox is then where it is.  Between enter and leave.
 */
int placer_write(struct account *a, struct placing_message *m,
    struct placing **placing_out, struct err *err);

#endif
