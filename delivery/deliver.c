/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/deliver.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/arena.h"
#include "common/journal_format.h"
#include "delivery/trace.h"
#include "store/placing.h"

/* Names, trace fields and records of a list's members: as much as goes into a
 * record, and as much again. */
#define PLACES_MEMORY_MAX ((size_t)16 * 1024 * 1024)
#define FILE_NAME_MAX 256

/* One account that gets the message, whoever of the recipients lead to it. */
struct place {
	const struct lmtp_recipient *recipient; /* the first of them */
	const struct account_info *account;
	struct span mailbox, trace, base;
	const char *reply; /* why it does not have it; NULL: it has it */
	bool by_journal;
	char file[FILE_NAME_MAX]; /* for the log */
};

struct delivery {
	struct lmtp_session *s;
	struct span message;
	struct trace trace;
	struct log log; /* the session's, with the message's id */
	struct arena arena;
	struct place *places;
	size_t count;
};

static void
reply_keep(struct lmtp_recipient *r, const char *text)
{
	(void)snprintf(r->reply, sizeof(r->reply), "%s", text);
}

/* Words for a failure of one account. */
static const char *
failure_reply(const struct err *err)
{
	switch (err->kind) {
	case ERR_LIMIT:
		return "452 4.3.1 No room for the message now";
	case ERR_SYNTAX:
		return "550 5.3.5 The account has no place for mail";
	default:
		return "451 4.3.0 Delivery failed, try again later";
	}
}

/* ---- the accounts ---- */

static struct place *
place_find(struct delivery *d, const struct account_info *account)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct account_info *a = d->places[i].account;

		if (strcmp(a->id, account->id) == 0 &&
		    strcmp(a->tenant.name, account->tenant.name) == 0)
			return &d->places[i];
	}
	return NULL;
}

static bool
is_loop(const struct delivery *d, const struct lmtp_recipient *r)
{
	for (size_t i = 0; i < r->count; i++)
		if (trace_was_delivered_to(
			d->message, span_str(r->targets[i].account.address)))
			return true;
	return false;
}

static int
place_fill(struct delivery *d, struct place *p, struct err *err)
{
	const struct lmtp_recipient *r = p->recipient;
	struct trace_recipient own = {
		.delivered_to = span_str(p->account->address),
		.forwarded_by = r->forwarded_by == NULL
				    ? SPAN_NONE
				    : span_str(r->forwarded_by),
		.fields = r->fields == NULL ? SPAN_NONE : span_str(r->fields),
	};
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, TRACE_MAX);
	trace_format(&d->trace, &own, &text);
	if (buf_check(&text, err) == -1)
		return -1;
	p->trace = arena_copy(&d->arena, buf_span(&text), err);
	if (p->trace.p == NULL)
		return -1;
	p->mailbox = r->folder == NULL ? SPAN("INBOX") : span_str(r->folder);
	p->by_journal =
	    d->s->lmtp->backlog != NULL &&
	    d->message.len <= BACKLOG_MESSAGE_MAX &&
	    backlog_takes(d->s->lmtp->backlog, p->account->tenant.name);
	return 0;
}

/* An account that two recipients lead to gets the message once. */
static int
collect_places(struct delivery *d, struct err *err)
{
	size_t most = 0;

	for (size_t i = 0; i < d->s->recipient_count; i++)
		most += d->s->recipients[i].count;
	d->places = arena_array(&d->arena, most + 1, sizeof(*d->places), err);
	if (d->places == NULL)
		return -1;
	for (size_t i = 0; i < d->s->recipient_count; i++) {
		struct lmtp_recipient *r = &d->s->recipients[i];

		r->reply[0] = '\0';
		if (is_loop(d, r)) {
			log_warning(&d->log, "mail loop",
			    log_span("recipient", span_str(r->address)));
			reply_keep(
			    r, "554 5.4.6 Delivered here before: a mail loop");
			continue;
		}
		for (size_t k = 0; k < r->count; k++) {
			const struct account_info *a = &r->targets[k].account;

			if (place_find(d, a) != NULL)
				continue;
			d->places[d->count] =
			    (struct place){ .recipient = r, .account = a };
			if (place_fill(d, &d->places[d->count++], err) == -1)
				return -1;
		}
	}
	return 0;
}

/* ---- to their places at once ---- */

static void
place_directly(struct delivery *d, struct place *p)
{
	struct draft_result result;
	struct err err = ERR_INIT;

	struct placer_message m = {
		.account = p->account,
		.mailbox = p->mailbox,
		.trace = p->trace,
		.text = d->message,
	};

	if (placer_place(d->s->lmtp->placer, &m, &result, &err) == 0) {
		(void)snprintf(p->file, sizeof(p->file), "%s", result.name);
		return;
	}
	p->reply = failure_reply(&err);
	log_error(&d->log, "message not delivered",
	    log_span("recipient", span_str(p->recipient->address)),
	    log_str("tenant", p->account->tenant.name),
	    log_str("account", p->account->id), log_err(&err));
}

/* ---- by the journal ---- */

static int
place_name(struct delivery *d, struct place *p, struct err *err)
{
	struct span pieces[] = { p->trace, d->message };
	struct placing_message m = {
		.base = p->base, .pieces = pieces, .piece_count = 2
	};
	CLEANUP(buf_fini) struct buf name;

	buf_init(&name, FILE_NAME_MAX - sizeof("new/"));
	store_new_base(placer_store(d->s->lmtp->placer), &name);
	if (buf_check(&name, err) == -1)
		return -1;
	m.base = p->base = arena_copy(&d->arena, buf_span(&name), err);
	if (p->base.p == NULL)
		return -1;
	buf_clear(&name);
	placing_name(&m, &name);
	(void)snprintf(p->file, sizeof(p->file), "new/%s", buf_str(&name));
	return buf_check(&name, err);
}

