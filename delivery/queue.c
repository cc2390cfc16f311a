/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/reactor.h"
#include "delivery/queue_private.h"

#define HELD_LOOK_MS 5000
#define WINDOW_MAX_FALLBACK 20

/* ---- opening, closing ---- */

static int
queue_alloc(struct queue *q, const struct queue_options *options)
{
	pthread_condattr_t plain;
	size_t size = strlen(options->directory) + 16;

	q->options = *options;
	q->dirfd = -1;
	if (q->options.site_connections == 0)
		q->options.site_connections = WINDOW_MAX_FALLBACK;
	(void)pthread_condattr_init(&plain);
	(void)pthread_mutex_init(&q->mutex, NULL);
	(void)pthread_cond_init(&q->work_cond, &plain);
	(void)pthread_cond_init(&q->clock_cond, &plain);
	(void)pthread_condattr_destroy(&plain);
	q->path = malloc(size);
	q->recent = calloc(QUEUE_RECENT, sizeof(*q->recent));
	q->recent_hash = calloc(4 * (size_t)QUEUE_RECENT, sizeof(uint32_t));
	if (q->path == NULL || q->recent == NULL || q->recent_hash == NULL)
		return -1;
	(void)snprintf(q->path, size, "%s/queue", options->directory);
	return 0;
}

int
queue_open(const struct queue_options *options, struct queue **queue_out,
    struct err *err)
{
	CLEANUP(queue_free) struct queue *q = calloc(1, sizeof(*q));

	if (q == NULL || queue_alloc(q, options) == -1)
		return err_set(err, ERR_TEMP, "queue: out of memory");
	if (queue_store_open(q, err) == -1 || queue_recover(q, err) == -1)
		return -1;
	*queue_out = STEAL(q);
	return 0;
}

int
queue_start(struct queue *q, struct err *err)
{
	int failed;

	if (journal_start(q->journal, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&q->mutex);
	q->started = true;
	for (size_t i = 0; i < q->messages_size; i++)
		for (struct queue_message *m = q->messages[i]; m != NULL;
		     m = m->next)
			queue_message_schedule(q, m);
	queue_tell(q);
	(void)pthread_mutex_unlock(&q->mutex);
	failed = pthread_create(&q->clock, NULL, queue_clock_run, q);
	q->has_clock = failed == 0;
	if (failed == 0)
		failed = pthread_create(&q->keeper, NULL, queue_keeper_run, q);
	q->has_keeper = failed == 0;
	if (failed == 0)
		return 0;
	errno = failed;
	return err_sys(err, "queue: start a thread");
}

void
queue_stop(struct queue *q)
{
	if (q == NULL)
		return;
	(void)pthread_mutex_lock(&q->mutex);
	q->stopping = true;
	(void)pthread_cond_broadcast(&q->work_cond);
	(void)pthread_cond_broadcast(&q->clock_cond);
	(void)pthread_mutex_unlock(&q->mutex);
}

static void
free_tables(struct queue *q)
{
	struct queue_tenant *t;

	for (size_t i = 0; i < q->messages_size; i++)
		while (q->messages[i] != NULL) {
			struct queue_message *m = q->messages[i];

			queue_message_leave(q, m);
			queue_message_free(q, m);
		}
	for (size_t i = 0; i < q->sites_size; i++)
		while (q->sites[i] != NULL) {
			q->sites[i]->down_until_ms = 0;
			q->sites[i]->active = 0;
			queue_site_idle(q, q->sites[i]);
		}
	while ((t = q->tenants) != NULL) {
		q->tenants = t->next;
		free(t);
	}
	free(q->messages);
	free(q->sites);
	free(q->texts);
	free(q->heap);
}

void
queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	queue_stop(q);
	if (q->has_clock)
		(void)pthread_join(q->clock, NULL);
	if (q->has_keeper)
		(void)pthread_join(q->keeper, NULL);
	free_tables(q);
	journal_close(q->journal);
	fd_close(q->dirfd);
	free(q->path);
	free(q->recent);
	free(q->recent_hash);
	(void)pthread_mutex_destroy(&q->mutex);
	(void)pthread_cond_destroy(&q->work_cond);
	(void)pthread_cond_destroy(&q->clock_cond);
	free(q);
}

