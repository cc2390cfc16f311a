/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stdio.h>

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
