/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/db.h"

#include <db.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "common/log.h"

enum {
	PAGE_SIZE_OCTETS = 8192,
	LOG_FILE_OCTETS = 16 * 1024 * 1024,
	LOG_BUFFER_OCTETS = 1024 * 1024,
	CHECKPOINT_SECONDS = 60,
	CHECKPOINT_KB = 8 * 1024,
	DEADLOCK_TRIES = 20,
	VALUE_MAX = 4 * 1024 * 1024,
};

struct db {
	char directory[512];
	size_t cache_octets;
	int lock_fd;
	/* Held for reading by every operation, for writing while the
	 * environment is replaced. */
	pthread_rwlock_t lock;
	DB_ENV *env;
	DB *table;
	unsigned generation; /* of env; guarded by lock */
	pthread_t thread;
	bool thread_runs;
	pthread_mutex_t stop_mutex;
	pthread_cond_t stop_cond;
	bool stop; /* guarded by stop_mutex */
};

static int
db_err(struct err *err, int rc, const char *what)
{
	return err_set(err, ERR_TEMP, "%s: %s", what, db_strerror(rc));
}

static int
lock_take(struct db *db, struct err *err)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/LOCK", db->directory);
	db->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (db->lock_fd == -1)
		return err_sys(err, "%s", path);
	if (flock(db->lock_fd, LOCK_EX | LOCK_NB) == -1)
		return err_sys(err, "%s: another process has it", path);
	return 0;
}

/* Without the lock: for open, close and rebuild. */
static void
env_close(struct db *db)
{
	if (db->table != NULL)
		(void)db->table->close(db->table, 0);
	if (db->env != NULL)
		(void)db->env->close(db->env, 0);
	db->table = NULL;
	db->env = NULL;
}

static int
env_open(struct db *db)
{
	int rc = db_env_create(&db->env, 0);
	DB_ENV *env = db->env;

	if (rc != 0) {
		db->env = NULL;
		return rc;
	}
	env->set_errfile(env, NULL); /* our log says what matters */
	if ((rc = env->set_cachesize(env, 0, (u_int32_t)db->cache_octets, 1)) !=
		0 ||
	    (rc = env->set_lk_detect(env, DB_LOCK_MINWRITE)) != 0 ||
	    (rc = env->set_lg_bsize(env, LOG_BUFFER_OCTETS)) != 0 ||
	    (rc = env->set_lg_max(env, LOG_FILE_OCTETS)) != 0 ||
	    (rc = env->log_set_config(env, DB_LOG_AUTO_REMOVE, 1)) != 0 ||
	    (rc = env->set_flags(env, DB_TXN_WRITE_NOSYNC, 1)) != 0)
		return rc;
	rc = env->open(env, db->directory,
	    DB_CREATE | DB_INIT_MPOOL | DB_INIT_LOG | DB_INIT_TXN |
		DB_INIT_LOCK | DB_THREAD | DB_PRIVATE | DB_RECOVER,
	    0600);
	if (rc != 0)
		return rc;
	if ((rc = db_create(&db->table, env, 0)) != 0) {
		db->table = NULL;
		return rc;
	}
	if ((rc = db->table->set_flags(db->table, DB_CHKSUM)) != 0 ||
	    (rc = db->table->set_pagesize(db->table, PAGE_SIZE_OCTETS)) != 0)
		return rc;
	return db->table->open(db->table, NULL, "table.db", NULL, DB_BTREE,
	    DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
}

/* Everything but LOCK and what was moved aside before goes to broken-TIME. */
static int
move_aside(struct db *db, struct err *err)
{
	char aside[560], from[1024], to[1024];
	const struct dirent *entry;
	DIR *dir;

	(void)snprintf(aside, sizeof(aside), "%s/broken-%lld", db->directory,
	    (long long)time(NULL));
	if (mkdir(aside, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "%s", aside);
	dir = opendir(db->directory);
	if (dir == NULL)
		return err_sys(err, "%s", db->directory);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, "LOCK") == 0 ||
		    strncmp(entry->d_name, "broken-", 7) == 0)
			continue;
		(void)snprintf(
		    from, sizeof(from), "%s/%s", db->directory, entry->d_name);
		(void)snprintf(to, sizeof(to), "%s/%s", aside, entry->d_name);
		if (rename(from, to) == -1)
			(void)err_sys(err, "%s", from);
	}
	(void)closedir(dir);
	return 0;
}

