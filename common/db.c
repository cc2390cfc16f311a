/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/db.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "common/db_private.h"
#include "common/log.h"

enum {
	PAGE_OCTETS = 8192,
	LOG_FILE_OCTETS = 16 * 1024 * 1024,
	LOG_BUFFER_OCTETS = 1024 * 1024,
	CHECKPOINT_SECONDS = 60,
	CHECKPOINT_KB = 8 * 1024,
	VALUE_MAX = 4 * 1024 * 1024,
};

int
db_err(struct err *err, int rc, const char *what)
{
	/* Berkeley DB's own codes are negative. */
	return err_set_at(err, ERR_TEMP, rc > 0 ? rc : 0, __FILE__, __LINE__,
	    "%s: %s", what, db_strerror(rc));
}

static int
lock_take(struct db *db, struct err *err)
{
	char path[600];

	fd_close(db->lock_fd);
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
	if ((rc = env->set_cachesize(
		 env, 0, (u_int32_t)db->options.cache_octets, 1)) != 0 ||
	    (rc = env->set_lk_detect(env, DB_LOCK_MINWRITE)) != 0 ||
	    (rc = env->set_lg_bsize(
		 env, (u_int32_t)db->options.log_buffer_octets)) != 0 ||
	    (rc = env->set_lg_max(
		 env, (u_int32_t)db->options.log_file_octets)) != 0 ||
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
	    (rc = db->table->set_pagesize(
		 db->table, (u_int32_t)db->options.page_octets)) != 0)
		return rc;
	return db->table->open(db->table, NULL, "table.db", NULL, DB_BTREE,
	    DB_CREATE | DB_AUTO_COMMIT | DB_THREAD, 0600);
}

/* Does it to every file but LOCK and what was moved aside before. */
static int
each_file(struct db *db, int (*act)(const char *from, const char *to),
    const char *to_directory, struct err *err)
{
	char from[1024], to[1024];
	const struct dirent *entry;
	DIR *dir = opendir(db->directory);
	int done = 0;

	if (dir == NULL)
		return err_sys(err, "%s", db->directory);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    strcmp(entry->d_name, "LOCK") == 0 ||
		    strncmp(entry->d_name, "broken-", 7) == 0)
			continue;
		(void)snprintf(
		    from, sizeof(from), "%s/%s", db->directory, entry->d_name);
		(void)snprintf(
		    to, sizeof(to), "%s/%s", to_directory, entry->d_name);
		if (act(from, to) == -1)
			done = err_sys(err, "%s", from);
	}
	(void)closedir(dir);
	return done;
}

static int
act_remove(const char *from, const char *to)
{
	(void)to;
	return unlink(from);
}

/* To broken-TIME, or away. */
static int
move_aside(struct db *db, struct err *err)
{
	char aside[560];

	if (db->options.disposable)
		return each_file(db, act_remove, "", err);
	(void)snprintf(aside, sizeof(aside), "%s/broken-%lld", db->directory,
	    (long long)time(NULL));
	if (mkdir(aside, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "%s", aside);
	return each_file(db, rename, aside, err);
}

/* What a new environment would meet as well. */
static bool
is_circumstance(int rc)
{
	return rc == ENOSPC || rc == EDQUOT || rc == EROFS || rc == EACCES ||
	       rc == EPERM || rc == ENOMEM || rc == EMFILE || rc == ENFILE;
}

static int
env_open_or_rebuild(struct db *db, struct err *err)
{
	int rc = env_open(db);

	if (rc == 0)
		return 0;
	env_close(db);
	if (is_circumstance(rc))
		return db_err(err, rc, db->directory);
	log_error(&log_process, "database damaged, beginning a new one",
	    log_str("directory", db->directory),
	    log_str("reason", db_strerror(rc)));
	if (move_aside(db, err) == -1)
		return -1;
	rc = env_open(db);
	if (rc == 0)
		return 0;
	env_close(db);
	return db_err(err, rc, db->directory);
}

/* The directory and its LOCK, also when somebody removed them. */
static int
home_take(struct db *db, struct err *err)
{
	if (mkdir(db->directory, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "%s", db->directory);
	return lock_take(db, err);
}

/* With the lock for writing: closes what there is and begins anew. */
static void
begin_anew(struct db *db, const char *why)
{
	struct err err = ERR_INIT;

	env_close(db);
	db->generation++;
	/* A plain reopen repairs what a stray panic left; a bad page
	 * panics again, and is found again, at its next touch. */
	if (home_take(db, &err) == -1 || move_aside(db, &err) == -1 ||
	    env_open_or_rebuild(db, &err) == -1)
		log_error(&log_process, "database lost", log_err(&err));
	else
		log_error(
		    &log_process, why, log_str("directory", db->directory));
}

void
db_rebuild(struct db *db, unsigned generation)
{
	(void)pthread_rwlock_wrlock(&db->lock);
	if (db->generation == generation)
		begin_anew(db, "database panicked, beginning a new one");
	(void)pthread_rwlock_unlock(&db->lock);
}

/* Whether our LOCK and table are still what their names lead to. */
static bool
files_are_ours(struct db *db)
{
	char path[600];
	struct stat named, held;

	(void)snprintf(path, sizeof(path), "%s/LOCK", db->directory);
	if (fstat(db->lock_fd, &held) == -1 || stat(path, &named) == -1 ||
	    held.st_ino != named.st_ino || held.st_dev != named.st_dev)
		return false;
	(void)snprintf(path, sizeof(path), "%s/table.db", db->directory);
	return stat(path, &named) == 0;
}

static bool
wait_stop(struct db *db)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += CHECKPOINT_SECONDS;
	(void)pthread_mutex_lock(&db->stop_mutex);
	while (!db->stop && pthread_cond_timedwait(
				&db->stop_cond, &db->stop_mutex, &until) == 0)
		;
	stop = db->stop;
	(void)pthread_mutex_unlock(&db->stop_mutex);
	return stop;
}

void
db_checkpoint(struct db *db)
{
	unsigned generation;
	bool ours = true;
	int rc = 0;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->env != NULL) {
		ours = files_are_ours(db);
		rc = db->env->txn_checkpoint(db->env, CHECKPOINT_KB, 1, 0);
	}
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY) {
		db_rebuild(db, generation);
	} else if (!ours) {
		(void)pthread_rwlock_wrlock(&db->lock);
		if (db->generation == generation)
			begin_anew(db, "database files were removed, beginning "
				       "a new one");
		(void)pthread_rwlock_unlock(&db->lock);
	}
}

