/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IDLE.                                                 RFC 2177 section 3
 *
 * The session parks like between any two commands; DONE is the next line.
 * The store's watch wakes it, and the client is told at once.
 */
#include "imapd/command.h"

#include <stdio.h>

/* On the reactor's thread: mark and wake, no more. */
static void
idle_changed(void *arg)
{
	struct imap_session *s = arg;

	conn_wake(s->conn);
}

int
imap_idle(struct imap_session *s, struct span args, struct err *err)
{
	struct err watch_err = ERR_INIT;

	if (imap_end_parse(&args, err) == -1)
		return -1;
	(void)snprintf(s->idle_tag, sizeof(s->idle_tag), "%.*s",
	    (int)s->tag.len, s->tag.p);
	if (s->mailbox != NULL) {
		s->watching =
		    mailbox_watch(s->mailbox, idle_changed, s, &watch_err) == 0;
		if (!s->watching)
			/* The host wakes us now and then instead. */
			log_warning(
			    &s->log, "no watch, polling", log_err(&watch_err));
	}
	s->idling = true;
	buf_append(&s->out, SPAN("+ idling\r\n"));
	/* What came before the watch was there. */
	if (s->mailbox != NULL && session_sync(s, true, err) == -1) {
		idle_end(s);
		return -1;
	}
	return 0;
}

int
idle_news(struct imap_session *s, struct err *err)
{
	s->uid = false;
	return session_sync(s, true, err);
}

void
idle_end(struct imap_session *s)
{
	if (s->watching)
		(void)mailbox_watch(s->mailbox, NULL, NULL, NULL);
	s->watching = false;
	s->idling = false;
}

void
idle_line(struct imap_session *s, struct span line)
{
	struct err err = ERR_INIT;
	int outcome = 0;

	idle_end(s);
	if (!span_eq_nocase(line, SPAN("DONE")))
		outcome = err_set(&err, ERR_SYNTAX, "DONE expected");
	else if (s->mailbox != NULL)
		outcome = idle_news(s, &err);
	if (err.kind == ERR_CLOSED) {
		buf_append(&s->out, SPAN("* BYE Mailbox is gone\r\n"));
		s->quit = true;
	}
	session_reply(s, span_str(s->idle_tag), outcome, &err);
}
