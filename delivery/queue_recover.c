/* SPDX-License-Identifier: BSD-2-Clause */
/* What journal and files have at the start. */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "delivery/queue_private.h"
#include "delivery/queue_record.h"

/* What is overdue is tried over this time, not all at once. */
#define SPREAD_MS 600000
#define SPREAD_FROM 1000 /* messages */

struct recovery {
	struct queue *q;
	/* Entries about messages that are not in the journal. */
	struct buf others;
	uint64_t journal, files, moved;
};

static struct queue_recipient *
recipient(struct queue_message *m, uint32_t number)
{
	/* Before the jobs are made their order is that of their numbers. */
	return number < m->count ? &m->recipients[number] : NULL;
}

static int
apply_recipient(struct queue *q, struct queue_message *m,
    const struct queue_entry *e, struct err *err)
{
	struct queue_recipient *r = recipient(m, e->number);
	char reply[1024];

	if (r == NULL || e->state > QUEUE_REMOVED)
		return err_set(err, ERR_SYNTAX, "entry about nobody");
	if (r->state == QUEUE_WAITING && e->state != QUEUE_WAITING) {
		m->left--;
		q->recipient_count--;
	} else if (r->state != QUEUE_WAITING && e->state == QUEUE_WAITING) {
		m->left++;
		q->recipient_count++;
	}
	r->state = e->state;
	r->tries = e->tries;
	if (e->next_ms > m->held_until_ms)
		m->held_until_ms = e->next_ms; /* the next try, until then */
	if (e->reply.len > 0 && e->reply.len < sizeof(reply)) {
		memcpy(reply, e->reply.p, e->reply.len);
		reply[e->reply.len] = '\0';
		queue_text_unref(q, r->reply);
		r->reply = queue_text_ref(q, reply);
	}
	return 0;
}

int
queue_entry_apply(struct queue *q, struct queue_message *m,
    const struct queue_entry *e, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound more = { .count = 0 };

	switch (e->what) {
	case QUEUE_ENTRY_RECIPIENT:
		return apply_recipient(q, m, e, err);
	case QUEUE_ENTRY_RELEASED:
		queue_message_hold(q, m, false);
		if (outbound_parse(e->record, &more, err) == -1 ||
		    queue_message_add(q, m, &more, err) == -1)
			return -1;
		q->recipient_count += more.count;
		return 0;
	case QUEUE_ENTRY_DROPPED:
		m->ended = true;
		return 0;
	case QUEUE_ENTRY_MOVED:
		m->moving = true;
		return 0;
	case QUEUE_ENTRY_FROZEN:
		m->frozen = true;
		return 0;
	case QUEUE_ENTRY_THAWED:
		m->frozen = false;
		return 0;
	case QUEUE_ENTRY_WARNED:
		m->warned = true;
		return 0;
	}
	return 0;
}

/* Entries of the journal, each about whichever message. */
static int
apply_entries(
    struct recovery *r, struct span entries, bool keep, struct err *err)
{
	struct span rest = entries, before = entries;
	struct queue_entry e;

	for (;;) {
		struct queue_message *m;

		switch (queue_entry_take(&rest, &e)) {
		case QUEUE_ENTRY_TAKEN:
			break;
		case QUEUE_ENTRY_UNKNOWN:
			before = rest;
			continue;
		case QUEUE_ENTRY_END:
			return 0;
		case QUEUE_ENTRY_BROKEN:
			return err_set(err, ERR_SYNTAX, "entries cut off");
		}
		m = queue_find(r->q, e.id);
		if (m != NULL && queue_entry_apply(r->q, m, &e, err) == -1)
			return -1;
		if (m == NULL && keep)
			buf_append(&r->others,
			    span_of(before.p, (size_t)(rest.p - before.p)));
		before = rest;
	}
}

static int
enter(struct recovery *r, const struct outbound *parsed, bool held,
    uint64_t octets, struct queue_message **m_out, struct err *err)
{
	struct queue_message *m;

	if (queue_message_new(r->q, parsed, &m, err) == -1)
		return -1;
	m->held = held;
	m->octets = octets;
	m->tenant = queue_tenant(r->q, parsed->tenant);
	if (m->tenant == NULL || queue_message_enter(r->q, m, err) == -1) {
		queue_message_free(r->q, m);
		return err_set(err, ERR_TEMP, "queue: out of memory");
	}
	*m_out = m;
	return 0;
}

static int
visit_message(struct recovery *r, const struct journal_ref *ref,
    struct span payload, bool *hold_out, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound parsed = { .count = 0 };
	struct span entries, record;
	struct queue_message *m;
	bool held;

	if (queue_record_open(payload, &held, &entries, &record, err) == -1 ||
	    apply_entries(r, entries, true, err) == -1 ||
	    outbound_parse(record, &parsed, err) == -1)
		return -1;
	if (queue_find(r->q, parsed.id) != NULL)
		return 0; /* the same once more */
	if (enter(r, &parsed, held, record.len, &m, err) == -1)
		return -1;
	m->ref = *ref;
	queue_message_journaled(r->q, m);
	*hold_out = true;
	r->journal++;
	return 0;
}

