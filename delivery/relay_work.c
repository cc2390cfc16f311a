/* SPDX-License-Identifier: BSD-2-Clause */
/* A job: its transaction, what each recipient's reply means, and reports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "delivery/dsn.h"
#include "delivery/relay_private.h"
#include "mime/header.h"

/* A report with its envelope. */
#define RECORD_MAX ((size_t)648 * 1024)

static uint64_t
now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t
age_ms(const struct work *w)
{
	uint64_t now = now_ms(), arrival = queue_job_arrival_ms(w->job);

	return now > arrival ? now - arrival : 0;
}

/* ---- beginning ---- */

/* -1: the message cannot be read; the job is given back. */
int
work_init(struct work *w, struct hop *h, struct queue_job *job, struct err *err)
{
	struct queue_outcome none = { .no_try = true };

	*w = (struct work){ .hop = h, .job = job };
	w->results = calloc(job->count, sizeof(*w->results));
	w->relayed = calloc(job->count, sizeof(*w->relayed));
	if (w->results == NULL || w->relayed == NULL)
		(void)err_set(err, ERR_TEMP, "out of memory");
	else if (queue_read(h->relay->queue, job, &w->content, err) == 0)
		return 0;
	log_error(&log_process, "message cannot be read",
	    log_str("message", queue_job_id(job)), log_err(err));
	if (w->results != NULL) {
		none.results = w->results;
		(void)queue_finish(h->relay->queue, job, &none, err);
	} else {
		queue_give_back(h->relay->queue, job);
	}
	work_fini(w);
	return -1;
}

void
work_fini(struct work *w)
{
	queue_content_fini(&w->content);
	free(w->results);
	free(w->relayed);
}

static bool
is_open(const struct work *w, uint32_t i)
{
	return queue_job_recipients(w->job)[i].state == QUEUE_WAITING &&
	       w->results[i].state == QUEUE_WAITING &&
	       w->results[i].reply[0] == '\0';
}

static void
set(struct work *w, uint32_t i, enum queue_state state, const char *reply)
{
	w->results[i].state = state;
	(void)snprintf(
	    w->results[i].reply, sizeof(w->results[i].reply), "%s", reply);
}

void
work_set(struct work *w, enum queue_state state, const char *reply)
{
	for (uint32_t i = 0; i < w->job->count; i++)
		if (is_open(w, i))
			set(w, i, state, reply);
}

static unsigned
hops(struct span content)
{
	struct span fields = span_first(content, header_end(content).fields);
	struct field field;
	unsigned count = 0;

	while (field_next(&fields, &field))
		count += span_eq_nocase(field.name, SPAN("Received"));
	return count;
}

bool
work_begin(struct work *w)
{
	const struct queue_recipient *r = queue_job_recipients(w->job);
	bool left = false;

	if (hops(w->content.message.content) >= w->hop->conf->hops_max)
		work_set(w, QUEUE_FAILED,
		    "554 5.4.6 Too many hops: the message is in a loop");
	for (uint32_t i = 0; i < w->job->count; i++) {
		if (!is_open(w, i))
			continue;
		if (r[i].kind == OUTBOUND_FAILED)
			set(w, i, QUEUE_FAILED,
			    r[i].reply == NULL ? "550 5.0.0 Refused"
					       : r[i].reply);
		else if (r[i].kind == OUTBOUND_DONE)
			set(w, i, QUEUE_DELIVERED, "250 2.1.5 Ok");
		left |= is_open(w, i);
	}
	return left;
}

/* ---- the transaction ---- */

static void
take_reply(struct work *w, uint32_t i, const struct outgoing_recipient *to)
{
	const struct peer_reply *r = &to->reply;
	unsigned class = r->code / 100;
	char reply[sizeof(w->results[i].reply)];

	(void)snprintf(reply, sizeof(reply), "%.300s\t%u %s%s%.150s",
	    w->hop->remote, r->code, r->enhanced,
	    r->enhanced[0] == '\0' ? "" : " ", r->text);
	set(w, i,
	    class == 2   ? QUEUE_DELIVERED
	    : class == 5 ? QUEUE_FAILED
			 : QUEUE_WAITING,
	    reply);
	w->relayed[i] = class == 2 && !w->hop->local &&
			(w->hop->outgoing.offers & OUTGOING_DSN) == 0;
}

/* The session broke: those without an answer are tried again. */
static void
lost(struct work *w, bool unknown, const struct err *err)
{
	char reply[512];

	hop_close(w->hop);
	if (unknown)
		log_warning(&log_process, "outcome of a delivery is unknown",
		    log_str("message", queue_job_id(w->job)),
		    log_str("remote", w->hop->remote), log_err(err));
	(void)snprintf(reply, sizeof(reply), "%.300s\t451 4.4.2 %.150s",
	    w->hop->remote, err->text);
	work_set(w, QUEUE_WAITING, reply);
}

