/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of records.h. */
#ifndef HK_STORE_RECORDS_PRIVATE_H
#define HK_STORE_RECORDS_PRIVATE_H

#include "store/records.h"

#include <pthread.h>

#include "common/buf.h"
#include "common/db.h"

/* "R", number, kind, uid. */
#define RECORD_KEY 10
/* "M", account, "/", directory. */
#define RECORD_MAILBOX_KEY_MAX 1024

struct forgotten;

struct records {
	char directory[512];
	unsigned unused_ms;
	_Atomic size_t memory_octets;
	_Atomic uint64_t disk_octets;

	/* Guards what follows.  Held while the table is opened or closed, so
	 * that one thread does it and the others find it done. */
	pthread_mutex_t mutex;
	struct db *db;
	unsigned users;
	unsigned failures;  /* in a row */
	uint64_t retry_ms;  /* not before */
	uint64_t opened_ms; /* when it last was */
	bool broken;        /* a use failed: to be closed with the last one */
	bool full_disk;     /* by that failure: and its files removed */
	bool said;          /* the log knows that it does not work */
	struct forgotten *forgotten; /* to be removed by records_tend */
	size_t forgotten_uids;

	_Atomic uint64_t used_ms;
	_Atomic bool open;
	_Atomic bool forgets; /* forgotten is not empty */
	/* The table is as large as it may be: nothing is written until
	 * records_tend has made room. */
	_Atomic bool full;

	/* Held over writes that look at a mailbox's row first: a mailbox that
	 * left the table gets no records any more. */
	pthread_mutex_t writing;
};

/* ---- records.c ---- */

/*
 * The table, opened if need be, and one user more; NULL: not now.  Each needs
 * its records_release, which says with what failure the use ended, if any.
 */
struct db *records_hold(struct records *r);
void records_release(struct records *r, const struct err *failure);

/* ---- record_rows.c ---- */

/* The value of a mailbox's "M" record. */
struct row {
	uint32_t number, used_hours;
	uint64_t octets;
};
bool row_parse(struct span value, struct row *row);
int row_get(struct db *db, struct span key, struct row *row, bool *found_out,
    struct err *err);
int row_put(
    struct db *db, struct span key, const struct row *row, struct err *err);

/* "M", account, "/", directory; an empty span: it does not fit. */
struct span record_mailbox_key(const char *account, const char *directory,
    char text[RECORD_MAILBOX_KEY_MAX]);
void record_key(
    uint32_t number, unsigned kind, uint32_t uid, char key[RECORD_KEY]);

/* The mailbox's number; 0: it has none, and make is false. */
int records_number(struct records *r, struct db *db, struct span mailbox_key,
    bool make, uint32_t *number_out, struct err *err);
/*
 * Writes records of the mailbox, so many octets.  *kept_out false: it has that
 * number no more, or there is no room, and they were dropped.
 */
int records_write(struct records *r, struct db *db, struct span mailbox_key,
    uint32_t number, struct db_batch *batch, uint64_t octets, bool *kept_out,
    struct err *err);

/* ---- record_room.c ---- */

/* Makes room in a full table. */
void records_shrink(struct records *r);
/* Removes what was forgotten. */
void records_remove_forgotten(struct records *r);
void forgotten_free(struct forgotten *f);

/* ---- numbers in keys and values ---- */

static inline void
put_u32(char *to, uint32_t n)
{
	to[0] = (char)(n >> 24);
	to[1] = (char)(n >> 16);
	to[2] = (char)(n >> 8);
	to[3] = (char)n;
}

static inline uint32_t
take_u32(const char *p)
{
	const unsigned char *u = (const unsigned char *)p;

	return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 |
	       (uint32_t)u[2] << 8 | u[3];
}

#endif
