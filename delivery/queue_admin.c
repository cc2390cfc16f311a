/* SPDX-License-Identifier: BSD-2-Clause */
/* What an operator asks of the queue. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "delivery/queue_private.h"

/* Messages looked at before others may have the lock. */
#define STRETCH 1024
#define ROWS_OCTETS ((size_t)256 * 1024)

static const char *const state_names[] = {
	[QUEUE_WAITING] = "waiting",
	[QUEUE_DELIVERED] = "delivered",
	[QUEUE_FAILED] = "failed",
	[QUEUE_REMOVED] = "removed",
};

/* ---- which ---- */

static bool
text_fits(const char *wanted, const char *text)
{
	return wanted == NULL ||
	       span_eq_nocase(span_str(wanted), span_str(text));
}

/* A job of the message is at the site. */
static bool
goes_to(const struct queue_message *m, const char *site)
{
	if (site == NULL)
		return true;
	for (uint32_t i = 0; i < m->job_count; i++)
		if (text_fits(site, m->jobs[i].site->name))
			return true;
	return false;
}

static bool
fits(const struct queue_message *m, const struct queue_filter *f)
{
	return !m->entering && text_fits(f->id, m->id) &&
	       text_fits(f->sender, m->text) &&
	       text_fits(f->tenant, m->tenant->name) && goes_to(m, f->site) &&
	       goes_to(m, f->domain);
}

/*
 * A walk over all that fit, which lets go of the mutex now and then: what
 * comes or goes meanwhile may be seen or not.
 */
struct walk {
	const struct queue_filter *filter;
	bool (*each)(void *arg, struct queue *q, struct queue_message *m);
	void *arg;
	void (*pause)(void *arg); /* without the mutex; or NULL */
	uint64_t count;
};

static void
walk_breathe(struct queue *q, const struct walk *w)
{
	(void)pthread_mutex_unlock(&q->mutex);
	if (w->pause != NULL)
		w->pause(w->arg);
	(void)pthread_mutex_lock(&q->mutex);
}

static bool
walk_one(struct queue *q, struct walk *w, struct queue_message *m)
{
	if (!fits(m, w->filter))
		return true;
	w->count++;
	return w->each(w->arg, q, m);
}

/* All of the site: each of its jobs' messages, once. */
static void
walk_site(struct queue *q, struct walk *w, const char *name)
{
	const struct queue_site *s = queue_site_find(q, span_str(name));
	struct queue_job *job, *next;

	for (job = s == NULL ? NULL : s->jobs; job != NULL; job = next) {
		next = job->site_next;
		/* Of several jobs at the site the first one counts. */
		if (next != NULL && next->message == job->message)
			continue;
		if (!walk_one(q, w, job->message))
			return;
	}
}

static void
walk_all(struct queue *q, struct walk *w)
{
	size_t looked = 0;

	for (size_t i = 0; i < q->messages_size; i++) {
		struct queue_message *m, *next;

		for (m = q->messages[i]; m != NULL; m = next) {
			next = m->next;
			looked++;
			if (!walk_one(q, w, m))
				return;
		}
		if (looked >= STRETCH) {
			looked = 0;
			walk_breathe(q, w);
		}
	}
}

static void
walk(struct queue *q, struct walk *w)
{
	const struct queue_filter *f = w->filter;
	struct queue_message *m;

	(void)pthread_mutex_lock(&q->mutex);
	if (f->id != NULL) {
		m = queue_find(q, span_str(f->id));
		if (m != NULL)
			(void)walk_one(q, w, m);
	} else if (f->site != NULL || f->domain != NULL) {
		walk_site(q, w, f->site != NULL ? f->site : f->domain);
	} else {
		walk_all(q, w);
	}
	(void)pthread_mutex_unlock(&q->mutex);
	if (w->pause != NULL)
		w->pause(w->arg);
}

void
queue_sites_up(struct queue *q, const struct queue_filter *f)
{
	const char *name = f->site != NULL ? f->site : f->domain;

	(void)pthread_mutex_lock(&q->mutex);
	for (size_t i = 0; i < q->sites_size; i++)
		for (struct queue_site *s = q->sites[i]; s != NULL; s = s->next)
			if (text_fits(name, s->name)) {
				s->down_until_ms = 0;
				s->failures = 0;
			}
	(void)pthread_mutex_unlock(&q->mutex);
}

/* ---- list ---- */

static const char *
word_for(const struct queue_message *m)
{
	if (m->held)
		return "arriving";
	if (m->frozen)
		return "held";
	if (m->busy > 0)
		return "active";
	for (uint32_t i = 0; i < m->job_count; i++)
		if (m->jobs[i].state == JOB_READY)
			return "ready";
	return "deferred";
}

static uint64_t
next_due_ms(const struct queue_message *m)
{
	uint64_t due = 0;

	for (uint32_t i = 0; i < m->job_count; i++)
		if (m->jobs[i].state == JOB_DUE &&
		    (due == 0 || m->jobs[i].due_ms < due))
			due = m->jobs[i].due_ms;
	return due;
}