static size_t
prepare(struct work *w, struct outgoing_recipient *to, uint32_t *numbers)
{
	const struct queue_recipient *r = queue_job_recipients(w->job);
	size_t count = 0;

	for (uint32_t i = 0; i < w->job->count; i++) {
		struct outgoing_recipient *next = &to[count];

		if (!is_open(w, i))
			continue;
		*next = (struct outgoing_recipient){
			.address = span_str(r[i].address),
			.orcpt = span_str(r[i].orcpt),
			.notify = r[i].notify,
		};
		outgoing_unfit(&w->hop->outgoing, &w->content.message,
		    next->address, &next->reply);
		if (next->reply.code != 0)
			take_reply(w, i, next);
		else
			numbers[count++] = i;
	}
	return count;
}

void
work_send(struct work *w)
{
	struct outgoing_recipient *to = calloc(w->job->count, sizeof(*to));
	uint32_t *numbers = calloc(w->job->count, sizeof(*numbers));
	struct outgoing_message m = { .message = &w->content.message,
		.recipients = to };
	struct err err = ERR_INIT;
	bool unknown = false;

	if (to == NULL || numbers == NULL) {
		work_set(w, QUEUE_WAITING, "451 4.3.0 Out of memory");
		free(to);
		free(numbers);
		return;
	}
	m.count = prepare(w, to, numbers);
	if (m.count > 0) {
		int done = outgoing_send(&w->hop->outgoing, &m, &unknown, &err);

		for (size_t i = 0; i < m.count; i++)
			if (to[i].reply.code != 0)
				take_reply(w, numbers[i], &to[i]);
		if (done == -1)
			lost(w, unknown, &err);
		/* The host is about to go.		RFC 5321 3.8 */
		else if (to[0].reply.code == 421)
			hop_close(w->hop);
	}
	free(to);
	free(numbers);
}

/* ---- the end ---- */

/* Too old: what waits has failed. */
static void
expire(struct work *w, bool *expired)
{
	const struct relayd_conf *conf = w->hop->conf;
	bool report = queue_job_sender(w->job)[0] == '\0';
	uint64_t max = 1000 * (report ? conf->expire_report : conf->expire);
	const struct queue_recipient *r = queue_job_recipients(w->job);

	if (age_ms(w) < max)
		return;
	for (uint32_t i = 0; i < w->job->count; i++) {
		if (r[i].state != QUEUE_WAITING ||
		    w->results[i].state != QUEUE_WAITING)
			continue;
		w->results[i].state = QUEUE_FAILED;
		expired[i] = true;
		if (w->results[i].reply[0] == '\0' && r[i].reply != NULL)
			set(w, i, QUEUE_FAILED, r[i].reply);
	}
}

static bool
wants(unsigned notify, unsigned what)
{
	if (notify == 0) /* not given: of failures and delays */
		return what != OUTBOUND_NOTIFY_SUCCESS;
	return (notify & what) != 0;
}

/* Whether the sender hears of it, and how. */
static bool
report_of(struct work *w, uint32_t i, bool late, bool expired,
    struct dsn_recipient *out)
{
	const struct queue_recipient *r = &queue_job_recipients(w->job)[i];
	const struct queue_result *result = &w->results[i];
	bool local;

	if (r->state != QUEUE_WAITING)
		return false;
	*out = (struct dsn_recipient){
		.address = r->address,
		.orcpt = r->orcpt,
		.reply = result->reply,
		.notify = r->notify,
	};
	switch (result->state) {
	case QUEUE_FAILED:
		out->action = DSN_FAILED;
		out->status = expired ? "4.4.7" : NULL;
		return wants(r->notify, OUTBOUND_NOTIFY_FAILURE);
	case QUEUE_WAITING:
		out->action = DSN_DELAYED;
		if (out->reply[0] == '\0' && r->reply != NULL)
			out->reply = r->reply;
		return late && wants(r->notify, OUTBOUND_NOTIFY_DELAY);
	case QUEUE_DELIVERED:
		local = w->hop->local || r->kind == OUTBOUND_DONE;
		out->action = local ? DSN_DELIVERED : DSN_RELAYED;
		return (local || w->relayed[i]) &&
		       wants(r->notify, OUTBOUND_NOTIFY_SUCCESS);
	case QUEUE_REMOVED:
		break;
	}
	return false;
}

static bool
is_late(const struct work *w)
{
	uint64_t notice = w->hop->conf->delay_notice;

	return notice > 0 && !queue_job_warned(w->job) &&
	       age_ms(w) >= 1000 * notice;
}

