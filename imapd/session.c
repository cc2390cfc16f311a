/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/session_host.h"
#include "common/tally.h"
#include "imapd/command.h"
#include "imapd/gather.h"
#include "imapd/reply.h"
#include "store/kept.h"

/* What is needed until the first serve() has answered the login. */
struct imap_opening {
	char tag[IMAP_TAG_MAX + 1];
	char account_id[65];
	char address[321], title[128], language[16];
	struct quota_limits limits;
	unsigned undelete_days;
	uint32_t sessions_max;
	struct buf input;
};

static void
opening_free(struct imap_opening *o)
{
	if (o == NULL)
		return;
	buf_fini(&o->input);
	free(o);
}

static struct imap_opening *
opening_new(const struct handoff *h, struct span input)
{
	struct imap_opening *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	(void)snprintf(o->tag, sizeof(o->tag), "%s", h->tag);
	(void)snprintf(
	    o->account_id, sizeof(o->account_id), "%s", h->account_id);
	(void)snprintf(o->address, sizeof(o->address), "%s", h->address);
	(void)snprintf(o->title, sizeof(o->title), "%s", h->title);
	(void)snprintf(
	    o->language, sizeof(o->language), "%s", h->user_language);
	o->sessions_max = h->sessions_max;
	o->limits = (struct quota_limits){ h->quota_octets, h->quota_messages };
	o->undelete_days = h->undelete_days;
	buf_init(&o->input, SESSION_INPUT_MAX);
	buf_append(&o->input, input);
	return o;
}

struct imap_session *
imap_session_new(struct host *host, const struct handoff *h, struct span input)
{
	struct imap_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->opening = opening_new(h, input);
	if (s->opening == NULL) {
		free(s);
		return NULL;
	}
	s->host = host;
	s->log.id = h->id;
	(void)snprintf(s->log.tenant, sizeof(s->log.tenant), "%s", h->tenant);
	(void)snprintf(
	    s->log.account, sizeof(s->log.account), "%.95s", h->address);
	(void)snprintf(s->log.client, sizeof(s->log.client), "%s:%u",
	    h->peer.address_text, (unsigned)h->peer.port);
	s->message_max =
	    h->message_max != 0 ? h->message_max : host_message_max(host);
	buf_init(&s->command, IMAP_COMMAND_MAX + 2 * IMAP_LINE_MAX);
	buf_init(&s->code, 256 * 1024);
	buf_init(&s->out, IMAP_OUT_MAX);
	arena_init(&s->arena, IMAP_ARENA_MAX);
	counter_add(host_counters(host), COUNTER_SESSIONS, 1);
	host_session_add(host, s);
	return s;
}

void
imap_session_free(struct imap_session *s)
{
	if (s == NULL)
		return;
	host_session_remove(s->host, s);
	counter_sub(host_counters(s->host), COUNTER_SESSIONS, 1);
	log_info(&s->log, "session ended");
	append_free(s->append);
	session_unselect(s);
	account_unref(s->account);
	tally_leave(host_accounts(s->host), s->counted);
	opening_free(s->opening);
	buf_fini(&s->command);
	buf_fini(&s->code);
	buf_fini(&s->out);
	arena_fini(&s->arena);
	free(s);
}

/* ---- output -------------------------------------------------------------- */

void
session_out_all(struct imap_session *s)
{
	if (s->out.failed != ERR_NONE) {
		/* Half a response cannot be taken back. */
		log_error(&s->log, "response too large, connection closed");
		s->quit = true;
	} else if (s->out.len > 0) {
		conn_write(s->conn, buf_span(&s->out));
	}
	buf_clear(&s->out);
}

void
session_out(struct imap_session *s)
{
	if (s->out.len < IMAP_OUT_PIECE && s->out.failed == ERR_NONE)
		return;
	session_out_all(s);
	/* Nobody listens any more: commands that see it stop. */
	if (conn_flush(s->conn, NULL) == -1)
		s->quit = true;
}

void
session_code(struct imap_session *s, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	buf_clear(&s->code);
	buf_append_str(&s->code, text);
}

/* The word, and RFC 5530's code where the command gave none. */
static const char *
outcome_word(struct imap_session *s, const struct err *err)
{
	static const struct {
		const char *word, *code;
	} words[] = {
		[ERR_NONE] = { "NO", "SERVERBUG" },
		[ERR_SYNTAX] = { "BAD", "" },
		[ERR_POLICY] = { "NO", "NOPERM" },
		[ERR_LIMIT] = { "NO", "LIMIT" },
		[ERR_TEMP] = { "NO", "UNAVAILABLE" },
		[ERR_CLOSED] = { "NO", "UNAVAILABLE" },
	};

	if (s->code.len == 0)
		session_code(s, "%s", words[err->kind].code);
	return words[err->kind].word;
}

void
session_reply(
    struct imap_session *s, struct span tag, int outcome, const struct err *err)
{
	const char *word = outcome == 0 ? "OK" : outcome_word(s, err);