/* The first that still waits. */
static const struct queue_recipient *
first_waiting(const struct queue_message *m)
{
	for (uint32_t i = 0; i < m->count; i++)
		if (m->recipients[i].state == QUEUE_WAITING)
			return &m->recipients[i];
	return NULL;
}

static void
put_reply(const char *reply, struct buf *out)
{
	for (; reply != NULL && *reply != '\0'; reply++)
		buf_append_octet(out, *reply == '\t' ? ' ' : *reply);
}

/* Tabs between: id, state, arrival, octets, tries, next try, tenant, sender,
 * recipients that wait, the first of them, its last reply. */
static void
format_row(const struct queue_message *m, struct buf *out)
{
	const struct queue_recipient *r = first_waiting(m);

	buf_append_fmt(out, "%s\t%s\t%llu\t%llu\t%u\t%llu\t%s\t%s\t%u\t%s\t",
	    m->id, word_for(m), (unsigned long long)m->arrival_ms,
	    (unsigned long long)m->octets, r == NULL ? 0U : r->tries,
	    (unsigned long long)next_due_ms(m), m->tenant->name, m->text,
	    m->left, r == NULL ? "" : r->address);
	if (r != NULL)
		put_reply(r->reply, out);
	buf_append_octet(out, '\n');
}

struct listing {
	struct buf rows;
	uint64_t limit, given;
	void (*row)(void *arg, struct span line);
	void *arg;
};

static bool
list_each(void *arg, struct queue *q, struct queue_message *m)
{
	struct listing *l = arg;

	(void)q;
	/* All that fit are counted. */
	if (l->given < l->limit) {
		l->given++;
		format_row(m, &l->rows);
	}
	return true;
}

static void
list_pause(void *arg)
{
	struct listing *l = arg;
	struct span rest = buf_span(&l->rows), line;

	while (span_take_until(&rest, '\n', &line))
		l->row(l->arg, line);
	buf_clear(&l->rows);
}

int
queue_list(struct queue *q, const struct queue_filter *filter, uint64_t limit,
    void (*row)(void *arg, struct span line), void *arg, uint64_t *count_out,
    struct err *err)
{
	struct listing l = { .limit = limit, .row = row, .arg = arg };
	struct walk w = { .filter = filter,
		.each = list_each,
		.arg = &l,
		.pause = list_pause };
	int done;

	buf_init(&l.rows, SIZE_MAX / 2);
	walk(q, &w);
	*count_out = w.count;
	done = buf_check(&l.rows, err);
	buf_fini(&l.rows);
	return done;
}

/* ---- show ---- */

static void
show_time(const char *name, uint64_t ms, struct buf *out)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char text[40];

	if (ms == 0 || localtime_r(&seconds, &tm) == NULL)
		return;
	(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_append_fmt(out, "%-12s %s\n", name, text);
}

static void
show_span(const char *name, struct span value, struct buf *out)
{
	if (value.len == 0)
		return;
	buf_append_fmt(out, "%-12s ", name);
	buf_append(out, value);
	buf_append_octet(out, '\n');
}

/* With the mutex. */
static void
show_message(const struct queue_message *m, struct buf *out)
{
	buf_append_fmt(out, "%-12s %s\n%-12s %s\n%-12s <%s>\n", "id", m->id,
	    "state", word_for(m), "from", m->text);
	show_time("arrival", m->arrival_ms, out);
	show_time("next try", next_due_ms(m), out);
	buf_append_fmt(out, "%-12s %llu, in %s\n", "octets",
	    (unsigned long long)m->octets,
	    m->in_journal ? "the journal" : "a file");
	show_span("tenant", span_str(m->tenant->name), out);
	for (uint32_t i = 0; i < m->count; i++) {
		const struct queue_recipient *r = &m->recipients[i];

		buf_append_fmt(out, "%-12s <%s> %s, %u %s", "to", r->address,
		    state_names[r->state], r->tries,
		    r->tries == 1 ? "try" : "tries");
		if (r->reply != NULL) {
			buf_append(out, SPAN(": "));
			put_reply(r->reply, out);
		}
		buf_append_octet(out, '\n');
	}
}

int
queue_show(struct queue *q, const char *id, struct buf *out, struct err *err)
{
	CLEANUP(queue_content_fini) struct queue_content c = { .map = NULL };
	struct queue_message *m;
	struct err why = ERR_INIT;
	bool moving;
	int done;

	(void)pthread_mutex_lock(&q->mutex);
	m = queue_find(q, span_str(id));
	if (m == NULL || m->entering) {
		(void)pthread_mutex_unlock(&q->mutex);
		return err_set(err, ERR_POLICY, "%s is not in the queue", id);
	}
	show_message(m, out);
	moving = m->moving;
	m->busy += !moving;
	(void)pthread_mutex_unlock(&q->mutex);
	if (moving) /* just now; what is above is all the same */
		return 0;
	done = queue_store_read(q, m, &c, &why);
	(void)pthread_mutex_lock(&q->mutex);
	m->busy--;
	if (m->left == 0 && m->busy == 0)
		queue_message_end(q, m);
	(void)pthread_mutex_unlock(&q->mutex);
	if (done == -1) {
		buf_append_fmt(out, "%-12s %s\n", "unreadable", why.text);
		return 0;
	}
	show_span("login", c.message.login, out);
	show_span("client", c.message.client, out);
	show_span("envid", c.message.envid, out);
	return 0;
}

