/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns at slow hashes: each takes milliseconds of a processor, so that one
 * tenant's wave of wrong passwords must not take them all.
 *
 * A few threads compute them; tenants take turns, and one tenant never has
 * more than half of the threads.  Who waits, waits in its tenant's queue and
 * holds no thread.  What has a mark against it (a client or an account that
 * failed lately) has threads of its own, half as many, that give way to
 * whatever else the machine does: a tenant under attack still lets its own
 * people in, and guesses slow nobody down.  Nobody is kept waiting for longer
 * than its client does.
 */
#ifndef HK_TENANTS_HASHING_H
#define HK_TENANTS_HASHING_H

#include <stdbool.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "tenants/verify.h"

struct hashing;

/*
 * threads: 0, one a processor, but two at least, for what has no mark. waiting:
 * how many of one tenant may wait, of those with a mark and of those without;
 * wait_ms: how long.
 */
int hashing_new(unsigned threads, unsigned waiting, unsigned wait_ms,
    struct hashing **hashing_out, struct err *err);
int hashing_start(struct hashing *h, struct err *err);
/* Those who still wait are told that it is too late. */
void hashing_free(struct hashing *h);
CLEANUP_DEFINE_PTR(struct hashing, hashing_free)

/*
 * Calls run(arg, true) on one of the threads when its turn has come, or
 * run(arg, false) when it has not within wait_ms.
 *
 * Errors: ERR_TEMP, too many of this tenant wait already, or no memory; run is
 * not called.
 */
int hashing_add(struct hashing *h, const struct turn *turn,
    void (*run)(void *arg, bool in_time), void *arg, struct err *err);

#endif
