/* SPDX-License-Identifier: BSD-2-Clause */
/* Header, body and the end of a message, as a milter is told of them. */
#include <stdio.h>
#include <string.h>

#include "smtpd/milter_talk_private.h"

/* Lines of a field apart by LF alone; one blank in front belongs to ": ". */
static void
value_put(struct span value, bool leading_space, struct buf *out)
{
	if (!leading_space && value.len > 0 && value.p[0] == ' ')
		value = span_from(value, 1);
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] != '\r')
			buf_append_octet(out, value.p[i]);
	}
}

static int
feed_field(struct milter_talk *t, const struct draft_field *f,
    struct milter_verdict *v, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;
	struct span texts[2] = { f->name, SPAN("") };

	buf_init(&value, MILTER_DATA_MAX);
	value_put(f->value,
	    (t->conn->options.protocol & MILTER_LEADING_SPACE) != 0, &value);
	if (buf_check(&value, err) == -1)
		return -1;
	texts[1] = span_of(buf_str(&value), value.len);
	if (milter_put_texts(&t->conn->out, MILTER_HEADER, texts, 2, err) == -1)
		return -1;
	return talk_event_later(t, MILTER_HEADER, v, err);
}

static int
feed_header(struct milter_talk *t, const struct draft *draft,
    struct milter_verdict *v, struct err *err)
{
	for (size_t i = 0; i < draft->len; i++) {
		const struct draft_field *f = &draft->fields[i];

		if (t->state != MILTER_TALK_MESSAGE ||
		    !talk_wants(t, MILTER_HEADER))
			return 0;
		if (f->shown && feed_field(t, f, v, err) == -1)
			return -1;
	}
	return 0;
}

static int
feed_eoh(struct milter_talk *t, struct milter_verdict *v, struct err *err)
{
	if (t->state != MILTER_TALK_MESSAGE)
		return 0;
	if (talk_macros(t, MILTER_AT_EOH, MILTER_EOH, err) == -1)
		return -1;
	if (!talk_wants(t, MILTER_EOH))
		return 0;
	if (milter_put(&t->conn->out, MILTER_EOH, SPAN(""), err) == -1)
		return -1;
	return talk_event_later(t, MILTER_EOH, v, err);
}

static int
feed_body(struct milter_talk *t, struct span body, struct milter_verdict *v,
    struct err *err)
{
	while (body.len > 0 && t->state == MILTER_TALK_MESSAGE &&
	       talk_wants(t, MILTER_BODY)) {
		struct span piece = span_first(body, MILTER_DATA_MAX);

		/* Filters stumble over a line end in two pieces. */
		if (piece.len < body.len && piece.p[piece.len - 1] == '\r')
			piece.len--;
		if (milter_put(&t->conn->out, MILTER_BODY, piece, err) == -1 ||
		    talk_event_later(t, MILTER_BODY, v, err) == -1)
			return -1;
		body = span_from(body, piece.len);
	}
	return 0;
}

/* ---- the end
 * ------------------------------------------------------------------------- */

static void
quarantine(struct milter_talk *t, struct span reason, struct milter_verdict *v)
{
	v->quarantined = true;
	(void)snprintf(v->reason, sizeof(v->reason), "%s: %.*s",
	    milter_name(t->milter), (int)(reason.len > 200 ? 200 : reason.len),
	    reason.p);
}

/*
 * An edit that it did not announce: made all the same, as MTAs do, but for
 * those that replace what the sender wrote.
 */
static int
edit_allowed(
    struct milter_talk *t, const struct milter_reply *r, struct err *err)
{
	uint32_t bit = milter_edit_bit(r);

	if ((t->conn->options.actions & bit) != 0)
		return 0;
	if (r->kind == MILTER_REPLACE_BODY || r->kind == MILTER_CHANGE_FROM)
		return err_set(err, ERR_POLICY,
		    "%s, which it did not negotiate",
		    milter_reply_name(r->kind));
	log_warning(t->source->log, "milter asks for what it did not negotiate",
	    log_str("milter", milter_name(t->milter)),
	    log_str("edit", milter_reply_name(r->kind)));
	return 0;
}

