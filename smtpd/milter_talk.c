/* SPDX-License-Identifier: BSD-2-Clause */
/* The client and the envelope, as a milter is told of them. */
#include "smtpd/milter_talk.h"

#include <string.h>

#include "common/ascii.h"
#include "smtpd/milter_talk_private.h"

/* Values come from clients, certificates and milters. */
#define MACRO_MAX 2048
#define ARGUMENTS_MAX 32
/* A goodbye does not wait for a milter that takes nothing. */
#define ABORT_WAIT_MS 1000

/* What is sent unless the milter names macros of its own. */
static const char *const default_macros[MILTER_STAGES] = {
	[MILTER_AT_CONNECT] =
	    "j _ v {daemon_name} {daemon_addr} {daemon_port} {if_name} "
	    "{if_addr} {client_addr} {client_name} {client_port} "
	    "{client_ptr} {client_resolve}",
	[MILTER_AT_HELO] = "{tls_version} {cipher} {cipher_bits} "
			   "{cert_subject} {cert_issuer} {verify} {tls_sni} s",
	[MILTER_AT_MAIL] =
	    "i {auth_type} {auth_authen} {auth_author} {auth_ssf} {mail_addr} "
	    "{mail_host} {mail_mailer} r b",
	[MILTER_AT_RCPT] = "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
	[MILTER_AT_DATA] = "i {nrcpts}",
	[MILTER_AT_EOH] = "i",
	[MILTER_AT_EOM] = "i {msg_id} {hk_dispositions}",
};

void
milter_talk_init(
    struct milter_talk *t, struct milter *m, const struct milter_source *source)
{
	*t = (struct milter_talk){ .milter = m, .source = source };
}

void
milter_talk_fini(struct milter_talk *t)
{
	milter_leave(t->milter, t->conn, true);
	t->conn = NULL;
	t->state = MILTER_TALK_NONE;
}

bool
talk_wants(const struct milter_talk *t, enum milter_command command)
{
	return t->conn != NULL && ((t->conn->options.protocol | t->skipped) &
				      milter_no_bit(command)) == 0;
}

/* ---- macros
 * ------------------------------------------------------------------------- */

/* "{name}", but a single letter bare, as libmilter and rspamd look it up. */
static void
macro_put(struct milter_talk *t, struct span name, struct buf *out)
{
	struct span bare = name;
	size_t before = out->len, value;

	if (name.len > 2 && name.p[0] == '{' && name.p[name.len - 1] == '}')
		bare = span_of(name.p + 1, name.len - 2);
	if (bare.len == 1)
		buf_append(out, bare);
	else
		buf_append_fmt(out, "{%.*s}", SPAN_FMT(bare));
	buf_append_octet(out, '\0');
	value = out->len;
	if (!t->source->macro(t->source->arg, bare, out)) {
		buf_truncate(out, before);
		return;
	}
	if (out->len - value > MACRO_MAX)
		buf_truncate(out, value + MACRO_MAX);
	for (size_t i = value; i < out->len; i++) {
		if (ascii_is(out->data[i], ASCII_CTL))
			out->data[i] = '?';
	}
	buf_append_octet(out, '\0');
}

int
talk_macros(struct milter_talk *t, enum milter_stage stage,
    enum milter_command command, struct err *err)
{
	const struct milter_options *o = &t->conn->options;
	struct span list = span_str(
	    o->macros_set[stage] ? o->macros[stage] : default_macros[stage]);
	CLEANUP(buf_fini) struct buf data;

	buf_init(&data, MILTER_DATA_MAX);
	buf_append_octet(&data, (char)command);
	while (list.len > 0) {
		ptrdiff_t sp = span_index(list, ' ');
		size_t n = sp < 0 ? list.len : (size_t)sp;

		macro_put(t, span_first(list, n), &data);
		list = span_from(list, n + 1);
	}
	if (buf_check(&data, err) == -1)
		return -1;
	/* One without macros confuses filters. */
	return data.len == 1 ? 0
			     : milter_put(&t->conn->out, MILTER_MACRO,
				   buf_span(&data), err);
}

