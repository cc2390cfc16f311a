/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lock files as Dovecot makes them: "<name>.lock" beside the file, created
 * with O_EXCL, its content "<pid>:<hostname>".
 *
 * A lock is stale, and taken over, when it is two seconds old and its holder
 * ran on this host and its process is gone (or is this very process, whose
 * threads exclude each other by other means); when it names nobody and is 30
 * seconds old; otherwise when neither it nor the guarded file has changed for
 * 120 seconds.  The two seconds are for holders in another PID namespace, whose
 * number tells us nothing: they seldom hold a lock as long.  Holders touch it
 * every 10 seconds (dotlock_touch).
 *
 * After a power cut nobody shall wait: a lock from before this machine's start
 * is stale at once, and when its number is a process's again, after 11 seconds
 * in which nobody touched it.
 */
#ifndef HK_STORE_DOTLOCK_H
#define HK_STORE_DOTLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"

#define DOTLOCK_STALE_S 120
#define DOTLOCK_TOUCH_MS 10000

struct dotlock {
	int dirfd; /* borrowed; -1: not held */
	char name[64];
	uint64_t device, inode; /* of our lock file: only that is removed */
	uint64_t touched_ms;
};
#define DOTLOCK_INIT ((struct dotlock){ .dirfd = -1 })

/*
 * Takes dirfd/"<guarded>.lock", waiting at most wait_ms (0: tries once).
 * hostname names this host, as others on it spell it.
 *
 * Errors: ERR_TEMP with os EAGAIN, somebody holds it; ERR_LIMIT, no space;
 * ERR_TEMP.
 */
int dotlock_take(int dirfd, const char *guarded, const char *hostname,
    unsigned wait_ms, struct dotlock *lock_out, struct err *err);
/* Call it now and then during long work. */
void dotlock_touch(struct dotlock *lock);
void dotlock_release(struct dotlock *lock);
CLEANUP_DEFINE_VALUE(struct dotlock, dotlock_release)

#endif
