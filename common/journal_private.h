/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The inside of a journal, for common/journal*.c alone.
 *
 * One mutex guards everything; it is never held across I/O.  A segment's file
 * is written by whoever leads (the current one) or by the keeper (one that is
 * not in the list yet), and read by anyone who holds a record of it.
 */
#ifndef HK_COMMON_JOURNAL_PRIVATE_H
#define HK_COMMON_JOURNAL_PRIVATE_H

#include <pthread.h>

#include "common/journal.h"

#define JOURNAL_NAME_MAX 32
#define JOURNAL_SLOTS_MAX 9999 /* four digits */

/* Segments ready for use; the last is for urgent records only. */
#define JOURNAL_SPARES 2

struct segment {
	unsigned slot; /* the number in its name */
	int fd;
	struct journal_head head;
	bool failed;          /* a flush did: never used again */
	uint64_t held;        /* records */
	uint64_t first, last; /* numbers of its records; 0: it has none */
	struct segment *next; /* the next generation */
};

struct journal_waiting {
	struct journal_entry *entry; /* NULL: a note, which is freed */
	struct journal_waiting *next;
	pthread_cond_t done_cond;
	bool done, leads;
	struct err err;
	uint64_t deadline_ms;
	uint16_t type;
	uint32_t octets, crc;
	uint64_t time_ms;
	char head[JOURNAL_RECORD_LEN];
	char *note; /* its payload */
};

struct queue {
	struct journal_waiting *first, **last;
	size_t count;
};

struct journal {
	struct journal_options options;
	char *path;
	int dirfd, lock_fd;
	unsigned char id[JOURNAL_ID_LEN];

	pthread_mutex_t mutex;
	/* By generation: in use, then the current one, then spares. */
	struct segment *oldest, *current;
	/* Without any record, so free whatever is held before them. */
	struct segment *pool;
	unsigned count, spares; /* count: all of them */
	uint64_t generation;    /* the last one given */
	uint64_t offset;        /* in current: where the next group goes */
	uint64_t number;        /* of the last record that was flushed */
	uint64_t held, held_octets, commits, records;

	struct queue urgent, ordinary;
	bool leading;

	pthread_t keeper;
	bool has_keeper, stopping;
	pthread_cond_t keeper_cond; /* something to do */
	pthread_cond_t room_cond;   /* a spare more */
	struct err keeper_err;      /* why there is none */
};

/* ---- journal_files.c: segments as files ---- */

void segment_name(unsigned slot, char out[JOURNAL_NAME_MAX]);
void segment_free(struct segment *s);
CLEANUP_DEFINE_PTR(struct segment, segment_free)

/* A new file, zero-filled and flushed, its head on the disk. */
int segment_create(struct journal *j, unsigned slot,
    const struct journal_head *head, struct segment **segment_out,
    struct err *err);
/* The head of its next use, flushed. */
int segment_renew(struct journal *j, struct segment *s,
    const struct journal_head *head, struct err *err);
/* Closes and removes the file for good. */
int segment_remove(struct journal *j, struct segment *s, struct err *err);
/* Opens what is in the directory; the list is by generation. */
int segments_open(struct journal *j, struct err *err);
/* All of it; what cannot be read is zero, and *bad_out is told. */
int segment_load(
    struct journal *j, struct segment *s, struct buf *out, struct err *err);

/* ---- journal_recover.c ---- */
int journal_survey(struct journal *j, struct err *err);

/* ---- journal_commit.c ---- */
void queue_init(struct queue *q);
/* Writes out what notes there are.  With nobody else at work. */
void journal_flush_notes(struct journal *j);

/* ---- journal.c ---- */
void journal_trouble(struct journal *j, const struct err *err);

#endif