static int
env_open_or_rebuild(struct db *db, struct err *err)
{
	int rc = env_open(db);

	if (rc == 0)
		return 0;
	log_error(&log_process, "database damaged, beginning a new one",
	    log_str("directory", db->directory),
	    log_str("reason", db_strerror(rc)));
	env_close(db);
	if (move_aside(db, err) == -1)
		return -1;
	rc = env_open(db);
	if (rc == 0)
		return 0;
	env_close(db);
	return db_err(err, rc, db->directory);
}

/* After DB_RUNRECOVERY in the given generation; one thread does it. */
static void
rebuild(struct db *db, unsigned generation)
{
	struct err err = ERR_INIT;

	(void)pthread_rwlock_wrlock(&db->lock);
	if (db->generation == generation) {
		env_close(db);
		db->generation++;
		/* A plain reopen repairs what a stray panic left; a bad page
		 * panics again, and is found again, at its next touch. */
		if (move_aside(db, &err) == -1 ||
		    env_open_or_rebuild(db, &err) == -1)
			log_error(&log_process, "database lost", log_err(&err));
		else
			log_error(&log_process,
			    "database panicked, beginning a new one",
			    log_str("directory", db->directory));
	}
	(void)pthread_rwlock_unlock(&db->lock);
}

static bool
wait_stop(struct db *db)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += CHECKPOINT_SECONDS;
	(void)pthread_mutex_lock(&db->stop_mutex);
	while (!db->stop && pthread_cond_timedwait(
				&db->stop_cond, &db->stop_mutex, &until) == 0)
		;
	stop = db->stop;
	(void)pthread_mutex_unlock(&db->stop_mutex);
	return stop;
}

static void *
run_checkpoints(void *arg)
{
	struct db *db = arg;

	while (!wait_stop(db)) {
		unsigned generation;
		int rc = 0;

		(void)pthread_rwlock_rdlock(&db->lock);
		generation = db->generation;
		if (db->env != NULL)
			rc = db->env->txn_checkpoint(
			    db->env, CHECKPOINT_KB, 1, 0);
		(void)pthread_rwlock_unlock(&db->lock);
		if (rc == DB_RUNRECOVERY)
			rebuild(db, generation);
	}
	return NULL;
}

int
db_open(const char *directory, size_t cache_octets, struct db **db_out,
    struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));

	if (db == NULL)
		return err_sys(err, "database");
	(void)snprintf(db->directory, sizeof(db->directory), "%s", directory);
	db->cache_octets = cache_octets;
	db->lock_fd = -1;
	(void)pthread_rwlock_init(&db->lock, NULL);
	(void)pthread_mutex_init(&db->stop_mutex, NULL);
	(void)pthread_cond_init(&db->stop_cond, NULL);
	if (mkdir(directory, 0700) == -1 && errno != EEXIST) {
		(void)err_sys(err, "%s", directory);
		goto fail;
	}
	if (lock_take(db, err) == -1 || env_open_or_rebuild(db, err) == -1)
		goto fail;
	if (pthread_create(&db->thread, NULL, run_checkpoints, db) != 0) {
		(void)err_set(err, ERR_TEMP, "no thread for checkpoints");
		goto fail;
	}
	db->thread_runs = true;
	*db_out = db;
	return 0;
fail:
	db_close(db);
	return -1;
}

void
db_close(struct db *db)
{
	if (db == NULL)
		return;
	(void)pthread_mutex_lock(&db->stop_mutex);
	db->stop = true;
	(void)pthread_cond_signal(&db->stop_cond);
	(void)pthread_mutex_unlock(&db->stop_mutex);
	if (db->thread_runs)
		(void)pthread_join(db->thread, NULL);
	if (db->env != NULL)
		(void)db->env->txn_checkpoint(db->env, 0, 0, DB_FORCE);
	env_close(db);
	fd_close(db->lock_fd);
	(void)pthread_rwlock_destroy(&db->lock);
	(void)pthread_mutex_destroy(&db->stop_mutex);
	(void)pthread_cond_destroy(&db->stop_cond);
	free(db);
}

/* ---- operations ---------------------------------------------------------- */

