/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/transaction.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pop3d/capa.h"
#include "pop3d/command.h"
#include "pop3d/host_private.h"
#include "pop3d/lang.h"
#include "pop3d/reply.h"
#include "store/message.h"

/*
 * A client may come back before we have seen that its last connection ended:
 * wait so long before saying [IN-USE].
 */
#define LOCK_TRIES 20
#define LOCK_PAUSE_MS 100
/* What an idle session is given to say QUIT when the server goes down. */
#define DRAIN_WAIT_MS 15000
/* Lines of a listing that is made on the reactor thread: some 20 KB. */
#define LIGHT_LISTING_MAX 500
/* Octets a second a client must take of a reply; the slowest modem does. */
#define OUTPUT_RATE_MIN 100

struct opening {
	char account_id[65];
	char unique_ids[41];
	unsigned undelete_days;
	struct buf input;
	uint32_t sessions_max;
	unsigned tries;
};

static void
opening_free(struct opening *o)
{
	if (o == NULL)
		return;
	buf_fini(&o->input);
	free(o);
}

static void
transaction_closed(void *session)
{
	struct transaction *t = session;

	counter_sub(t->host->counters, COUNTER_SESSIONS, 1);
	log_info(&t->log, "session ended",
	    log_str("by", t->over ? "quit" : "disconnect"),
	    log_u64("retrieved", t->retrieved), log_u64("octets", t->octets),
	    log_u64("expunged", t->expunged));
	content_free(t->ready);
	maildrop_close(t->maildrop);
	tally_leave(t->host->sessions, t->counted);
	opening_free(t->opening);
	free(t);
}

void
transaction_failed(struct transaction *t, struct conn *c, const char *text,
    const struct err *err)
{
	log_warning(
	    &t->log, "command failed", log_str("reply", text), log_err(err));
	pop3_err(c, t->language, pop3_err_code(err), text);
	if (err->kind == ERR_CLOSED)
		t->over = true; /* the mailbox was renumbered under us */
}

bool
transaction_number(struct transaction *t, struct conn *c, struct span *argument,
    uint32_t *number_out)
{
	struct err err = ERR_INIT;

	if (pop3_number_take(argument, number_out, &err) == -1 &&
	    err.kind == ERR_SYNTAX) {
		pop3_err(c, t->language, NULL, err.text);
		return false;
	}
	if (err.kind != ERR_NONE || !maildrop_has(t->maildrop, *number_out)) {
		pop3_err(c, t->language, NULL, "no such message");
		return false;
	}
	return true;
}

static void
pop3_capa(struct transaction *t, struct conn *c, struct span argument)
{
	CLEANUP(buf_fini) struct buf reply;

	(void)argument;
	buf_init(&reply, 4096);
	(void)pthread_mutex_lock(&t->host->mutex);
	buf_append(&reply, buf_span(&t->host->capa[t->tls ? 1 : 0]));
	(void)pthread_mutex_unlock(&t->host->mutex);
	capa_end(&t->user, &reply);
	pop3_ok(c, t->language, "Capability list follows");
	conn_write(c, buf_span(&reply));
}

static void
transaction_lang(struct transaction *t, struct conn *c, struct span argument)
{
	pop3_lang(c, argument, t->preferred, &t->language);
}

static void
pop3_noop(struct transaction *t, struct conn *c, struct span argument)
{
	(void)t;
	(void)argument;
	pop3_ok(c, t->language, "Still here");
}

/* The others (APOP, AUTH, ...) belong to the gate. */
static void (*const commands[])(
    struct transaction *t, struct conn *c, struct span argument) = {
	[POP3_CAPA] = pop3_capa,
	[POP3_DELE] = pop3_dele,
	[POP3_LANG] = transaction_lang,
	[POP3_LIST] = pop3_list,
	[POP3_NOOP] = pop3_noop,
	[POP3_QUIT] = pop3_quit,
	[POP3_RETR] = pop3_retr,
	[POP3_RSET] = pop3_rset,
	[POP3_STAT] = pop3_stat,
	[POP3_TOP] = pop3_top,
	[POP3_UIDL] = pop3_uidl,
	[POP3_UTF8] = NULL,
};

static void
transaction_command(struct transaction *t, struct conn *c, struct span line)
{
	struct pop3_command command;
	struct err err = ERR_INIT;

	counter_add(t->host->counters, COUNTER_COMMANDS, 1);
	if (pop3_command_parse(line, &command, &err) == -1)
		pop3_err(c, t->language, NULL, err.text);
	else if (commands[command.verb] == NULL)
		pop3_err(c, t->language, NULL, "not after login");
	else
		commands[command.verb](t, c, command.argument);
}

