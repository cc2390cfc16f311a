/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/lmtp.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "delivery/lmtp_private.h"

/* A peer that sends nothing but nonsense is no mail server. */
#define ERRORS_MAX 20

void
lmtp_reply(struct lmtp_session *s, unsigned code, const char *enhanced,
    const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn_write_fmt(s->conn, "%u %s%s%s\r\n", code, enhanced,
	    enhanced[0] == '\0' ? "" : " ", text);
	s->errors = code >= 500 ? s->errors + 1 : 0;
}

void
lmtp_recipient_fini(struct lmtp_recipient *r)
{
	free(r->targets);
	free(r->folder);
	free(r->forwarded_by);
	free(r->fields);
}

void
lmtp_transaction_reset(struct lmtp_session *s)
{
	for (size_t i = 0; i < s->recipient_count; i++)
		lmtp_recipient_fini(&s->recipients[i]);
	free(s->recipients);
	s->recipients = NULL;
	s->recipient_count = s->recipient_room = 0;
	s->mail = s->utf8 = s->room_asked = s->in_data = s->in_said = false;
	s->size_octets = 0;
	s->reverse_path[0] = '\0';
	spool_fini(&s->spool);
}

/* ---- commands ---- */

static void
lmtp_lhlo(struct lmtp_session *s, struct span argument)
{
	if (argument.len == 0 || argument.len >= sizeof(s->helo)) {
		lmtp_reply(s, 501, "5.5.4", "LHLO needs a name");
		return;
	}
	lmtp_transaction_reset(s);
	memcpy(s->helo, argument.p, argument.len);
	s->helo[argument.len] = '\0';
	s->greeted = true;
	s->errors = 0;
	conn_write_fmt(s->conn,
	    "250-%s\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
	    "%s250-ENHANCEDSTATUSCODES\r\n250 SIZE %llu\r\n",
	    daemon_conf(s->lmtp->daemon)->hostname,
	    s->trusted ? "250-HKROOM\r\n250-HKFD\r\n" : "",
	    (unsigned long long)s->conf->message_max);
}

static void
lmtp_mail(struct lmtp_session *s, struct span argument)
{
	CLEANUP(buf_fini) struct buf path;
	struct lmtp_mail mail;
	struct err err = ERR_INIT;

	buf_init(&path, sizeof(s->reverse_path) - 1);
	if (!s->greeted) {
		lmtp_reply(s, 503, "5.5.1", "Send LHLO first");
		return;
	}
	if (s->mail) {
		lmtp_reply(s, 503, "5.5.1", "MAIL was given already");
		return;
	}
	if (lmtp_mail_parse(argument, s->trusted, &mail, &err) == -1) {
		if (err.kind == ERR_POLICY)
			lmtp_reply(s, 555, "5.5.4", "Parameter not known");
		else
			lmtp_reply(s, 501, "5.1.7", "Syntax error in MAIL");
		return;
	}
	if (mail.size_octets > s->conf->message_max) {
		lmtp_reply(s, 552, "5.3.4", "Message too large");
		return;
	}
	mailaddr_format(mail.reverse_path, &path);
	if (buf_check(&path, &err) == -1) {
		lmtp_reply(s, 501, "5.1.7", "Path too long");
		return;
	}
	memcpy(s->reverse_path, buf_str(&path), path.len + 1);
	s->id = mail.id.len > 0 ? log_id_of(mail.id) : log_id_new();
	s->utf8 = mail.utf8;
	s->room_asked = mail.room_asked;
	s->size_octets = mail.size_octets;
	s->mail = true;
	lmtp_reply(s, 250, "2.1.0", "Ok");
}

static void
lmtp_command(struct lmtp_session *s, struct span line)
{
	struct span argument;

	counter_add(s->lmtp->counters, COUNTER_COMMANDS, 1);
	switch (lmtp_verb_parse(line, &argument)) {
	case LMTP_LHLO:
		lmtp_lhlo(s, argument);
		break;
	case LMTP_MAIL:
		lmtp_mail(s, argument);
		break;
	case LMTP_RCPT:
		lmtp_rcpt(s, argument);
		break;
	case LMTP_DATA:
		lmtp_data(s, argument);
		break;
	case LMTP_HKFD:
		lmtp_fd(s, argument);
		break;
	case LMTP_RSET:
		lmtp_transaction_reset(s);
		lmtp_reply(s, 250, "2.0.0", "Ok");
		break;
	case LMTP_NOOP:
		lmtp_reply(s, 250, "2.0.0", "Ok");
		break;
	case LMTP_VRFY:
		lmtp_reply(s, 252, "2.1.5", "Try RCPT");
		break;
	case LMTP_QUIT:
		lmtp_reply(s, 221, "2.0.0", "Bye");
		s->quit = true;
		break;
	case LMTP_HELO:
		lmtp_reply(s, 500, "5.5.1", "This is LMTP: send LHLO");
		break;
	case LMTP_UNKNOWN:
		lmtp_reply(s, 500, "5.5.2", "Command not known");
		break;
	}
}

/* ---- the session ---- */

static enum verdict
lmtp_end(struct lmtp_session *s, const char *words)
{
	conn_write_fmt(s->conn, "421 %s\r\n", words);
	return VERDICT_CLOSE;
}

