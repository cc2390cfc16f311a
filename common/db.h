/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A table of keys and values in Berkeley DB, for what can be lost or rebuilt.
 *
 * One environment a table, in a directory of its own, held by one process
 * (an flock on LOCK there; DB_PRIVATE protects nothing).  Recovery runs at
 * every open, pages carry checksums, a thread makes checkpoints.  Writes
 * survive the death of the process, not a power cut (DB_TXN_WRITE_NOSYNC).
 *
 * A damaged page panics the whole environment.  Then, at open or later, the
 * files are moved to broken-TIME beside them, the table begins anew, empty,
 * and an error is logged.  All functions are for any thread.
 */
#ifndef HK_COMMON_DB_H
#define HK_COMMON_DB_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct db;

/*
 * directory is made (0700) if it is missing.  cache_octets: memory for pages.
 *
 * Errors: ERR_TEMP, another process has it, or the disk failed twice.
 */
int db_open(const char *directory, size_t cache_octets, struct db **db_out,
    struct err *err);
void db_close(struct db *db);
CLEANUP_DEFINE_PTR(struct db, db_close)

/* The value is appended to *value.  *found_out false: there is none. */
int db_get(struct db *db, struct span key, struct buf *value, bool *found_out,
    struct err *err);
int db_put(struct db *db, struct span key, struct span value, struct err *err);
/* 0 also when there was none. */
int db_delete(struct db *db, struct span key, struct err *err);

/*
 * Calls each() for every key that begins with prefix, in order, until it
 * answers false.  Spans are borrowed during the call, which must not use db.
 */
int db_each(struct db *db, struct span prefix,
    bool (*each)(void *arg, struct span key, struct span value), void *arg,
    struct err *err);

#endif
