/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/penalty_store.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/db.h"
#include "common/log.h"

enum {
	DAY_S = 86400,
	LOCKS = 64,
	CACHE_OCTETS = 4 * 1024 * 1024,
	/* Pairs noted lately, so that each is written once a day. */
	RECENT = 65536,
	/* Pairs that wait to be written; more in a second are forgotten, and
	 * noted at their next login. */
	PENDING_MAX = 16384,
	/* Old pairs are looked for in this many parts, one a minute. */
	SWEEP_PARTS = 256,
	SWEEP_SECONDS = 60,
	SWEEP_MAX = 1000
};

struct pending {
	uint64_t pair;
	uint32_t day;
};

struct penalty_store {
	struct db *db; /* NULL: memory must do */
	struct hash_secret secret;
	struct count sets[COUNTS_SETS][COUNTS_WAYS];
	bool dirty[COUNTS_SETS];      /* with the set's lock */
	pthread_mutex_t locks[LOCKS]; /* set number modulo LOCKS */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t stopped;
	uint64_t recent[RECENT]; /* pair ^ day */
	struct pending pending[PENDING_MAX];
	size_t pending_len;
	bool stop;
	pthread_t thread;
	bool thread_runs;
};

/* ---- from disk ------------------------------------------------------------
 */

static bool
load_set(void *arg, struct span key, struct span value)
{
	struct penalty_store *s = arg;
	uint32_t set = 0;

	if (key.len != 5 || value.len != sizeof(s->sets[0]))
		return true;
	for (size_t i = 1; i < 5; i++)
		set = set << 8 | (unsigned char)key.p[i];
	if (set < COUNTS_SETS)
		memcpy(s->sets[set], value.p, sizeof(s->sets[0]));
	return true;
}

static int
load_secret(struct penalty_store *s, struct err *err)
{
	CLEANUP(buf_fini) struct buf value = { .max = 64 };
	bool found;

	if (db_get(s->db, SPAN("k"), &value, &found, err) == -1)
		return -1;
	if (found && value.len == sizeof(s->secret)) {
		memcpy(&s->secret, value.data, sizeof(s->secret));
		return 0;
	}
	if (hash_secret_new(&s->secret, err) == -1)
		return -1;
	return db_put(s->db, SPAN("k"),
	    span_of((const char *)&s->secret, sizeof(s->secret)), err);
}

static int
load(struct penalty_store *s, const char *directory, struct err *err)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/penalties", directory);
	if (db_open(path, CACHE_OCTETS, &s->db, err) == -1)
		return -1;
	if (load_secret(s, err) == -1 ||
	    db_each(s->db, SPAN("s"), load_set, s, err) == -1)
		return -1;
	return 0;
}

int
penalty_store_new(
    const char *directory, struct penalty_store **store_out, struct err *err)
{
	CLEANUP(penalty_store_free)
	struct penalty_store *s = calloc(1, sizeof(*s));
	struct err why = ERR_INIT;
	pthread_condattr_t attr;

	if (s == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->stopped, &attr);
	(void)pthread_condattr_destroy(&attr);
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_init(&s->locks[i], NULL);
	if (load(s, directory, &why) == -1) {
		log_warning(&log_process,
		    "failed logins are remembered in memory only",
		    log_err(&why));
		db_close(STEAL(s->db));
		memset(s->sets, 0, sizeof(s->sets));
		if (hash_secret_new(&s->secret, err) == -1)
			return -1;
	}
	*store_out = STEAL(s);
	return 0;
}

const struct hash_secret *
penalty_store_secret(const struct penalty_store *s)
{
	return &s->secret;
}

/* ---- counts ---------------------------------------------------------------
 */

struct count *
penalty_store_lock(struct penalty_store *s, uint64_t key)
{
	uint64_t set = key % COUNTS_SETS;

	(void)pthread_mutex_lock(&s->locks[set % LOCKS]);
	return s->sets[set];
}

void
penalty_store_unlock(struct penalty_store *s, uint64_t key, bool changed)
{
	uint64_t set = key % COUNTS_SETS;

	if (changed)
		s->dirty[set] = true;
	(void)pthread_mutex_unlock(&s->locks[set % LOCKS]);
}

/* ---- familiar pairs -------------------------------------------------------
 */

/* In whichever direction: clocks are set back, too. */
static bool
is_near(uint32_t day, uint32_t today)
{
	return (day > today ? day - today : today - day) <= FAMILIAR_DAYS;
}

static struct span
pair_key(uint64_t pair, char key[9])
{
	key[0] = 'f';
	memcpy(key + 1, &pair, sizeof(pair));
	return span_of(key, 9);
}

bool
penalty_store_familiar(struct penalty_store *s, uint64_t pair, uint64_t now_s)
{
	CLEANUP(buf_fini) struct buf value = { .max = 16 };
	uint32_t today = (uint32_t)(now_s / DAY_S), day;
	bool found = false;
	char key[9];

	(void)pthread_mutex_lock(&s->lock);
	found = s->recent[pair % RECENT] == (pair ^ today);
	(void)pthread_mutex_unlock(&s->lock);
	if (found || s->db == NULL)
		return found;
	if (db_get(s->db, pair_key(pair, key), &value, &found, NULL) == -1 ||
	    !found || value.len != sizeof(day))
		return false;
	memcpy(&day, value.data, sizeof(day));
	return is_near(day, today);
}

