/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where messages are: the journal first, a file if they stay.
 *
 * Records of the journal (journal_format.h), kind "QUEU":
 *
 *	MESSAGE	0	1	version (1)
 *		1	1	1: held
 *		2	2	0
 *		4	4	octets of entries
 *		8		entries about other messages, which are
 *				durable together with this one; then a record
 *	ENTRIES			entries
 */
#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "common/reactor.h"
#include "delivery/queue_private.h"
#include "delivery/queue_record.h"

#define SEGMENT_OCTETS ((uint64_t)4 * 1024 * 1024)
#define SEGMENTS_MIN 3
#define ROOM_WAIT_MS 5000
#define ROOM_CHECK_MS 100
/* A larger record is a file from the beginning. */
#define JOURNAL_RECORD_MAX ((size_t)256 * 1024)
#define KEEPER_BATCH 256
#define KEEPER_NAP_MS 200

static void
on_trouble(void *arg, const struct err *err)
{
	(void)arg;
	log_error(&log_process, "queue's journal", log_err(err));
}

static int
make_directory(const char *path, struct err *err)
{
	if (mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", path);
	return 0;
}

int
queue_store_open(struct queue *q, struct err *err)
{
	CLEANUP(buf_fini) struct buf path = { .max = 4096 };
	struct journal_options options = {
		.kind = QUEUE_JOURNAL_KIND,
		.segment_octets = SEGMENT_OCTETS,
		.segments_min = SEGMENTS_MIN,
		.segments_max =
		    (unsigned)(q->options.journal_max / SEGMENT_OCTETS),
		.wait_ms = ROOM_WAIT_MS,
		.trouble = on_trouble,
	};
	CLEANUP(fd_close) int parent = -1;

	if (options.segments_max < SEGMENTS_MIN)
		options.segments_max = SEGMENTS_MIN;
	if (make_directory(q->path, err) == -1)
		return -1;
	q->dirfd = open(q->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (q->dirfd == -1)
		return err_sys(err, "open %s", q->path);
	buf_append_fmt(&path, "%s/journal", q->options.directory);
	options.path = buf_str(&path);
	if (buf_check(&path, err) == -1 ||
	    make_directory(options.path, err) == -1)
		return -1;
	parent = open(q->options.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (parent == -1 || fsync(parent) == -1)
		return err_sys(err, "fsync %s", q->options.directory);
	return journal_open(&options, &q->journal, err);
}

bool
queue_store_room(struct queue *q)
{
	uint64_t now = clock_ms();
	struct statvfs st;

	if (q->room_checked_ms != 0 && now - q->room_checked_ms < ROOM_CHECK_MS)
		return q->room;
	q->room_checked_ms = now;
	q->room =
	    fstatvfs(q->dirfd, &st) == 0 &&
	    st.f_bavail * (uint64_t)st.f_frsize >= q->options.disk_reserve &&
	    (st.f_files == 0 || st.f_favail >= 1000);
	return q->room;
}

/* ---- writing ---- */

static int
append_message(struct queue *q, struct span record, bool held,
    struct span entries, bool urgent, struct journal_ref *ref_out,
    struct err *err)
{
	char head[QUEUE_MESSAGE_HEAD] = { QUEUE_RECORD_VERSION, held ? 1 : 0 };
	uint32_t octets = htole32((uint32_t)entries.len);
	struct span pieces[3] = { span_of(head, sizeof(head)), entries,
		record };
	struct journal_entry entry = {
		.type = QUEUE_RECORD_MESSAGE,
		.hold = true,
		.urgent = urgent,
		.pieces = pieces,
		.piece_count = 3,
	};

	memcpy(head + 4, &octets, 4);
	if (journal_append(q->journal, &entry, err) == -1)
		return -1;
	*ref_out = entry.ref;
	return 0;
}

static int
append_entries(struct queue *q, struct span entries, struct err *err)
{
	struct journal_entry entry = {
		.type = QUEUE_RECORD_ENTRIES,
		.urgent = true,
		.pieces = &entries,
		.piece_count = 1,
	};

	return journal_append(q->journal, &entry, err);
}

int
queue_store_put(struct queue *q, struct span record, bool held,
    struct queue_message *m, struct err *err)
{
	m->octets = record.len;
	if (record.len > JOURNAL_RECORD_MAX)
		return queue_file_write(
		    q, m->id, record, held ? 1 : 0, SPAN_NONE, true, err);
	m->in_journal = true; /* and in its list once it is entered */
	return append_message(q, record, held, SPAN_NONE, false, &m->ref, err);
}

int
queue_store_entries(struct queue *q, const struct queue_message *m,
    struct span entries, bool flush, struct err *err)
{
	if (m->in_journal)
		return append_entries(q, entries, err);
	return queue_file_append(q, m->id, entries, flush, err);
}

int
queue_store_report(struct queue *q, const struct queue_message *m,
    struct span entries, struct span report, struct queue_message **report_out,
    struct err *err)
{
	CLEANUP(outbound_fini) struct outbound parsed = { .count = 0 };
	struct queue_message *fresh;

	int done;

	if (outbound_parse(report, &parsed, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&q->mutex);
	done = queue_message_new(q, &parsed, &fresh, err);
	(void)pthread_mutex_unlock(&q->mutex);
	if (done == -1)
		return -1;
	fresh->octets = report.len;
	fresh->in_journal = true;
	if (append_message(q, report, false, entries, true, &fresh->ref, err) ==
	    -1) {
		(void)pthread_mutex_lock(&q->mutex);
		queue_message_free(q, fresh);
		(void)pthread_mutex_unlock(&q->mutex);
		return -1;
	}
	*report_out = fresh;
	/* The journal speaks for the file from now on: no flush. */
	return m->in_journal ? 0
			     : queue_file_append(q, m->id, entries, false, err);
}

/* ---- reading ---- */

void
queue_content_fini(struct queue_content *c)
{
	outbound_fini(&c->message);
	buf_fini(&c->memory);
	if (c->map != NULL)
		(void)munmap(c->map, c->map_len);
	c->map = NULL;
}

int
queue_store_read(struct queue *q, const struct queue_message *m,
    struct queue_content *out, struct err *err)
{
	struct span record, entries;
	bool held;

	*out = (struct queue_content){ .map = NULL };
	if (!m->in_journal)
		return queue_file_read(q, m->id, out, err);
	buf_init(&out->memory, JOURNAL_PAYLOAD_MAX);
	if (journal_read(q->journal, &m->ref, &out->memory, err) == -1)
		return -1;
	if (queue_record_open(
		buf_span(&out->memory), &held, &entries, &record, err) == -1)
		return -1;
	return outbound_parse(record, &out->message, err);
}

int
queue_read(struct queue *q, const struct queue_job *job,
    struct queue_content *out, struct err *err)
{
	return queue_store_read(q, job->message, out, err);
}

void
queue_store_remove(struct queue *q, const struct queue_message *m)
{
	struct err err = ERR_INIT;

	if (m->in_journal)
		journal_settle(q->journal, &m->ref);
	else if (queue_file_remove(q, m->id, &err) == -1)
		log_error(&log_process, "queue file not removed",
		    log_str("message", m->id), log_err(&err));
}

int
queue_record_open(struct span payload, bool *held_out, struct span *entries_out,
    struct span *record_out, struct err *err)
{
	uint32_t octets;

	if (payload.len < QUEUE_MESSAGE_HEAD)
		return err_set(err, ERR_SYNTAX, "message cut off");
	if (payload.p[0] != QUEUE_RECORD_VERSION)
		return err_set(err, ERR_POLICY,
		    "message of version %d is not known", payload.p[0]);
	memcpy(&octets, payload.p + 4, 4);
	octets = le32toh(octets);
	*held_out = payload.p[1] == 1;
	payload = span_from(payload, QUEUE_MESSAGE_HEAD);
	if (octets > payload.len)
		return err_set(err, ERR_SYNTAX, "entries cut off");
	*entries_out = span_first(payload, octets);
	*record_out = span_from(payload, octets);
	return 0;
}

/* ---- the keeper: out of the journal, into files ---- */

/* With the mutex: what has happened to it, as entries. */
static void
state_entries(const struct queue_message *m, struct buf *out)
{
	struct queue_entry e = { .id = span_str(m->id) };

	for (uint32_t j = 0; j < m->job_count; j++)
		for (uint32_t i = 0; i < m->jobs[j].count; i++) {
			const struct queue_recipient *r =
			    &m->recipients[m->jobs[j].first + i];

			if (r->state == QUEUE_WAITING && r->tries == 0)
				continue;
			e.what = QUEUE_ENTRY_RECIPIENT;
			e.number = r->number;
			e.state = r->state;
			e.tries = r->tries;
			e.next_ms = m->jobs[j].due_ms;
			e.reply = span_str(r->reply);
			queue_entry_format(&e, out);
		}
	if (m->warned) {
		e.what = QUEUE_ENTRY_WARNED;
		queue_entry_format(&e, out);
	}
	if (m->frozen) {
		e.what = QUEUE_ENTRY_FROZEN;
		queue_entry_format(&e, out);
	}
}

/* Recipients that smtpd added are in the record of the journal alone. */
static void
added_entry(const struct queue_message *m, size_t in_record, struct buf *out)
{
	CLEANUP(buf_fini) struct buf record = { .max = OUTBOUND_FIELDS_MAX };
	struct outbound more = { .id = span_str(m->id) };
	struct queue_entry e = {
		.what = QUEUE_ENTRY_RELEASED,
		.id = span_str(m->id),
	};

	if (m->count == in_record)
		return;
	more.recipients =
	    calloc(m->count - in_record, sizeof(*more.recipients));
	if (more.recipients == NULL) {
		out->failed = ERR_TEMP;
		return;
	}
	more.count = m->count - in_record;
	for (uint32_t i = 0; i < m->count; i++) {
		const struct queue_recipient *r = &m->recipients[i];

		if (r->number < in_record)
			continue;
		more.recipients[r->number - in_record] =
		    (struct outbound_recipient){
			    .kind = (enum outbound_kind)r->kind,
			    .notify = r->notify,
			    .address = span_str(r->address),
			    .orcpt = span_str(r->orcpt),
			    .reply = span_str(r->reply),
		    };
	}
	outbound_format(&more, &record);
	outbound_fini(&more);
	e.record = buf_span(&record);
	queue_entry_format(&e, out);
}

static int
move_one(struct queue *q, struct queue_message *m, struct err *err)
{
	CLEANUP(queue_content_fini) struct queue_content c = { .map = NULL };
	CLEANUP(buf_fini) struct buf entries = { .max = OUTBOUND_FIELDS_MAX };
	struct span record, unused;
	bool held;

	if (queue_store_read(q, m, &c, err) == -1 ||
	    queue_record_open(
		buf_span(&c.memory), &held, &unused, &record, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&q->mutex);
	added_entry(m, c.message.count, &entries);
	state_entries(m, &entries);
	(void)pthread_mutex_unlock(&q->mutex);
	if (buf_check(&entries, err) == -1)
		return -1;
	return queue_file_write(
	    q, m->id, record, 0, buf_span(&entries), false, err);
}

/* With the mutex: those that can move, from the oldest on. */
static size_t
take_batch(struct queue *q, struct queue_message *batch[KEEPER_BATCH])
{
	struct journal_stats stats;
	size_t count = 0, looked = 0;

	journal_stats(q->journal, &stats);
	if (stats.in_use <= stats.segments_max / 2)
		return 0;
	for (struct queue_message *m = q->oldest;
	     m != NULL && count < KEEPER_BATCH && looked < 4 * KEEPER_BATCH;
	     m = m->newer, looked++) {
		if (m->busy > 0 || m->held || m->ended)
			continue;
		m->moving = true;
		batch[count++] = m;
	}
	return count;
}

/* At the next start a file would speak for its message, which by then may be
 * on its way, or gone. */
static void
batch_unwrite(struct queue *q, struct queue_message **batch, size_t count)
{
	struct err err = ERR_INIT;

	for (size_t i = 0; i < count; i++)
		if (queue_file_remove(q, batch[i]->id, &err) == -1)
			log_error(&log_process, "queue file not removed",
			    log_str("message", batch[i]->id), log_err(&err));
}

static int
write_batch(struct queue *q, struct queue_message **batch, size_t count,
    struct buf *moved, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		struct queue_entry e = {
			.what = QUEUE_ENTRY_MOVED,
			.id = span_str(batch[i]->id),
		};

		if (move_one(q, batch[i], err) == -1)
			return err_prefix(err, "message %s", batch[i]->id);
		queue_entry_format(&e, moved);
	}
	/* The files, their names and their directories. */
	if (syncfs(q->dirfd) == -1)
		return err_sys(err, "syncfs %s", q->path);
	return buf_check(moved, err);
}

static int
move_batch(struct queue *q, struct queue_message **batch, size_t count,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf moved = { .max = JOURNAL_PAYLOAD_MAX };

	if (write_batch(q, batch, count, &moved, err) == -1) {
		batch_unwrite(q, batch, count);
		return -1;
	}
	/* Whether a record that failed is on the disk nobody knows: from here
	 * on the files stay. */
	return append_entries(q, buf_span(&moved), err);
}

static size_t
keeper_turn(struct queue *q)
{
	struct queue_message *batch[KEEPER_BATCH];
	struct err err = ERR_INIT;
	size_t count = take_batch(q, batch);
	int done;

	if (count == 0)
		return 0;
	(void)pthread_mutex_unlock(&q->mutex);
	done = move_batch(q, batch, count, &err);
	if (done == -1)
		log_error(&log_process, "messages stay in the journal",
		    log_err(&err));
	(void)pthread_mutex_lock(&q->mutex);
	for (size_t i = 0; i < count; i++) {
		batch[i]->moving = false;
		if (done == -1)
			continue;
		journal_settle(q->journal, &batch[i]->ref);
		queue_message_unjournaled(q, batch[i]);
	}
	return done == -1 ? 0 : count;
}

void *
queue_keeper_run(void *arg)
{
	struct queue *q = arg;

	(void)pthread_mutex_lock(&q->mutex);
	while (!q->stopping) {
		struct timespec nap = { .tv_nsec = KEEPER_NAP_MS * 1000000 };

		if (keeper_turn(q) > 0)
			continue;
		(void)pthread_mutex_unlock(&q->mutex);
		(void)nanosleep(&nap, NULL);
		(void)pthread_mutex_lock(&q->mutex);
		queue_forget_held(q);
	}
	(void)pthread_mutex_unlock(&q->mutex);
	return NULL;
}
