/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store: where accounts live, and what a process has open of them.
 *
 *	<store>/<tenant>/<hh>/<account id>/Maildir
 *
 * <hh> is the first two hexadecimal digits (lower case) of the SHA-256 of the
 * account id.  Directories are 0700 and files 0600, of the tenant's uid.
 * Below <store> every file is opened with openat2(RESOLVE_BENEATH |
 * RESOLVE_NO_SYMLINKS): a link planted in a Maildir leads nowhere.
 *
 * A process makes one struct store.  All its sessions on one account share
 * one struct account, and on one folder one in-memory view (mailbox.h).
 * Every function here may be called from any thread.
 */
#ifndef HK_STORE_ACCOUNT_H
#define HK_STORE_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define STORE_TENANT_MAX 63  /* [a-z0-9-] */
#define STORE_ACCOUNT_MAX 64 /* [0-9A-Za-z_-] */

struct store;
struct account;

/*
 * Who wants to know what is gone, of which account ("tenant/id") and directory
 * ("." or ".Work.2026").  Members may be NULL.
 */
struct store_listener {
	void *arg;
	/* Messages of a folder.  It must not wait: the folder does. */
	void (*removed)(void *arg, const char *account, const char *directory,
	    const uint32_t *uids, size_t count);
	void (*deleted)(void *arg, const char *account, const char *directory);
	void (*renamed)(void *arg, const char *account, const char *directory,
	    const char *new_directory);
};

struct store_options {
	const char *path; /* <store>, absolute; must exist */
	/*
	 * Octets of views kept for folders that no session has open at the
	 * moment, so that the next poll costs two stats; 0: none.
	 */
	size_t cache_octets;
	unsigned lock_wait_ms; /* for dovecot-uidlist.lock; 0: 60 seconds */
	bool modseqs; /* keep them over the end of the process (modseq.c) */
	struct store_listener listener;
};

int store_new(const struct store_options *options, struct store **store_out,
    struct err *err);
/* Every account must have been closed. */
void store_free(struct store *s);
CLEANUP_DEFINE_PTR(struct store, store_free)

/*
 * Makes <store> if it is not there and gives it its marker (store/marker.h),
 * whose copy store.id is kept in the directory state_fd.  For hikyakud, before
 * anything else is done with the store.
 *
 * Errors: ERR_POLICY, there was a store and now there is none, or another one;
 * ERR_TEMP.
 */
int store_settle(const char *store_path, int state_fd, struct err *err);

/*
 * Makes <store>/<tenant>, 0700, owned by uid and gid, if it is not there; a
 * directory that is there must belong to uid.  Durable, and was so before
 * anybody else could see it.  For hikyakud, as root, before the tenant's first
 * session process or delivery; uid (uid_t)-1 leaves the owner as it is (no
 * root: everything is the caller's).
 *
 * Errors: ERR_SYNTAX, no tenant's name; ERR_POLICY, somebody else's
 * directory, or there was one and now there is none, or another one; ERR_TEMP,
 * among others when the store has no marker.
 */
int store_make_tenant(const char *store_path, struct span tenant, uid_t uid,
    gid_t gid, struct err *err);

/* The grammars of STORE_TENANT_MAX and STORE_ACCOUNT_MAX. */
bool store_tenant_valid(struct span tenant);
bool store_account_valid(struct span account_id);

enum account_mode {
	ACCOUNT_EXISTING, /* ERR_POLICY when it has no Maildir yet */
	ACCOUNT_CREATE,   /* make what is missing; safe when several do it */
};

/*
 * Opens an account's Maildir; the same struct account for every caller in
 * this process.  Each open needs its account_unref.
 *
 * Errors: ERR_SYNTAX, bad tenant or id; ERR_POLICY; ERR_TEMP (which includes
 * a missing <store>/<tenant>, or one without its marker: hikyakud makes both).
 */
int account_open(struct store *s, struct span tenant, struct span account_id,
    enum account_mode mode, struct account **account_out, struct err *err);
struct account *account_ref(struct account *a);
void account_unref(struct account *a);
CLEANUP_DEFINE_PTR(struct account, account_unref)

/*
 * One holder at a time, in all processes: POP3's exclusive lock on a maildrop.
 * It is held while the descriptor is open.  *fd_out -1: somebody else has it.
 */
int account_lock(struct account *a, int *fd_out, struct err *err);

/* "<tenant>/<account id>", for logs. */
const char *account_text(const struct account *a);

#endif