void
queue_tell(struct queue *q)
{
	counter_set(
	    q->options.counters, COUNTER_QUEUE_MESSAGES, q->message_count);
	counter_set(
	    q->options.counters, COUNTER_QUEUE_RECIPIENTS, q->recipient_count);
}

void
queue_stats(struct queue *q, struct queue_stats *out)
{
	(void)pthread_mutex_lock(&q->mutex);
	*out = (struct queue_stats){
		.messages = q->message_count,
		.recipients = q->recipient_count,
		.held = q->held_count,
		.sites = q->site_count,
	};
	(void)pthread_mutex_unlock(&q->mutex);
}

/* ---- the end of a message ---- */

void
queue_message_hold(struct queue *q, struct queue_message *m, bool held)
{
	if (m->held == held)
		return;
	m->held = held;
	if (held)
		q->held_count++;
	else
		q->held_count--;
}

void
queue_message_end(struct queue *q, struct queue_message *m)
{
	bool in_journal = m->in_journal;

	/* What was dropped must not pass for released: a late release of it is
	 * refused, so that its client hears no 250. */
	if (!m->ended)
		queue_recent_add(q, m->id);
	queue_message_leave(q, m);
	queue_message_unjournaled(q, m);
	queue_tell(q);
	m->in_journal = in_journal;
	(void)pthread_mutex_unlock(&q->mutex);
	queue_store_remove(q, m);
	(void)pthread_mutex_lock(&q->mutex);
	queue_message_free(q, m);
}

/* ---- taking mail in ---- */

/* With the mutex.  0: it is new, and entered, so that nobody else has it. */
static int
enter_new(struct queue *q, const struct outbound *parsed,
    struct queue_message **m_out, bool *known_out, struct err *err)
{
	const struct queue_message *old = queue_find(q, parsed->id);
	struct queue_message *m;

	*known_out =
	    queue_recent_has(q, parsed->id) || (old != NULL && !old->entering);
	if (*known_out)
		return 0;
	if (old != NULL)
		return err_set(
		    err, ERR_TEMP, "message %s is on its way already", old->id);
	if (!queue_store_room(q))
		return err_set(err, ERR_LIMIT, "the queue's disk is full");
	if (queue_message_new(q, parsed, &m, err) == -1)
		return -1;
	m->tenant = queue_tenant(q, parsed->tenant);
	m->entering = m->held = true;
	if (m->tenant == NULL || queue_message_enter(q, m, err) == -1) {
		queue_message_free(q, m);
		return err_set(err, ERR_TEMP, "queue: out of memory");
	}
	*m_out = m;
	return 0;
}

/* With the mutex: its jobs, and their turns. */
static void
let_go(struct queue *q, struct queue_message *m)
{
	struct err err = ERR_INIT;

	queue_message_hold(q, m, false);
	if (queue_message_jobs(q, m, &err) == -1)
		log_error(&log_process, "message waits for the next start",
		    log_str("message", m->id), log_err(&err));
	queue_message_schedule(q, m);
	queue_tell(q);
}

