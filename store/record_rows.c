/* SPDX-License-Identifier: BSD-2-Clause */
/* Mailboxes in the table of records, and writing to them. */
#include "store/records_private.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

/* A mailbox is marked as used once in so many hours. */
#define USED_EVERY_HOURS 6

#define ROW_VERSION 1
#define ROW_OCTETS 17

static uint32_t
now_hours(void)
{
	return (uint32_t)(time(NULL) / 3600);
}

bool
row_parse(struct span value, struct row *row)
{
	const char *p = value.p + 1;

	if (value.len != ROW_OCTETS || value.p[0] != ROW_VERSION)
		return false;
	row->number = take_u32(p);
	row->used_hours = take_u32(p + 4);
	row->octets = (uint64_t)take_u32(p + 8) << 32 | take_u32(p + 12);
	return true;
}

int
row_get(struct db *db, struct span key, struct row *row, bool *found_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf value;

	buf_init(&value, 64);
	if (db_get(db, key, &value, found_out, err) == -1)
		return -1;
	*found_out = *found_out && row_parse(buf_span(&value), row);
	return 0;
}

int
row_put(struct db *db, struct span key, const struct row *row, struct err *err)
{
	char value[ROW_OCTETS] = { ROW_VERSION };

	put_u32(value + 1, row->number);
	put_u32(value + 5, row->used_hours);
	put_u32(value + 9, (uint32_t)(row->octets >> 32));
	put_u32(value + 13, (uint32_t)row->octets);
	return db_put(db, key, span_of(value, sizeof(value)), err);
}

struct span
record_mailbox_key(const char *account, const char *directory,
    char text[RECORD_MAILBOX_KEY_MAX])
{
	int len = snprintf(
	    text, RECORD_MAILBOX_KEY_MAX, "M%s/%s", account, directory);

	if (len < 0 || len >= RECORD_MAILBOX_KEY_MAX)
		return SPAN("");
	return span_of(text, (size_t)len);
}

void
record_key(uint32_t number, unsigned kind, uint32_t uid, char key[RECORD_KEY])
{
	key[0] = 'R';
	put_u32(key + 1, number);
	key[5] = (char)kind;
	put_u32(key + 6, uid);
}

/* ---- numbers ---- */

/* The rest is with r->writing. */

/* A number that no record has. */
static int
number_next(struct db *db, uint32_t *number_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;
	char next[4];
	bool found;

	buf_init(&value, sizeof(next));
	if (db_get(db, SPAN("N"), &value, &found, err) == -1)
		return -1;
	*number_out = found && value.len == 4 ? take_u32(value.data) : 1;
	put_u32(next, *number_out + 1);
	return db_put(db, SPAN("N"), span_of(next, sizeof(next)), err);
}

/* Makes the row, or notes that it was used now. */
static int
row_touch(
    struct db *db, struct span key, bool make, struct row *row, struct err *err)
{
	bool found;

	*row = (struct row){ 0 };
	if (row_get(db, key, row, &found, err) == -1)
		return -1;
	if (!found && !make)
		return 0;
	if (!found && number_next(db, &row->number, err) == -1)
		return -1;
	row->used_hours = now_hours();
	return row_put(db, key, row, err);
}

int
records_number(struct records *r, struct db *db, struct span mailbox_key,
    bool make, uint32_t *number_out, struct err *err)
{
	struct row row = { 0 };
	bool found;
	int done = 0;

	if (row_get(db, mailbox_key, &row, &found, err) == -1)
		return -1;
	if (found ? now_hours() - row.used_hours >= USED_EVERY_HOURS : make) {
		(void)pthread_mutex_lock(&r->writing);
		done = row_touch(db, mailbox_key, make, &row, err);
		(void)pthread_mutex_unlock(&r->writing);
	}
	*number_out = row.number;
	return done;
}

/* ---- writing ---- */

static int
full_check(struct records *r, struct db *db, struct err *err)
{
	uint64_t octets;

	if (db_octets(db, &octets, err) == -1)
		return -1;
	if (octets > atomic_load(&r->disk_octets))
		atomic_store(&r->full, true);
	return 0;
}

int
records_write(struct records *r, struct db *db, struct span mailbox_key,
    uint32_t number, struct db_batch *batch, uint64_t octets, bool *kept_out,
    struct err *err)
{
	struct row row;
	bool found;
	int done;

	*kept_out = false;
	if (atomic_load(&r->full))
		return 0;
	(void)pthread_mutex_lock(&r->writing);
	done = row_get(db, mailbox_key, &row, &found, err);
	*kept_out = done == 0 && found && row.number == number;
	if (*kept_out) {
		row.octets += octets;
		done = row_put(db, mailbox_key, &row, err);
		if (done == 0)
			done = db_batch_write(db, batch, err);
		if (done == 0)
			done = full_check(r, db, err);
	}
	(void)pthread_mutex_unlock(&r->writing);
	return done;
}
