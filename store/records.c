/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of records: opened, closed, kept within its limits. */
#include "store/records.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "store/records_private.h"

/* Fits a mail's records without overflow pages, nearly always. */
#define PAGE_OCTETS 16384
#define LOG_FILE_OCTETS ((size_t)4 * 1024 * 1024)
#define LOG_BUFFER_OCTETS ((size_t)256 * 1024)
/* Nobody asked for so long: the memory goes back. */
#define CLOSE_AFTER_MS 30000
/* After a failure there is nothing for so long. */
#define RETRY_AFTER_MS 30000
/* A mailbox is marked as used once in so many hours. */
#define USED_EVERY_HOURS 6

/* What leaves a full table at once: one part in so many. */
#define SHRINK_PART 4

#define ROW_VERSION 1
#define ROW_OCTETS 17

/* The value of a mailbox's "M" record. */
struct row {
	uint32_t number, used_hours;
	uint64_t octets;
};

struct records {
	char directory[512];
	_Atomic size_t memory_octets;
	_Atomic uint64_t disk_octets;

	/* Also held while the table is opened, closed or written, so that one
	 * thread does it and the others find it done. */
	pthread_mutex_t mutex;
	struct db *db;
	unsigned users;
	uint64_t retry_ms;
	bool broken; /* a use failed: to be closed with the last one */
	bool said;   /* the log knows that it does not work */
	_Atomic uint64_t used_ms;
	_Atomic bool open;
	/* The table is as large as it may be: nothing is written until
	 * records_tend has made room. */
	_Atomic bool full;
};

static void records_shrink(struct records *r);

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t
now_hours(void)
{
	return (uint32_t)(time(NULL) / 3600);
}

int
records_new(const struct records_options *options, struct records **records_out,
    struct err *err)
{
	struct records *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_sys(err, "records");
	(void)snprintf(
	    r->directory, sizeof(r->directory), "%s", options->directory);
	(void)pthread_mutex_init(&r->mutex, NULL);
	records_limit(r, options->memory_octets, options->disk_octets);
	*records_out = r;
	return 0;
}

