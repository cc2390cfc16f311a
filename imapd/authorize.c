/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection before login: CAPABILITY NOOP LOGOUT ID STARTTLS LOGIN
 * AUTHENTICATE.                                   RFC 3501 sections 6.1, 6.2
 *
 * A command may have literals (LOGIN {5}), but all of it is COMMAND_MAX at
 * most: nobody unknown makes us hold more.
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "imapd/conf.h"
#include "imapd/gate.h"
#include "imapd/id.h"
#include "imapd/parse.h"

#define COMMAND_MAX 16384
/* A client of another protocol (or a scanner) is not worth more lines. */
#define ERRORS_MAX 10

/* What serve() does after a step. */
enum step {
	STEP_NEXT,  /* gather on */
	STEP_PARK,  /* return VERDICT_PARK */
	STEP_CLOSE, /* return VERDICT_CLOSE */
	STEP_GONE,  /* return VERDICT_GONE */
};

/*
 * With TLS this lives as long as the client's session, so what only a login
 * needs is freed at the hand-off.
 */
struct gate_session {
	struct gate *gate;
	struct tallied *client;
	struct login *login;   /* NULL: not tried yet */
	struct buf command;    /* gathered so far, as in parse.h */
	uint64_t literal;      /* octets to come, when in_literal */
	bool in_literal, skip; /* skip: too long, or refused */
	struct sink sink;      /* to command, or nowhere */
	char *tag;             /* of the login command that is answered */
	unsigned errors;       /* commands that were none */
	bool greeted;
	struct log log;
};

static void *
gate_session_new(struct gate *gate, struct tallied *client)
{
	struct gate_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->gate = gate;
	s->client = client;
	s->log.id = log_id_new();
	buf_init(&s->command, COMMAND_MAX);
	counter_add(gate->counters, COUNTER_CONNECTIONS, 1);
	counter_add(gate->counters, COUNTER_SESSIONS, 1);
	return s;
}

/* A password may stand in it. */
static void
gate_forget_command(struct gate_session *s)
{
	if (s->command.data != NULL)
		explicit_bzero(s->command.data, s->command.cap);
	buf_fini(&s->command);
	s->in_literal = s->skip = false;
}

static void
gate_forget_login(struct gate_session *s)
{
	login_free(s->login);
	s->login = NULL;
	free(s->tag);
	s->tag = NULL;
	gate_forget_command(s);
}

static void
gate_closed(void *session)
{
	struct gate_session *s = session;

	counter_sub(s->gate->counters, COUNTER_SESSIONS, 1);
	gate_left(s->gate, s->client);
	gate_forget_login(s);
	free(s);
}

/* ---- replies ---------------------------------------------------------------
 */

static void
reply(struct conn *c, struct span tag, const char *words)
{
	conn_write(c, tag);
	conn_write_fmt(c, " %s\r\n", words);
}

static enum step
reply_bad(
    struct gate_session *s, struct conn *c, struct span tag, const char *text)
{
	conn_write(c, tag);
	conn_write_fmt(c, " BAD %s\r\n", text);
	if (++s->errors < ERRORS_MAX)
		return STEP_NEXT;
	log_info(&s->log, "too many bad commands");
	conn_write(c, SPAN("* BYE Too many bad commands\r\n"));
	return STEP_CLOSE;
}

/* "CAPABILITY ...", as it stands in a response or a response code. */
static void
capabilities(struct gate_session *s, struct conn *c, struct buf *out)
{
	CLEANUP(tls_context_unref) struct tls_context *tls = gate_tls(s->gate);

	buf_append(out, SPAN("CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID"));
	if (tls != NULL && !conn_tls(c))
		buf_append(out, SPAN(" STARTTLS"));
	if (!login_plaintext_allowed(s->gate->login, c))
		buf_append(out, SPAN(" LOGINDISABLED"));
	login_mechanisms(s->gate->login, c, " AUTH=", out);
}

static void
gate_greet(struct gate_session *s, struct conn *c)
{
	const struct conn_peer *peer = conn_peer(c);
	CLEANUP(buf_fini) struct buf text;

	(void)snprintf(s->log.client, sizeof(s->log.client), "%s:%u",
	    peer->address_text, peer->port);
	log_info(&s->log, "connected", log_str("tls", conn_tls_version(c)));
	buf_init(&text, 1024);
	capabilities(s, c, &text);
	conn_write_fmt(c, "* OK [%s] IMAP server ready\r\n", buf_str(&text));
	s->greeted = true;
}

/* ---- logging in -------------------------------------------------------------
 */