static int
visit(void *arg, const struct journal_ref *ref,
    const struct journal_record *record, bool *hold_out, struct err *err)
{
	struct recovery *r = arg;
	struct err why = ERR_INIT;
	int done;

	if (record->type == QUEUE_RECORD_MESSAGE)
		done = visit_message(r, ref, record->payload, hold_out, &why);
	else if (record->type == QUEUE_RECORD_ENTRIES)
		done = apply_entries(r, record->payload, false, &why);
	else
		done = err_set(&why, ERR_POLICY, "record of type %u",
		    (unsigned)record->type);
	if (done == 0)
		return 0;
	if (why.kind == ERR_SYNTAX &&
	    journal_put_aside(
		r->q->journal, ref->number, record->payload, err) == 0) {
		log_error(&log_process, "a record is put aside",
		    log_u64("number", ref->number), log_err(&why));
		return 0;
	}
	if (err != NULL)
		*err = why;
	return err_prefix(err, "queue: segment-%04u at %llu", ref->segment,
	    (unsigned long long)ref->offset);
}

/* ---- files ---- */

static bool
is_in_journal(void *arg, struct span id)
{
	struct recovery *r = arg;
	const struct queue_message *m = queue_find(r->q, id);

	return m != NULL && m->in_journal && !m->moving;
}

/* The file is whole, so the journal's record has done its work. */
static void
give_up_record(struct recovery *r, struct queue_message *m)
{
	journal_settle(r->q->journal, &m->ref);
	queue_message_unjournaled(r->q, m);
	queue_message_leave(r->q, m);
	queue_message_free(r->q, m);
	r->moved++;
}

static int
visit_file(void *arg, const struct outbound *parsed, unsigned flags,
    uint64_t octets, struct span entries, struct err *err)
{
	struct recovery *r = arg;
	struct queue_message *m = queue_find(r->q, parsed->id);
	enum queue_entry_next next;
	struct queue_entry e;

	if (m != NULL && !m->in_journal)
		return 0;
	if (m != NULL)
		give_up_record(r, m);
	if (enter(r, parsed, (flags & 1) != 0, octets, &m, err) == -1)
		return -1;
	r->files++;
	while ((next = queue_entry_take(&entries, &e)) == QUEUE_ENTRY_TAKEN ||
	       next == QUEUE_ENTRY_UNKNOWN) {
		struct err why = ERR_INIT;

		if (next == QUEUE_ENTRY_TAKEN &&
		    queue_entry_apply(r->q, m, &e, &why) == -1)
			log_error(&log_process, "a queue file's entry",
			    log_str("message", m->id), log_err(&why));
	}
	return 0;
}

/* ---- the end of it ---- */

/* Moved, and its file has gone since: it has ended. */
static bool
has_ended(const struct queue_message *m)
{
	return m->ended || m->left == 0 || m->moving;
}

static int
begin(struct recovery *r, struct queue_message *m, struct err *err)
{
	struct queue *q = r->q;
	uint64_t now = queue_now_ms(), due = m->held_until_ms;
	uint64_t count = q->message_count;

	m->held_until_ms = now + q->options.held_ms;
	/* A clock that was wrong must not hold mail back. */
	if (due > now + 2 * q->options.retry_max_ms)
		due = now;
	if (queue_message_jobs(q, m, err) == -1)
		return -1;
	for (uint32_t i = 0; i < m->job_count; i++) {
		struct queue_job *job = &m->jobs[i];

		job->due_ms =
		    due > now || count < SPREAD_FROM
			? due
			: now + queue_hash(span_str(m->id)) % SPREAD_MS;
		for (uint32_t k = 0; k < job->count; k++)
			if (m->recipients[job->first + k].tries > job->tries)
				job->tries =
				    m->recipients[job->first + k].tries;
	}
	return 0;
}

static int
begin_all(struct recovery *r, struct err *err)
{
	struct queue *q = r->q;

	for (size_t i = 0; i < q->messages_size; i++) {
		struct queue_message *m, *next;

		for (m = q->messages[i]; m != NULL; m = next) {
			next = m->next;
			if (has_ended(m))
				queue_message_end(q, m);
			else if (!m->held && begin(r, m, err) == -1)
				return -1;
			else if (m->held)
				m->held_until_ms =
				    queue_now_ms() + q->options.held_ms;
		}
	}
	return 0;
}

int
queue_recover(struct queue *q, struct err *err)
{
	struct recovery r = { .q = q, .others = { .max = SIZE_MAX / 2 } };
	int done = journal_recover(q->journal, visit, &r, err);

	if (done == 0)
		done = queue_files_scan(q, visit_file, is_in_journal, &r, err);
	if (done == 0)
		done = apply_entries(&r, buf_span(&r.others), false, err);
	buf_fini(&r.others);
	(void)pthread_mutex_lock(&q->mutex);
	if (done == 0)
		done = begin_all(&r, err);
	(void)pthread_mutex_unlock(&q->mutex);
	if (done == 0 && q->message_count > 0)
		log_notice(&log_process, "messages wait in the queue",
		    log_u64("messages", q->message_count),
		    log_u64("recipients", q->recipient_count),
		    log_u64("files", r.files));
	return done;
}