void
records_free(struct records *r)
{
	if (r == NULL)
		return;
	db_close(r->db);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

void
records_limit(struct records *r, size_t memory_octets, uint64_t disk_octets)
{
	atomic_store(&r->memory_octets, memory_octets);
	atomic_store(&r->disk_octets, disk_octets);
}

/* ---- open, close -----------------------------------------------------------
 */

/* With the mutex. */
static void
say_failure(struct records *r, const struct err *err)
{
	if (!r->said)
		log_warning(&log_process,
		    "message cache does not work, going on without",
		    log_str("directory", r->directory), log_err(err));
	r->said = true;
}

/* With the mutex. */
static void
say_success(struct records *r)
{
	if (r->said)
		log_notice(&log_process, "message cache works again",
		    log_str("directory", r->directory));
	r->said = false;
}

/* With the mutex. */
static void
table_open(struct records *r)
{
	struct db_options options = {
		.cache_octets = atomic_load(&r->memory_octets),
		.page_octets = PAGE_OCTETS,
		.log_file_octets = LOG_FILE_OCTETS,
		.log_buffer_octets = LOG_BUFFER_OCTETS,
		.disposable = true,
	};
	struct err err = ERR_INIT;
	uint64_t now = now_ms();

	if (now < r->retry_ms)
		return;
	if (db_open_tuned(r->directory, &options, &r->db, &err) == -1) {
		r->db = NULL;
		r->retry_ms = now + RETRY_AFTER_MS;
		say_failure(r, &err);
		return;
	}
	r->broken = false;
	atomic_store(&r->open, true);
}

/* With the mutex. */
static void
table_close(struct records *r)
{
	db_close(r->db);
	r->db = NULL;
	atomic_store(&r->open, false);
}

struct db *
records_hold(struct records *r)
{
	struct db *db;

	if (r == NULL || atomic_load(&r->disk_octets) == 0)
		return NULL;
	(void)pthread_mutex_lock(&r->mutex);
	if (r->db == NULL)
		table_open(r);
	db = r->broken ? NULL : r->db;
	if (db != NULL)
		r->users++;
	(void)pthread_mutex_unlock(&r->mutex);
	return db;
}

void
records_release(struct records *r, const struct err *failure)
{
	(void)pthread_mutex_lock(&r->mutex);
	r->users--;
	atomic_store(&r->used_ms, now_ms());
	if (failure != NULL) {
		r->broken = true;
		r->retry_ms = now_ms() + RETRY_AFTER_MS;
		say_failure(r, failure);
	}
	if (r->broken && r->users == 0)
		table_close(r);
	(void)pthread_mutex_unlock(&r->mutex);
}

static bool
is_unused(struct records *r)
{
	return atomic_load(&r->open) &&
	       now_ms() - atomic_load(&r->used_ms) > CLOSE_AFTER_MS;
}

bool
records_due(struct records *r)
{
	return r != NULL && (is_unused(r) || atomic_load(&r->full));
}

void
records_tend(struct records *r)
{
	if (atomic_load(&r->full))
		records_shrink(r);
	(void)pthread_mutex_lock(&r->mutex);
	if (r->db != NULL && r->users == 0 && is_unused(r))
		table_close(r);
	(void)pthread_mutex_unlock(&r->mutex);
}

/* ---- mailboxes --------------------------------------------------------------
 */

static bool
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

static int
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

static int
row_put(struct db *db, struct span key, const struct row *row, struct err *err)
{
	char value[ROW_OCTETS] = { ROW_VERSION };

	put_u32(value + 1, row->number);
	put_u32(value + 5, row->used_hours);
	put_u32(value + 9, (uint32_t)(row->octets >> 32));
	put_u32(value + 13, (uint32_t)row->octets);
	return db_put(db, key, span_of(value, sizeof(value)), err);
}

/* With the mutex: a number that no record has. */
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

static int
row_make(struct records *r, struct db *db, struct span key, struct row *row,
    struct err *err)
{
	bool found;
	int done;

	(void)pthread_mutex_lock(&r->mutex);
	done = row_get(db, key, row, &found, err);
	if (done == 0 && !found) {
		*row = (struct row){ .used_hours = now_hours() };
		done = number_next(db, &row->number, err);
		if (done == 0)
			done = row_put(db, key, row, err);
	}
	(void)pthread_mutex_unlock(&r->mutex);
	return done;
}

/* That it was used now. */
static int
row_touch(struct records *r, struct db *db, struct span key, struct err *err)
{
	struct row row;
	bool found;
	int done;

	(void)pthread_mutex_lock(&r->mutex);
	done = row_get(db, key, &row, &found, err);
	if (done == 0 && found) {
		row.used_hours = now_hours();
		done = row_put(db, key, &row, err);
	}
	(void)pthread_mutex_unlock(&r->mutex);
	return done;
}

int
records_number(struct records *r, struct db *db, struct span mailbox_key,
    bool make, uint32_t *number_out, struct err *err)
{
	struct row row = { 0 };
	bool found;

	if (row_get(db, mailbox_key, &row, &found, err) == -1)
		return -1;
	if (!found && make && row_make(r, db, mailbox_key, &row, err) == -1)
		return -1;
	if (found && now_hours() - row.used_hours >= USED_EVERY_HOURS &&
	    row_touch(r, db, mailbox_key, err) == -1)
		return -1;
	*number_out = row.number;
	return 0;
}

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
	(void)pthread_mutex_lock(&r->mutex);
	done = row_get(db, mailbox_key, &row, &found, err);
	*kept_out = done == 0 && found && row.number == number;
	if (*kept_out) {
		row.octets += octets;
		done = row_put(db, mailbox_key, &row, err);
		if (done == 0)
			done = db_batch_write(db, batch, err);
		if (done == 0)
			done = full_check(r, db, err);
		if (done == 0)
			say_success(r);
	}
	(void)pthread_mutex_unlock(&r->mutex);
	return done;
}

