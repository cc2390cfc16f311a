/* SPDX-License-Identifier: BSD-2-Clause */
/* The command loop: greeting, dispatch, the end.  RFC 5321 sections 3 and 4 */
#include "smtpd/session.h"

#include <stdio.h>
#include <string.h>

#include "common/clients.h"
#include "smtpd/chain.h"

struct smtp_session *
smtp_session_new(struct smtp_server *server, enum smtp_listener listener)
{
	struct smtp_session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->server = server;
	s->conf = daemon_section(smtp_server_daemon(server));
	s->listener = listener;
	s->log.id = log_id_new();
	s->message_max = s->conf->message_max;
	return s;
}

void
smtp_transaction_reset(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;

	smtp_chain_reset(s->chain);
	s->transaction = NULL;
	if (t == NULL)
		return;
	spool_fini(&t->spool);
	for (size_t i = 0; i < t->recipients_len; i++)
		smtp_recipient_fini(&t->recipients[i]);
	free(t->recipients);
	free(t->quarantine);
	free(t->finals);
	free(t->remotes);
	free(t->envid);
	free(t);
}

static void
session_closed(void *arg)
{
	struct smtp_session *s = arg;

	if (s->client != NULL) {
		tally_leave(smtp_server_clients(s->server), s->client);
		counter_sub(
		    smtp_server_counters(s->server), COUNTER_SESSIONS, 1);
		log_info(&s->log, "disconnected", log_u64("errors", s->errors));
	}
	smtp_auth_end(s);
	smtp_transaction_reset(s);
	smtp_chain_free(s->chain);
	free(s->helo);
	free(s->account_id);
	free(s->account_address);
	free(s->refusal);
	free(s);
}

/* What a milter says of the client; true: it gets no further. */
static bool
session_judged(struct smtp_session *s)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;

	milter_verdict_init(&v);
	s->chain = smtp_chain_new(s);
	smtp_chain_connect(s->chain, &v);
	if (v.ruling == MILTER_RULES_REFUSE && v.code / 100 == 4 &&
	    v.code != 421) {
		smtp_refusal_keep(s, &v);
		return false;
	}
	if (v.ruling == MILTER_RULES_REFUSE && v.code != 421) {
		conn_write_fmt(s->conn, "554 %s No SMTP service for you\r\n",
		    smtp_server_hostname(s->server));
		log_notice(&s->log, "client refused by a milter",
		    log_str("milter", v.milter));
		s->refused = true;
		return true;
	}
	return smtp_reply_verdict(s, "CONNECT", &v);
}

static void
session_greet(struct smtp_session *s)
{
	struct counters *counters = smtp_server_counters(s->server);
	const struct conn_peer *peer = conn_peer(s->conn);

	(void)snprintf(s->log.client, sizeof(s->log.client), "%s:%u",
	    peer->address_text, (unsigned)peer->port);
	counter_add(counters, COUNTER_CONNECTIONS, 1);
	s->client = clients_enter(smtp_server_clients(s->server),
	    &peer->address, s->conf->client_connections_max, NULL);
	if (s->client == NULL) {
		counter_add(counters, COUNTER_REFUSED, 1);
		smtp_goodbye(s, "4.7.0", "Too many connections from you");
		return;
	}
	counter_add(counters, COUNTER_SESSIONS, 1);
	log_info(&s->log, "connected",
	    log_str("listener", smtp_listener_name(s->listener)),
	    log_str("tls", conn_tls_version(s->conn)));
	/* It must wait for the greeting.             RFC 5321 section 3.1 */
	if (!conn_tls(s->conn) && conn_input_waiting(s->conn)) {
		conn_write_fmt(s->conn,
		    "554 5.5.0 %s You talked before the greeting\r\n",
		    smtp_server_hostname(s->server));
		log_notice(&s->log, "client talked before the greeting");
		s->quit = true;
		return;
	}
	if (session_judged(s))
		return;
	conn_write_fmt(s->conn, "220 %s ESMTP Hikyaku\r\n",
	    smtp_server_hostname(s->server));
}

bool
smtp_desynchronized(struct smtp_session *s, const char *verb)
{
	if (!conn_input_pending(s->conn))
		return false;
	(void)conn_discard_input(s->conn);
	smtp_reply(s, 554, "5.5.0", "%s must be the last command sent", verb);
	log_notice(&s->log, "commands behind one that must be last",
	    log_str("command", verb));
	s->quit = true;
	return true;
}

static void
cmd_helo(struct smtp_session *s, struct span argument)
{
	smtp_helo(s, argument, false);
}

static void
cmd_ehlo(struct smtp_session *s, struct span argument)
{
	smtp_helo(s, argument, true);
}

static void
cmd_rset(struct smtp_session *s, struct span argument)
{
	if (argument.len > 0) {
		smtp_reply(s, 501, "5.5.4", "RSET takes no argument");
		return;
	}
	smtp_transaction_reset(s);
	smtp_reply(s, 250, "2.0.0", "Ok");
}

static void
cmd_noop(struct smtp_session *s, struct span argument)
{
	(void)argument;
	smtp_reply(s, 250, "2.0.0", "Ok");
}

static void
cmd_quit(struct smtp_session *s, struct span argument)
{
	if (argument.len > 0) {
		smtp_reply(s, 501, "5.5.4", "QUIT takes no argument");
		return;
	}
	smtp_reply(s, 221, "2.0.0", "%s Bye", smtp_server_hostname(s->server));
	s->quit = true;
}

/* Neither confirms nor denies, so that nobody harvests. RFC 5321 3.5.3 */
static void
cmd_vrfy(struct smtp_session *s, struct span argument)
{
	if (argument.len == 0)
		smtp_reply(s, 501, "5.5.4", "VRFY needs an argument");
	else
		smtp_reply(s, 252, "2.5.2",
		    "Cannot VRFY, but will take mail and try to deliver");
}

