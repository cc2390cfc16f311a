/* SPDX-License-Identifier: BSD-2-Clause */
/* What the queue knows by heart: messages, sites, tenants, texts. */
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "common/crc32c.h"
#include "delivery/queue_private.h"

#define TABLE_FIRST 1024 /* a power of two, as all sizes are */
#define WINDOW_FIRST 5   /* sessions with a site that is new to us */

uint32_t
queue_hash(struct span s)
{
	return crc32c(0, s.p, s.len);
}

/* ---- interned texts ---- */

static struct queue_text *
text_of(const char *text)
{
	return (
	    struct queue_text *)(uintptr_t)(text -
					    offsetof(struct queue_text, text));
}

static bool
texts_grow(struct queue *q)
{
	size_t size = q->texts_size == 0 ? TABLE_FIRST : 2 * q->texts_size;
	struct queue_text **grown = calloc(size, sizeof(*grown)), *t;

	if (grown == NULL)
		return q->texts_size > 0;
	for (size_t i = 0; i < q->texts_size; i++)
		while ((t = q->texts[i]) != NULL) {
			q->texts[i] = t->next;
			t->next = grown[t->hash & (size - 1)];
			grown[t->hash & (size - 1)] = t;
		}
	free(q->texts);
	q->texts = grown;
	q->texts_size = size;
	return true;
}

const char *
queue_text_ref(struct queue *q, const char *text)
{
	size_t len = strlen(text);
	uint32_t hash = queue_hash(span_of(text, len));
	struct queue_text *t;

	if (q->text_count >= q->texts_size && !texts_grow(q))
		return NULL;
	for (t = q->texts[hash & (q->texts_size - 1)]; t != NULL; t = t->next)
		if (t->hash == hash && strcmp(t->text, text) == 0) {
			t->refs++;
			return t->text;
		}
	t = malloc(sizeof(*t) + len + 1);
	if (t == NULL)
		return NULL;
	t->hash = hash;
	t->refs = 1;
	memcpy(t->text, text, len + 1);
	t->next = q->texts[hash & (q->texts_size - 1)];
	q->texts[hash & (q->texts_size - 1)] = t;
	q->text_count++;
	return t->text;
}

void
queue_text_unref(struct queue *q, const char *text)
{
	struct queue_text *t, **at;

	if (text == NULL)
		return;
	t = text_of(text);
	if (--t->refs > 0)
		return;
	at = &q->texts[t->hash & (q->texts_size - 1)];
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	q->text_count--;
	free(t);
}

/* ---- tenants and sites ---- */

struct queue_tenant *
queue_tenant(struct queue *q, struct span name)
{
	struct queue_tenant *t = q->tenants;

	name = span_first(name, sizeof(t->name) - 1);
	while (t != NULL && !span_eq(span_str(t->name), name))
		t = t->next;
	if (t != NULL)
		return t;
	t = calloc(1, sizeof(*t));
	if (t == NULL)
		return NULL;
	if (name.len > 0)
		memcpy(t->name, name.p, name.len);
	t->next = q->tenants;
	q->tenants = t;
	return t;
}

struct queue_site *
queue_site_find(const struct queue *q, struct span name)
{
	struct queue_site *s;

	if (q->sites_size == 0)
		return NULL;
	s = q->sites[queue_hash(name) & (q->sites_size - 1)];
	while (s != NULL && !span_eq(span_str(s->name), name))
		s = s->next;
	return s;
}

static bool
sites_grow(struct queue *q)
{
	size_t size = q->sites_size == 0 ? TABLE_FIRST : 2 * q->sites_size;
	struct queue_site **grown = calloc(size, sizeof(*grown)), *s;

	if (grown == NULL)
		return q->sites_size > 0;
	for (size_t i = 0; i < q->sites_size; i++)
		while ((s = q->sites[i]) != NULL) {
			struct queue_site **to =
			    &grown[queue_hash(span_str(s->name)) & (size - 1)];

			q->sites[i] = s->next;
			s->next = *to;
			*to = s;
		}
	free(q->sites);
	q->sites = grown;
	q->sites_size = size;
	return true;
}