int
queue_put(struct queue *q, struct span record, bool held, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound parsed = { .count = 0 };
	struct queue_message *m = NULL;
	bool known;
	int done;

	if (outbound_parse(record, &parsed, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&q->mutex);
	done = enter_new(q, &parsed, &m, &known, err);
	(void)pthread_mutex_unlock(&q->mutex);
	if (done == -1 || known)
		return done;
	done = queue_store_put(q, record, held, m, err);
	(void)pthread_mutex_lock(&q->mutex);
	m->entering = false;
	m->held_until_ms = queue_now_ms() + q->options.held_ms;
	if (done == -1) {
		queue_message_leave(q, m);
		queue_message_free(q, m);
	} else {
		if (m->in_journal)
			queue_message_journaled(q, m);
		if (!held)
			let_go(q, m);
	}
	queue_tell(q);
	(void)pthread_mutex_unlock(&q->mutex);
	return done;
}

/* With the mutex: the held message of that id, which nobody else ends. */
static int
take_held(struct queue *q, struct span id, struct queue_message **m_out,
    struct err *err)
{
	struct queue_message *m = queue_find(q, id);

	*m_out = NULL;
	if ((m != NULL && !m->held) || (m == NULL && queue_recent_has(q, id)))
		return 0;
	if (m == NULL)
		return err_set(err, ERR_POLICY, "no such message is held");
	if (m->entering || m->busy > 0)
		return err_set(
		    err, ERR_TEMP, "message %s is on its way already", m->id);
	m->busy++;
	*m_out = m;
	return 0;
}

static int
end_hold(struct queue *q, struct span id, const struct queue_entry *entry,
    struct queue_message **m_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = OUTBOUND_FIELDS_MAX };
	int done;

	(void)pthread_mutex_lock(&q->mutex);
	done = take_held(q, id, m_out, err);
	(void)pthread_mutex_unlock(&q->mutex);
	if (done == -1 || *m_out == NULL)
		return done;
	queue_entry_format(entry, &text);
	done = buf_check(&text, err);
	if (done == 0)
		done =
		    queue_store_entries(q, *m_out, buf_span(&text), true, err);
	(void)pthread_mutex_lock(&q->mutex);
	(*m_out)->busy--;
	(void)pthread_mutex_unlock(&q->mutex);
	return done;
}

int
queue_release(struct queue *q, struct span record, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound more = { .count = 0 };
	struct queue_entry e = { .what = QUEUE_ENTRY_RELEASED,
		.record = record };
	struct queue_message *m;

	if (outbound_parse(record, &more, err) == -1)
		return -1;
	e.id = more.id;
	if (end_hold(q, more.id, &e, &m, err) == -1)
		return -1;
	if (m == NULL)
		return 0;
	(void)pthread_mutex_lock(&q->mutex);
	q->recipient_count -= m->left;
	if (queue_message_add(q, m, &more, err) == -1)
		log_error(&log_process, "message waits for the next start",
		    log_str("message", m->id), log_err(err));
	q->recipient_count += m->left;
	let_go(q, m);
	(void)pthread_mutex_unlock(&q->mutex);
	return 0;
}

int
queue_drop(struct queue *q, struct span id, struct err *err)
{
	struct queue_entry e = { .what = QUEUE_ENTRY_DROPPED, .id = id };
	struct queue_message *m;

	if (end_hold(q, id, &e, &m, err) == -1)
		return -1;
	if (m == NULL)
		return 0;
	(void)pthread_mutex_lock(&q->mutex);
	m->ended = true;
	queue_message_end(q, m);
	(void)pthread_mutex_unlock(&q->mutex);
	return 0;
}

void
queue_forget_held(struct queue *q)
{
	char id[OUTBOUND_ID_LEN + 1] = "";
	uint64_t now = queue_now_ms();
	struct err err = ERR_INIT;

	if (q->held_count == 0 || now < q->held_look_ms)
		return;
	q->held_look_ms = now + HELD_LOOK_MS;
	for (size_t i = 0; i < q->messages_size && id[0] == '\0'; i++)
		for (const struct queue_message *m = q->messages[i]; m != NULL;
		     m = m->next)
			if (m->held && !m->entering && m->busy == 0 &&
			    m->held_until_ms <= now)
				memcpy(id, m->id, sizeof(id));
	if (id[0] == '\0')
		return;
	q->held_look_ms = now; /* perhaps there are more */
	(void)pthread_mutex_unlock(&q->mutex);
	log_warning(&log_process, "nobody released a message: forgotten",
	    log_str("message", id));
	if (queue_drop(q, span_str(id), &err) == -1)
		log_error(&log_process, "message not forgotten",
		    log_str("message", id), log_err(&err));
	(void)pthread_mutex_lock(&q->mutex);
}
