/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many of something there are now, by a key: connections of a client,
 * sessions of an account.  For any thread.
 */
#ifndef HK_COMMON_TALLY_H
#define HK_COMMON_TALLY_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct tally;
struct tallied; /* one key that is there */

int tally_new(struct tally **tally_out, struct err *err);
void tally_free(struct tally *t);
CLEANUP_DEFINE_PTR(struct tally, tally_free)

/*
 * One more with this key, until tally_leave; NULL, and not counted, when there
 * are max already (0: any number).
 *
 * Errors: ERR_LIMIT, max are there; ERR_TEMP, no memory.
 */
struct tallied *tally_enter(
    struct tally *t, struct span key, uint64_t max, struct err *err);
/* NULL is accepted. */
void tally_leave(struct tally *t, struct tallied *one);

#endif