/* ---- act ---- */

/* With the mutex: what is to be written down about it. */
static void
action_entries(
    const struct queue_message *m, enum queue_action action, struct buf *out)
{
	struct queue_entry e = { .id = span_str(m->id) };

	switch (action) {
	case QUEUE_HOLD:
	case QUEUE_LET_GO:
		e.what = action == QUEUE_HOLD ? QUEUE_ENTRY_FROZEN
					      : QUEUE_ENTRY_THAWED;
		queue_entry_format(&e, out);
		return;
	case QUEUE_DELETE:
		e.what = QUEUE_ENTRY_RECIPIENT;
		e.state = QUEUE_REMOVED;
		for (uint32_t i = 0; i < m->count; i++) {
			if (m->recipients[i].state != QUEUE_WAITING)
				continue;
			e.number = m->recipients[i].number;
			queue_entry_format(&e, out);
		}
		return;
	case QUEUE_FLUSH:
	case QUEUE_REQUEUE:
		return;
	}
}

/* With the mutex; jobs that are under way go their way. */
static void
action_apply(struct queue *q, struct queue_message *m, enum queue_action action)
{
	for (uint32_t i = 0; i < m->job_count; i++) {
		struct queue_job *job = &m->jobs[i];

		if (job->state == JOB_BUSY)
			continue;
		if (action == QUEUE_REQUEUE)
			job->tries = 0;
		if (action != QUEUE_HOLD)
			job->due_ms = 0;
		queue_job_rest(q, job);
	}
	m->frozen =
	    action == QUEUE_HOLD || (m->frozen && action != QUEUE_LET_GO);
	for (uint32_t i = 0; action == QUEUE_DELETE && i < m->count; i++) {
		if (m->recipients[i].state != QUEUE_WAITING)
			continue;
		m->recipients[i].state = QUEUE_REMOVED;
		m->left--;
		q->recipient_count--;
	}
	if (action != QUEUE_HOLD && action != QUEUE_DELETE)
		queue_message_schedule(q, m);
}

static int
act_on(struct queue *q, const char *id, enum queue_action action,
    bool *done_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf entries = { .max = OUTBOUND_FIELDS_MAX };
	struct queue_message *m;
	int done = 0;

	*done_out = false;
	(void)pthread_mutex_lock(&q->mutex);
	m = queue_find(q, span_str(id));
	/* A deletion waits for the end of the try that is under way. */
	if (m == NULL || m->held || m->moving ||
	    (action == QUEUE_DELETE && m->busy > 0)) {
		(void)pthread_mutex_unlock(&q->mutex);
		return 0;
	}
	m->busy++;
	action_entries(m, action, &entries);
	(void)pthread_mutex_unlock(&q->mutex);
	if (entries.len > 0)
		done = queue_store_entries(q, m, buf_span(&entries), true, err);
	(void)pthread_mutex_lock(&q->mutex);
	m->busy--;
	if (done == 0) {
		action_apply(q, m, action);
		*done_out = true;
	}
	if (m->left == 0 && m->busy == 0)
		queue_message_end(q, m);
	queue_tell(q);
	(void)pthread_mutex_unlock(&q->mutex);
	return done;
}

struct choice {
	char (*ids)[OUTBOUND_ID_LEN + 1];
	size_t count, room;
	bool failed;
};

static bool
choose(void *arg, struct queue *q, struct queue_message *m)
{
	struct choice *c = arg;

	(void)q;
	if (c->count == c->room) {
		size_t room = 2 * c->room + 256;
		void *grown = reallocarray(c->ids, room, sizeof(*c->ids));

		if (grown == NULL) {
			c->failed = true;
			return false;
		}
		c->ids = grown;
		c->room = room;
	}
	memcpy(c->ids[c->count++], m->id, sizeof(m->id));
	return true;
}

int
queue_act(struct queue *q, const struct queue_filter *filter,
    enum queue_action action, uint64_t *count_out, struct err *err)
{
	struct choice c = { .count = 0 };
	struct walk w = { .filter = filter, .each = choose, .arg = &c };
	int done = 0;

	*count_out = 0;
	walk(q, &w);
	if (c.failed)
		done = err_set(err, ERR_TEMP, "queue: out of memory");
	if (action == QUEUE_FLUSH && done == 0)
		queue_sites_up(q, filter);
	for (size_t i = 0; i < c.count && done == 0; i++) {
		bool acted;

		done = act_on(q, c.ids[i], action, &acted, err);
		*count_out += acted;
	}
	free(c.ids);
	return done;
}
