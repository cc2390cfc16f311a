/* SPDX-License-Identifier: BSD-2-Clause */
/* What leaves the table of records: what is gone, and what has no room. */
#include "store/records_private.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"

/* What leaves a full table at once: one part in so many. */
#define SHRINK_PART 4
/* Of messages that are gone, so many wait to be removed; the records of others
 * are removed when they are met. */
#define FORGOTTEN_MAX 65536
#define DELETE_AT_ONCE 500

/* ---- messages that are gone ---- */

struct forgotten {
	struct forgotten *next;
	char key[RECORD_MAILBOX_KEY_MAX];
	size_t count;
	uint32_t uids[];
};

void
forgotten_free(struct forgotten *f)
{
	while (f != NULL) {
		struct forgotten *next = f->next;

		free(f);
		f = next;
	}
}

static void
records_forget(void *arg, const char *account, const char *directory,
    const uint32_t *uids, size_t count)
{
	struct records *r = arg;
	struct forgotten *f;

	if (!atomic_load(&r->open) || count == 0 || count > FORGOTTEN_MAX)
		return;
	f = malloc(sizeof(*f) + count * sizeof(*uids));
	if (f == NULL)
		return;
	f->count = count;
	memcpy(f->uids, uids, count * sizeof(*uids));
	if (record_mailbox_key(account, directory, f->key).len == 0) {
		free(f);
		return;
	}
	(void)pthread_mutex_lock(&r->mutex);
	if (r->forgotten_uids + count <= FORGOTTEN_MAX) {
		f->next = r->forgotten;
		r->forgotten = f;
		r->forgotten_uids += count;
		atomic_store(&r->forgets, true);
		f = NULL;
	}
	(void)pthread_mutex_unlock(&r->mutex);
	free(f);
}

struct gone {
	uint32_t number;
	const uint32_t *uids;
	char *key; /* where the next one is made */
};

static struct span
gone_key(const void *arg, size_t i)
{
	const struct gone *g = arg;

	record_key(g->number, (unsigned)(i % RECORD_KINDS),
	    g->uids[i / RECORD_KINDS], g->key);
	return span_of(g->key, RECORD_KEY);
}

static int
forgotten_remove(struct records *r, struct db *db, const struct forgotten *f,
    struct err *err)
{
	char key[RECORD_KEY];
	struct gone g = { .key = key };

	if (records_number(r, db, span_str(f->key), false, &g.number, err) ==
	    -1)
		return -1;
	for (size_t i = 0; g.number != 0 && i < f->count;) {
		size_t count = f->count - i;

		if (count > DELETE_AT_ONCE / RECORD_KINDS)
			count = DELETE_AT_ONCE / RECORD_KINDS;
		g.uids = f->uids + i;
		if (db_delete_many(
			db, gone_key, &g, count * RECORD_KINDS, err) == -1)
			return -1;
		i += count;
	}
	return 0;
}

void
records_remove_forgotten(struct records *r)
{
	struct db *db = records_hold(r);
	struct err err = ERR_INIT;
	struct forgotten *all;
	int done = 0;

	(void)pthread_mutex_lock(&r->mutex);
	all = r->forgotten;
	r->forgotten = NULL;
	r->forgotten_uids = 0;
	atomic_store(&r->forgets, false);
	(void)pthread_mutex_unlock(&r->mutex);
	for (struct forgotten *f = all; db != NULL && f != NULL && done == 0;
	     f = f->next)
		done = forgotten_remove(r, db, f, &err);
	forgotten_free(all);
	if (db != NULL)
		records_release(r, done == 0 ? NULL : &err);
}

/* ---- mailboxes that are gone ---- */

/*
 * The mailbox and its records.  Who is about to write more of them finds that
 * it has no number any more.
 */
static int
mailbox_remove(struct records *r, struct db *db, struct span key,
    uint32_t number, struct err *err)
{
	char prefix[RECORD_KEY];
	int done;

	(void)pthread_mutex_lock(&r->writing);
	done = db_delete(db, key, err);
	(void)pthread_mutex_unlock(&r->writing);
	if (done == -1)
		return -1;
	record_key(number, 0, 0, prefix);
	return db_delete_prefix(db, span_of(prefix, 5), err);
}

static int
folder_remove(
    struct records *r, struct db *db, struct span key, struct err *err)
{
	struct row row;
	bool found;

	if (row_get(db, key, &row, &found, err) == -1)
		return -1;
	return found ? mailbox_remove(r, db, key, row.number, err) : 0;
}

/* For a change of mailboxes: the table, if it was ever made. */
static struct db *
hold_if_there(struct records *r)
{
	return db_exists(r->directory) ? records_hold(r) : NULL;
}

static void
records_forget_folder(void *arg, const char *account, const char *directory)
{
	struct records *r = arg;
	char text[RECORD_MAILBOX_KEY_MAX];
	struct span key = record_mailbox_key(account, directory, text);
	struct db *db = hold_if_there(r);
	struct err err = ERR_INIT;
	int done = 0;

	if (db == NULL)
		return;
	if (key.len > 0)
		done = folder_remove(r, db, key, &err);
	records_release(r, done == 0 ? NULL : &err);
}

static int
folder_rename(struct records *r, struct db *db, struct span from,
    struct span to, struct err *err)
{
	struct row row;
	bool found;
	int done;

	if (folder_remove(r, db, to, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&r->writing);
	done = row_get(db, from, &row, &found, err);
	if (done == 0 && found)
		done = db_delete(db, from, err);
	if (done == 0 && found)
		done = row_put(db, to, &row, err);
	(void)pthread_mutex_unlock(&r->writing);
	return done;
}

static void
records_rename_folder(void *arg, const char *account, const char *directory,
    const char *new_directory)
{
	struct records *r = arg;
	char from_text[RECORD_MAILBOX_KEY_MAX], to_text[RECORD_MAILBOX_KEY_MAX];
	struct span from = record_mailbox_key(account, directory, from_text);
	struct span to = record_mailbox_key(account, new_directory, to_text);
	struct db *db = hold_if_there(r);
	struct err err = ERR_INIT;
	int done = 0;

	if (db == NULL)
		return;
	if (from.len > 0 && to.len > 0)
		done = folder_rename(r, db, from, to, &err);
	records_release(r, done == 0 ? NULL : &err);
}

struct store_listener
records_listener(struct records *r)
{
	if (r == NULL)
		return (struct store_listener){ 0 };
	return (struct store_listener){
		.arg = r,
		.removed = records_forget,
		.deleted = records_forget_folder,
		.renamed = records_rename_folder,
	};
}

/* ---- making room ---- */

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

/*
 * Those that were not used for the longest time go until a part of all the
 * octets is free, so that the table is not full again at once.
 */
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

void
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
	if (done == 0)
		log_info(&log_process, "message cache was full, made room",
		    log_str("directory", r->directory),
		    log_u64("octets", octets));
	atomic_store(&r->full, false);
	records_release(r, done == 0 ? NULL : &err);
}
