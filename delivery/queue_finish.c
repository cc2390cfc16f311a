/* SPDX-License-Identifier: BSD-2-Clause */
/* What became of a job: written down, then known. */
#include <string.h>

#include "common/log.h"
#include "delivery/queue_private.h"

/* Sessions in a row that did not begin before a site counts as down. */
#define SITE_FAILURES 3
/* What could not be written down is tried again after this. */
#define TROUBLE_MS 60000

const char *
queue_job_id(const struct queue_job *job)
{
	return job->message->id;
}

const char *
queue_job_sender(const struct queue_job *job)
{
	return job->message->text;
}

const char *
queue_job_domain(const struct queue_job *job)
{
	return job->site->name;
}

const char *
queue_job_tenant(const struct queue_job *job)
{
	return job->message->tenant->name;
}

uint64_t
queue_job_arrival_ms(const struct queue_job *job)
{
	return job->message->arrival_ms;
}

bool
queue_job_warned(const struct queue_job *job)
{
	return job->message->warned;
}

struct queue_recipient *
queue_job_recipients(const struct queue_job *job)
{
	return &job->message->recipients[job->first];
}

const char *
queue_job_site_reply(const struct queue_job *job)
{
	return job->site->reply == NULL ? "" : job->site->reply;
}

/* ---- sites ---- */

static uint64_t
site_backoff_ms(const struct queue *q, const struct queue_site *s)
{
	uint64_t ms = q->options.site_retry_min_ms;

	for (uint32_t i = SITE_FAILURES; i < s->failures; i++)
		if (ms < q->options.site_retry_max_ms)
			ms *= 2;
	return ms < q->options.site_retry_max_ms ? ms
						 : q->options.site_retry_max_ms;
}

/* With the mutex: more sessions while they begin, fewer when they do not. */
static void
site_news(
    struct queue *q, struct queue_site *s, const struct queue_outcome *outcome)
{
	const char *old = s->reply;

	switch (outcome->news) {
	case QUEUE_SITE_AS_IT_WAS:
		return;
	case QUEUE_SITE_GOOD:
		s->failures = 0;
		s->down_until_ms = 0;
		if (s->window < q->options.site_connections)
			s->window++;
		return;
	case QUEUE_SITE_BAD:
		break;
	}
	s->failures++;
	if (s->window > 1)
		s->window--;
	if (outcome->site_reply != NULL) {
		s->reply = queue_text_ref(q, outcome->site_reply);
		queue_text_unref(q, old);
	}
	if (s->failures >= SITE_FAILURES)
		s->down_until_ms = queue_now_ms() + site_backoff_ms(q, s);
}

/* ---- the record ---- */

static bool
entries_of(const struct queue_job *job, const struct queue_outcome *outcome,
    uint64_t due_ms, struct buf *out)
{
	const struct queue_recipient *r = queue_job_recipients(job);
	bool ended = outcome->warned;
	struct queue_entry e = { .id = span_str(job->message->id) };

	for (uint32_t i = 0; i < job->count; i++) {
		if (r[i].state != QUEUE_WAITING)
			continue;
		e.what = QUEUE_ENTRY_RECIPIENT;
		e.number = r[i].number;
		e.state = (uint8_t)outcome->results[i].state;
		e.tries = (uint8_t)(r[i].tries + !outcome->no_try);
		e.next_ms = due_ms;
		e.reply = span_str(outcome->results[i].reply);
		queue_entry_format(&e, out);
		ended |= e.state != QUEUE_WAITING;
	}
	if (outcome->warned) {
		e.what = QUEUE_ENTRY_WARNED;
		queue_entry_format(&e, out);
	}
	return ended;
}

static int
write_down(struct queue *q, const struct queue_job *job,
    const struct queue_outcome *outcome, uint64_t due_ms,
    struct queue_message **report_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf entries = { .max = JOURNAL_PAYLOAD_MAX };
	bool ended = entries_of(job, outcome, due_ms, &entries);

	*report_out = NULL;
	if (buf_check(&entries, err) == -1)
		return -1;
	if (outcome->report.len > 0)
		return queue_store_report(q, job->message, buf_span(&entries),
		    outcome->report, report_out, err);
	/* That one more try failed is worth no flush. */
	if (job->message->in_journal && !ended)
		return 0;
	return queue_store_entries(
	    q, job->message, buf_span(&entries), false, err);
}