static void
cmd_help(struct smtp_session *s, struct span argument)
{
	(void)argument;
	smtp_reply(s, 214, "2.0.0", "See RFC 5321");
}

static void
cmd_not_implemented(struct smtp_session *s, struct span argument)
{
	(void)argument;
	smtp_reply(s, 502, "5.5.1", "Command not implemented");
}

static void
cmd_foreign(struct smtp_session *s, struct span argument)
{
	(void)argument;
	log_notice(&s->log, "client of another protocol");
	smtp_goodbye(s, "4.7.0", "This is SMTP");
}

static void
cmd_unknown(struct smtp_session *s, struct span argument)
{
	(void)argument;
	smtp_reply(s, 500, "5.5.2", "Command not recognized");
}

/* By enum smtp_verb. */
static void (*const commands[])(
    struct smtp_session *s, struct span argument) = {
	[SMTP_HELO] = cmd_helo,
	[SMTP_EHLO] = cmd_ehlo,
	[SMTP_MAIL] = smtp_mail,
	[SMTP_RCPT] = smtp_rcpt,
	[SMTP_DATA] = smtp_data,
	[SMTP_RSET] = cmd_rset,
	[SMTP_NOOP] = cmd_noop,
	[SMTP_QUIT] = cmd_quit,
	[SMTP_VRFY] = cmd_vrfy,
	[SMTP_EXPN] = cmd_not_implemented,
	[SMTP_HELP] = cmd_help,
	[SMTP_STARTTLS] = smtp_starttls,
	[SMTP_AUTH] = smtp_auth,
	[SMTP_BDAT] = cmd_not_implemented,
	[SMTP_ETRN] = cmd_not_implemented,
	[SMTP_FOREIGN] = cmd_foreign,
	[SMTP_UNKNOWN] = cmd_unknown,
};

static void
session_command(struct smtp_session *s, struct span line)
{
	struct span argument;
	enum smtp_verb verb = smtp_verb_parse(line, &argument);

	counter_add(smtp_server_counters(s->server), COUNTER_COMMANDS, 1);
	if (line.len + 2 > SMTP_COMMAND_MAX && verb != SMTP_AUTH) {
		smtp_reply(s, 500, "5.5.2", "Line too long");
		return;
	}
	if (!smtp_line_clean(line)) {
		smtp_reply(s, 500, "5.5.2", "Control character in a command");
		return;
	}
	log_debug(&s->log, "command", log_str("verb", smtp_verb_name(verb)));
	if (s->refused && verb != SMTP_QUIT) {
		smtp_reply(s, 503, "5.5.1", "No SMTP service for you");
		return;
	}
	if (verb == SMTP_UNKNOWN)
		smtp_chain_unknown(s->chain, line);
	/* What moves mail forward starts the count anew. */
	if (verb != SMTP_MAIL && verb != SMTP_RCPT && verb != SMTP_DATA &&
	    verb != SMTP_QUIT && ++s->junk > s->conf->junk_max) {
		smtp_goodbye(s, "4.7.0", "Too many commands without mail");
		return;
	}
	commands[verb](s, argument);
}

static enum verdict
session_timeout(struct smtp_session *s)
{
	log_notice(&s->log, "client too slow",
	    log_str("state", s->transaction != NULL && s->transaction->in_data
				 ? "data"
				 : "command"));
	smtp_goodbye(s, "4.4.2", "Timeout");
	return VERDICT_CLOSE;
}

/* One line.  False: nothing more to do now, *verdict_out says what follows. */
static bool
session_line(struct smtp_session *s, enum verdict *verdict_out)
{
	bool exchange = s->auth_state == SMTP_AUTH_EXCHANGE;
	struct span line;

	switch (conn_take_line(s->conn, false, &line)) {
	case TAKE_OK:
		if (exchange)
			smtp_auth_line(s, line);
		else
			session_command(s, line);
		return true;
	case TAKE_LONG:
		if (exchange)
			smtp_auth_line_long(s);
		else
			smtp_reply(s, 500, "5.5.2", "Line too long");
		return true;
	case TAKE_MORE:
		*verdict_out = VERDICT_PARK;
		if (conn_draining(s->conn) && s->transaction == NULL) {
			smtp_goodbye(s, "4.3.2", "Going down");
			*verdict_out = VERDICT_CLOSE;
		}
		return false;
	case TAKE_TIMEOUT:
		*verdict_out = session_timeout(s);
		return false;
	case TAKE_BAD:
	case TAKE_FAILED:
	case TAKE_CLOSED:
		break;
	}
	*verdict_out = VERDICT_CLOSE;
	return false;
}

static enum verdict
session_serve(struct conn *c, void *arg)
{
	struct smtp_session *s = arg;
	enum verdict verdict = VERDICT_CLOSE;

	if (s->conn == NULL) {
		s->conn = c;
		session_greet(s);
		return s->quit ? VERDICT_CLOSE : VERDICT_PARK;
	}
	if (s->auth_state == SMTP_AUTH_PAUSED)
		smtp_auth_resume(s);
	while (!s->quit) {
		if (s->auth_state == SMTP_AUTH_PAUSED)
			return VERDICT_PARK;
		if (s->transaction != NULL && s->transaction->in_data) {
			if (!smtp_data_take(s))
				return s->quit ? VERDICT_CLOSE : VERDICT_PARK;
		} else if (!session_line(s, &verdict)) {
			return verdict;
		}
	}
	return VERDICT_CLOSE;
}

const struct conn_service smtp_service = {
	.serve = session_serve,
	.closed = session_closed,
};
