/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What hikyaku mailbox and hikyaku store work with: tenantd, to ask whose mail
 * it is, and the store, in which root acts under the tenant's file system ids,
 * as deliveryd does.  Files of whoever runs the command (a backup) are opened
 * between mailwork_as_self and mailwork_as_tenant.
 */
#ifndef HK_MASTER_MAILWORK_H
#define HK_MASTER_MAILWORK_H

#include <stdbool.h>

#include "common/cleanup.h"
#include "master/hikyaku.h"
#include "store/account.h"
#include "tenants/client.h"
#include "tenants/settings.h"

enum { /* exit statuses, which hikyaku(1) tells */
	WORK_DONE = 0,
	WORK_FAILED = 1,
	WORK_USAGE = 2,
	WORK_NOT_RUNNING = 3,
	WORK_NOT_FOUND = 4,
	WORK_PARTLY = 6,
};

struct mailwork {
	struct command_context *ctx;
	struct tenants *tenants;
	struct store *store;
	bool switches; /* we are root */
	uid_t low, high;
	uid_t uid; /* of the tenant whose mailbox is entered */
	gid_t gid;
};

/*
 * Connects to tenantd of the platform that runs.  Complains, and answers the
 * exit status; 0: done.
 */
int hikyaku_tenants(struct command_context *ctx, struct tenants **tenants_out);

/* Likewise, with the store. */
int mailwork_open(struct mailwork *w, struct command_context *ctx);
void mailwork_fini(struct mailwork *w);
CLEANUP_DEFINE_VALUE(struct mailwork, mailwork_fini)

/*
 * By address or login name.  Complains when there is none or it is another
 * node's, and answers the exit status.
 */
int mailwork_find(
    struct mailwork *w, const char *address, struct settings *settings_out);
/* Whether an account's mail is on this node. */
bool mailwork_is_here(
    const struct mailwork *w, const struct account_info *account);

/*
 * Opens its Maildir and acts as its tenant from here on, until
 * mailwork_as_self.  After an error it acts as itself.
 * Errors: those of account_open; ERR_POLICY, a uid outside tenant-uids.
 */
int mailwork_enter(struct mailwork *w, const struct account_info *account,
    enum account_mode mode, struct account **account_out, struct err *err);
void mailwork_as_tenant(struct mailwork *w);
void mailwork_as_self(struct mailwork *w);

#endif