/* One line, or a step of mail data.  False: *verdict_out says what next. */
static bool
lmtp_step(struct lmtp_session *s, enum verdict *verdict_out)
{
	struct span line;
	bool done;

	if (s->in_data || s->in_said) {
		*verdict_out = s->in_data ? lmtp_data_take(s, &done)
					  : lmtp_fd_take(s, &done);
		return done;
	}
	switch (conn_take_line(s->conn, false, &line)) {
	case TAKE_OK:
		lmtp_command(s, line);
		return true;
	case TAKE_LONG:
	case TAKE_BAD:
		lmtp_reply(s, 500, "5.5.2", "Line too long");
		return true;
	case TAKE_MORE:
		*verdict_out = conn_draining(s->conn) && !s->mail
				   ? lmtp_end(s, "4.3.2 Shutting down")
				   : VERDICT_PARK;
		return false;
	case TAKE_TIMEOUT:
		*verdict_out = lmtp_end(s, "4.4.2 Too slow");
		return false;
	case TAKE_FAILED:
	case TAKE_CLOSED:
		break;
	}
	*verdict_out = VERDICT_CLOSE;
	return false;
}

static enum verdict
lmtp_serve(struct conn *c, void *session)
{
	struct lmtp_session *s = session;
	enum verdict verdict = VERDICT_CLOSE;

	if (s->conn == NULL) {
		const struct conn_peer *peer = conn_peer(c);

		s->conn = c;
		s->trusted = peer->address.ss_family == AF_UNSPEC &&
			     peer->uid == daemon_master_uid(s->lmtp->daemon);
		(void)snprintf(s->log.client, sizeof(s->log.client), "%s",
		    peer->address_text);
		conn_write_fmt(c, "220 %s LMTP\r\n",
		    daemon_conf(s->lmtp->daemon)->hostname);
	}
	while (!s->quit && s->errors < ERRORS_MAX)
		if (!lmtp_step(s, &verdict))
			return verdict;
	return s->quit ? VERDICT_CLOSE : lmtp_end(s, "4.7.0 Too many errors");
}

static void
lmtp_closed(void *session)
{
	struct lmtp_session *s = session;

	counter_sub(s->lmtp->counters, COUNTER_SESSIONS, 1);
	lmtp_transaction_reset(s);
	free(s);
}

static const struct conn_service lmtp_service = {
	.serve = lmtp_serve,
	.closed = lmtp_closed,
};

/* ---- accepting ---- */

static void
lmtp_accepted(struct reactor *r, int fd, void *arg)
{
	struct lmtp *l = arg;
	struct lmtp_session *s = calloc(1, sizeof(*s));
	struct conn_options options = {
		.service = &lmtp_service,
		.session = s,
		.line_max = LMTP_LINE_MAX,
		.min_rate = 100,
		.counters = l->counters,
		.takes_fds = true,
	};
	struct err err = ERR_INIT;
	struct conn *c;

	if (s == NULL) {
		(void)close(fd);
		return;
	}
	s->lmtp = l;
	s->log.id = log_id_new();
	s->conf = daemon_section(l->daemon);
	spool_init(&s->spool, LMTP_MEMORY_MAX, -1);
	options.log = &s->log;
	options.wait_ms = (unsigned)s->conf->command_wait * 1000;
	counter_add(l->counters, COUNTER_SESSIONS, 1);
	counter_add(l->counters, COUNTER_CONNECTIONS, 1);
	if (conn_new(r, fd, &options, &c, &err) == -1) {
		log_error(&s->log, "connection not served", log_err(&err));
		lmtp_closed(s);
	}
}

static void
lmtp_busy(int fd, void *arg)
{
	static const char words[] = "421 4.3.2 Too many connections\r\n";
	struct lmtp *l = arg;

	counter_add(l->counters, COUNTER_REFUSED, 1);
	(void)send(fd, words, sizeof(words) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int
lmtp_new(struct daemon *d, struct tenants *tenants, struct placer *placer,
    struct backlog *backlog, struct lmtp **lmtp_out, struct err *err)
{
	struct lmtp *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_set(err, ERR_TEMP, "lmtp: out of memory");
	l->daemon = d;
	l->tenants = tenants;
	l->placer = placer;
	l->backlog = backlog;
	l->counters = daemon_counters(d);
	*lmtp_out = l;
	return 0;
}

void
lmtp_free(struct lmtp *l)
{
	free(l);
}

int
lmtp_start(struct lmtp *l, struct reactor *r, struct err *err)
{
	const struct daemon_listener *listeners;
	size_t count = daemon_listeners(l->daemon, &listeners);

	l->reactor = r;
	for (size_t i = 0; i < count; i++) {
		struct reactor_listener listener = {
			.fd = listeners[i].fd,
			.accepted = lmtp_accepted,
			.busy = lmtp_busy,
			.arg = l,
		};

		if (strcmp(listeners[i].name, "lmtp") != 0)
			return err_set(err, ERR_TEMP,
			    "listener \"%s\" is not LMTP's", listeners[i].name);
		if (reactor_listen(r, &listener, err) == -1)
			return -1;
	}
	return 0;
}
