/* SPDX-License-Identifier: BSD-2-Clause */
/* Many records at once. */
#include "common/db_private.h"

#include <stdlib.h>
#include <string.h>

/* Keys removed in one transaction: its locks and log stay small. */
#define DELETE_AT_ONCE 500
#define DELETE_ROOM ((size_t)256 * 1024)

/* ---- reading --------------------------------------------------------------
 */

int
db_stretch_init(struct db_stretch *s, size_t room, struct err *err)
{
	*s = (struct db_stretch){ .memory = malloc(room), .room = room };
	return s->memory == NULL ? err_sys(err, "malloc") : 0;
}

void
db_stretch_fini(struct db_stretch *s)
{
	free(s->memory);
	*s = (struct db_stretch){ .memory = NULL };
}

static DBT
dbt_memory(char *memory, size_t room)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	dbt.data = memory;
	dbt.ulen = (u_int32_t)room;
	dbt.flags = DB_DBT_USERMEM;
	return dbt;
}

/* One try, with the lock for reading. */
static int
stretch_get(DB *table, struct span key, DBT *data)
{
	DBT name = db_dbt(key);
	DBC *cursor;
	int rc, closed;

	/* The first key is put there; for DB_THREAD it must be memory of ours.
	 */
	name.data = malloc(key.len + 1);
	if (name.data == NULL)
		return ENOMEM;
	memcpy(name.data, key.p, key.len);
	name.flags = DB_DBT_REALLOC;
	rc = table->cursor(table, NULL, &cursor, DB_CURSOR_BULK);
	if (rc == 0) {
		rc = cursor->get(
		    cursor, &name, data, DB_SET_RANGE | DB_MULTIPLE_KEY);
		closed = cursor->close(cursor);
		rc = rc == 0 ? closed : rc;
	}
	free(name.data);
	return rc;
}

int
db_read(struct db *db, struct span key, struct db_stretch *s, struct err *err)
{
	DBT data = dbt_memory(s->memory, s->room);
	unsigned generation;
	int rc = DB_LOCK_DEADLOCK;

	s->at = NULL;
	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table == NULL)
		rc = ENOENT;
	for (int i = 0; rc == DB_LOCK_DEADLOCK && i < DB_DEADLOCK_TRIES; i++)
		rc = stretch_get(db->table, key, &data);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
	if (rc == DB_NOTFOUND || rc == DB_BUFFER_SMALL)
		return 0;
	if (rc != 0)
		return db_err(err, rc, "read");
	DB_MULTIPLE_INIT(s->at, &data);
	return 0;
}

bool
db_stretch_next(
    struct db_stretch *s, struct span *key_out, struct span *value_out)
{
	DBT data = dbt_memory(s->memory, s->room);
	u_int32_t key_len = 0, value_len = 0;
	void *key = NULL, *value = NULL;

	if (s->at == NULL)
		return false;
	DB_MULTIPLE_KEY_NEXT(s->at, &data, key, key_len, value, value_len);
	if (key == NULL)
		return false;
	*key_out = span_of(key, key_len);
	*value_out = span_of(value, value_len);
	return true;
}

/* ---- writing --------------------------------------------------------------
 */

static void
batch_clear(struct db_batch *b)
{
	DBT dbt = dbt_memory(b->memory, b->room);

	DB_MULTIPLE_WRITE_INIT(b->at, &dbt);
	b->count = 0;
}

int
db_batch_init(struct db_batch *b, size_t room, struct err *err)
{
	*b = (struct db_batch){ .memory = malloc(room), .room = room };
	if (b->memory == NULL)
		return err_sys(err, "malloc");
	batch_clear(b);
	return 0;
}

void
db_batch_fini(struct db_batch *b)
{
	free(b->memory);
	*b = (struct db_batch){ .memory = NULL };
}

