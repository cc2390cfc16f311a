/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A journal: records that are durable when their append returns, at the price
 * of one flush for all that arrive together.  journal_format.h has the disk's
 * side; one process at a time owns a journal, which is a directory:
 *
 *	lock			flock: whose it is
 *	segment-0001 ...	written once before use, then used in turn
 *	NAME.damaged		a segment whose head cannot be read, kept aside
 *
 * A record may hold its segment: then the segment is not used again before
 * journal_settle, nor is any later one.  So whatever was written after a
 * record that still counts is still there too.
 *
 * The life of one, in this order:
 *
 *	journal_open	reads what is there
 *	journal_recover	shows each record to its owner, who says what it holds
 *	journal_start	begins the thread that keeps segments ready
 *	journal_append ... from any thread
 *	journal_close
 */
#ifndef HK_COMMON_JOURNAL_H
#define HK_COMMON_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/journal_format.h"
#include "common/span.h"

struct journal;

struct journal_options {
	const char *path; /* of the directory, which exists: 0700, ours */
	/* Whose records these are; another owner's journal is refused. */
	uint32_t kind;
	uint64_t segment_octets; /* a multiple of JOURNAL_PAGE */
	/* Segments made at once, 3 or more, and how many there may be. */
	unsigned segments_min, segments_max;
	/* How long an append waits for room when all are held. */
	unsigned wait_ms;
	/*
	 * Octets that were acknowledged and cannot be read, or a segment that
	 * failed.  err names file and offset.  For the log; from any thread.
	 */
	void (*trouble)(void *arg, const struct err *err);
	void *arg;
};

/*
 * Errors: ERR_TEMP; ERR_LIMIT, no room for the first segments; ERR_POLICY: in
 * use by another process, another owner's, or of a later version.  Then
 * nothing was changed.
 */
int journal_open(const struct journal_options *options,
    struct journal **journal_out, struct err *err);

/* Everything appended and noted is flushed; nobody may be waiting. */
void journal_close(struct journal *j);
CLEANUP_DEFINE_PTR(struct journal, journal_close)

/* Where a record is, for journal_read and journal_settle. */
struct journal_ref {
	unsigned segment; /* the number in its file's name */
	uint64_t number, generation, offset, time_ms;
	uint32_t octets; /* of payload */
};

/*
 * Calls visit for each record in the order of numbers.  What visit puts into
 * *hold_out, false at first, is what journal_entry.hold says of new ones.
 * Stops at the first -1.
 */
int journal_recover(struct journal *j,
    int (*visit)(void *arg, const struct journal_ref *ref,
	const struct journal_record *record, bool *hold_out, struct err *err),
    void *arg, struct err *err);

int journal_start(struct journal *j, struct err *err);

struct journal_entry {
	/* From the caller; the pieces stay where they are until it returns. */
	uint16_t type;
	bool hold;
	/* What leads to a settle must not wait for room: it has a reserve. */
	bool urgent;
	const struct span *pieces;
	size_t piece_count;
	/* To the caller, with 0: */
	struct journal_ref ref;
};

/*
 * Durable when it returns 0.  After -1 the record does not count, and will not
 * be seen again unless the process dies before it writes another one.
 *
 * Errors: ERR_LIMIT, all segments are held, and were for wait_ms, or the
 * payload is over JOURNAL_PAYLOAD_MAX; ERR_TEMP, with errno EIO and others.
 */
int journal_append(
    struct journal *j, struct journal_entry *entry, struct err *err);

/* Goes with the next flush, whoever asks for one; nobody waits.  Copied. */
void journal_note(struct journal *j, uint16_t type, struct span payload);

/* The payload again, appended to *out.  The record must be held. */
int journal_read(struct journal *j, const struct journal_ref *ref,
    struct buf *out, struct err *err);

/* Keeps a payload that nobody understands, as record-NUMBER in the directory.
 */
int journal_put_aside(
    struct journal *j, uint64_t number, struct span payload, struct err *err);

/* What a record held, it holds no longer.  Once for each. */
void journal_settle(struct journal *j, const struct journal_ref *ref);

struct journal_stats {
	uint64_t held;     /* records */
	uint64_t octets;   /* their payload */
	uint64_t commits;  /* flushes since the start */
	uint64_t records;  /* that they made durable */
	unsigned segments; /* that there are */
	unsigned in_use;   /* of them, held or being written */
	unsigned segments_max;
	uint64_t oldest; /* generation in use */
};
void journal_stats(struct journal *j, struct journal_stats *out);

#endif
