/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much an account holds and may hold.
 *
 * What counts are the octets of the files in new/ and cur/ of all folders,
 * Trash too, and their number, as Dovecot counts them.  The total is kept in
 * maildirsize (maildirsize.h), which other servers on the same tree read and
 * write as well.
 *
 * Who changes the files takes a shared flock on the Maildir directory from
 * before the change to after its line; who counts takes an exclusive one.  So
 * the total is exact while only this store's processes write.  Others know
 * nothing of that lock: with them it is off, at times, by what happened while
 * somebody counted, until it is counted again, which is when maildirsize
 * reaches 5120 octets, is gone or wrong, or shows an account over its limits
 * and is not fresh.
 *
 * The limits stand in the first line of maildirsize.  Whoever knows them from
 * the directory just now writes them there if they differ; an old session
 * goes by what it finds there.  An account without limits has no maildirsize
 * unless somebody else made one, which then is kept true.
 */
#ifndef HK_STORE_QUOTA_H
#define HK_STORE_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "store/account.h"

struct quota_limits {
	uint64_t octets, messages; /* 0: no limit */
};

/* What the directory says now. */
void account_limits(struct account *a, const struct quota_limits *limits);

/*
 * Whom mail about the quota is for (warning.h), and in whose name it is
 * written.  Copied; a store keeps some thousands of them, also beyond the life
 * of a struct account.
 */
struct quota_owner {
	const char *address;  /* primary */
	const char *title;    /* what the brand calls itself, UTF-8, or "" */
	const char *language; /* "ja", "en-GB", or "" */
};
void account_owner(struct account *a, const struct quota_owner *owner);

struct usage {
	uint64_t octets, messages;
	struct quota_limits limits; /* that hold for the account */
};

/*
 * Counts the files only if maildirsize is not good.  Here, and after a change
 * of the files that makes it necessary, the owner is told of a mailbox that
 * gets full.
 */
int account_usage(struct account *a, struct usage *out, struct err *err);
/* Counts the files in any case, and corrects maildirsize. */
int account_recount(struct account *a, struct usage *out, struct err *err);

/* Whether as much more is within the limits. */
bool usage_fits(const struct usage *u, uint64_t octets, uint64_t messages);
/* Of the limit that is nearer; 100 is full.  0 without limits. */
unsigned usage_percent(const struct usage *u);

/*
 * Whether as much more fits; costs nothing for an account without limits.
 * Errors: ERR_LIMIT with os EDQUOT, it does not; ERR_TEMP.
 */
int account_room(
    struct account *a, uint64_t octets, uint64_t messages, struct err *err);

/*
 * Around a change of the files in new/ or cur/: begin before it, end with
 * what it added (or, negative, removed; 0 and 0: nothing came of it).  Soon
 * after each other, and neither twice in one thread nor around account_usage.
 * A crash in between leaves maildirsize wrong by this change.
 */
struct quota_change {
	struct account *account;
	int fd;
};
void quota_begin(struct account *a, struct quota_change *change_out);
void quota_end(struct quota_change *change, int64_t octets, int64_t messages);

#endif