	buf_append(&s->out, tag);
	buf_append_fmt(&s->out, " %s ", word);
	if (s->code.len > 0) {
		buf_append_octet(&s->out, '[');
		buf_append(&s->out, buf_span(&s->code));
		buf_append(&s->out, SPAN("] "));
	}
	if (outcome == 0)
		buf_append_str(
		    &s->out, s->ok_text == NULL ? "Completed" : s->ok_text);
	else if (err->kind == ERR_TEMP)
		/* What broke on our side is for the log only. */
		buf_append(&s->out, SPAN("Not possible now, try again later"));
	else
		imap_text_write(&s->out, span_str(err->text));
	buf_append(&s->out, SPAN("\r\n"));
	buf_clear(&s->code);
	buf_shrink(&s->code);
	s->ok_text = NULL;
}

static void
session_bye(struct imap_session *s, const char *text)
{
	buf_append_fmt(&s->out, "* BYE %s\r\n", text);
	s->quit = true;
}

/* ---- commands ------------------------------------------------------------ */

/* The command's name and, behind UID, the name after it. */
static const struct imap_command *
command_parse(struct imap_session *s, struct span *in, struct err *err)
{
	const struct imap_command *command;
	struct span name;

	s->uid = false;
	if (imap_sp_parse(in, err) == -1 ||
	    imap_atom_parse(in, &name, err) == -1)
		return NULL;
	if (span_eq_nocase(name, SPAN("UID"))) {
		s->uid = true;
		if (imap_sp_parse(in, err) == -1 ||
		    imap_atom_parse(in, &name, err) == -1)
			return NULL;
	}
	command = imap_command_find(name, s->uid);
	if (command == NULL) {
		(void)err_set(err, ERR_SYNTAX, "Unknown command");
		return NULL;
	}
	if ((command->flags & COMMAND_SELECTED) != 0 && s->mailbox == NULL) {
		(void)err_set(err, ERR_SYNTAX, "No mailbox is selected");
		return NULL;
	}
	return command;
}

/* Logs what an operator or we must see; true: go on. */
static void
command_failed(struct imap_session *s, const char *name, const struct err *err)
{
	if (err->kind == ERR_TEMP || err->kind == ERR_NONE)
		log_error(&s->log, "command failed", log_str("command", name),
		    log_err(err));
	else
		log_debug(&s->log, "command refused", log_str("command", name),
		    log_err(err));
	if (err->kind == ERR_CLOSED)
		session_bye(s, "Mailbox was deleted or renumbered");
}

/* Runs what was gathered and answers it. */
static void
session_command(struct imap_session *s)
{
	struct err err = ERR_INIT, sync_err = ERR_INIT;
	struct span in = buf_span(&s->command);
	const struct imap_command *command;
	int outcome;

	counter_add(host_counters(s->host), COUNTER_COMMANDS, 1);
	if (imap_tag_parse(&in, &s->tag, &err) == -1) {
		buf_append(&s->out, SPAN("* BAD No tag\r\n"));
		return;
	}
	command = command_parse(s, &in, &err);
	if (command == NULL) {
		session_reply(s, s->tag, -1, &err);
		return;
	}
	/* A view that rested is brought back; the numbers stay. */
	outcome = s->resting ? mailbox_refresh(s->mailbox, NULL, &err) : 0;
	if (outcome == 0) {
		s->resting = false;
		outcome = command->run(s, in, &err);
	}
	if (outcome == -1)
		command_failed(s, command->name, &err);
	if (s->mailbox != NULL && !s->quit && !s->idling &&
	    (command->flags & COMMAND_NO_SYNC) == 0 &&
	    session_sync(s,
		s->uid || (command->flags & COMMAND_NO_EXPUNGE) == 0,
		&sync_err) == -1)
		command_failed(s, "sync", &sync_err);
	if (outcome == -1 || (command->flags & COMMAND_DEFERRED) == 0)
		session_reply(s, s->tag, outcome, &err);
}

/* A refused literal or command: say why, under its tag if it had one. */
static void
session_refuse(struct imap_session *s)
{
	struct span in = buf_span(&s->command);

	if (imap_tag_parse(&in, &s->tag, NULL) == -1)
		s->tag = SPAN("*");
	if (s->refusal.kind == ERR_TEMP)
		log_error(&s->log, "command failed", log_err(&s->refusal));
	session_reply(s, s->tag, -1, &s->refusal);
}

/* ---- serving ------------------------------------------------------------- */

/* A place among the account's sessions. */
static int
session_count(struct imap_session *s, struct err *err)
{
	const struct imap_opening *o = s->opening;

	s->counted = tally_enter(host_accounts(s->host),
	    span_str(o->account_id), o->sessions_max, err);
	if (s->counted != NULL)
		return 0;
	if (err->kind == ERR_LIMIT) {
		counter_add(host_counters(s->host), COUNTER_REFUSED, 1);
		(void)err_set(err, ERR_LIMIT,
		    "Too many sessions of this account, %u are allowed",
		    o->sessions_max);
	}
	return -1;
}