static void *
run_checkpoints(void *arg)
{
	struct db *db = arg;

	while (!wait_stop(db))
		db_checkpoint(db);
	return NULL;
}

static size_t
or_else(size_t given, size_t usual)
{
	return given != 0 ? given : usual;
}

int
db_open(const char *directory, size_t cache_octets, struct db **db_out,
    struct err *err)
{
	struct db_options options = { .cache_octets = cache_octets };

	return db_open_tuned(directory, &options, db_out, err);
}

int
db_open_tuned(const char *directory, const struct db_options *options,
    struct db **db_out, struct err *err)
{
	struct db *db = calloc(1, sizeof(*db));
	pthread_condattr_t attr;

	if (db == NULL)
		return err_sys(err, "database");
	(void)snprintf(db->directory, sizeof(db->directory), "%s", directory);
	db->options = *options;
	db->options.page_octets = or_else(options->page_octets, PAGE_OCTETS);
	db->options.log_file_octets =
	    or_else(options->log_file_octets, LOG_FILE_OCTETS);
	db->options.log_buffer_octets =
	    or_else(options->log_buffer_octets, LOG_BUFFER_OCTETS);
	db->lock_fd = -1;
	(void)pthread_rwlock_init(&db->lock, NULL);
	(void)pthread_mutex_init(&db->stop_mutex, NULL);
	(void)pthread_condattr_init(&attr);
	/* A clock that is set back must not stop the checkpoints. */
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&db->stop_cond, &attr);
	(void)pthread_condattr_destroy(&attr);
	if (home_take(db, err) == -1 || env_open_or_rebuild(db, err) == -1)
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

void
db_remove(struct db *db)
{
	if (db == NULL)
		return;
	(void)pthread_rwlock_wrlock(&db->lock);
	env_close(db);
	(void)each_file(db, act_remove, "", NULL);
	(void)pthread_rwlock_unlock(&db->lock);
	db_close(db);
}

bool
db_exists(const char *directory)
{
	char path[600];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/table.db", directory);
	return stat(path, &st) == 0;
}

/* ---- operations ---------------------------------------------------------- */

DBT
db_dbt(struct span s)
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
	DBT name = db_dbt(key);
	unsigned generation;
	int rc = DB_LOCK_DEADLOCK;

	(void)pthread_rwlock_rdlock(&db->lock);
	generation = db->generation;
	if (db->table == NULL)
		rc = ENOENT;
	for (int i = 0; rc == DB_LOCK_DEADLOCK && i < DB_DEADLOCK_TRIES; i++)
		rc = op(db->table, &name, value);
	(void)pthread_rwlock_unlock(&db->lock);
	if (rc == DB_RUNRECOVERY)
		db_rebuild(db, generation);
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
	DBT data = db_dbt(value);
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
	DBT key = db_dbt(prefix), data;
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
		db_rebuild(db, generation);
	return rc == 0 ? 0 : db_err(err, rc, "list");
}
