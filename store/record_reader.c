/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading and writing the records of one mailbox, during one command. */
#include "store/records_private.h"

#include <stdlib.h>
#include <string.h>

#include "store/inside.h"

/* A command about so few messages asks for each by itself. */
#define SINGLE_MAX 8
/* Stretches begin short and grow while they are used up. */
#define STRETCH_MIN ((size_t)64 * 1024)
#define STRETCH_MAX ((size_t)256 * 1024)
/* A stretch of which less than one in so many was wanted was not worth it. */
#define SPARSE 16
#define BATCH_OCTETS ((size_t)128 * 1024)
#define HASH_OCTETS 8
/* Records met of messages that are gone, to be removed at the end. */
#define STALE_MAX 256

/* The records of one kind, read in the order of UIDs. */
struct stream {
	struct db_stretch stretch;
	bool loaded; /* stretch holds what stands from uid `from` on */
	bool ended;  /* and there is nothing of the mailbox behind it */
	uint32_t from;
	bool have; /* the record at hand */
	uint32_t uid;
	struct span value;
	unsigned seen, used;
	bool sparse; /* little of it was wanted: each by itself from now on */
	struct buf single;
};

struct record_reader {
	struct records *records;
	struct db *db;
	struct view *view; /* knows the base names */
	uint32_t index;    /* of the last one asked for */
	char mailbox[RECORD_MAILBOX_KEY_MAX];
	struct span mailbox_key;
	uint32_t number; /* 0: none yet */
	bool many;
	struct stream streams[RECORD_KINDS];
	struct db_batch batch;
	uint64_t batch_octets;
	char (*stale)[RECORD_KEY]; /* or NULL */
	size_t stale_count;
	bool dropped; /* nothing is read or written any more */
	bool failed;
	struct err err;
};

/* ---- identity ---------------------------------------------------------------
 */

/*
 * Of a base name.  No stranger chooses these names, so it need not withstand
 * one; 64 bits make an accident unlikely.
 */
static uint64_t
base_hash(struct span base)
{
	uint64_t hash = base.len * UINT64_C(0x9e3779b97f4a7c15);

	while (base.len >= 8) {
		uint64_t word;

		memcpy(&word, base.p, 8);
		hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
		hash ^= hash >> 32;
		base = span_from(base, 8);
	}
	for (size_t i = 0; i < base.len; i++)
		hash = (hash ^ (unsigned char)base.p[i]) *
		       UINT64_C(0xc4ceb9fe1a85ec53);
	hash ^= hash >> 29;
	return hash * UINT64_C(0xff51afd7ed558ccd) ^ hash >> 31;
}

/* False: the folder has no such message any more. */
static bool
reader_hash(struct record_reader *r, uint32_t uid, uint64_t *hash_out)
{
	uint32_t count = view_count(r->view);
	struct span base;

	/* Mostly it is the one behind the last. */
	for (int i = 0; i < 2; i++) {
		if (r->index < count && view_at(r->view, r->index)->uid == uid)
			break;
		r->index++;
	}
	if ((r->index >= count || view_at(r->view, r->index)->uid != uid) &&
	    !view_find(r->view, uid, &r->index)) {
		r->index = 0;
		return false;
	}
	base = view_base_name(r->view, r->index);
	if (base.len == 0)
		return false;
	*hash_out = base_hash(base);
	return true;
}

/* ---- begin
 * ------------------------------------------------------------------- */

struct record_reader *
record_reader_new(struct records *records, struct mailbox *m, size_t expected)
{
	struct db *db = records_hold(records);
	struct folder *f = m->folder;
	struct record_reader *r;

	if (db == NULL)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (r == NULL) {
		records_release(records, NULL);
		return NULL;
	}
	r->records = records;
	r->db = db;
	r->many = expected > SINGLE_MAX;
	for (size_t i = 0; i < RECORD_KINDS; i++)
		buf_init(&r->streams[i].single, RECORD_MAX + HASH_OCTETS);
	r->view = folder_current(f);
	r->mailbox_key =
	    record_mailbox_key(f->account->text, f->directory, r->mailbox);
	r->dropped = r->view == NULL || r->mailbox_key.len == 0;
	if (!r->dropped && records_number(records, db, r->mailbox_key, false,
			       &r->number, &r->err) == -1)
		r->failed = r->dropped = true;
	return r;
}

/* ---- reading
 * ------------------------------------------------------------------ */

static void
reader_failed(struct record_reader *r)
{
	r->failed = r->dropped = true;
}

/* The next record of the stretch becomes the one at hand. */
static void
stream_step(struct record_reader *r, struct stream *s, unsigned kind)
{
	char prefix[RECORD_KEY];
	struct span key, value;

	s->have = false;
	record_key(r->number, kind, 0, prefix);
	if (!db_stretch_next(&s->stretch, &key, &value))
		return;
	if (key.len != RECORD_KEY || memcmp(key.p, prefix, 6) != 0) {
		s->ended = true;
		return;
	}
	s->have = true;
	s->seen++;
	s->uid = take_u32(key.p + 6);
	s->value = value;
}

/* Room for the next stretch, by how much of the last one was wanted. */
static size_t
stretch_room(const struct stream *s)
{
	size_t room = s->stretch.room;

	if (room == 0)
		return STRETCH_MIN;
	if (s->used * 2 < s->seen)
		return STRETCH_MIN;
	return room < STRETCH_MAX ? 2 * room : room;
}

static bool
stream_load(
    struct record_reader *r, struct stream *s, unsigned kind, uint32_t uid)
{
	size_t room = stretch_room(s);
	char key[RECORD_KEY];