struct queue_site *
queue_site(struct queue *q, struct span name)
{
	struct queue_site *s = queue_site_find(q, name), **to;

	if (s != NULL)
		return s;
	if (q->site_count >= q->sites_size && !sites_grow(q))
		return NULL;
	s = calloc(1, sizeof(*s) + name.len + 1);
	if (s == NULL)
		return NULL;
	memcpy(s->name, name.p, name.len);
	s->window = WINDOW_FIRST;
	to = &q->sites[queue_hash(name) & (q->sites_size - 1)];
	s->next = *to;
	*to = s;
	q->site_count++;
	return s;
}

void
queue_site_idle(struct queue *q, struct queue_site *s)
{
	struct queue_site **at;
	struct queue_line *line;

	if (s->job_count > 0 || s->active > 0 ||
	    s->down_until_ms > queue_now_ms())
		return;
	at = &q->sites[queue_hash(span_str(s->name)) & (q->sites_size - 1)];
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	q->site_count--;
	while ((line = s->lines) != NULL) {
		s->lines = line->next;
		free(line);
	}
	queue_text_unref(q, s->reply);
	free(s);
}

/* ---- messages ---- */

struct queue_message *
queue_find(const struct queue *q, struct span id)
{
	struct queue_message *m;

	if (q->messages_size == 0)
		return NULL;
	m = q->messages[queue_hash(id) & (q->messages_size - 1)];
	while (m != NULL && !span_eq(span_str(m->id), id))
		m = m->next;
	return m;
}

static bool
messages_grow(struct queue *q)
{
	size_t size =
	    q->messages_size == 0 ? TABLE_FIRST : 2 * q->messages_size;
	struct queue_message **grown = calloc(size, sizeof(*grown)), *m;

	if (grown == NULL)
		return q->messages_size > 0;
	for (size_t i = 0; i < q->messages_size; i++)
		while ((m = q->messages[i]) != NULL) {
			struct queue_message **to =
			    &grown[queue_hash(span_str(m->id)) & (size - 1)];

			q->messages[i] = m->next;
			m->next = *to;
			*to = m;
		}
	free(q->messages);
	q->messages = grown;
	q->messages_size = size;
	return true;
}

static char *
copy_text(char **at, struct span text)
{
	char *start = *at;

	if (text.len > 0)
		memcpy(start, text.p, text.len);
	start[text.len] = '\0';
	*at += text.len + 1;
	return start;
}

int
queue_message_new(struct queue *q, const struct outbound *m,
    struct queue_message **message_out, struct err *err)
{
	struct queue_message *fresh = calloc(1, sizeof(*fresh));

	if (fresh == NULL ||
	    (fresh->text = malloc(m->reverse_path.len + 1)) == NULL) {
		free(fresh);
		return err_set(err, ERR_TEMP, "queue: out of memory");
	}
	memcpy(fresh->id, m->id.p, OUTBOUND_ID_LEN);
	(void)copy_text(&(char *){ fresh->text }, m->reverse_path);
	fresh->arrival_ms = m->arrival_ms;
	fresh->flags = (uint16_t)m->flags;
	if (queue_message_add(q, fresh, m, err) == 0) {
		*message_out = fresh;
		return 0;
	}
	free(fresh->text);
	free(fresh);
	return -1;
}