static const char *
failure_words(enum login_failure failure)
{
	switch (failure) { /* RFC 5530 section 3 */
	case LOGIN_FAIL_WRONG:
		return "NO [AUTHENTICATIONFAILED]";
	case LOGIN_FAIL_REFUSED:
		return "NO [CONTACTADMIN]";
	case LOGIN_FAIL_WEAK:
	case LOGIN_FAIL_MECHANISM:
		return "NO [CANNOT]";
	case LOGIN_FAIL_PRIVACY:
		return "NO [PRIVACYREQUIRED]";
	case LOGIN_FAIL_TEMP:
		return "NO [UNAVAILABLE]";
	case LOGIN_FAIL_SYNTAX:
	case LOGIN_FAIL_CANCELLED:
		break;
	}
	return "BAD";
}

static enum step
gate_login_failed(struct gate_session *s, struct conn *c)
{
	enum login_failure failure = login_failure(s->login);

	conn_write_fmt(c, "%s %s %s\r\n", s->tag == NULL ? "*" : s->tag,
	    failure_words(failure), login_failure_text(failure));
	if (!login_exhausted(s->login))
		return STEP_NEXT;
	conn_write(c, SPAN("* BYE Too many failed logins\r\n"));
	return STEP_CLOSE;
}

static enum step
gate_login_next(struct gate_session *s, struct conn *c, enum login_next next)
{
	enum verdict verdict;

	switch (next) {
	case LOGIN_CHALLENGE:
		conn_write(c, SPAN("+ "));
		conn_write(c, login_challenge(s->login));
		conn_write(c, SPAN("\r\n"));
		return STEP_NEXT;
	case LOGIN_WAIT:
		return STEP_PARK;
	case LOGIN_GONE:
		verdict = login_verdict(s->login);
		gate_forget_login(s);
		return verdict == VERDICT_GONE ? STEP_GONE : STEP_PARK;
	case LOGIN_FAILED:
		break;
	}
	return gate_login_failed(s, c);
}

/* The connection's login for this tag, or NULL: said so. */
static struct login *
gate_login(struct gate_session *s, struct conn *c, struct span tag)
{
	struct err err = ERR_INIT;

	free(s->tag);
	s->tag = strndup(tag.p, tag.len);
	if (s->tag != NULL &&
	    (s->login != NULL ||
		login_new(s->gate->login, c, &s->log, &s->login, &err) == 0))
		return s->login;
	log_error(&s->log, "no memory for a login", log_err(&err));
	conn_write(c, tag);
	conn_write_fmt(
	    c, " NO [UNAVAILABLE] %s\r\n", login_failure_text(LOGIN_FAIL_TEMP));
	return NULL;
}

/* login = "LOGIN" SP userid SP password */
static enum step
gate_password(
    struct gate_session *s, struct conn *c, struct span tag, struct span args)
{
	CLEANUP(arena_fini) struct arena a;
	struct span name, password;
	struct err err = ERR_INIT;

	arena_init(&a, (size_t)4 * COMMAND_MAX);
	if (imap_sp_parse(&args, &err) == -1 ||
	    imap_astring_parse(&args, &a, &name, &err) == -1 ||
	    imap_sp_parse(&args, &err) == -1 ||
	    imap_astring_parse(&args, &a, &password, &err) == -1 ||
	    imap_end_parse(&args, &err) == -1)
		return reply_bad(
		    s, c, tag, "LOGIN takes a name and a password");
	if (gate_login(s, c, tag) == NULL)
		return STEP_NEXT;
	return gate_login_next(
	    s, c, login_password(s->login, "LOGIN", s->tag, name, password));
}

/* "AUTHENTICATE" SP auth-type [SP initial-resp]         RFC 4959 section 7 */
static enum step
gate_authenticate(
    struct gate_session *s, struct conn *c, struct span tag, struct span args)
{
	struct span mechanism, initial = SPAN_NONE;
	struct err err = ERR_INIT;

	if (imap_sp_parse(&args, &err) == -1 ||
	    imap_atom_parse(&args, &mechanism, &err) == -1)
		return reply_bad(s, c, tag, "AUTHENTICATE takes a mechanism");
	if (args.len > 0 && imap_sp_parse(&args, &err) == 0)
		initial = args;
	else if (args.len > 0)
		return reply_bad(s, c, tag, err.text);
	if (gate_login(s, c, tag) == NULL)
		return STEP_NEXT;
	return gate_login_next(
	    s, c, login_sasl(s->login, s->tag, mechanism, initial));
}

/* ---- commands ---------------------------------------------------------------
 */