/* ---- making room
 * -------------------------------------------------------------
 */

/* The mailboxes of the table, for who is to leave it. */
struct row_list {
	struct row_entry {
		char *key;
		struct row row;
	} * items;
	size_t count, room;
	bool failed;
};

static void
row_list_fini(struct row_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].key);
	free(l->items);
}
CLEANUP_DEFINE_VALUE(struct row_list, row_list_fini)

static bool
row_list_add(void *arg, struct span key, struct span value)
{
	struct row_list *l = arg;
	struct row row;

	if (!row_parse(value, &row))
		return true;
	if (l->count == l->room) {
		size_t room = 2 * l->room + 64;
		struct row_entry *more =
		    reallocarray(l->items, room, sizeof(*more));

		if (more == NULL) {
			l->failed = true;
			return false;
		}
		l->items = more;
		l->room = room;
	}
	l->items[l->count].key = strndup(key.p, key.len);
	l->items[l->count].row = row;
	l->failed = l->items[l->count].key == NULL;
	l->count += !l->failed;
	return !l->failed;
}

static int
row_entry_cmp(const void *a, const void *b)
{
	const struct row *x = &((const struct row_entry *)a)->row;
	const struct row *y = &((const struct row_entry *)b)->row;

	if (x->used_hours != y->used_hours)
		return x->used_hours < y->used_hours ? -1 : 1;
	return x->octets > y->octets ? -1 : x->octets < y->octets;
}

/* The mailbox and its records.  Who is about to write more of them finds that
 * it has no number any more. */
static int
mailbox_remove(struct records *r, struct db *db, struct span key,
    uint32_t number, struct err *err)
{
	char prefix[RECORD_KEY];
	int done;

	(void)pthread_mutex_lock(&r->mutex);
	done = db_delete(db, key, err);
	(void)pthread_mutex_unlock(&r->mutex);
	if (done == -1)
		return -1;
	record_key(number, 0, 0, prefix);
	return db_delete_prefix(db, span_of(prefix, 5), err);
}

/* Those that were not used for the longest time go until a part of all the
 * octets is free; so the table is not shrunk again at once. */
static int
shrink(struct records *r, struct db *db, struct err *err)
{
	CLEANUP(row_list_fini) struct row_list l = { 0 };
	uint64_t all = 0, gone = 0;

	if (db_each(db, SPAN("M"), row_list_add, &l, err) == -1)
		return -1;
	if (l.failed)
		return err_set(err, ERR_TEMP, "message cache: out of memory");
	qsort(l.items, l.count, sizeof(*l.items), row_entry_cmp);
	for (size_t i = 0; i < l.count; i++)
		all += l.items[i].row.octets;
	for (size_t i = 0; i < l.count && gone <= all / SHRINK_PART; i++) {
		if (mailbox_remove(r, db, span_str(l.items[i].key),
			l.items[i].row.number, err) == -1)
			return -1;
		gone += l.items[i].row.octets;
	}
	return db_compact(db, err);
}

static void
records_shrink(struct records *r)
{
	struct db *db = records_hold(r);
	struct err err = ERR_INIT;
	uint64_t octets = UINT64_MAX;
	int done = 0;

	if (db == NULL)
		return;
	for (int i = 0; i < SHRINK_PART && done == 0 &&
			octets > atomic_load(&r->disk_octets);
	     i++) {
		done = shrink(r, db, &err);
		if (done == 0)
			done = db_octets(db, &octets, &err);
	}
	log_info(&log_process, "message cache was full, made room",
	    log_str("directory", r->directory), log_u64("octets", octets));
	atomic_store(&r->full, false);
	records_release(r, done == 0 ? NULL : &err);
}

void
record_key(uint32_t number, unsigned kind, uint32_t uid, char key[RECORD_KEY])
{
	key[0] = 'R';
	put_u32(key + 1, number);
	key[5] = (char)kind;
	put_u32(key + 6, uid);
}
