/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of records: opened, closed, given up for a while. */
#include "store/records.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/log.h"
#include "store/records_private.h"

/* Fits a mail's records without overflow pages, nearly always. */
#define PAGE_OCTETS 16384
#define LOG_FILE_OCTETS ((size_t)4 * 1024 * 1024)
#define LOG_BUFFER_OCTETS ((size_t)256 * 1024)
/* Less is no table. */
#define DISK_MIN ((uint64_t)1024 * 1024)
/* Nobody asked for so long: the memory goes back. */
#define UNUSED_MS 30000
/* After a failure there is nothing for so long; after each further one twice
 * as long, up to DOUBLINGS times. */
#define RETRY_AFTER_MS 15000
#define DOUBLINGS 8
/* While one process takes over from another, the lock is taken: it is worth a
 * line only after so many failures. */
#define LOCKED_QUIETLY 3
/* Having worked for so long, it works. */
#define WORKS_AFTER_MS 300000

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
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
	r->unused_ms = options->unused_ms != 0 ? options->unused_ms : UNUSED_MS;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_mutex_init(&r->writing, NULL);
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
	forgotten_free(r->forgotten);
	(void)pthread_mutex_destroy(&r->mutex);
	(void)pthread_mutex_destroy(&r->writing);
	free(r);
}

void
records_limit(struct records *r, size_t memory_octets, uint64_t disk_octets)
{
	if (disk_octets != 0 && disk_octets < DISK_MIN)
		disk_octets = DISK_MIN;
	atomic_store(&r->memory_octets, memory_octets);
	atomic_store(&r->disk_octets, disk_octets);
}

/* All with the mutex. */

static void
has_failed(struct records *r, const struct err *err)
{
	r->retry_ms = now_ms() + ((uint64_t)RETRY_AFTER_MS << r->failures);
	if (r->failures < DOUBLINGS)
		r->failures++;
	if (err->os == EAGAIN && r->failures <= LOCKED_QUIETLY)
		return;
	if (!r->said)
		log_warning(&log_process,
		    "message cache does not work, going on without",
		    log_str("directory", r->directory), log_err(err));
	r->said = true;
}

static void
has_worked(struct records *r)
{
	if (r->failures == 0 || now_ms() - r->opened_ms < WORKS_AFTER_MS)
		return;
	r->failures = 0;
	if (r->said)
		log_notice(&log_process, "message cache works again",
		    log_str("directory", r->directory));
	r->said = false;
}

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

	if (now_ms() < r->retry_ms)
		return;
	if (db_open_tuned(r->directory, &options, &r->db, &err) == -1) {
		r->db = NULL;
		has_failed(r, &err);
		return;
	}
	r->opened_ms = now_ms();
	r->broken = r->full_disk = false;
	atomic_store(&r->open, true);
}

static void
table_close(struct records *r)
{
	if (r->full_disk) /* mail needs the room more */
		db_remove(r->db);
	else
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
	if (failure == NULL) {
		if (!r->broken)
			has_worked(r);
	} else {
		r->broken = true;
		if (failure->os == ENOSPC || failure->os == EDQUOT)
			r->full_disk = true;
		has_failed(r, failure);
	}
	if (r->broken && r->users == 0)
		table_close(r);
	(void)pthread_mutex_unlock(&r->mutex);
}

/* ---- tending ---- */

static bool
is_unused(struct records *r)
{
	return atomic_load(&r->open) &&
	       now_ms() - atomic_load(&r->used_ms) > r->unused_ms;
}

bool
records_due(struct records *r)
{
	return r != NULL && (is_unused(r) || atomic_load(&r->forgets) ||
				atomic_load(&r->full));
}

void
records_tend(struct records *r)
{
	if (atomic_load(&r->forgets))
		records_remove_forgotten(r);
	if (atomic_load(&r->full))
		records_shrink(r);
	(void)pthread_mutex_lock(&r->mutex);
	if (r->db != NULL && r->users == 0 && is_unused(r))
		table_close(r);
	(void)pthread_mutex_unlock(&r->mutex);
}