static int
make_record(struct delivery *d, struct record_message *m, struct err *err)
{
	m->id = span_str(d->s->id.text);
	m->text = d->message;
	m->targets =
	    arena_array(&d->arena, d->count + 1, sizeof(*m->targets), err);
	if (m->targets == NULL)
		return -1;
	for (size_t i = 0; i < d->count; i++) {
		struct place *p = &d->places[i];

		if (!p->by_journal)
			continue;
		if (place_name(d, p, err) == -1)
			return -1;
		m->targets[m->count++] = (struct record_target){
			.tenant = span_str(p->account->tenant.name),
			.account = span_str(p->account->id),
			.base = p->base,
			.mailbox = p->mailbox,
			.trace = p->trace,
			.uid = p->account->tenant.uid,
			.gid = p->account->tenant.gid,
		};
	}
	return 0;
}

static void
journal_failed(struct delivery *d, const struct err *err)
{
	log_error(&d->log, "message not delivered",
	    log_str("recipient", "several"), log_err(err));
	for (size_t i = 0; i < d->count; i++)
		if (d->places[i].by_journal)
			d->places[i].reply = failure_reply(err);
}

/* One record for all of them. */
static void
place_by_journal(struct delivery *d)
{
	struct record_message m = { 0 };
	struct err err = ERR_INIT;

	if (make_record(d, &m, &err) == 0 &&
	    (m.count == 0 || backlog_add(d->s->lmtp->backlog, &m, &err) == 0))
		return;
	journal_failed(d, &err);
}

/* A long list's record would be too large: it goes without. */
static void
check_record_size(struct delivery *d)
{
	size_t octets = d->message.len;
	bool fits;

	for (size_t i = 0; i < d->count; i++)
		octets += d->places[i].trace.len + d->places[i].mailbox.len +
			  FILE_NAME_MAX + STORE_TENANT_MAX + STORE_ACCOUNT_MAX;
	fits = octets < JOURNAL_PAYLOAD_MAX && d->count <= RECORD_TARGETS_MAX;
	for (size_t i = 0; i < d->count; i++)
		d->places[i].by_journal = fits && d->places[i].by_journal;
}

/* ---- what became of it ---- */

static void
tell_place(struct delivery *d, const struct place *p)
{
	struct log log = d->log;

	counter_add(d->s->lmtp->counters,
	    p->reply == NULL ? COUNTER_DELIVERIES : COUNTER_DELIVERIES_DEFERRED,
	    1);
	if (p->reply != NULL)
		return;
	(void)snprintf(
	    log.tenant, sizeof(log.tenant), "%s", p->account->tenant.name);
	(void)snprintf(log.account, sizeof(log.account), "%s", p->account->id);
	log_notice(&log, "message delivered",
	    log_span("recipient", span_str(p->recipient->address)),
	    log_span("reverse_path", span_str(d->s->reverse_path)),
	    log_u64("octets", p->trace.len + d->message.len),
	    log_span("mailbox", p->mailbox),
	    log_span("file", span_str(p->file)));
}

/* A list goes on after a failure: who got it will get it twice if the sender
 * repeats, which is better than not at all. */
static void
reply_recipient(struct delivery *d, struct lmtp_recipient *r)
{
	const char *reply = "250 2.1.5 Delivered";

	if (r->reply[0] != '\0')
		return;
	for (size_t i = 0; i < r->count; i++) {
		const struct place *p = place_find(d, &r->targets[i].account);

		if (p->reply != NULL) {
			reply = p->reply;
			break;
		}
	}
	reply_keep(r, reply);
}

static void
deliver_places(struct delivery *d)
{
	struct err err = ERR_INIT;

	if (collect_places(d, &err) == -1) {
		log_error(&d->log, "message not delivered", log_err(&err));
		for (size_t i = 0; i < d->s->recipient_count; i++)
			reply_keep(&d->s->recipients[i], failure_reply(&err));
		return;
	}
	check_record_size(d);
	place_by_journal(d);
	for (size_t i = 0; i < d->count; i++) {
		if (!d->places[i].by_journal)
			place_directly(d, &d->places[i]);
		tell_place(d, &d->places[i]);
	}
	for (size_t i = 0; i < d->s->recipient_count; i++)
		reply_recipient(d, &d->s->recipients[i]);
}

void
lmtp_deliver(struct lmtp_session *s, struct span message)
{
	struct delivery d = {
		.s = s,
		.message = message,
		.log = s->log,
		.trace = {
			.reverse_path = span_str(s->reverse_path),
			.helo = span_str(s->helo),
			.client = span_str(conn_peer(s->conn)->address_text),
			.hostname =
			    span_str(daemon_conf(s->lmtp->daemon)->hostname),
			.id = span_str(s->id.text),
			.utf8 = s->utf8,
			.time = time(NULL),
		},
	};
	uint64_t hops = trace_hops(message, s->conf->hops_max);

	d.log.id = s->id;
	counter_add(s->lmtp->counters, COUNTER_OCTETS_IN, message.len);
	if (hops >= s->conf->hops_max) {
		log_warning(&d.log, "mail loop", log_u64("hops", hops));
		for (size_t i = 0; i < s->recipient_count; i++)
			reply_keep(&s->recipients[i],
			    "554 5.4.6 Too many hops: a mail loop");
		return;
	}
	arena_init(&d.arena, PLACES_MEMORY_MAX);
	deliver_places(&d);
	arena_fini(&d.arena);
}
