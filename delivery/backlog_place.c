/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps b to d for a batch of records: see backlog.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/reactor.h"
#include "delivery/backlog_private.h"

#define RETRY_FIRST_MS 1000
#define RETRY_MOST_MS 60000

/* So long after its mark a file may have been tidied out of tmp/, where others
 * take what is older than 36 hours for a leftover. */
#define MARK_OLD_MS ((uint64_t)24 * 3600 * 1000)

/* One record in the batch. */
struct work {
	struct waiting *waiting;
	struct buf payload;
	struct record_message message;
	struct err err; /* the first that went wrong */
};

/* One file. */
struct job {
	struct work *work;
	uint32_t target;
	struct placing *placing;
	bool written; /* now: it is to be flushed and marked */
	bool failed;
};

struct batch {
	struct backlog *b;
	struct work works[BACKLOG_BATCH];
	size_t work_count;
	struct job *jobs;
	size_t count, room;
};

static void
work_failed(struct work *w, const struct err *err)
{
	if (w->err.kind == ERR_NONE)
		w->err = *err;
}

static struct placer_owner
owner_of(const struct record_target *t)
{
	return (struct placer_owner){
		.tenant = t->tenant,
		.account = t->account,
		.uid = t->uid,
		.gid = t->gid,
	};
}

/* ---- b: files in tmp/ ---- */

static int
job_put(struct batch *batch, struct work *w, uint32_t target,
    struct placing *placing, bool written, struct err *err)
{
	if (batch->count == batch->room) {
		size_t room = 2 * batch->room + BACKLOG_BATCH;
		void *grown = realloc(batch->jobs, room * sizeof(*batch->jobs));

		if (grown == NULL) {
			placing_free(placing);
			return err_set(err, ERR_TEMP, "place: out of memory");
		}
		batch->jobs = grown;
		batch->room = room;
	}
	batch->jobs[batch->count++] = (struct job){
		.work = w,
		.target = target,
		.placing = placing,
		.written = written,
	};
	return 0;
}

static uint64_t
age_ms(const struct waiting *w)
{
	struct timespec now;
	uint64_t ms;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	return ms > w->ref.time_ms ? ms - w->ref.time_ms : 0;
}

/*
 * A file with a mark.  True: it is in tmp/ or has been shown, and *placing_out
 * goes on from there.  False: it is to be written again.
 */
static bool
take_up(struct work *w, struct account *a, const struct placing_message *m,
    struct placing **placing_out, struct err *err)
{
	CLEANUP(placing_free) struct placing *p = NULL;
	struct placing_message other = *m;
	enum placing_found found;
	bool shown = true, moved = false;
	int done = placing_resume(a, m, &p, &found, err);

	if (done == -1 && err->kind == ERR_POLICY) {
		/* The mailbox is gone; was it INBOX that took the message? */
		*err = ERR_INIT;
		moved = true;
		other.mailbox = SPAN("INBOX");
		done = placing_resume(a, &other, &p, &found, err);
	}
	if (done == -1)
		return true;
	if (found == PLACING_SPOILT)
		return false;
	if (found == PLACING_GONE &&
	    (moved || w->waiting->rename_failed ||
		age_ms(w->waiting) > MARK_OLD_MS) &&
	    placing_was_shown(p, &shown, err) == -1)
		return true;
	if (!shown)
		return false;
	*placing_out = STEAL(p);
	return true;
}

/* As the tenant. */
static int
write_target(struct batch *batch, struct work *w, uint32_t i, struct account *a,
    struct err *err)
{
	const struct record_target *t = &w->message.targets[i];
	struct span pieces[] = { t->trace, w->message.text };
	struct placing_message m = {
		.mailbox = t->mailbox,
		.base = t->base,
		.pieces = pieces,
		.piece_count = 2,
	};
	struct placing *p = NULL;
	struct err why = ERR_INIT;

	if (w->waiting->states[i] == TARGET_MARKED &&
	    take_up(w, a, &m, &p, &why)) {
		if (p == NULL) {
			*err = why;
			return -1;
		}
		return job_put(batch, w, i, p, false, err);
	}
	w->waiting->states[i] = TARGET_TODO;
	if (placer_write(a, &m, &p, err) == -1)
		return -1;
	return job_put(batch, w, i, p, true, err);
}

static void
write_work(struct batch *batch, struct work *w)
{
	for (uint32_t i = 0; i < w->message.count; i++) {
		struct placer_owner owner = owner_of(&w->message.targets[i]);
		struct err err = ERR_INIT;
		struct account *a;

		if (w->waiting->states[i] == TARGET_SHOWN)
			continue;
		if (batch->count >= BACKLOG_BATCH_FILES)
			return; /* the rest comes with the next batch */
		if (placer_enter(batch->b->placer, &owner, &a, &err) == -1) {
			work_failed(w, &err);
			continue;
		}
		if (write_target(batch, w, i, a, &err) == -1)
			work_failed(w, &err);
		account_unref(a);
		placer_leave(batch->b->placer);
	}
}