/* What the gate left for the first serve(). */
static int
transaction_start(struct transaction *t, struct conn *c, struct err *err)
{
	struct opening *o = t->opening;

	conn_tenant(c, t->host->tenant);
	if (o->input.len > 0 && conn_unread(c, buf_span(&o->input), err) == -1)
		return -1;
	buf_fini(&o->input);
	buf_init(&o->input, 0);
	return 0;
}

/* A place among the account's sessions, if it has none yet. */
static bool
transaction_counted(struct transaction *t, struct err *err)
{
	const struct opening *o = t->opening;

	if (t->counted == NULL)
		t->counted = tally_enter(t->host->sessions,
		    span_str(o->account_id), o->sessions_max, err);
	return t->counted != NULL;
}

static enum maildrop_opened
transaction_maildrop(struct transaction *t, struct err *err)
{
	struct host *host = t->host;
	const struct opening *o = t->opening;
	struct maildrop_options options = { .locks = host->locks,
		.store = host->store,
		.tenant = host->tenant,
		.account_id = o->account_id,
		.login_delay = t->user.login_delay,
		.undelete_days = o->undelete_days };
	struct span form = o->unique_ids[0] == '\0' ? SPAN("dovecot")
						    : span_str(o->unique_ids);

	if (!transaction_counted(t, err))
		return err->kind == ERR_LIMIT ? MAILDROP_IN_USE
					      : MAILDROP_FAILED;
	/* With another form the client would fetch all its mail again. */
	if (unique_id_form_parse(form, &options.form, err) == -1) {
		err->kind = ERR_TEMP;
		return MAILDROP_FAILED;
	}
	return maildrop_open(&options, &t->maildrop, err);
}

static void
transaction_in_use(struct transaction *t, struct conn *c)
{
	if (t->counted != NULL) {
		log_info(&t->log, "maildrop in use");
		pop3_err(c, t->language, "IN-USE",
		    "Another session has this maildrop");
		return;
	}
	counter_add(t->host->counters, COUNTER_REFUSED, 1);
	log_notice(&t->log, "account has too many sessions",
	    log_u64("max", t->opening->sessions_max));
	pop3_err(c, t->language, "IN-USE", "Too many sessions of this account");
}

/* The words that end the login command. */
static enum verdict
transaction_open(struct transaction *t, struct conn *c)
{
	struct opening *o = t->opening;
	struct err err = ERR_INIT;

	if (o->tries == 0 && transaction_start(t, c, &err) == -1) {
		transaction_failed(t, c, "Maildrop cannot be opened", &err);
		return VERDICT_CLOSE;
	}
	switch (transaction_maildrop(t, &err)) {
	case MAILDROP_OPEN:
		opening_free(t->opening);
		t->opening = NULL;
		pop3_ok(c, t->language, "Logged in");
		return VERDICT_PARK;
	case MAILDROP_IN_USE:
		if (++o->tries < LOCK_TRIES) {
			conn_pause(c, LOCK_PAUSE_MS);
			return VERDICT_PARK;
		}
		transaction_in_use(t, c);
		break;
	case MAILDROP_TOO_SOON:
		log_info(&t->log, "login too soon after the last one");
		pop3_err(c, t->language, "LOGIN-DELAY",
		    "You have logged in just now, wait a little");
		break;
	case MAILDROP_FAILED:
		transaction_failed(t, c, "Maildrop cannot be opened", &err);
		break;
	}
	return VERDICT_CLOSE;
}

static enum verdict
transaction_serve(struct conn *c, void *session)
{
	struct transaction *t = session;
	struct span line;

	if (t->opening != NULL) {
		enum verdict verdict = transaction_open(t, c);

		if (t->maildrop == NULL)
			return verdict;
	}
	while (!t->over) {
		switch (conn_take_line(c, true, &line)) {
		case TAKE_OK:
			transaction_command(t, c, line);
			continue;
		case TAKE_LONG:
			pop3_err(c, t->language, NULL, "line too long");
			continue;
		case TAKE_MORE:
			/* Cutting a client off would undo its DELEs. */
			if (conn_draining(c))
				conn_wait_ms(c, DRAIN_WAIT_MS);
			return VERDICT_PARK;
		case TAKE_TIMEOUT: /* no words, no UPDATE: RFC 1939 section 3 */
		case TAKE_BAD:
		case TAKE_CLOSED:
		case TAKE_FAILED:
			return VERDICT_CLOSE;
		}
	}
	return VERDICT_CLOSE;
}