/* Nobody fails without a report. */
static void
unfail(struct work *w)
{
	for (uint32_t i = 0; i < w->job->count; i++)
		if (w->results[i].state == QUEUE_FAILED)
			w->results[i].state = QUEUE_WAITING;
}

static void
make_report(
    struct work *w, const bool *expired, struct buf *record, bool *warned_out)
{
	struct dsn_recipient *to = calloc(w->job->count, sizeof(*to));
	struct log_id id = log_id_new();
	struct dsn dsn = {
		.hostname = w->hop->hostname,
		.message = &w->content.message,
		.id = id.text,
		.now_ms = now_ms(),
		.recipients = to,
	};
	struct err err = ERR_INIT;
	bool late = is_late(w);

	dsn.retry_until_ms =
	    queue_job_arrival_ms(w->job) + 1000 * w->hop->conf->expire;
	for (uint32_t i = 0; to != NULL && i < w->job->count; i++) {
		if (!report_of(w, i, late, expired[i], &to[dsn.count]))
			continue;
		*warned_out |= to[dsn.count].action == DSN_DELAYED;
		dsn.count++;
	}
	/* A report about a report would go round for ever. */
	if (dsn.count > 0 && queue_job_sender(w->job)[0] != '\0' &&
	    dsn_build(&dsn, record, &err) == -1) {
		log_error(&log_process, "report not made",
		    log_str("message", queue_job_id(w->job)), log_err(&err));
		buf_clear(record);
		unfail(w);
	} else if (record->len > 0)
		log_notice(&log_process, "sender is told",
		    log_str("message", queue_job_id(w->job)),
		    log_str("report", id.text),
		    log_u64("recipients", dsn.count));
	free(to);
}

static void
log_result(const struct work *w, uint32_t i)
{
	static const char *const phrases[] = {
		[QUEUE_WAITING] = "recipient deferred",
		[QUEUE_DELIVERED] = "recipient delivered",
		[QUEUE_FAILED] = "recipient failed",
		[QUEUE_REMOVED] = "recipient removed",
	};
	const struct queue_recipient *r = &queue_job_recipients(w->job)[i];
	const struct queue_result *result = &w->results[i];

	log_notice(&log_process, phrases[result->state],
	    log_str("message", queue_job_id(w->job)),
	    log_str("tenant", queue_job_tenant(w->job)),
	    log_span("reverse_path", span_str(queue_job_sender(w->job))),
	    log_span("recipient", span_str(r->address)),
	    log_str("remote", w->hop->remote),
	    log_span("reply", span_str(dsn_reply_text(result->reply))),
	    log_u64("tries", r->tries + 1U), log_u64("ms", age_ms(w)));
}

static void
count_result(const struct work *w, enum queue_state state)
{
	struct counters *c = w->hop->relay->counters;

	if (state == QUEUE_DELIVERED)
		counter_add(c, COUNTER_RELAYED, 1);
	else if (state == QUEUE_FAILED)
		counter_add(c, COUNTER_RELAY_FAILED, 1);
	else if (w->tried)
		counter_add(c, COUNTER_RELAY_DEFERRED, 1);
}

/* What has been said cannot be told apart from what was not, so it is in the
 * log before anything else. */
static void
log_results(const struct work *w)
{
	const struct queue_recipient *r = queue_job_recipients(w->job);

	for (uint32_t i = 0; i < w->job->count; i++) {
		if (r[i].state != QUEUE_WAITING)
			continue;
		count_result(w, w->results[i].state);
		if (w->tried || w->results[i].state != QUEUE_WAITING)
			log_result(w, i);
	}
}

void
work_finish(struct work *w)
{
	CLEANUP(buf_fini) struct buf record = { .max = RECORD_MAX };
	CLEANUP(mem_free) bool *expired = calloc(w->job->count, sizeof(bool));
	struct queue_outcome outcome = {
		.results = w->results,
		.no_try = !w->tried,
		.news = !w->tried     ? QUEUE_SITE_AS_IT_WAS
			: w->site_bad ? QUEUE_SITE_BAD
				      : QUEUE_SITE_GOOD,
	};
	struct err err = ERR_INIT;

	if (expired == NULL) {
		unfail(w);
	} else {
		expire(w, expired);
		make_report(w, expired, &record, &outcome.warned);
	}
	if (w->site_bad)
		outcome.site_reply = w->results[0].reply;
	outcome.report = buf_span(&record);
	log_results(w);
	if (queue_finish(w->hop->relay->queue, w->job, &outcome, &err) == -1)
		log_error(
		    &log_process, "outcome not written down", log_err(&err));
}