static void
read_work(struct batch *batch, struct waiting *waiting)
{
	struct work *w = &batch->works[batch->work_count++];

	*w = (struct work){ .waiting = waiting };
	buf_init(&w->payload, JOURNAL_PAYLOAD_MAX);
	if (journal_read(
		batch->b->journal, &waiting->ref, &w->payload, &w->err) == -1 ||
	    record_message_parse(buf_span(&w->payload), &w->message, &w->err) ==
		-1)
		return;
	write_work(batch, w);
}

/* ---- b, c: flushed and marked ---- */

/*
 * Flushes what was written; where that takes the whole file system, what
 * earlier batches have shown is flushed too.  *whole_out as placing_flush.
 */
static void
flush_written(struct batch *batch, bool *whole_out)
{
	struct placing **all = calloc(batch->count + 1, sizeof(void *));
	bool *failed = calloc(batch->count + 1, sizeof(*failed));
	struct err err = ERR_INIT;
	size_t count = 0;

	*whole_out = false;
	if (all == NULL || failed == NULL)
		(void)err_set(&err, ERR_TEMP, "place: out of memory");
	for (size_t i = 0; err.kind == ERR_NONE && i < batch->count; i++)
		if (batch->jobs[i].written)
			all[count++] = batch->jobs[i].placing;
	if (count > 0)
		(void)placing_flush(all, count, false, failed, whole_out, &err);
	count = 0;
	for (size_t i = 0; i < batch->count; i++) {
		struct job *job = &batch->jobs[i];

		if (!job->written ||
		    (failed != NULL && all != NULL && !failed[count++]))
			continue;
		job->failed = true;
		work_failed(job->work, &err);
	}
	free(all);
	free(failed);
}

static void
mark_written(struct batch *batch)
{
	CLEANUP(buf_fini) struct buf marks;
	struct span payload;
	struct journal_entry entry = {
		.type = RECORD_PLACING,
		.urgent = true,
		.pieces = &payload,
		.piece_count = 1,
	};
	struct err err = ERR_INIT;
	size_t count = 0;
	int done;

	buf_init(&marks, JOURNAL_PAYLOAD_MAX);
	record_marks_begin(&marks);
	for (size_t i = 0; i < batch->count; i++) {
		const struct job *job = &batch->jobs[i];

		if (!job->written || job->failed)
			continue;
		record_marks_put(
		    &marks, (struct record_mark){
				job->work->waiting->ref.number, job->target });
		count++;
	}
	if (count == 0)
		return;
	payload = buf_span(&marks);
	done = buf_check(&marks, &err);
	if (done == 0)
		done = journal_append(batch->b->journal, &entry, &err);
	for (size_t i = 0; i < batch->count; i++) {
		struct job *job = &batch->jobs[i];

		if (!job->written || job->failed)
			continue;
		if (done == 0) {
			job->work->waiting->states[job->target] = TARGET_MARKED;
			continue;
		}
		job->failed = true;
		work_failed(job->work, &err);
	}
}

/* ---- d: shown ---- */

static void
show_job(struct batch *batch, struct job *job)
{
	struct placer_owner owner =
	    owner_of(&job->work->message.targets[job->target]);
	struct err err = ERR_INIT;
	struct account *a;

	if (placer_enter(batch->b->placer, &owner, &a, &err) == 0) {
		if (placing_show(job->placing, &err) == -1) {
			/* Of one that was taken up: it has been shown. */
			job->failed = err.os != ENOENT || job->written;
			job->work->waiting->rename_failed = job->failed;
		}
		account_unref(a);
		placer_leave(batch->b->placer);
	} else {
		job->failed = true;
	}
	if (job->failed)
		work_failed(job->work, &err);
}

/* What was shown, as references for its flush.  With the mutex. */
static struct shown_list
collect_shown(struct batch *batch)
{
	struct shown_list l = {
		.items = calloc(batch->count + 1, sizeof(struct shown)),
	};

	for (size_t i = 0; i < batch->count; i++) {
		struct job *job = &batch->jobs[i];
		struct waiting *w = job->work->waiting;

		if (job->failed)
			continue;
		w->states[job->target] = TARGET_SHOWN;
		w->left--;
		w->unflushed++;
		/* Without memory it just stays in the journal. */
		if (l.items == NULL)
			continue;
		waiting_ref(w);
		l.items[l.count++] = (struct shown){ w, STEAL(job->placing) };
	}
	return l;
}

/* ---- what became of the records ---- */

/* Its next try, and whose mail meanwhile goes another way. */
static void
put_off(struct backlog *b, struct work *w)
{
	struct waiting *waiting = w->waiting;
	uint64_t wait_ms = RETRY_FIRST_MS;

	for (unsigned i = 0; i < waiting->tries && wait_ms < RETRY_MOST_MS; i++)
		wait_ms *= 2;
	if (wait_ms > RETRY_MOST_MS)
		wait_ms = RETRY_MOST_MS;
	waiting->tries++;
	waiting->retry_ms = clock_ms() + wait_ms;
	for (uint32_t i = 0; i < w->message.count; i++)
		if (waiting->states[i] != TARGET_SHOWN)
			(void)snprintf(waiting->tenant, sizeof(waiting->tenant),
			    "%.*s", SPAN_FMT(w->message.targets[i].tenant));
	backlog_put_off(b, waiting);
}