/* ---- the client
 * --------------------------------------------------------------------- */

bool
milter_talk_eager(struct milter_talk *t)
{
	uint32_t protocol;

	return !milter_known(t->milter, &protocol) ||
	       (protocol & (MILTER_NO_CONNECT | MILTER_NR_CONNECT)) == 0;
}

static int
talk_connect(struct milter_talk *t, struct milter_verdict *v, struct err *err)
{
	const struct milter_source *s = t->source;

	t->start_ms = clock_ms();
	if (milter_take(t->milter, &t->conn, err) == -1 ||
	    talk_macros(t, MILTER_AT_CONNECT, MILTER_CONNECT, err) == -1)
		return -1;
	t->state = MILTER_TALK_OPEN;
	if (!talk_wants(t, MILTER_CONNECT))
		return 0;
	if (milter_put_connect(&t->conn->out, s->host, s->family, s->port,
		s->address, err) == -1)
		return -1;
	return talk_event(t, MILTER_CONNECT, v, err);
}

static int
talk_helo(struct milter_talk *t, struct milter_verdict *v, struct err *err)
{
	t->helo_told = true;
	if (talk_macros(t, MILTER_AT_HELO, MILTER_HELO, err) == -1)
		return -1;
	if (!talk_wants(t, MILTER_HELO))
		return 0;
	if (milter_put_texts(
		&t->conn->out, MILTER_HELO, &t->source->helo, 1, err) == -1)
		return -1;
	return talk_event(t, MILTER_HELO, v, err);
}

void
milter_talk_connect(struct milter_talk *t, struct milter_verdict *v)
{
	struct err err = ERR_INIT;

	if (talk_connect(t, v, &err) == -1)
		talk_failed(t, MILTER_CONNECT, &err, v);
}

void
milter_talk_helo(struct milter_talk *t, struct milter_verdict *v)
{
	struct err err = ERR_INIT;

	/* Who has no connection hears of it at MAIL. */
	if (t->state == MILTER_TALK_OPEN && talk_helo(t, v, &err) == -1)
		talk_failed(t, MILTER_HELO, &err, v);
}

/* ---- the envelope
 * ----------------------------------------------------------------------- */

/* It may have been restarted since the last message. */
static void
talk_renew(struct milter_talk *t)
{
	if (t->state != MILTER_TALK_OPEN || milter_conn_quiet(t->conn))
		return;
	log_info(t->source->log, "milter closed meanwhile: connecting anew",
	    log_str("milter", milter_name(t->milter)));
	milter_leave(t->milter, t->conn, false);
	t->conn = NULL;
	t->helo_told = false;
	t->state = MILTER_TALK_NONE;
}

/* What it has not been told of the client; false: it said something to it. */
static int
talk_catch_up(struct milter_talk *t, struct milter_verdict *v, struct err *err)
{
	talk_renew(t);
	if (t->state == MILTER_TALK_NONE && talk_connect(t, v, err) == -1)
		return -1;
	if (v->ruling == MILTER_RULES_CONTINUE &&
	    t->state == MILTER_TALK_OPEN && !t->helo_told &&
	    t->source->helo.len > 0)
		return talk_helo(t, v, err);
	return 0;
}

static int
talk_mail(struct milter_talk *t, const struct span *arguments, size_t count,
    struct milter_verdict *v, struct err *err)
{
	if (talk_macros(t, MILTER_AT_MAIL, MILTER_MAIL, err) == -1)
		return -1;
	if (!talk_wants(t, MILTER_MAIL))
		return 0;
	if (milter_put_texts(
		&t->conn->out, MILTER_MAIL, arguments, count, err) == -1)
		return -1;
	return talk_event(t, MILTER_MAIL, v, err);
}