char *
db_batch_add(struct db_batch *b, struct span key, size_t value_len)
{
	DBT dbt = dbt_memory(b->memory, b->room);
	void *at = b->at, *to_key = NULL, *to_value = NULL;

	DB_MULTIPLE_KEY_RESERVE_NEXT(
	    at, &dbt, to_key, key.len, to_value, value_len);
	if (to_key == NULL || to_value == NULL)
		return NULL;
	memcpy(to_key, key.p, key.len);
	b->at = at;
	b->count++;
	return to_value;
}

int
db_batch_write(struct db *db, struct db_batch *b, struct err *err)
{
	DBT dbt = dbt_memory(b->memory, b->room);
	unsigned generation;
	int rc = DB_LOCK_DEADLOCK;

	if (b->count == 0)
		return 0;
	dbt.flags = DB_DBT_BULK;
	dbt.size = dbt.ulen;
	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table == NULL)
		rc = ENOENT;
	for (int i = 0; rc == DB_LOCK_DEADLOCK && i < DB_DEADLOCK_TRIES; i++)
		rc = db->table->put(db->table, NULL, &dbt, NULL,
		    DB_MULTIPLE_KEY | DB_AUTO_COMMIT);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
	batch_clear(b);
	return rc == 0 ? 0 : db_err(err, rc, "write");
}

/* ---- removing -------------------------------------------------------------
 */

struct removal {
	struct span (*key)(const void *arg, size_t i);
	const void *arg;
	size_t count;
};

/* One try, with the lock for reading. */
static int
remove_all(struct db *db, const struct removal *r)
{
	DB_TXN *txn;
	int rc = db->env->txn_begin(db->env, NULL, &txn, 0);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < r->count && rc == 0; i++) {
		DBT name = db_dbt(r->key(r->arg, i));

		rc = db->table->del(db->table, txn, &name, 0);
		if (rc == DB_NOTFOUND)
			rc = 0;
	}
	if (rc == 0)
		return txn->commit(txn, 0);
	(void)txn->abort(txn);
	return rc;
}

int
db_delete_many(struct db *db, struct span (*key)(const void *arg, size_t i),
    const void *arg, size_t count, struct err *err)
{
	struct removal r = { key, arg, count };
	unsigned generation;
	int rc = DB_LOCK_DEADLOCK;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table == NULL)
		rc = ENOENT;
	for (int i = 0; rc == DB_LOCK_DEADLOCK && i < DB_DEADLOCK_TRIES; i++)
		rc = remove_all(db, &r);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
	return rc == 0 ? 0 : db_err(err, rc, "delete");
}

static struct span
key_of(const void *arg, size_t i)
{
	return ((const struct span *)arg)[i];
}

int
db_delete_prefix(struct db *db, struct span prefix, struct err *err)
{
	CLEANUP(db_stretch_fini) struct db_stretch s;
	struct span keys[DELETE_AT_ONCE], value;
	size_t count;

	if (db_stretch_init(&s, DELETE_ROOM, err) == -1)
		return -1;
	do {
		count = 0;
		if (db_read(db, prefix, &s, err) == -1)
			return -1;
		while (count < DELETE_AT_ONCE &&
		       db_stretch_next(&s, &keys[count], &value) &&
		       span_starts(keys[count], prefix))
			count++;
		if (count > 0 &&
		    db_delete_many(db, key_of, keys, count, err) == -1)
			return -1;
	} while (count > 0);
	return 0;
}

/* ---- the file -------------------------------------------------------------
 */

int
db_octets(struct db *db, uint64_t *octets_out, struct err *err)
{
	DB_BTREE_STAT *st = NULL;
	unsigned generation;
	int rc = ENOENT;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table != NULL)
		rc = db->table->stat(db->table, NULL, &st, DB_FAST_STAT);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
	if (rc != 0)
		return db_err(err, rc, "size");
	*octets_out = (uint64_t)st->bt_pagecnt * st->bt_pagesize;
	free(st);
	return 0;
}

int
db_compact(struct db *db, struct err *err)
{
	unsigned generation;
	int rc = ENOENT;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table != NULL)
		rc = db->table->compact(
		    db->table, NULL, NULL, NULL, NULL, DB_FREE_SPACE, NULL);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
	return rc == 0 ? 0 : db_err(err, rc, "compact");
}