static void
log_put_off(const struct work *w)
{
	struct log log = { .id = log_id_of(w->message.id) };

	(void)snprintf(
	    log.tenant, sizeof(log.tenant), "%s", w->waiting->tenant);
	log_error(&log, "message waits in the journal",
	    log_u64("number", w->waiting->ref.number),
	    log_u64("targets", w->waiting->left),
	    log_u64("tries", w->waiting->tries), log_err(&w->err));
}

/*
 * A record that cannot be placed must not hold the oldest segment when room
 * gets short: it is written again, without what is done of it.
 */
static void
carry(struct backlog *b, struct work *w)
{
	struct waiting *old = w->waiting, *fresh = waiting_new(old->left);
	struct record_message m = w->message;
	CLEANUP(mem_free)
	struct record_target *targets = calloc(old->left, sizeof(*targets));
	CLEANUP(buf_fini) struct buf head;
	struct span pieces[2] = { SPAN_NONE, m.text };
	struct journal_entry entry = {
		.type = RECORD_MESSAGE,
		.hold = true,
		.urgent = true,
		.pieces = pieces,
		.piece_count = 2,
	};
	size_t count = 0;

	buf_init(&head, JOURNAL_PAYLOAD_MAX);
	if (fresh == NULL || targets == NULL) {
		free(fresh);
		return;
	}
	for (uint32_t i = 0; i < w->message.count; i++) {
		if (old->states[i] == TARGET_SHOWN)
			continue;
		targets[count] = w->message.targets[i];
		targets[count].marked = old->states[i] == TARGET_MARKED;
		fresh->states[count++] = old->states[i];
	}
	m.targets = targets;
	m.count = count;
	m.replaces = old->ref.number;
	record_message_format(&m, &head);
	pieces[0] = buf_span(&head);
	if (buf_check(&head, NULL) == -1 ||
	    journal_append(b->journal, &entry, NULL) == -1) {
		free(fresh);
		return;
	}
	fresh->ref = entry.ref;
	fresh->ref.time_ms = old->ref.time_ms; /* it waits since then */
	fresh->tries = old->tries;
	fresh->rename_failed = old->rename_failed;
	w->waiting = fresh;
	(void)pthread_mutex_lock(&b->mutex);
	backlog_replace(b, old, fresh);
	(void)pthread_mutex_unlock(&b->mutex);
}

/* Not all of it is shown: something failed, or it was too much at once. */
static void
finish_work(struct backlog *b, struct work *w)
{
	bool carried;

	(void)pthread_mutex_lock(&b->mutex);
	if (w->err.kind == ERR_NONE) {
		waiting_list_put(&b->todo, w->waiting);
		(void)pthread_cond_signal(&b->work_cond);
		(void)pthread_mutex_unlock(&b->mutex);
		return;
	}
	carried = w->waiting->ref.generation == backlog_pressing(b);
	(void)pthread_mutex_unlock(&b->mutex);
	if (carried && w->message.count > 0)
		carry(b, w);
	(void)pthread_mutex_lock(&b->mutex);
	put_off(b, w);
	(void)pthread_mutex_unlock(&b->mutex);
	log_put_off(w);
}

static void
finish(struct batch *batch, bool whole)
{
	struct backlog *b = batch->b;
	struct shown_list shown;

	(void)pthread_mutex_lock(&b->mutex);
	shown = collect_shown(batch);
	for (size_t i = 0; i < batch->work_count; i++) {
		struct work *w = &batch->works[i];

		if (w->waiting->left == 0) {
			backlog_leave(b, w->waiting);
			waiting_unref(w->waiting);
			w->waiting = NULL;
		}
	}
	if (whole)
		backlog_shown(b, &shown);
	(void)pthread_cond_broadcast(&b->shown_cond);
	(void)pthread_mutex_unlock(&b->mutex);
	if (!whole)
		backlog_settle(b, &shown, false);
	for (size_t i = 0; i < batch->work_count; i++)
		if (batch->works[i].waiting != NULL)
			finish_work(b, &batch->works[i]);
}

void
backlog_place(struct backlog *b, struct waiting_list *list)
{
	struct batch batch = { .b = b };
	struct shown_list earlier;
	struct waiting *w;
	bool whole;

	while ((w = waiting_list_take(list)) != NULL)
		read_work(&batch, w);
	(void)pthread_mutex_lock(&b->mutex);
	earlier = backlog_take_shown(b);
	(void)pthread_mutex_unlock(&b->mutex);
	flush_written(&batch, &whole);
	backlog_settle(b, &earlier, whole);
	mark_written(&batch);
	for (size_t i = 0; i < batch.count; i++)
		if (!batch.jobs[i].failed)
			show_job(&batch, &batch.jobs[i]);
	finish(&batch, whole);
	for (size_t i = 0; i < batch.count; i++)
		placing_free(batch.jobs[i].placing);
	free(batch.jobs);
	for (size_t i = 0; i < batch.work_count; i++) {
		record_message_fini(&batch.works[i].message);
		buf_fini(&batch.works[i].payload);
	}
}
