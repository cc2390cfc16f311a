/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of records.h, for records.c and record_reader.c. */
#ifndef HK_STORE_RECORDS_PRIVATE_H
#define HK_STORE_RECORDS_PRIVATE_H

#include "store/records.h"

#include "common/buf.h"
#include "common/db.h"

/* "R", number, kind, uid. */
#define RECORD_KEY 10
/* "M", account, "/", directory. */
#define RECORD_MAILBOX_KEY_MAX 1024

/*
 * The table, opened if need be, and one user more; NULL: not now.  Each needs
 * its records_release, which says with what failure the use ended, if any.
 */
struct db *records_hold(struct records *r);
void records_release(struct records *r, const struct err *failure);

/* The mailbox's number; 0: it has none, and make is false. */
int records_number(struct records *r, struct db *db, struct span mailbox_key,
    bool make, uint32_t *number_out, struct err *err);
/*
 * Writes records of the mailbox, so many octets.  *kept_out false: it has that
 * number no more, and they were dropped.
 */
int records_write(struct records *r, struct db *db, struct span mailbox_key,
    uint32_t number, struct db_batch *batch, uint64_t octets, bool *kept_out,
    struct err *err);

void record_key(
    uint32_t number, unsigned kind, uint32_t uid, char key[RECORD_KEY]);

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