/* Addresses move with the text that they are in. */
static int
text_grow(struct queue_message *m, size_t more, size_t *len_out)
{
	size_t len = strlen(m->text) + 1;
	char *grown;

	for (uint32_t i = 0; i < m->count; i++)
		len += strlen(m->recipients[i].address) + 1 +
		       (m->recipients[i].orcpt == NULL
			       ? 0
			       : strlen(m->recipients[i].orcpt) + 1);
	grown = malloc(len + more);
	if (grown == NULL)
		return -1;
	memcpy(grown, m->text, len);
	for (uint32_t i = 0; i < m->count; i++) {
		struct queue_recipient *r = &m->recipients[i];

		r->address = grown + (r->address - m->text);
		if (r->orcpt != NULL)
			r->orcpt = grown + (r->orcpt - m->text);
	}
	free(m->text);
	m->text = grown;
	*len_out = len;
	return 0;
}

/* What smtpd heard just before. */
static const char *
first_reply(struct queue *q, struct span reply)
{
	char text[OUTBOUND_TEXT_MAX + 1];

	if (reply.len == 0 || reply.len >= sizeof(text))
		return NULL;
	memcpy(text, reply.p, reply.len);
	text[reply.len] = '\0';
	return queue_text_ref(q, text);
}

int
queue_message_add(struct queue *q, struct queue_message *m,
    const struct outbound *more, struct err *err)
{
	struct queue_recipient *grown;
	size_t octets = 0, len;
	char *at;

	for (size_t i = 0; i < more->count; i++)
		octets += more->recipients[i].address.len + 1 +
			  more->recipients[i].orcpt.len + 1;
	grown = reallocarray(
	    m->recipients, m->count + more->count + 1, sizeof(*grown));
	if (grown == NULL)
		return err_set(err, ERR_TEMP, "queue: out of memory");
	m->recipients = grown;
	if (text_grow(m, octets, &len) == -1)
		return err_set(err, ERR_TEMP, "queue: out of memory");
	at = m->text + len;
	for (size_t i = 0; i < more->count; i++) {
		const struct outbound_recipient *r = &more->recipients[i];
		struct queue_recipient *to = &m->recipients[m->count];

		*to = (struct queue_recipient){
			.number = m->count,
			.kind = (uint8_t)r->kind,
			.notify = (uint8_t)r->notify,
			.address = copy_text(&at, r->address),
			.reply = first_reply(q, r->reply),
		};
		if (r->orcpt.len > 0)
			to->orcpt = copy_text(&at, r->orcpt);
		m->count++;
		m->left++;
	}
	return 0;
}

void
queue_message_free(struct queue *q, struct queue_message *m)
{
	if (m == NULL)
		return;
	for (uint32_t i = 0; i < m->count; i++)
		queue_text_unref(q, m->recipients[i].reply);
	free(m->recipients);
	free(m->jobs);
	free(m->text);
	free(m);
}

int
queue_message_enter(struct queue *q, struct queue_message *m, struct err *err)
{
	struct queue_message **to;

	if (q->message_count >= q->messages_size && !messages_grow(q))
		return err_set(err, ERR_TEMP, "queue: out of memory");
	to = &q->messages[queue_hash(span_str(m->id)) & (q->messages_size - 1)];
	m->next = *to;
	*to = m;
	q->message_count++;
	q->recipient_count += m->left;
	q->held_count += m->held;
	return 0;
}

void
queue_message_leave(struct queue *q, struct queue_message *m)
{
	struct queue_message **at =
	    &q->messages[queue_hash(span_str(m->id)) & (q->messages_size - 1)];

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	q->message_count--;
	q->recipient_count -= m->left;
	q->held_count -= m->held;
	for (uint32_t i = 0; i < m->job_count; i++) {
		struct queue_job *job = &m->jobs[i];
		struct queue_site *s = job->site;

		queue_job_rest(q, job);
		if (job->site_prev != NULL)
			job->site_prev->site_next = job->site_next;
		else
			s->jobs = job->site_next;
		if (job->site_next != NULL)
			job->site_next->site_prev = job->site_prev;
		s->job_count--;
		queue_site_idle(q, s);
	}
}

void
queue_message_journaled(struct queue *q, struct queue_message *m)
{
	m->in_journal = true;
	m->older = q->newest;
	m->newer = NULL;
	if (q->newest == NULL)
		q->oldest = m;
	else
		q->newest->newer = m;
	q->newest = m;
}

