/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A record:
 *
 *	key	account NUL what (1) number of the text (8, big-endian)
 *		sender in small letters
 *	value	seconds since the epoch until which it holds (8, big-endian)
 *
 * Records that hold no longer are removed once a day.
 */
#include "milters/answered.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/db.h"
#include "common/log.h"

#define KEY_MAX 2048
#define CACHE_OCTETS (4 * 1024 * 1024)
#define PURGE_S 86400
#define PURGE_MAX 1000

struct answered {
	struct db *db;
	pthread_mutex_t lock; /* one at a time asks and notes */
	int64_t purge_at;
};

int
answered_open(
    const char *directory, struct answered **answered_out, struct err *err)
{
	struct answered *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	(void)pthread_mutex_init(&a->lock, NULL);
	if (db_open(directory, CACHE_OCTETS, &a->db, err) == -1) {
		answered_close(a);
		return -1;
	}
	*answered_out = a;
	return 0;
}

void
answered_close(struct answered *a)
{
	if (a == NULL)
		return;
	db_close(a->db);
	(void)pthread_mutex_destroy(&a->lock);
	free(a);
}

static void
put_u64(struct buf *out, uint64_t number)
{
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_append_octet(out, (char)(number >> shift));
}

static uint64_t
get_u64(struct span octets)
{
	uint64_t number = 0;

	for (size_t i = 0; i < octets.len && i < 8; i++)
		number = number << 8 | (unsigned char)octets.p[i];
	return number;
}

static void
key_make(struct span account, struct span sender, char what, uint64_t text,
    struct buf *out)
{
	buf_init(out, KEY_MAX);
	buf_append(out, account);
	buf_append_octet(out, '\0');
	buf_append_octet(out, what);
	put_u64(out, text);
	for (size_t i = 0; i < sender.len; i++)
		buf_append_octet(out, ascii_lower(sender.p[i]));
}

/* ---- old ones -------------------------------------------------------------
 */

struct purge {
	int64_t now;
	struct buf keys[PURGE_MAX];
	size_t len;
};

static bool
purge_look(void *arg, struct span key, struct span value)
{
	struct purge *p = arg;

	if (value.len == 8 && (int64_t)get_u64(value) > p->now)
		return true;
	buf_init(&p->keys[p->len], KEY_MAX);
	buf_append(&p->keys[p->len++], key);
	return p->len < PURGE_MAX;
}

static struct span
purge_key(const void *arg, size_t i)
{
	const struct purge *p = arg;

	return buf_span(&p->keys[i]);
}

static void
purge(struct answered *a, int64_t now)
{
	struct purge *p = calloc(1, sizeof(*p));
	struct err err = ERR_INIT;

	a->purge_at = now + PURGE_S;
	if (p == NULL)
		return;
	p->now = now;
	if (db_each(a->db, SPAN(""), purge_look, p, &err) == -1 ||
	    db_delete_many(a->db, purge_key, p, p->len, &err) == -1)
		log_warning(
		    &log_process, "old answers not removed", log_err(&err));
	else if (p->len == PURGE_MAX)
		a->purge_at = now + 1; /* there are more */
	for (size_t i = 0; i < p->len; i++)
		buf_fini(&p->keys[i]);
	free(p);
}

/* ---- asking ---------------------------------------------------------------
 */

static int
note(struct answered *a, const struct buf *key, int64_t now, int64_t interval_s,
    bool *first_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;
	bool found;

	buf_init(&value, 64);
	if (buf_check(key, err) == -1 ||
	    db_get(a->db, buf_span(key), &value, &found, err) == -1)
		return -1;
	*first_out = !found || (int64_t)get_u64(buf_span(&value)) <= now;
	if (!*first_out)
		return 0;
	buf_clear(&value);
	put_u64(&value, (uint64_t)(now + interval_s));
	return db_put(a->db, buf_span(key), buf_span(&value), err);
}

int
answered_note(struct answered *a, struct span account, struct span sender,
    char what, uint64_t text, int64_t now, int64_t interval_s, bool *first_out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf key = { .max = 0 };
	int result;

	key_make(account, sender, what, text, &key);
	(void)pthread_mutex_lock(&a->lock);
	if (now >= a->purge_at)
		purge(a, now);
	result = note(a, &key, now, interval_s, first_out, err);
	(void)pthread_mutex_unlock(&a->lock);
	return result;
}

void
answered_forget(struct answered *a, struct span account, struct span sender,
    char what, uint64_t text)
{
	CLEANUP(buf_fini) struct buf key = { .max = 0 };
	struct err err = ERR_INIT;

	key_make(account, sender, what, text, &key);
	if (db_delete(a->db, buf_span(&key), &err) == -1)
		log_warning(
		    &log_process, "an answer not forgotten", log_err(&err));
}