static int
session_open(struct imap_session *s, struct err *err)
{
	struct imap_opening *o = s->opening;
	const struct quota_owner owner = { o->address, o->title, o->language };

	conn_tenant(s->conn, s->log.tenant);
	if (session_count(s, err) == -1)
		return -1;
	if (o->input.len > 0 &&
	    conn_unread(s->conn, buf_span(&o->input), err) == -1)
		return -1;
	if (account_open(host_store(s->host), span_str(s->log.tenant),
		span_str(o->account_id), ACCOUNT_CREATE, &s->account,
		err) == -1)
		return -1;
	account_limits(s->account, &o->limits);
	account_keep_days(s->account, o->undelete_days);
	account_owner(s->account, &owner);
	return 0;
}

/* The reply to the login command, which the gate left to us. */
static void
session_greet(struct imap_session *s)
{
	struct err err = ERR_INIT;
	int outcome = session_open(s, &err);
	bool full = s->counted == NULL && err.kind == ERR_LIMIT;

	if (outcome == 0) {
		special_folders_make(s);
		imap_capabilities_write(s, &s->code);
		s->ok_text = "Logged in";
		log_info(&s->log, "session started");
	} else if (full) {
		log_notice(&s->log, "account has too many sessions",
		    log_u64("max", s->opening->sessions_max));
	} else {
		log_error(&s->log, "account cannot be opened", log_err(&err));
	}
	session_reply(s, span_str(s->opening->tag), outcome, &err);
	if (outcome == -1)
		session_bye(s,
		    full ? "Too many sessions" : "Mailbox store not available");
	opening_free(s->opening);
	s->opening = NULL;
}

static void
session_done(struct imap_session *s)
{
	session_out_all(s);
	arena_fini(&s->arena);
	gather_reset(s);
	s->worked = true;
}

/* Somebody called conn_wake: news in the mailbox, or the host's clock. */
static void
session_woken(struct imap_session *s)
{
	struct err err = ERR_INIT;

	if (s->mailbox != NULL && s->idling && idle_news(s, &err) == -1)
		command_failed(s, "IDLE", &err);
}

/* The host asked for it, and nothing happened since. */
static void
session_rest(struct imap_session *s)
{
	if (s->mailbox == NULL || s->resting || s->worked)
		return;
	mailbox_rest(s->mailbox);
	s->resting = true;
}

static enum verdict
session_park(struct imap_session *s)
{
	session_out_all(s);
	buf_shrink(&s->out);
	if (s->quit)
		return VERDICT_CLOSE;
	if (s->gather == GATHER_LINE)
		buf_shrink(&s->command);
	return VERDICT_PARK;
}

/* One gathered thing; false: nothing more now, *verdict_out. */
static bool
session_step(struct imap_session *s, enum verdict *verdict_out)
{
	*verdict_out = VERDICT_CLOSE;
	switch (gather(s)) {
	case GATHERED_COMMAND:
		session_command(s);
		break;
	case GATHERED_IDLE:
		idle_line(s, buf_span(&s->command));
		break;
	case GATHERED_REFUSED:
		session_refuse(s);
		break;
	case GATHERED_LONG:
		buf_append(&s->out, SPAN("* BAD Command line too long\r\n"));
		break;
	case GATHERED_MORE:
		*verdict_out = session_park(s);
		return false;
	case GATHERED_TIMEOUT:
		session_bye(s, "Autologout: idle for too long");
		counter_add(host_counters(s->host), COUNTER_TIMEOUTS, 1);
		session_out_all(s);
		return false;
	case GATHERED_CLOSED:
		return false;
	}
	session_done(s);
	return true;
}

static enum verdict
imap_serve(struct conn *c, void *arg)
{
	struct imap_session *s = arg;
	enum verdict verdict = VERDICT_CLOSE;
	bool woken = conn_woken(c), rest;

	s->conn = c;
	s->worked = false;
	rest = host_session_running(s->host, s);
	if (s->opening != NULL)
		session_greet(s);
	if (woken && !s->quit)
		session_woken(s);
	if (conn_draining(c) && !s->quit)
		session_bye(s, "Server is going down, please reconnect");
	while (!s->quit && session_step(s, &verdict)) {
		/*
		 * A client that asks on and does not read would have us hold
		 * a descriptor for each answer, and there are not enough of
		 * them for its whole brand.  The wake comes after the drain.
		 */
		if (conn_output_pending(c) > CONN_OUTPUT_MAX) {
			verdict = session_park(s);
			conn_wake(c);
			break;
		}
	}
	if (s->quit) {
		session_out_all(s);
		verdict = VERDICT_CLOSE;
	}
	if (verdict == VERDICT_PARK) {
		if (rest)
			session_rest(s);
		host_session_parked(s->host, s);
	}
	return verdict;
}

static void
imap_closed(void *arg)
{
	imap_session_free(arg);
}

const struct conn_service imap_service = {
	.serve = imap_serve,
	.closed = imap_closed,
};