void
queue_message_unjournaled(struct queue *q, struct queue_message *m)
{
	if (!m->in_journal)
		return;
	if (m->older == NULL)
		q->oldest = m->newer;
	else
		m->older->newer = m->newer;
	if (m->newer == NULL)
		q->newest = m->older;
	else
		m->newer->older = m->older;
	m->in_journal = false;
}

/* ---- jobs ---- */

static struct span
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? SPAN_NONE : span_str(at + 1);
}

static int
by_domain(const void *a, const void *b)
{
	const struct queue_recipient *one = a, *two = b;
	int order =
	    span_cmp_nocase(domain_of(one->address), domain_of(two->address));

	if (order != 0)
		return order;
	return one->number < two->number ? -1 : one->number > two->number;
}

static int
job_make(struct queue *q, struct queue_message *m, uint32_t first,
    uint32_t count, struct err *err)
{
	struct queue_job *job = &m->jobs[m->job_count];
	struct span domain = domain_of(m->recipients[first].address);
	char name[256];
	size_t len = 0;

	for (; len < domain.len && len < sizeof(name); len++)
		name[len] = ascii_lower(domain.p[len]);
	job->site = queue_site(q, span_of(name, len));
	if (job->site == NULL)
		return err_set(err, ERR_TEMP, "queue: out of memory");
	job->message = m;
	job->first = first;
	job->count = count;
	if (m->recipients[first].kind == OUTBOUND_LATER &&
	    m->recipients[first].tries == 0) {
		job->tries = 1;
		job->due_ms = queue_now_ms() + queue_backoff_ms(q, 1);
	}
	job->site_next = job->site->jobs;
	if (job->site->jobs != NULL)
		job->site->jobs->site_prev = job;
	job->site->jobs = job;
	job->site->job_count++;
	m->job_count++;
	return 0;
}

/* Recipients of one domain, as far as they fit into one transaction. */
static uint32_t
run_length(const struct queue *q, const struct queue_message *m, uint32_t at)
{
	struct span domain = domain_of(m->recipients[at].address);
	uint32_t len = 1;

	while (
	    at + len < m->count && len < q->options.recipients_max &&
	    span_eq_nocase(domain, domain_of(m->recipients[at + len].address)))
		len++;
	return len;
}

int
queue_message_jobs(struct queue *q, struct queue_message *m, struct err *err)
{
	uint32_t jobs = 0;

	qsort(m->recipients, m->count, sizeof(*m->recipients), by_domain);
	for (uint32_t at = 0; at < m->count; at += run_length(q, m, at))
		jobs++;
	m->jobs = calloc(jobs + 1, sizeof(*m->jobs));
	if (m->jobs == NULL)
		return err_set(err, ERR_TEMP, "queue: out of memory");
	for (uint32_t at = 0, len; at < m->count; at += len) {
		len = run_length(q, m, at);
		if (job_make(q, m, at, len, err) == -1)
			return -1;
	}
	return 0;
}

/* ---- ids of what has ended ---- */

#define RECENT_SLOTS (4 * QUEUE_RECENT)

void
queue_recent_add(struct queue *q, const char *id)
{
	size_t at = q->recent_at++ % QUEUE_RECENT;
	size_t slot = queue_hash(span_of(id, OUTBOUND_ID_LEN)) % RECENT_SLOTS;

	memcpy(q->recent[at], id, OUTBOUND_ID_LEN + 1);
	/* A later one may take the slot: then it is forgotten early. */
	q->recent_hash[slot] = (uint32_t)at + 1;
}

bool
queue_recent_has(const struct queue *q, struct span id)
{
	uint32_t at = q->recent_hash[queue_hash(id) % RECENT_SLOTS];

	return at > 0 && span_eq(span_str(q->recent[at - 1]), id);
}