static DBT
dbt_of(struct span s)
{
	DBT dbt;

	memset(&dbt, 0, sizeof(dbt));
	/* Berkeley DB reads it only, but takes no const. */
	memcpy(&dbt.data, &s.p, sizeof(dbt.data));
	dbt.size = (u_int32_t)s.len;
	return dbt;
}

/* One try of one operation; answers Berkeley DB's code. */
typedef int operation(DB *table, DBT *key, DBT *value);

static int
operation_get(DB *table, DBT *key, DBT *value)
{
	return table->get(table, NULL, key, value, 0);
}

static int
operation_put(DB *table, DBT *key, DBT *value)
{
	return table->put(table, NULL, key, value, DB_AUTO_COMMIT);
}

static int
operation_delete(DB *table, DBT *key, DBT *value)
{
	(void)value;
	return table->del(table, NULL, key, DB_AUTO_COMMIT);
}

/* Repeats what lost a deadlock, replaces a panicked environment. */
static int
run(struct db *db, operation *op, struct span key, DBT *value)
{
	DBT name = dbt_of(key);
	unsigned generation;
	int rc = DB_LOCK_DEADLOCK;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table == NULL)
		rc = ENOENT;
	for (int i = 0; rc == DB_LOCK_DEADLOCK && i < DEADLOCK_TRIES; i++)
		rc = op(db->table, &name, value);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		rebuild(db, generation);
	return rc;
}

int
db_get(struct db *db, struct span key, struct buf *value, bool *found_out,
    struct err *err)
{
	DBT data;
	int rc;

	memset(&data, 0, sizeof(data));
	data.flags = DB_DBT_MALLOC;
	rc = run(db, operation_get, key, &data);
	*found_out = rc == 0;
	if (rc == DB_NOTFOUND)
		return 0;
	if (rc != 0)
		return db_err(err, rc, "read");
	buf_append(value, span_of(data.data, data.size));
	free(data.data);
	return buf_check(value, err);
}

int
db_put(struct db *db, struct span key, struct span value, struct err *err)
{
	DBT data = dbt_of(value);
	int rc;

	if (value.len > VALUE_MAX)
		return err_set(
		    err, ERR_LIMIT, "value over %d octets", VALUE_MAX);
	rc = run(db, operation_put, key, &data);
	return rc == 0 ? 0 : db_err(err, rc, "write");
}

int
db_delete(struct db *db, struct span key, struct err *err)
{
	int rc = run(db, operation_delete, key, NULL);

	return rc == 0 || rc == DB_NOTFOUND ? 0 : db_err(err, rc, "delete");
}

static int
each_cursor(DBC *cursor, struct span prefix,
    bool (*each)(void *arg, struct span key, struct span value), void *arg)
{
	DBT key = dbt_of(prefix), data;
	u_int32_t how = DB_SET_RANGE;
	bool more = true;
	int rc = 0;

	memset(&data, 0, sizeof(data));
	/* DB_THREAD wants memory of ours; REALLOC would free the prefix. */
	key.data = malloc(prefix.len + 1);
	if (key.data == NULL)
		return ENOMEM;
	memcpy(key.data, prefix.p, prefix.len);
	key.flags = DB_DBT_REALLOC;
	data.flags = DB_DBT_REALLOC;
	while (more && (rc = cursor->get(cursor, &key, &data, how)) == 0) {
		struct span name = span_of(key.data, key.size);

		how = DB_NEXT;
		more = span_starts(name, prefix) &&
		       each(arg, name, span_of(data.data, data.size));
	}
	free(key.data);
	free(data.data);
	return rc == DB_NOTFOUND ? 0 : rc;
}

int
db_each(struct db *db, struct span prefix,
    bool (*each)(void *arg, struct span key, struct span value), void *arg,
    struct err *err)
{
	DBC *cursor = NULL;
	unsigned generation;
	int rc = ENOENT;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table != NULL)
		rc = db->table->cursor(
		    db->table, NULL, &cursor, DB_READ_COMMITTED);
	if (rc == 0) {
		rc = each_cursor(cursor, prefix, each, arg);
		(void)cursor->close(cursor);
	}
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		rebuild(db, generation);
	return rc == 0 ? 0 : db_err(err, rc, "list");
}
