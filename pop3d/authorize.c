/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/sasl.h"
#include "pop3d/capa.h"
#include "pop3d/command.h"
#include "pop3d/conf.h"
#include "pop3d/gate.h"
#include "pop3d/lang.h"
#include "pop3d/reply.h"

/* A client of another protocol (or a scanner) is not worth more lines. */
#define ERRORS_MAX 10

/* What serve() does after a step. */
enum step {
	STEP_NEXT,  /* take the next line */
	STEP_PARK,  /* return VERDICT_PARK */
	STEP_CLOSE, /* return VERDICT_CLOSE */
	STEP_GONE,  /* return VERDICT_GONE */
};

/*
 * One connection until its client is gone.  With TLS that is the whole of the
 * client's session, so what a login needs is in objects of their own, freed
 * at the hand-off.
 */
struct gate_session {
	struct gate *gate;
	struct tallied *client;
	struct login *login; /* NULL: not tried yet */
	char *user;          /* of a USER command that PASS may follow */
	char *timestamp;     /* of the greeting, for APOP; or NULL */
	unsigned errors;     /* commands that were none */
	bool greeted;
	bool utf8; /* UTF8 was said */
	enum language language;
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
	counter_add(gate->counters, COUNTER_CONNECTIONS, 1);
	counter_add(gate->counters, COUNTER_SESSIONS, 1);
	return s;
}