void
penalty_store_note(struct penalty_store *s, uint64_t pair, uint64_t now_s)
{
	uint32_t today = (uint32_t)(now_s / DAY_S);
	uint64_t *recent = &s->recent[pair % RECENT];

	(void)pthread_mutex_lock(&s->lock);
	if (*recent != (pair ^ today) && s->pending_len < PENDING_MAX) {
		*recent = pair ^ today;
		s->pending[s->pending_len++] = (struct pending){ pair, today };
	}
	(void)pthread_mutex_unlock(&s->lock);
}

/* ---- to disk --------------------------------------------------------------
 */

static int
write_sets(struct penalty_store *s, struct err *err)
{
	struct count copy[COUNTS_WAYS];
	char key[5] = "s";

	for (uint32_t set = 0; set < COUNTS_SETS; set++) {
		bool dirty;

		(void)pthread_mutex_lock(&s->locks[set % LOCKS]);
		dirty = s->dirty[set];
		s->dirty[set] = false;
		memcpy(copy, s->sets[set], sizeof(copy));
		(void)pthread_mutex_unlock(&s->locks[set % LOCKS]);
		if (!dirty)
			continue;
		for (unsigned i = 0; i < 4; i++)
			key[1 + i] = (char)(set >> (24 - 8 * i) & 0xff);
		if (db_put(s->db, span_of(key, sizeof(key)),
			span_of((const char *)copy, sizeof(copy)), err) == -1)
			return -1;
	}
	return 0;
}

static int
write_pairs(struct penalty_store *s, struct err *err)
{
	CLEANUP(mem_free) struct pending *pending = NULL;
	size_t len;

	(void)pthread_mutex_lock(&s->lock);
	len = s->pending_len;
	if (len > 0)
		pending = malloc(len * sizeof(*pending));
	if (pending != NULL) {
		memcpy(pending, s->pending, len * sizeof(*pending));
		s->pending_len = 0;
	}
	(void)pthread_mutex_unlock(&s->lock);
	if (len > 0 && pending == NULL)
		return err_sys(err, "familiar pairs");
	for (size_t i = 0; i < len; i++) {
		char key[9];

		if (db_put(s->db, pair_key(pending[i].pair, key),
			span_of((const char *)&pending[i].day,
			    sizeof(pending[i].day)),
			err) == -1)
			return -1;
	}
	return 0;
}

static void
write_all(struct penalty_store *s)
{
	struct err err = ERR_INIT;

	if (s->db != NULL &&
	    (write_sets(s, &err) == -1 || write_pairs(s, &err) == -1))
		log_warning(
		    &log_process, "failed logins not kept", log_err(&err));
}

/* Pairs of one part that are too old to count. */
struct sweep {
	uint32_t today;
	uint64_t old[SWEEP_MAX];
	size_t len;
};

static bool
sweep_pair(void *arg, struct span key, struct span value)
{
	struct sweep *sweep = arg;
	uint32_t day = 0;

	if (key.len != 9)
		return true;
	if (value.len == sizeof(day))
		memcpy(&day, value.p, sizeof(day));
	if (is_near(day, sweep->today))
		return true;
	memcpy(&sweep->old[sweep->len++], key.p + 1, 8);
	return sweep->len < SWEEP_MAX;
}

static void
sweep_part(struct penalty_store *s, unsigned part)
{
	CLEANUP(mem_free) struct sweep *sweep = calloc(1, sizeof(*sweep));
	char prefix[2] = { 'f', (char)part }, key[9];

	if (sweep == NULL || s->db == NULL)
		return;
	sweep->today = (uint32_t)(time(NULL) / DAY_S);
	if (db_each(s->db, span_of(prefix, 2), sweep_pair, sweep, NULL) == -1)
		return;
	for (size_t i = 0; i < sweep->len; i++)
		(void)db_delete(s->db, pair_key(sweep->old[i], key), NULL);
}

/* A second; false: the end. */
static bool
store_rest(struct penalty_store *s)
{
	struct timespec until;
	bool stop;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	(void)pthread_mutex_lock(&s->lock);
	if (!s->stop)
		(void)pthread_cond_timedwait(&s->stopped, &s->lock, &until);
	stop = s->stop;
	(void)pthread_mutex_unlock(&s->lock);
	return !stop;
}

static void *
store_main(void *arg)
{
	struct penalty_store *s = arg;

	for (unsigned second = 1; store_rest(s); second++) {
		write_all(s);
		if (second % SWEEP_SECONDS == 0)
			sweep_part(s, second / SWEEP_SECONDS % SWEEP_PARTS);
	}
	return NULL;
}

int
penalty_store_start(struct penalty_store *s, struct err *err)
{
	if (pthread_create(&s->thread, NULL, store_main, s) != 0)
		return err_set(err, ERR_TEMP, "no thread for penalties");
	s->thread_runs = true;
	return 0;
}

void
penalty_store_free(struct penalty_store *s)
{
	if (s == NULL)
		return;
	(void)pthread_mutex_lock(&s->lock);
	s->stop = true;
	(void)pthread_cond_signal(&s->stopped);
	(void)pthread_mutex_unlock(&s->lock);
	if (s->thread_runs)
		(void)pthread_join(s->thread, NULL);
	write_all(s);
	db_close(s->db);
	for (size_t i = 0; i < LOCKS; i++)
		(void)pthread_mutex_destroy(&s->locks[i]);
	(void)pthread_cond_destroy(&s->stopped);
	(void)pthread_mutex_destroy(&s->lock);
	OPENSSL_cleanse(&s->secret, sizeof(s->secret));
	free(s);
}