/* The message, if it can be had without waiting. */
static bool
transaction_ready(struct transaction *t, struct span argument)
{
	uint32_t number;

	if (pop3_number_take(&argument, &number, NULL) == -1 ||
	    !maildrop_has(t->maildrop, number))
		return true; /* -ERR */
	if (t->ready != NULL && t->ready_number == number)
		return true;
	content_free(t->ready);
	t->ready = NULL;
	t->ready_number = number;
	return maildrop_content_cached(t->maildrop, number, &t->ready);
}

/* What is answered from memory, and is not long. */
static bool
transaction_light(void *session, struct span line)
{
	struct transaction *t = session;
	struct pop3_command command;

	if (t->opening != NULL || t->maildrop == NULL)
		return false;
	if (pop3_command_parse(line, &command, NULL) == -1)
		return true;
	switch (command.verb) {
	case POP3_CAPA:
	case POP3_LANG:
	case POP3_NOOP:
	case POP3_RSET:
		return true;
	case POP3_STAT:
		return maildrop_is_measured(t->maildrop);
	case POP3_LIST:
		return maildrop_is_measured(t->maildrop) &&
		       maildrop_count(t->maildrop) <= LIGHT_LISTING_MAX;
	case POP3_UIDL:
		return maildrop_is_settled(t->maildrop) &&
		       maildrop_count(t->maildrop) <= LIGHT_LISTING_MAX;
	case POP3_QUIT:
		return !maildrop_is_marked(t->maildrop);
	case POP3_RETR:
		return transaction_ready(t, command.argument);
	default:
		return false;
	}
}

static const struct conn_service transaction_service = {
	.serve = transaction_serve,
	.closed = transaction_closed,
	.light = transaction_light,
};

static struct transaction *
transaction_new(struct host *host, const struct handoff *h, struct span input)
{
	struct transaction *t = calloc(1, sizeof(*t));
	struct opening *o = calloc(1, sizeof(*o));

	if (t == NULL || o == NULL) {
		free(t);
		free(o);
		return NULL;
	}
	(void)snprintf(
	    o->account_id, sizeof(o->account_id), "%s", h->account_id);
	(void)snprintf(
	    o->unique_ids, sizeof(o->unique_ids), "%s", h->unique_ids);
	o->undelete_days = h->undelete_days;
	o->sessions_max = h->sessions_max;
	buf_init(&o->input, SESSION_INPUT_MAX);
	buf_append(&o->input, input);
	t->opening = o;
	t->host = host;
	t->tls = h->tls;
	t->mark_seen = h->mark_seen == 0 ? atomic_load(&host->mark_seen)
					 : h->mark_seen == 'y';
	t->utf8 = h->utf8;
	t->user = (struct capa_user){ .login_delay = h->login_delay,
		.expire_days = h->expire_days };
	(void)language_find(span_str(h->language), &t->language);
	(void)language_find(span_str(h->user_language), &t->preferred);
	t->log.id = h->id;
	(void)snprintf(t->log.tenant, sizeof(t->log.tenant), "%s", h->tenant);
	(void)snprintf(
	    t->log.account, sizeof(t->log.account), "%.95s", h->address);
	(void)snprintf(t->log.client, sizeof(t->log.client), "%s:%u",
	    h->peer.address_text, h->peer.port);
	return t;
}

int
transaction_begin(struct host *host, const struct handoff *h, int client_fd,
    struct span input, struct err *err)
{
	struct transaction *t = transaction_new(host, h, input);
	struct conn *c;

	if (t == NULL) {
		(void)close(client_fd);
		return err_sys(err, "session");
	}
	counter_add(host->counters, COUNTER_CONNECTIONS, 1);
	counter_add(host->counters, COUNTER_SESSIONS, 1);

	struct conn_options options = { .service = &transaction_service,
		.session = t,
		.log = &t->log,
		.line_max = POP3_LINE_MAX,
		.wait_ms = atomic_load(&host->wait_ms),
		.min_rate = OUTPUT_RATE_MIN,
		.counters = host->counters,
		.ready = true,
		.peer = &h->peer,
		.relayed = h->tls };
	if (conn_new(host->reactor, client_fd, &options, &c, err) == -1) {
		transaction_closed(t);
		return -1;
	}
	return 0;
}
