/* SPDX-License-Identifier: BSD-2-Clause */
/* What a milter's answer, or its silence, means. */
#include <stdio.h>
#include <string.h>

#include "smtpd/milter_talk_private.h"

/* Lines of a reply that a milter wrote: at most 32 of 512 octets. */
#define VERDICT_LINES_MAX (32 * 512)

void
milter_verdict_init(struct milter_verdict *v)
{
	*v = (struct milter_verdict){ .ruling = MILTER_RULES_CONTINUE };
	buf_init(&v->lines, VERDICT_LINES_MAX);
}

void
milter_verdict_fini(struct milter_verdict *v)
{
	buf_fini(&v->lines);
}

static bool
is_content(enum milter_command command)
{
	return command == MILTER_HEADER || command == MILTER_EOH ||
	       command == MILTER_BODY || command == MILTER_EOM;
}

unsigned
talk_wait_ms(const struct milter_talk *t, enum milter_command command)
{
	const struct milter_conf *conf = milter_settings(t->milter);

	return (unsigned)(is_content(command) ? conf->content_wait
					      : conf->command_wait) *
	       1000;
}

static void
verdict_refuse(struct milter_talk *t, unsigned code, struct milter_verdict *v)
{
	v->ruling = MILTER_RULES_REFUSE;
	v->milter = milter_name(t->milter);
	v->code = code;
	buf_clear(&v->lines);
}

/* The text of a milter that writes nonsense is not the client's business. */
static void
verdict_code(struct milter_talk *t, struct span text, struct milter_verdict *v)
{
	struct err err = ERR_INIT;
	unsigned code = text.len > 0 && text.p[0] == '5' ? 550 : 451;

	verdict_refuse(t, code, v);
	if (milter_code_parse(text, &v->code, &v->lines, &err) == 0)
		return;
	v->code = code;
	buf_clear(&v->lines);
	log_warning(t->source->log, "milter sent a reply that is none",
	    log_str("milter", milter_name(t->milter)), log_err(&err));
}

/* Before a message, what it says of the client; afterwards, of the message. */
static void
talk_finish(struct milter_talk *t, enum milter_command command)
{
	milter_report(t->milter, true);
	if (command == MILTER_RCPT || command == MILTER_UNKNOWN)
		return; /* it stays where it is */
	if (command != MILTER_CONNECT && command != MILTER_HELO)
		t->state = MILTER_TALK_DONE;
}

static void
talk_accepted(struct milter_talk *t, enum milter_command command)
{
	if (command == MILTER_UNKNOWN)
		return;
	if (command != MILTER_CONNECT && command != MILTER_HELO) {
		t->state = MILTER_TALK_DONE;
		return;
	}
	milter_leave(t->milter, t->conn, true);
	t->conn = NULL;
	t->state = MILTER_TALK_OVER;
}

static void
talk_discarded(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v)
{
	if (command == MILTER_CONNECT || command == MILTER_HELO ||
	    command == MILTER_UNKNOWN) {
		log_warning(t->source->log,
		    "milter discards where there is no message",
		    log_str("milter", milter_name(t->milter)));
		return;
	}
	t->state = MILTER_TALK_DONE;
	v->ruling = MILTER_RULES_DISCARD;
	v->milter = milter_name(t->milter);
}

static bool
may_skip(enum milter_command command)
{
	return command == MILTER_HEADER || command == MILTER_BODY ||
	       command == MILTER_RCPT;
}

int
talk_answer(struct milter_talk *t, enum milter_command command,
    const struct milter_reply *reply, struct milter_verdict *v, struct err *err)
{
	switch (reply->kind) {
	case MILTER_CONTINUE:
		return 0;
	case MILTER_SKIPPED:
		if (!may_skip(command))
			break;
		t->skipped |= milter_no_bit(command);
		return 0;
	case MILTER_ACCEPT:
		talk_accepted(t, command);
		return 0;
	case MILTER_REJECT:
		talk_finish(t, command);
		verdict_refuse(t, is_content(command) ? 554 : 550, v);
		return 0;
	case MILTER_TEMPFAIL:
		talk_finish(t, command);
		verdict_refuse(t, 451, v);
		return 0;
	case MILTER_REPLYCODE:
		talk_finish(t, command);
		verdict_code(t, reply->text, v);
		return 0;
	case MILTER_SHUTDOWN:
		talk_finish(t, command);
		verdict_refuse(t, 421, v);
		return 0;
	case MILTER_DISCARD:
		talk_discarded(t, command, v);
		return 0;
	case MILTER_CONN_FAIL:
		talk_finish(t, command);
		v->ruling = MILTER_RULES_DROP;
		v->milter = milter_name(t->milter);
		return 0;
	default:
		break;
	}
	return err_set(err, ERR_SYNTAX, "%s to %s",
	    milter_reply_name(reply->kind), milter_command_name(command));
}