void
milter_talk_mail(struct milter_talk *t, const struct span *arguments,
    size_t count, struct milter_verdict *v)
{
	struct err err = ERR_INIT;
	int result;

	if (t->state == MILTER_TALK_OVER)
		return;
	t->skipped = 0;
	t->edits_seen = 0;
	t->rcpts = 0;
	t->discards = t->quarantines = false;
	result = talk_catch_up(t, v, &err);
	if (result == 0 && (v->ruling != MILTER_RULES_CONTINUE ||
			       t->state != MILTER_TALK_OPEN))
		return;
	/* From here on a failure is the message's. */
	t->state = MILTER_TALK_MESSAGE;
	if (result == -1 || talk_mail(t, arguments, count, v, &err) == -1)
		talk_failed(t, MILTER_MAIL, &err, v);
}

static int
talk_rcpt(struct milter_talk *t, const struct span *arguments, size_t count,
    struct milter_verdict *v, struct err *err)
{
	if (talk_macros(t, MILTER_AT_RCPT, MILTER_RCPT, err) == -1)
		return -1;
	if (!talk_wants(t, MILTER_RCPT))
		return 0;
	if (milter_put_texts(
		&t->conn->out, MILTER_RCPT, arguments, count, err) == -1)
		return -1;
	return talk_event(t, MILTER_RCPT, v, err);
}

void
milter_talk_rcpt(struct milter_talk *t, const struct span *arguments,
    size_t count, bool rejected, struct milter_verdict *v)
{
	struct err err = ERR_INIT;

	if (t->state != MILTER_TALK_MESSAGE)
		return;
	if (rejected && (t->conn->options.protocol & MILTER_RCPT_REJECTED) == 0)
		return;
	t->rcpts++;
	if (talk_rcpt(t, arguments, count, v, &err) == -1)
		talk_failed(t, MILTER_RCPT, &err, v);
}

static int
talk_data(struct milter_talk *t, struct milter_verdict *v, struct err *err)
{
	if (talk_macros(t, MILTER_AT_DATA, MILTER_DATA, err) == -1)
		return -1;
	if (!talk_wants(t, MILTER_DATA))
		return 0;
	if (milter_put(&t->conn->out, MILTER_DATA, SPAN(""), err) == -1)
		return -1;
	return talk_event(t, MILTER_DATA, v, err);
}

void
milter_talk_data(struct milter_talk *t, struct milter_verdict *v)
{
	struct err err = ERR_INIT;

	if (t->state == MILTER_TALK_MESSAGE && talk_data(t, v, &err) == -1)
		talk_failed(t, MILTER_DATA, &err, v);
}

/*
 * Outside messages alone: within one, a libmilter filter that does not want
 * DATA has no way from here to the header, and would swallow the message
 * without a word.
 */
void
milter_talk_unknown(struct milter_talk *t, struct span line)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict ignored;
	struct err err = ERR_INIT;

	milter_verdict_init(&ignored);
	if (t->state != MILTER_TALK_OPEN || !talk_wants(t, MILTER_UNKNOWN))
		return;
	if (milter_put_texts(&t->conn->out, MILTER_UNKNOWN, &line, 1, &err) ==
		-1 ||
	    talk_event(t, MILTER_UNKNOWN, &ignored, &err) == -1)
		talk_failed(t, MILTER_UNKNOWN, &err, &ignored);
}

void
milter_talk_reset(struct milter_talk *t)
{
	struct err err = ERR_INIT;

	switch (t->state) {
	case MILTER_TALK_MESSAGE:
		t->state = MILTER_TALK_OPEN;
		t->due_len = 0;
		if (milter_put(&t->conn->out, MILTER_ABORT, SPAN(""), &err) ==
			0 &&
		    milter_conn_flush(t->conn, ABORT_WAIT_MS, &err) == 0)
			return;
		milter_leave(t->milter, t->conn, false);
		t->conn = NULL;
		t->helo_told = false;
		t->state = MILTER_TALK_NONE;
		return;
	case MILTER_TALK_DONE:
		t->state = MILTER_TALK_OPEN;
		return;
	case MILTER_TALK_FAILED:
		t->state = MILTER_TALK_NONE;
		return;
	case MILTER_TALK_NONE:
	case MILTER_TALK_OPEN:
	case MILTER_TALK_OVER:
		return;
	}
}
