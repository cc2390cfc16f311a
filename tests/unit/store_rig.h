/* SPDX-License-Identifier: BSD-2-Clause */
/* A store in a temporary directory, for the tests of store/. */
#ifndef HK_TESTS_UNIT_STORE_RIG_H
#define HK_TESTS_UNIT_STORE_RIG_H

#include "store/account.h"
#include "store/draft.h"
#include "store/list.h"
#include "store/mailbox.h"

struct store_rig {
	char path[64];     /* of the store */
	char maildir[192]; /* of the account */
	struct store *store;
	struct account *account;
};

/* The account "user-1" of tenant "aozora", with an empty Maildir. */
int store_rig_setup(void **state);
int store_rig_teardown(void **state);
/* The marker of a store that is there; its copy lies beside it. */
void store_rig_settle(const char *path);
/* A second process's store on the same files. */
struct store *store_rig_again(
    const struct store_rig *rig, struct account **account_out);

/* Writes maildir/name. */
void store_rig_put(
    const struct store_rig *rig, const char *name, const char *text);
/* The content of maildir/name; "" if it is not there.  The caller frees. */
char *store_rig_get(const struct store_rig *rig, const char *name);
/* Another program does so; to NULL: removes it. */
void store_rig_rename(
    const struct store_rig *rig, const char *from, const char *to);
bool store_rig_has(const struct store_rig *rig, const char *name);
unsigned store_rig_count(const struct store_rig *rig, const char *directory);
/* Delivers text; answers the file's name ("new/..."). */
struct draft_result store_rig_deliver(const struct store_rig *rig,
    const char *mailbox, const char *text, const struct draft_options *o);

struct mailbox *store_rig_open(
    const struct store_rig *rig, const char *name, enum mailbox_mode mode);

#endif