/* ---- and then ---- */

/* With the mutex. */
static void
apply(struct queue *q, struct queue_job *job,
    const struct queue_outcome *outcome, uint64_t due_ms)
{
	struct queue_message *m = job->message;
	struct queue_recipient *r = queue_job_recipients(job);
	bool waits = false;

	for (uint32_t i = 0; i < job->count; i++) {
		const struct queue_result *to = &outcome->results[i];

		if (r[i].state != QUEUE_WAITING)
			continue;
		r[i].state = (uint8_t)to->state;
		if (!outcome->no_try && r[i].tries < UINT8_MAX)
			r[i].tries++;
		if (to->reply[0] != '\0') {
			queue_text_unref(q, r[i].reply);
			r[i].reply = queue_text_ref(q, to->reply);
		}
		if (to->state == QUEUE_WAITING) {
			waits = true;
			continue;
		}
		m->left--;
		q->recipient_count--;
	}
	m->warned |= outcome->warned;
	if (!outcome->no_try && job->tries < UINT8_MAX)
		job->tries++;
	job->state = JOB_RESTS;
	job->due_ms = due_ms;
	if (waits && !m->frozen)
		queue_job_due(q, job, due_ms);
}

/* With the mutex. */
static void
enter_report(struct queue *q, struct queue_message *report, struct span tenant)
{
	struct err err = ERR_INIT;

	report->in_journal = false;
	report->tenant = queue_tenant(q, tenant);
	if (report->tenant == NULL ||
	    queue_message_enter(q, report, &err) == -1 ||
	    queue_message_jobs(q, report, &err) == -1) {
		log_error(&log_process, "report waits for the next start",
		    log_str("message", report->id), log_err(&err));
		return;
	}
	queue_message_journaled(q, report);
	queue_message_schedule(q, report);
}

static uint64_t
next_try_ms(const struct queue *q, const struct queue_job *job,
    const struct queue_outcome *outcome)
{
	uint64_t now = queue_now_ms(), down = job->site->down_until_ms;
	uint64_t due = now + queue_backoff_ms(q, job->tries + 1U);

	if (!outcome->no_try)
		return due > down ? due : down;
	/* When the site is up again, perhaps, or a report is due. */
	return down > now ? down + (due - now) / 20 : now + 1000;
}

int
queue_finish(struct queue *q, struct queue_job *job,
    const struct queue_outcome *outcome, struct err *err)
{
	struct queue_message *m = job->message, *report = NULL;
	uint64_t due_ms;
	int done;

	(void)pthread_mutex_lock(&q->mutex);
	site_news(q, job->site, outcome);
	due_ms = next_try_ms(q, job, outcome);
	(void)pthread_mutex_unlock(&q->mutex);
	done = write_down(q, job, outcome, due_ms, &report, err);
	(void)pthread_mutex_lock(&q->mutex);
	m->busy--;
	if (report != NULL)
		enter_report(q, report, span_str(m->tenant->name));
	if (done == 0) {
		apply(q, job, outcome, due_ms);
	} else {
		job->state = JOB_RESTS;
		queue_job_due(q, job, queue_now_ms() + TROUBLE_MS);
	}
	if (m->left == 0 && m->busy == 0)
		queue_message_end(q, m);
	queue_tell(q);
	(void)pthread_mutex_unlock(&q->mutex);
	return done;
}

void
queue_give_back(struct queue *q, struct queue_job *job)
{
	(void)pthread_mutex_lock(&q->mutex);
	job->message->busy--;
	job->state = JOB_RESTS;
	queue_job_due(q, job, queue_now_ms() + TROUBLE_MS);
	(void)pthread_mutex_unlock(&q->mutex);
}
