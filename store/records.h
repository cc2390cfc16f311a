/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was found out about messages, kept in Berkeley DB (common/db.h).
 *
 * A record belongs to a message of a mailbox and is of a kind; its octets are
 * the caller's.  It answers for one file alone: with it is kept a hash of the
 * file's base name, which no other message ever has, and a record whose hash
 * is another's counts as none.  So whatever happens to the mailbox, or to the
 * table, a record is right or is not found.
 *
 * The table, in a directory of the process's own:
 *
 *	"N"					next number (32 bits)
 *	"M" account "/" directory		the mailbox: version (1 octet),
 *						number (32), last used in hours
 *						since 1970 (32), octets of its
 *						records (64)
 *	"R" number (32) kind (8) uid (32)	hash (64), then the record
 *
 * Numbers are big-endian in keys, so that the records of one kind stand in
 * the order of their UIDs, and in values too, but for the hash.
 *
 * It is opened when somebody first asks and closed when nobody has asked for a
 * while, so that an idle process holds none of its memory.  When it is as large
 * as it may be, the mailboxes that were not used for the longest time leave it.
 * Whatever fails here costs time only: reads find nothing, and writes are
 * dropped.
 */
#ifndef HK_STORE_RECORDS_H
#define HK_STORE_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/account.h"

/* Kinds are 0 to RECORD_KINDS - 1. */
#define RECORD_KINDS 8
/* Longer records are not kept. */
#define RECORD_MAX ((size_t)24 * 1024)

struct mailbox;
struct records;

struct records_options {
	const char *directory; /* made if it is missing; its parent must be */
	size_t memory_octets;  /* for pages */
	uint64_t disk_octets;  /* of the table, 1 MB or more; 0: keep nothing */
	unsigned unused_ms;    /* closed after so long; 0: half a minute */
};

/* Opens nothing yet. */
int records_new(const struct records_options *options,
    struct records **records_out, struct err *err);
/* Nobody may use it any more. */
void records_free(struct records *r);
CLEANUP_DEFINE_PTR(struct records, records_free)
/* Other limits, from the next opening on. */
void records_limit(
    struct records *r, size_t memory_octets, uint64_t disk_octets);

/* For store_options: what is gone leaves the table. */
struct store_listener records_listener(struct records *r);

/* For a clock: whether records_tend has something to do; it may then wait for
 * the disk. */
bool records_due(struct records *r);
void records_tend(struct records *r);

/*
 * One command's use of the records of one mailbox.  expected: how many
 * messages it is about; many are read in long stretches, and best in the
 * order of their UIDs.  NULL, which every function here takes: there are none.
 */
struct record_reader;
struct record_reader *record_reader_new(
    struct records *r, struct mailbox *m, size_t expected);
/* Writes what was put. */
void record_reader_free(struct record_reader *r);
CLEANUP_DEFINE_PTR(struct record_reader, record_reader_free)

/* Borrowed until the next call for that kind. */
bool record_get(struct record_reader *r, unsigned kind, uint32_t uid,
    struct span *value_out);
/* Kept soon, or not at all. */
void record_put(
    struct record_reader *r, unsigned kind, uint32_t uid, struct span value);

#endif