static void
gate_forget_login(struct gate_session *s)
{
	login_free(s->login);
	s->login = NULL;
	free(s->user);
	s->user = NULL;
	free(s->timestamp);
	s->timestamp = NULL;
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

/* ---- logging in ---------------------------------------------------------- */

static const char *
failure_code(enum login_failure failure)
{
	switch (failure) {
	case LOGIN_FAIL_WRONG:
	case LOGIN_FAIL_WEAK:
	case LOGIN_FAIL_PRIVACY:
		return "AUTH"; /* RFC 3206 section 4 */
	case LOGIN_FAIL_REFUSED:
		return "SYS/PERM";
	case LOGIN_FAIL_TEMP:
		return "SYS/TEMP";
	case LOGIN_FAIL_MECHANISM:
	case LOGIN_FAIL_SYNTAX:
	case LOGIN_FAIL_CANCELLED:
		break;
	}
	return NULL;
}

static enum step
gate_login_next(struct gate_session *s, struct conn *c, enum login_next next)
{
	enum login_failure failure;
	struct span challenge;
	enum verdict verdict;

	switch (next) {
	case LOGIN_CHALLENGE:
		challenge = login_challenge(s->login);
		conn_write(c, SPAN("+ "));
		conn_write(c, challenge);
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
	failure = login_failure(s->login);
	pop3_err(
	    c, s->language, failure_code(failure), login_failure_text(failure));
	return login_exhausted(s->login) ? STEP_CLOSE : STEP_NEXT;
}

/* The connection's login, made when it is first needed. */
static struct login *
gate_login(struct gate_session *s, struct conn *c)
{
	struct err err = ERR_INIT;

	if (s->login == NULL &&
	    login_new(s->gate->login, c, &s->log, &s->login, &err) == -1) {
		log_error(&s->log, "no memory for a login", log_err(&err));
		pop3_err(c, s->language, "SYS/TEMP",
		    login_failure_text(LOGIN_FAIL_TEMP));
	}
	if (s->login != NULL)
		login_pass_on(s->login, s->utf8, language_tag(s->language));
	return s->login;
}

/* ---- commands ------------------------------------------------------------ */

static enum step
gate_bad(struct gate_session *s, struct conn *c, const char *text)
{
	if (++s->errors >= ERRORS_MAX) {
		log_info(&s->log, "too many bad commands");
		pop3_err(
		    c, s->language, NULL, "Too many bad commands, goodbye");
		return STEP_CLOSE;
	}
	pop3_err(c, s->language, NULL, text);
	return STEP_NEXT;
}

static enum step
gate_capa(struct gate_session *s, struct conn *c)
{
	CLEANUP(buf_fini) struct buf mechanisms, reply;
	CLEANUP(tls_context_unref) struct tls_context *tls = gate_tls(s->gate);
	struct capa capa = {
		.user = login_plaintext_allowed(s->gate->login, c),
		.stls = tls != NULL && !conn_tls(c),
	};

	buf_init(&mechanisms, 256);
	buf_init(&reply, 1024);
	login_mechanisms(s->gate->login, c, " ", &mechanisms);
	capa.mechanisms = buf_span(&mechanisms);
	capa_format(&capa, &reply);
	capa_end(NULL, &reply);
	pop3_ok(c, s->language, "Capability list follows");
	conn_write(c, buf_span(&reply));
	return STEP_NEXT;
}

static enum step
gate_user(struct gate_session *s, struct conn *c, struct span name)
{
	free(s->user);
	s->user = NULL;
	if (!login_plaintext_allowed(s->gate->login, c)) {
		pop3_err(c, s->language, failure_code(LOGIN_FAIL_PRIVACY),
		    login_failure_text(LOGIN_FAIL_PRIVACY));
		return STEP_NEXT;
	}
	if (name.len > TENANT_LOGIN_MAX) {
		pop3_err(c, s->language, NULL, "User name too long");
		return STEP_NEXT;
	}
	/* Whether there is such a user is nobody's business yet. */
	s->user = strndup(name.p, name.len);
	if (s->user == NULL)
		pop3_err(c, s->language, "SYS/TEMP", "Out of memory");
	else
		pop3_ok(c, s->language, "Send PASS");
	return STEP_NEXT;
}

static enum step
gate_pass(struct gate_session *s, struct conn *c, struct span password)
{
	CLEANUP(mem_free) char *user = STEAL(s->user);

	if (user == NULL) {
		pop3_err(c, s->language, NULL, "USER comes first");
		return STEP_NEXT;
	}
	if (gate_login(s, c) == NULL)
		return STEP_NEXT;
	return gate_login_next(s, c,
	    login_password(s->login, "PASS", "", span_str(user), password));
}

/* apop-command = "APOP" SP name SP 32(lower-case hexadecimal digit) */
static enum step
gate_apop(struct gate_session *s, struct conn *c, struct span argument)
{
	ptrdiff_t space = span_rindex(argument, ' ');

	if (s->timestamp == NULL)
		return gate_bad(s, c, "APOP is not offered, use USER and PASS");
	if (space <= 0 || space > TENANT_LOGIN_MAX)
		return gate_bad(s, c, "a name and a digest are expected");
	if (gate_login(s, c) == NULL)
		return STEP_NEXT;
	return gate_login_next(s, c,
	    login_apop(s->login, span_str(s->timestamp),
		span_first(argument, (size_t)space),
		span_from(argument, (size_t)space + 1)));
}

/* AUTH without a mechanism lists them, as clients before RFC 5034 expect. */
static enum step
gate_auth_list(struct gate_session *s, struct conn *c)
{
	CLEANUP(buf_fini) struct buf list;

	buf_init(&list, 256);
	login_mechanisms(s->gate->login, c, "\r\n", &list);
	pop3_ok(c, s->language, "Mechanisms follow");
	if (list.len > 0) {
		conn_write(c, span_from(buf_span(&list), 2));
		conn_write(c, SPAN("\r\n"));
	}
	conn_write(c, SPAN(".\r\n"));
	return STEP_NEXT;
}

static enum step
gate_auth(struct gate_session *s, struct conn *c, struct span argument)
{
	struct span mechanism, initial = argument;

	if (argument.len == 0)
		return gate_auth_list(s, c);
	if (!span_take_until(&initial, ' ', &mechanism)) {
		mechanism = argument;
		initial = SPAN_NONE;
	}
	if (gate_login(s, c) == NULL)
		return STEP_NEXT;
	return gate_login_next(
	    s, c, login_sasl(s->login, "", mechanism, initial));
}

static enum step
gate_stls(struct gate_session *s, struct conn *c)
{
	CLEANUP(tls_context_unref) struct tls_context *tls = gate_tls(s->gate);
	struct err err = ERR_INIT;

	if (conn_tls(c)) {
		pop3_err(c, s->language, NULL, "TLS is active already");
		return STEP_NEXT;
	}
	if (s->utf8) { /* RFC 6856 section 2.1 */
		pop3_err(c, s->language, NULL, "TLS after UTF8 is too late");
		return STEP_NEXT;
	}
	if (tls == NULL) {
		pop3_err(c, s->language, NULL, "TLS is not available");
		return STEP_NEXT;
	}
	/* Nothing said in clear counts afterwards.  RFC 2595 section 4 */
	login_free(s->login);
	s->login = NULL;
	free(s->user);
	s->user = NULL;
	pop3_ok(c, s->language, "Begin TLS negotiation");
	s->language = LANGUAGE_EN;
	if (conn_start_tls(c, tls, &err) == -1) {
		log_error(&s->log, "TLS not started", log_err(&err));
		return STEP_CLOSE;
	}
	return STEP_PARK;
}

static enum step
gate_utf8(struct gate_session *s, struct conn *c)
{
	s->utf8 = true;
	pop3_ok(c, s->language, "UTF-8 from now on");
	return STEP_NEXT;
}

static bool
verb_may_be_long(enum pop3_verb verb)
{
	/* An address may have 320 octets, a password more than a line. */
	return verb == POP3_AUTH || verb == POP3_USER || verb == POP3_PASS ||
	       verb == POP3_APOP;
}

static enum step
gate_command(struct gate_session *s, struct conn *c, struct span line)
{
	struct pop3_command command;
	struct err err = ERR_INIT;

	counter_add(s->gate->counters, COUNTER_COMMANDS, 1);
	if (pop3_command_parse(line, &command, &err) == -1)
		return gate_bad(s, c, err.text);
	if (line.len + 2 > POP3_LINE_MAX && !verb_may_be_long(command.verb))
		return gate_bad(s, c, "line too long");
	switch (command.verb) {
	case POP3_CAPA:
		return gate_capa(s, c);
	case POP3_USER:
		return gate_user(s, c, command.argument);
	case POP3_PASS:
		return gate_pass(s, c, command.argument);
	case POP3_AUTH:
		return gate_auth(s, c, command.argument);
	case POP3_STLS:
		return gate_stls(s, c);
	case POP3_UTF8:
		return gate_utf8(s, c);
	case POP3_LANG:
		pop3_lang(c, command.argument, LANGUAGE_EN, &s->language);
		return STEP_NEXT;
	case POP3_QUIT:
		pop3_ok(c, s->language, "Goodbye");
		return STEP_CLOSE;
	case POP3_APOP:
		return gate_apop(s, c, command.argument);
	case POP3_DELE:
	case POP3_LIST:
	case POP3_NOOP:
	case POP3_RETR:
	case POP3_RSET:
	case POP3_STAT:
	case POP3_TOP:
	case POP3_UIDL:
		break;
	}
	return gate_bad(s, c, "log in first");
}

static enum step
gate_line(struct gate_session *s, struct conn *c, struct span line)
{
	if (login_in_exchange(s->login))
		return gate_login_next(s, c, login_line(s->login, line));
	return gate_command(s, c, line);
}

static enum step
gate_line_long(struct gate_session *s, struct conn *c)
{
	if (login_in_exchange(s->login))
		return gate_login_next(s, c, login_line_long(s->login));
	return gate_bad(s, c, "line too long");
}

static enum step
gate_step(struct gate_session *s, struct conn *c)
{
	struct span line;

	switch (conn_take_line(c, true, &line)) {
	case TAKE_OK:
		return gate_line(s, c, line);
	case TAKE_LONG:
		return gate_line_long(s, c);
	case TAKE_MORE:
		if (!conn_draining(c))
			return STEP_PARK;
		pop3_err(c, s->language, "SYS/TEMP",
		    "Server is going down, come back");
		return STEP_CLOSE;
	case TAKE_TIMEOUT: /* no words: RFC 1939 section 3 */
	case TAKE_BAD:
	case TAKE_CLOSED:
	case TAKE_FAILED:
		break;
	}
	return STEP_CLOSE;
}

/* timestamp = "<" 24(octet of base64) "@" host name ">"	RFC 1939 section
 * 7
 */
static char *
timestamp_new(const char *hostname, struct err *err)
{
	CLEANUP(buf_fini) struct buf nonce;
	unsigned char random[18];
	char *timestamp;

	buf_init(&nonce, 32);
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		(void)err_sys(err, "getrandom");
		return NULL;
	}
	base64_encode(span_of((const char *)random, sizeof(random)), &nonce);
	if (buf_check(&nonce, err) == -1 ||
	    asprintf(&timestamp, "<%s@%s>", buf_str(&nonce), hostname) == -1) {
		(void)err_sys(err, "timestamp");
		return NULL;
	}
	return timestamp;
}

static void
gate_greet(struct gate_session *s, struct conn *c)
{
	struct daemon *d = s->gate->daemon;
	const struct pop3d_conf *conf = daemon_section(d);
	struct err err = ERR_INIT;
	const struct conn_peer *peer = conn_peer(c);

	(void)snprintf(s->log.client, sizeof(s->log.client), "%s:%u",
	    peer->address_text, peer->port);
	log_info(&s->log, "connected", log_str("tls", conn_tls_version(c)));
	if (conf->apop) {
		s->timestamp = timestamp_new(daemon_conf(d)->hostname, &err);
		if (s->timestamp == NULL)
			log_error(&s->log, "no APOP", log_err(&err));
	}
	if (s->timestamp == NULL)
		pop3_ok(c, s->language, "POP3 server ready");
	else
		conn_write_fmt(c, "+OK %s %s\r\n",
		    text_in(s->language, "POP3 server ready"), s->timestamp);
	s->greeted = true;
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

/* What asks nobody else. */
static bool
gate_light(void *session, struct span line)
{
	const struct gate_session *s = session;
	struct pop3_command command;

	if (login_in_exchange(s->login) || login_pending(s->login))
		return false;
	return pop3_command_parse(line, &command, NULL) == -1 ||
	       (command.verb != POP3_PASS && command.verb != POP3_AUTH &&
		   command.verb != POP3_APOP && command.verb != POP3_STLS);
}

static const struct conn_service gate_service = {
	.serve = gate_serve,
	.closed = gate_closed,
	.light = gate_light,
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
	const struct pop3d_conf *conf = section;

	return &conf->login;
}

static unsigned
gate_command_wait_ms(const void *section)
{
	const struct pop3d_conf *conf = section;

	return (unsigned)conf->command_wait * 1000;
}

const struct gate_protocol pop3_gate = {
	.daemon = "pop3d",
	.protocol = "pop3",
	.listener_tls = "pop3s",
	.service = SERVICE_POP3,
	.busy = SPAN("-ERR [SYS/TEMP] Too many connections, try again "
		     "later\r\n"),
	.crowd = SPAN("-ERR [SYS/TEMP] Too many connections from you\r\n"),
	.sessions = &gate_service,
	.session_new = gate_session_new,
	.session_log = gate_session_log,
	.login_conf = gate_login_conf,
	.wait_ms = gate_command_wait_ms,
};