	if (room != s->stretch.room) {
		db_stretch_fini(&s->stretch);
		if (db_stretch_init(&s->stretch, room, &r->err) == -1)
			return false;
	}
	record_key(r->number, kind, uid, key);
	if (db_read(r->db, span_of(key, sizeof(key)), &s->stretch, &r->err) ==
	    -1)
		return false;
	s->loaded = true;
	s->ended = false;
	s->from = uid;
	s->seen = s->used = 0;
	stream_step(r, s, kind);
	/* Nothing at all: no more in the table. */
	s->ended = s->ended || !s->have;
	return true;
}

/* The record at hand is passed over: is it of a message that is gone? */
static void
stream_pass(struct record_reader *r, const struct stream *s, unsigned kind)
{
	uint32_t index;

	if (r->stale_count == STALE_MAX || view_find(r->view, s->uid, &index))
		return;
	if (r->stale == NULL)
		r->stale = malloc(STALE_MAX * sizeof(*r->stale));
	if (r->stale != NULL)
		record_key(r->number, kind, s->uid, r->stale[r->stale_count++]);
}

static struct span
stale_key(const void *arg, size_t i)
{
	const struct record_reader *r = arg;

	return span_of(r->stale[i], RECORD_KEY);
}

static bool
single_find(
    struct record_reader *r, struct stream *s, unsigned kind, uint32_t uid)
{
	char key[RECORD_KEY];
	bool found;

	record_key(r->number, kind, uid, key);
	buf_clear(&s->single);
	if (db_get(r->db, span_of(key, sizeof(key)), &s->single, &found,
		&r->err) == -1) {
		reader_failed(r);
		return false;
	}
	s->value = buf_span(&s->single);
	return found;
}

/* The record of that uid, if it is there, becomes the one at hand. */
static bool
stream_find(
    struct record_reader *r, struct stream *s, unsigned kind, uint32_t uid)
{
	if ((!s->loaded || uid < s->from) && !stream_load(r, s, kind, uid)) {
		reader_failed(r);
		return false;
	}
	for (int loads = 0;; loads++) {
		while (s->have && s->uid < uid) {
			stream_pass(r, s, kind);
			stream_step(r, s, kind);
		}
		if (s->have || s->ended || loads > 0)
			break;
		s->sparse = s->used * SPARSE < s->seen;
		if (s->sparse)
			return single_find(r, s, kind, uid);
		if (!stream_load(r, s, kind, uid)) {
			reader_failed(r);
			return false;
		}
	}
	return s->have && s->uid == uid;
}

bool
record_get(struct record_reader *r, unsigned kind, uint32_t uid,
    struct span *value_out)
{
	struct stream *s;
	uint64_t hash, kept;

	if (r == NULL || r->dropped || r->number == 0 ||
	    !reader_hash(r, uid, &hash))
		return false;
	s = &r->streams[kind];
	if (r->many && !s->sparse ? !stream_find(r, s, kind, uid)
				  : !single_find(r, s, kind, uid))
		return false;
	if (s->value.len < HASH_OCTETS)
		return false;
	memcpy(&kept, s->value.p, HASH_OCTETS);
	if (kept != hash)
		return false;
	s->used++;
	*value_out = span_from(s->value, HASH_OCTETS);
	return true;
}

/* ---- writing
 * ------------------------------------------------------------------ */

static void
reader_flush(struct record_reader *r)
{
	bool kept = false;

	if (r->batch.count == 0 || r->dropped)
		return;
	if (records_write(r->records, r->db, r->mailbox_key, r->number,
		&r->batch, r->batch_octets, &kept, &r->err) == -1)
		reader_failed(r);
	else if (!kept)
		r->dropped = true;
	r->batch_octets = 0;
}

/* What the first put needs. */
static bool
writer_begin(struct record_reader *r)
{
	if (r->batch.memory == NULL &&
	    db_batch_init(&r->batch, BATCH_OCTETS, &r->err) == -1) {
		r->dropped = true;
		return false;
	}
	if (r->number == 0 && records_number(r->records, r->db, r->mailbox_key,
				  true, &r->number, &r->err) == -1) {
		reader_failed(r);
		return false;
	}
	return true;
}

void
record_put(
    struct record_reader *r, unsigned kind, uint32_t uid, struct span value)
{
	size_t len = HASH_OCTETS + value.len;
	char key[RECORD_KEY], *to;
	uint64_t hash;

	if (r == NULL || r->dropped || value.len > RECORD_MAX ||
	    !reader_hash(r, uid, &hash) || !writer_begin(r))
		return;
	record_key(r->number, kind, uid, key);
	to = db_batch_add(&r->batch, span_of(key, sizeof(key)), len);
	if (to == NULL) {
		reader_flush(r);
		if (r->dropped)
			return;
		to = db_batch_add(&r->batch, span_of(key, sizeof(key)), len);
	}
	if (to == NULL)
		return;
	memcpy(to, &hash, HASH_OCTETS);
	if (value.len > 0)
		memcpy(to + HASH_OCTETS, value.p, value.len);
	r->batch_octets += sizeof(key) + len;
}

void
record_reader_free(struct record_reader *r)
{
	if (r == NULL)
		return;
	reader_flush(r);
	if (r->stale_count > 0 && !r->dropped &&
	    db_delete_many(r->db, stale_key, r, r->stale_count, &r->err) == -1)
		reader_failed(r);
	free(r->stale);
	for (size_t i = 0; i < RECORD_KINDS; i++) {
		db_stretch_fini(&r->streams[i].stretch);
		buf_fini(&r->streams[i].single);
	}
	db_batch_fini(&r->batch);
	view_unref(r->view);
	records_release(r->records, r->failed ? &r->err : NULL);
	free(r);
}
