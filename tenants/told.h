/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the log was told of entries already, so that a fault in one is told
 * once each time it changes, and not with each message that meets it.
 *
 * A table of fixed size: an entry may displace another one's memory, which
 * costs a line told twice.  For any thread.
 */
#ifndef HK_TENANTS_TOLD_H
#define HK_TENANTS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct told;

int told_new(struct told **told_out, struct err *err);
void told_free(struct told *t);
CLEANUP_DEFINE_PTR(struct told, told_free)

/*
 * faults is a digest of all faults of the entry that uuid names, or 0 for
 * none.  True: they are others than last time, and not none.
 */
bool told_changed(struct told *t, struct span uuid, uint64_t faults);

/* FNV-1a, to be continued from a former answer, or from TOLD_DIGEST. */
#define TOLD_DIGEST UINT64_C(14695981039346656037)
uint64_t told_digest(uint64_t digest, struct span s);

#endif
