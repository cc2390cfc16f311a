/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd/chain.h"
#include "smtpd/session.h"

void
smtp_goodbye(struct smtp_session *s, const char *enhanced, const char *text)
{
	conn_write_fmt(s->conn, "421 %s %s %s\r\n", enhanced,
	    smtp_server_hostname(s->server), text);
	log_info(&s->log, "connection ended by us", log_str("reason", text));
	s->quit = true;
}

void
smtp_reply(struct smtp_session *s, unsigned code, const char *enhanced,
    const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conn_write_fmt(s->conn, "%u %s%s%s\r\n", code, enhanced,
	    enhanced[0] == '\0' ? "" : " ", text);
	if (code < 500)
		return;
	log_info(&s->log, "command refused", log_u64("code", code),
	    log_str("enhanced", enhanced), log_str("text", text));
	if (++s->errors >= s->conf->errors_max && !s->quit)
		smtp_goodbye(s, "4.7.0", "Too many errors");
}

void
smtp_reply_err(struct smtp_session *s, const struct err *err)
{
	switch (err->kind) {
	case ERR_SYNTAX:
		smtp_reply(s, 501, "5.5.4", "Syntax error: %s", err->text);
		return;
	case ERR_LIMIT:
		smtp_reply(s, 501, "5.5.4", "Too long: %s", err->text);
		return;
	case ERR_POLICY:
		smtp_reply(s, 555, "5.5.4", "%s", err->text);
		return;
	case ERR_TEMP:
	case ERR_CLOSED:
	case ERR_NONE:
		log_warning(
		    &s->log, "command failed on our side", log_err(err));
		smtp_reply(s, 451, "4.3.0", "Temporary failure, try later");
		return;
	}
}

/* ---- what milters say
 * -------------------------------------------------------------------- */

void
smtp_reply_lines(struct smtp_session *s, unsigned code, struct span lines)
{
	conn_write(s->conn, lines);
	if (code == 421)
		s->quit = true;
	if (code >= 500 && ++s->errors >= s->conf->errors_max && !s->quit)
		smtp_goodbye(s, "4.7.0", "Too many errors");
}

/* Without words of the milter's own. */
static void
reply_default(struct smtp_session *s, unsigned code)
{
	if (code == 421)
		smtp_goodbye(s, "4.7.0", "Service not available now");
	else if (code == 552)
		smtp_reply(s, code, "5.3.4", "Message too large");
	else if (code / 100 == 4)
		smtp_reply(s, code, "4.7.1",
		    "Service not available now, try again later");
	else
		smtp_reply(s, code, "5.7.1",
		    code == 554 ? "Message refused" : "Command refused");
}

static void
reply_refused(struct smtp_session *s, unsigned code, struct span lines)
{
	if (lines.len > 0)
		smtp_reply_lines(s, code, lines);
	else
		reply_default(s, code);
}

bool
smtp_reply_verdict(
    struct smtp_session *s, const char *event, const struct milter_verdict *v)
{
	if (v->ruling != MILTER_RULES_REFUSE && v->ruling != MILTER_RULES_DROP)
		return false;
	log_notice(&s->log, "refused by a milter", log_str("milter", v->milter),
	    log_str("stage", event),
	    log_str("message",
		s->transaction == NULL ? "" : s->transaction->id.text),
	    log_u64("code", v->ruling == MILTER_RULES_DROP ? 0 : v->code),
	    log_span("reply", buf_span(&v->lines)));
	if (v->ruling == MILTER_RULES_DROP)
		s->quit = true;
	else
		reply_refused(s, v->code, buf_span(&v->lines));
	return true;
}

void
smtp_refusal_keep(struct smtp_session *s, const struct milter_verdict *v)
{
	free(s->refusal);
	s->refusal = v->lines.len == 0 ? NULL : strdup(buf_str(&v->lines));
	s->refusal_code = v->code;
	log_notice(&s->log, "client refused by a milter",
	    log_str("milter", v->milter), log_u64("code", v->code));
}

bool
smtp_refusal_reply(struct smtp_session *s)
{
	if (s->refusal_code == 0)
		return false;
	reply_refused(s, s->refusal_code, span_str(s->refusal));
	return true;
}