static enum step
gate_starttls(struct gate_session *s, struct conn *c, struct span tag)
{
	CLEANUP(tls_context_unref) struct tls_context *tls = gate_tls(s->gate);
	struct err err = ERR_INIT;

	if (conn_tls(c))
		return reply_bad(s, c, tag, "TLS is active already");
	if (tls == NULL)
		return reply_bad(s, c, tag, "TLS is not available");
	reply(c, tag, "OK Begin TLS negotiation");
	/* Nothing said in clear counts afterwards.  RFC 3501 section 6.2.1 */
	gate_forget_login(s);
	if (conn_start_tls(c, tls, &err) == -1) {
		log_error(&s->log, "TLS not started", log_err(&err));
		return STEP_CLOSE;
	}
	return STEP_PARK;
}

static enum step
gate_capability(struct gate_session *s, struct conn *c, struct span tag)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 1024);
	capabilities(s, c, &text);
	conn_write_fmt(c, "* %s\r\n", buf_str(&text));
	reply(c, tag, "OK Completed");
	return STEP_NEXT;
}

static enum step
gate_id(
    struct gate_session *s, struct conn *c, struct span tag, struct span args)
{
	CLEANUP(arena_fini) struct arena a;
	CLEANUP(buf_fini) struct buf said;
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;

	arena_init(&a, (size_t)4 * COMMAND_MAX);
	buf_init(&said, IMAP_ID_TEXT_MAX);
	buf_init(&out, 1024);
	if (imap_id_parse(&args, &a, &said, &err) == -1)
		return reply_bad(s, c, tag, err.text);
	log_info(&s->log, "client names itself",
	    log_span("client_id", buf_span(&said)));
	imap_id_write(&out);
	conn_write(c, buf_span(&out));
	reply(c, tag, "OK Completed");
	return STEP_NEXT;
}

static enum step
gate_noop(struct gate_session *s, struct conn *c, struct span tag)
{
	(void)s;
	reply(c, tag, "OK Completed");
	return STEP_NEXT;
}

static enum step
gate_logout(struct gate_session *s, struct conn *c, struct span tag)
{
	(void)s;
	conn_write(c, SPAN("* BYE Logging out\r\n"));
	reply(c, tag, "OK Completed");
	return STEP_CLOSE;
}

static const struct {
	const char *name;
	/* One of the two: without, or with arguments. */
	enum step (*plain)(
	    struct gate_session *s, struct conn *c, struct span tag);
	enum step (*run)(struct gate_session *s, struct conn *c,
	    struct span tag, struct span args);
} commands[] = {
	{ "AUTHENTICATE", NULL, gate_authenticate },
	{ "CAPABILITY", gate_capability, NULL },
	{ "ID", NULL, gate_id },
	{ "LOGIN", NULL, gate_password },
	{ "LOGOUT", gate_logout, NULL },
	{ "NOOP", gate_noop, NULL },
	{ "STARTTLS", gate_starttls, NULL },
};

static enum step
gate_command(struct gate_session *s, struct conn *c)
{
	struct span in = buf_span(&s->command), tag, name;
	struct err err = ERR_INIT;

	counter_add(s->gate->counters, COUNTER_COMMANDS, 1);
	if (imap_tag_parse(&in, &tag, &err) == -1)
		return reply_bad(s, c, SPAN("*"), "No tag");
	if (imap_sp_parse(&in, &err) == -1 ||
	    imap_atom_parse(&in, &name, &err) == -1)
		return reply_bad(s, c, tag, "No command");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!span_eq_nocase(name, span_str(commands[i].name)))
			continue;
		if (commands[i].run != NULL)
			return commands[i].run(s, c, tag, in);
		if (imap_end_parse(&in, &err) == -1)
			return reply_bad(s, c, tag, err.text);
		return commands[i].plain(s, c, tag);
	}
	return reply_bad(s, c, tag, "Log in first");
}

/* ---- gathering
 * --------------------------------------------------------------- */

static int
literal_write(struct sink *sink, struct span octets, struct err *err)
{
	struct gate_session *s =
	    (struct gate_session *)((char *)sink -
				    offsetof(struct gate_session, sink));

	if (s->skip)
		return 0;
	buf_append(&s->command, octets);
	return buf_check(&s->command, err);
}

/* The command is too long: its tag may still be known. */
static enum step
gate_too_long(struct gate_session *s, struct conn *c)
{
	struct span in = buf_span(&s->command), tag;
	enum step step;

	if (imap_tag_parse(&in, &tag, NULL) == -1)
		tag = SPAN("*");
	step = reply_bad(s, c, tag, "Command too long");
	gate_forget_command(s);
	return step;
}

