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
 * and an error is logged.  So it does, at the next checkpoint, when somebody
 * removed the files.  What a new table would meet too (a full disk, no right
 * to write) is an error of the call, and nothing is moved.  All functions are
 * for any thread.
 */
#ifndef HK_COMMON_DB_H
#define HK_COMMON_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/* 0 everywhere but in cache_octets: what db_open takes. */
struct db_options {
	size_t cache_octets;
	size_t page_octets; /* of a new table: a power of two, 512 to 65536 */
	size_t log_file_octets, log_buffer_octets;
	/* Damaged files are removed: all there was can be found out again. */
	bool disposable;
};
int db_open_tuned(const char *directory, const struct db_options *options,
    struct db **db_out, struct err *err);
void db_close(struct db *db);
/* Closes it, and removes its files. */
void db_remove(struct db *db);
/* Whether there are files of a table there. */
bool db_exists(const char *directory);
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

/* ---- many at once (db_bulk.c) ---- */

/*
 * A stretch of the table, copied out: no lock is held while it is read.
 * Records of more than half of room do not come along, and end the stretch.
 */
struct db_stretch {
	char *memory;
	size_t room; /* a multiple of 1024, at least two pages */
	void *at;    /* db_stretch_next's */
};
/* memory is given back by fini.  Errors: ERR_TEMP. */
int db_stretch_init(struct db_stretch *s, size_t room, struct err *err);
void db_stretch_fini(struct db_stretch *s);
CLEANUP_DEFINE_VALUE(struct db_stretch, db_stretch_fini)
/*
 * As many records in the order of their keys as fit, from key on (or from the
 * first one behind it).  The stretch is empty at the end of the table.
 */
int db_read(
    struct db *db, struct span key, struct db_stretch *s, struct err *err);
/* The next of them; false: no more.  Borrowed until the next db_read. */
bool db_stretch_next(
    struct db_stretch *s, struct span *key_out, struct span *value_out);

/* Records to be written together, all or none. */
struct db_batch {
	char *memory;
	size_t room;
	void *at;
	unsigned count;
};
int db_batch_init(struct db_batch *b, size_t room, struct err *err);
void db_batch_fini(struct db_batch *b);
CLEANUP_DEFINE_VALUE(struct db_batch, db_batch_fini)
/* Where to write the value of that many octets; NULL: no room. */
char *db_batch_add(struct db_batch *b, struct span key, size_t value_len);
/* Writes and empties it. */
int db_batch_write(struct db *db, struct db_batch *b, struct err *err);

/*
 * Removes records by their keys, as many as are there, in one transaction:
 * key(arg, i) for i from 0 to count - 1, borrowed until it is called again.
 */
int db_delete_many(struct db *db, struct span (*key)(const void *arg, size_t i),
    const void *arg, size_t count, struct err *err);
/* Removes all that begin with prefix, some hundreds at a time. */
int db_delete_prefix(struct db *db, struct span prefix, struct err *err);

/* Octets of the table's pages, whether on disk yet or not. */
int db_octets(struct db *db, uint64_t *octets_out, struct err *err);
/* Gives pages that hold nothing back to the file system.  Takes a while. */
int db_compact(struct db *db, struct err *err);
/* What the thread does every minute. */
void db_checkpoint(struct db *db);

#endif