static int
end_edit(struct milter_talk *t, const struct milter_reply *r,
    struct milter_edits *edits, struct milter_verdict *v, struct err *err)
{
	t->edits_seen++;
	if (edit_allowed(t, r, err) == -1)
		return -1;
	if (r->kind != MILTER_QUARANTINE)
		return milter_edits_add(edits, r, err);
	quarantine(t, r->text, v);
	return 0;
}

static int
end_wait(struct milter_talk *t, struct milter_edits *edits,
    struct milter_verdict *v, struct err *err)
{
	uint64_t until =
	    t->start_ms + milter_settings(t->milter)->end_wait * 1000;
	unsigned each = talk_wait_ms(t, MILTER_EOM);
	struct milter_reply reply;

	for (;;) {
		uint64_t now = clock_ms();

		if (now >= until)
			return err_set(err, ERR_TEMP, "no verdict in time");
		if (milter_conn_reply(t->conn,
			until - now < each ? (unsigned)(until - now) : each,
			&reply, err) == -1)
			return -1;
		if (reply.kind == MILTER_PROGRESS)
			continue;
		if (!milter_is_edit(reply.kind))
			break;
		if (end_edit(t, &reply, edits, v, err) == -1)
			return -1;
	}
	if (talk_answer(t, MILTER_EOM, &reply, v, err) == -1)
		return -1;
	t->state = MILTER_TALK_DONE;
	return 0;
}

static int
feed_end(struct milter_talk *t, struct milter_edits *edits,
    struct milter_verdict *v, struct err *err)
{
	if (t->state != MILTER_TALK_MESSAGE)
		return 0;
	if (talk_macros(t, MILTER_AT_EOM, MILTER_EOM, err) == -1 ||
	    milter_put(&t->conn->out, MILTER_EOM, SPAN(""), err) == -1 ||
	    milter_conn_flush(t->conn, talk_wait_ms(t, MILTER_EOM), err) ==
		-1 ||
	    talk_settle(t, 0, v, err) == -1)
		return -1;
	if (t->state != MILTER_TALK_MESSAGE)
		return 0;
	t->start_ms = clock_ms();
	return end_wait(t, edits, v, err);
}

/* Which event it was that failed, for the log. */
static int
feed(struct milter_talk *t, const struct draft *draft,
    struct milter_edits *edits, struct milter_verdict *v,
    enum milter_command *at, struct err *err)
{
	*at = MILTER_HEADER;
	if (feed_header(t, draft, v, err) == -1)
		return -1;
	*at = MILTER_EOH;
	if (feed_eoh(t, v, err) == -1)
		return -1;
	*at = MILTER_BODY;
	if (feed_body(t, draft->body, v, err) == -1)
		return -1;
	*at = MILTER_EOM;
	return feed_end(t, edits, v, err);
}

/* Its own setting spares it large messages. */
static bool
too_large(struct milter_talk *t, const struct draft *draft)
{
	uint64_t max = milter_settings(t->milter)->size_max;
	uint64_t octets = draft->body.len;

	for (size_t i = 0; i < draft->len; i++)
		octets += draft->fields[i].raw.len;
	return max != 0 && octets > max;
}

/* Says ABORT and leaves the default action to stand. */
static void
refuse_large(struct milter_talk *t, struct milter_verdict *v)
{
	struct err err = ERR_INIT;

	(void)err_set(&err, ERR_LIMIT, "the message is over its size-max");
	t->start_ms = clock_ms();
	milter_talk_reset(t);
	if (t->conn != NULL) {
		milter_leave(t->milter, t->conn, true);
		t->conn = NULL;
	}
	t->state = MILTER_TALK_MESSAGE;
	talk_failed(t, MILTER_HEADER, &err, v);
}

void
milter_talk_content(struct milter_talk *t, const struct draft *draft,
    struct milter_edits *edits, struct milter_verdict *v)
{
	struct err err = ERR_INIT;
	enum milter_command at;

	if (t->state != MILTER_TALK_MESSAGE)
		return;
	t->start_ms = clock_ms();
	if (too_large(t, draft)) {
		refuse_large(t, v);
		return;
	}
	if (feed(t, draft, edits, v, &at, &err) == -1) {
		milter_edits_fini(edits);
		talk_failed(t, at, &err, v);
		return;
	}
	milter_report(t->milter, true);
	if (v->ruling != MILTER_RULES_CONTINUE)
		milter_edits_fini(edits);
}