/* ---- waiting
 * ------------------------------------------------------------------------ */

/* Passes over PROGRESS, for as long as a whole message may take. */
static int
talk_wait(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v, struct err *err)
{
	uint64_t until =
	    clock_ms() + milter_settings(t->milter)->end_wait * 1000;
	struct milter_reply reply;

	do {
		if (clock_ms() >= until)
			return err_set(err, ERR_TEMP, "no answer in time");
		if (milter_conn_reply(
			t->conn, talk_wait_ms(t, command), &reply, err) == -1)
			return -1;
	} while (reply.kind == MILTER_PROGRESS);
	return talk_answer(t, command, &reply, v, err);
}

int
talk_settle(struct milter_talk *t, size_t owed, struct milter_verdict *v,
    struct err *err)
{
	while (t->due_len > owed && t->state == MILTER_TALK_MESSAGE) {
		enum milter_command command = t->due[0];

		if (talk_wait(t, command, v, err) == -1)
			return -1;
		t->due_len--;
		memmove(t->due, t->due + 1, t->due_len * sizeof(t->due[0]));
	}
	/* After its verdict libmilter answers what came behind with silence. */
	if (t->state != MILTER_TALK_MESSAGE)
		t->due_len = 0;
	return 0;
}

int
talk_event(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v, struct err *err)
{
	if ((t->conn->options.protocol & milter_nr_bit(command)) != 0) {
		if (t->conn->out.len < MILTER_GATHER)
			return 0;
		return milter_conn_flush(
		    t->conn, talk_wait_ms(t, command), err);
	}
	t->start_ms = clock_ms();
	return talk_wait(t, command, v, err);
}

int
talk_event_later(struct milter_talk *t, enum milter_command command,
    struct milter_verdict *v, struct err *err)
{
	if (!milter_settings(t->milter)->pipeline ||
	    (t->conn->options.protocol & milter_nr_bit(command)) != 0)
		return talk_event(t, command, v, err);
	t->due[t->due_len++] = command;
	if (t->conn->out.len >= MILTER_GATHER &&
	    milter_conn_flush(t->conn, talk_wait_ms(t, command), err) == -1)
		return -1;
	return t->due_len < MILTER_WINDOW ? 0 : talk_settle(t, 0, v, err);
}

/* ---- failure
 * ------------------------------------------------------------------------- */

static void
failure_log(
    struct milter_talk *t, enum milter_command command, const struct err *err)
{
	const struct milter_conn *c = t->conn;

	log_warning(t->source->log, "milter failed",
	    log_str("milter", milter_name(t->milter)),
	    log_str("stage", milter_command_name(command)),
	    log_str("message", t->source->message),
	    log_u64("octets_sent", c == NULL ? 0 : c->octets_out),
	    log_u64("octets_received", c == NULL ? 0 : c->octets_in),
	    log_u64("elapsed_ms", clock_ms() - t->start_ms), log_err(err));
}

static void
failure_quarantine(struct milter_talk *t, struct milter_verdict *v)
{
	v->quarantined = true;
	(void)snprintf(v->reason, sizeof(v->reason),
	    "milter %s did not judge it", milter_name(t->milter));
}

void
talk_failed(struct milter_talk *t, enum milter_command command,
    const struct err *err, struct milter_verdict *v)
{
	unsigned action = milter_settings(t->milter)->failure;

	failure_log(t, command, err);
	/* milter_take has counted a milter that could not be reached. */
	if (t->conn != NULL) {
		milter_report(t->milter, false);
		milter_leave(t->milter, t->conn, false);
		t->conn = NULL;
	}
	t->due_len = 0;
	t->helo_told = false;
	/* Of the client nothing is lost: the next MAIL brings it up again. */
	if (t->state != MILTER_TALK_MESSAGE) {
		t->state = MILTER_TALK_NONE;
		return;
	}
	t->state = MILTER_TALK_FAILED;
	/* What it has begun to change must not go out half changed. */
	if (action == MILTER_FAIL_ACCEPT && t->edits_seen > 0)
		action = MILTER_FAIL_TEMPFAIL;
	switch ((enum milter_failure)action) {
	case MILTER_FAIL_ACCEPT:
		return;
	case MILTER_FAIL_QUARANTINE:
		failure_quarantine(t, v);
		return;
	case MILTER_FAIL_TEMPFAIL:
		verdict_refuse(t, 451, v);
		return;
	case MILTER_FAIL_REJECT:
		verdict_refuse(t, is_content(command) ? 554 : 550, v);
		return;
	case MILTER_FAIL_SHUTDOWN:
		verdict_refuse(t, 421, v);
		return;
	}
}
