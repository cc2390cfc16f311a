/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What failed logins cost: the answer is held back for longer and longer, and
 * at last passwords are not looked at any more.
 *
 * Failures are counted by account, by block of addresses (IPv4 /24, IPv6 /64)
 * and by tenant; each count halves in the half-life.
 *
 *	account		each failure doubles the delay; from account_lock on
 *			it is locked: every password is wrong, and that is not
 *			counted, so that the lock ends by itself
 *	block		beyond block_free the same, as many subscribers can
 *			stand behind one address; from block_lock on it is
 *			locked
 *	tenant		beyond tenant_free it is under attack: whoever is not
 *			familiar waits, each doubling of the count for twice as
 *			long, and is marked for hashing.h; from tenant_lock on
 *			it is locked to strangers
 *
 * Whoever has logged in to an account from a block within a month is familiar:
 * their failures are counted apart, and locks that strangers bring about do
 * not hold for them.  The same wrong password again (a telephone that was not
 * told of the new one) counts once.
 *
 * Counts lie in memory, in sets of a fixed size: whoever attacks, what has
 * failed least goes.  A thread writes what changed to Berkeley DB each second,
 * so that a restart forgives nothing; names are kept as keyed hashes.  For any
 * thread.
 */
#ifndef HK_TENANTS_PENALTY_H
#define HK_TENANTS_PENALTY_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/network.h"
#include "common/span.h"

struct penalty;

struct penalty_rules {
	unsigned half_life_s;
	unsigned first_ms, max_ms; /* of delay */
	/* Failures; 0: never. */
	unsigned account_lock, block_free, block_lock, tenant_free, tenant_lock;
	const struct network *exempt; /* blocks that are not counted */
	size_t exempt_len;
};

/* directory: where the database is made; without one, memory must do.  The
 * rules are copied. */
int penalty_new(const struct penalty_rules *rules, const char *directory,
    struct penalty **penalty_out, struct err *err);
/* Starts the thread that writes. */
int penalty_start(struct penalty *p, struct err *err);
/* Writes what is left. */
void penalty_free(struct penalty *p);
CLEANUP_DEFINE_PTR(struct penalty, penalty_free)

/* Who tries to log in. */
struct penalty_who {
	struct span account; /* its id, or the name that nobody has, or "" */
	const char *tenant;  /* "": of a domain that is not ours */
	struct span client;  /* text of its address */
};

enum penalty_stand {
	PENALTY_CLEAN,
	PENALTY_MARKED, /* failed lately, or a stranger where attackers are */
	PENALTY_LOCKED, /* do not look at the password */
};

/* now_s: seconds since the epoch. */
enum penalty_stand penalty_stand(
    struct penalty *p, const struct penalty_who *who, uint64_t now_s);
/* The same from memory alone; CLEAN, or MARKED: ask penalty_stand. */
enum penalty_stand penalty_glance(
    struct penalty *p, const struct penalty_who *who, uint64_t now_s);

/*
 * Notes a failure and answers the delay for it in milliseconds.  wrong: some
 * digest of the password, 0 when there was none.
 */
unsigned penalty_failed(struct penalty *p, const struct penalty_who *who,
    uint64_t wrong, uint64_t now_s);
/* The account's last failure was with this very password. */
bool penalty_same_wrong(
    struct penalty *p, const struct penalty_who *who, uint64_t wrong);
/* The right password: the count of the account, or of the familiar client,
 * goes; the block's stays. */
void penalty_succeeded(
    struct penalty *p, const struct penalty_who *who, uint64_t now_s);

#endif
