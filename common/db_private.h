/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of db.h, for db.c and db_bulk.c. */
#ifndef HK_COMMON_DB_PRIVATE_H
#define HK_COMMON_DB_PRIVATE_H

#include "common/db.h"

#include <db.h>
#include <pthread.h>

#define DB_DEADLOCK_TRIES 20

struct db {
	char directory[512];
	struct db_options options;
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

int db_err(struct err *err, int rc, const char *what);
DBT db_dbt(struct span s);
/* After DB_RUNRECOVERY in the given generation; one thread does it. */
void db_rebuild(struct db *db, unsigned generation);

#endif