/* A line ends with a literal. */
static enum step
gate_literal(
    struct gate_session *s, struct conn *c, const struct imap_announced *l)
{
	if (s->skip || l->octets > COMMAND_MAX - 2 - s->command.len) {
		if (l->synchronizing || l->octets > (uint64_t)4 * COMMAND_MAX) {
			enum step step = gate_too_long(s, c);

			return l->synchronizing ? step : STEP_CLOSE;
		}
		s->skip = true;
	} else {
		buf_append(&s->command, SPAN("\r\n"));
	}
	if (l->synchronizing)
		conn_write(c, SPAN("+ OK\r\n"));
	s->in_literal = true;
	s->literal = l->octets;
	s->sink.write = literal_write;
	return STEP_NEXT;
}

static enum step
gate_line(struct gate_session *s, struct conn *c, struct span line)
{
	struct imap_announced announced;
	enum step step;

	if (login_in_exchange(s->login))
		return gate_login_next(s, c, login_line(s->login, line));
	if (!s->skip && line.len > COMMAND_MAX - 2 - s->command.len)
		s->skip = true;
	else if (!s->skip)
		buf_append(&s->command, line);
	if (imap_literal_announced(line, &announced))
		return gate_literal(s, c, &announced);
	if (s->skip)
		return gate_too_long(s, c);
	if (buf_check(&s->command, NULL) == -1)
		return STEP_CLOSE;
	step = gate_command(s, c);
	gate_forget_command(s);
	return step;
}

static enum step
gate_line_long(struct gate_session *s, struct conn *c)
{
	if (login_in_exchange(s->login))
		return gate_login_next(s, c, login_line_long(s->login));
	return gate_too_long(s, c);
}

static enum step
gate_problem(struct gate_session *s, struct conn *c, enum take take)
{
	switch (take) {
	case TAKE_LONG:
		return gate_line_long(s, c);
	case TAKE_MORE:
		if (!conn_draining(c))
			return STEP_PARK;
		conn_write(
		    c, SPAN("* BYE [UNAVAILABLE] Server is going down\r\n"));
		return STEP_CLOSE;
	case TAKE_TIMEOUT:
		conn_write(c, SPAN("* BYE Autologout: no login\r\n"));
		return STEP_CLOSE;
	case TAKE_OK:
	case TAKE_BAD:
	case TAKE_CLOSED:
	case TAKE_FAILED:
		break;
	}
	return STEP_CLOSE;
}

static enum step
gate_step(struct gate_session *s, struct conn *c)
{
	struct span line;
	enum take take;

	if (s->in_literal) {
		take = conn_take_octets(c, s->literal, &s->sink);
		if (take != TAKE_OK)
			return gate_problem(s, c, take);
		s->in_literal = false;
		return STEP_NEXT;
	}
	take = conn_take_line(c, true, &line);
	return take == TAKE_OK ? gate_line(s, c, line)
			       : gate_problem(s, c, take);
}

static enum verdict
gate_serve(struct conn *c, void *session)
{
	struct gate_session *s = session;
	enum step step = STEP_NEXT;

	if (!s->greeted)
		gate_greet(s, c);
	if (login_pending(s->login))
		step = gate_login_next(s, c, login_resume(s->login));
	while (step == STEP_NEXT)
		step = gate_step(s, c);
	return step == STEP_PARK   ? VERDICT_PARK
	       : step == STEP_GONE ? VERDICT_GONE
				   : VERDICT_CLOSE;
}

static const struct conn_service gate_service = {
	.serve = gate_serve,
	.closed = gate_closed,
};

static const struct log *
gate_session_log(const void *session)
{
	const struct gate_session *s = session;

	return &s->log;
}

static const struct login_conf *
gate_login_conf(const void *section)
{
	const struct imapd_conf *conf = section;

	return &conf->login;
}

static unsigned
gate_command_wait_ms(const void *section)
{
	const struct imapd_conf *conf = section;

	return (unsigned)conf->login_wait * 1000;
}

const struct gate_protocol imap_gate = {
	.daemon = "imapd",
	.protocol = "imap",
	.listener_tls = "imaps",
	.service = SERVICE_IMAP,
	.busy = SPAN("* BYE [UNAVAILABLE] Too many connections, try "
		     "again later\r\n"),
	.crowd = SPAN("* BYE [LIMIT] Too many connections from you\r\n"),
	.sessions = &gate_service,
	.session_new = gate_session_new,
	.session_log = gate_session_log,
	.login_conf = gate_login_conf,
	.wait_ms = gate_command_wait_ms,
};
