/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/lmtp_client.h"

#include <stdlib.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/reactor.h"
#include "smtpd/lmtp_link.h"

#define ASK_MS 10000 /* for an answer that mail can do without */
/* What a message may take on top: so many octets a millisecond, for each of
 * its recipients, to a slow disk. */
#define WAIT_OCTETS 1000
#define WAIT_MOST_MS 300000

/* ---- a message
 * ------------------------------------------------------------------------------
 */

/*
 * Octets of mail data with a dot put before each line that begins with one.
 * *line_start says whether they begin a line, and then whether the next do.
 *                                              RFC 5321 section 4.5.2
 */
static int
lmtp_send_stuffed(
    struct lmtp_conn *l, struct span rest, bool *line_start, struct err *err)
{
	while (rest.len > 0) {
		ptrdiff_t dot;

		if (*line_start && rest.p[0] == '.' &&
		    lmtp_queue(l, SPAN("."), err) == -1)
			return -1;
		dot = span_find(rest, SPAN("\r\n."));
		if (lmtp_queue(l,
			span_first(rest, dot < 0 ? rest.len : (size_t)dot + 2),
			err) == -1)
			return -1;
		*line_start = dot >= 0 || span_ends(rest, SPAN("\r\n"));
		rest = span_from(rest, dot < 0 ? rest.len : (size_t)dot + 2);
	}
	return 0;
}

/* The final dot stands alone. */
static int
lmtp_send_data(
    struct lmtp_conn *l, const struct lmtp_message *m, struct err *err)
{
	bool line_start = true;

	if (lmtp_send_stuffed(l, m->prefix, &line_start, err) == -1 ||
	    lmtp_send_stuffed(l, m->content, &line_start, err) == -1)
		return -1;
	/* What is stored ends as it was received; the dot needs a line. */
	if (!line_start && lmtp_queue(l, SPAN("\r\n"), err) == -1)
		return -1;
	if (lmtp_queue(l, SPAN(".\r\n"), err) == -1)
		return -1;
	return lmtp_flush(l, err);
}

static bool
by_fd(const struct lmtp_conn *l, const struct lmtp_message *m)
{
	return l->takes_fd && m->fd != -1;
}

/* See deliveryd's data_fd.c. */
static int
lmtp_send_file(
    struct lmtp_conn *l, const struct lmtp_message *m, struct err *err)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 128);
	buf_append_fmt(&b, "HKFD %zu %llu %zu\r\n", m->prefix.len,
	    (unsigned long long)m->fd_offset, m->content.len);
	if (buf_check(&b, err) == -1 ||
	    lmtp_send_fd(l, buf_span(&b), m->fd, err) == -1)
		return -1;
	return lmtp_send(l, m->prefix, err);
}

static int
lmtp_send_envelope(struct lmtp_conn *l, const struct lmtp_message *m,
    const struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 1024 * (count + 2));
	buf_append(&b, SPAN("MAIL FROM:<"));
	buf_append(&b, m->reverse_path);
	buf_append_fmt(&b, ">%s%s%s HKID=%s\r\n",
	    m->body_8bit ? " BODY=8BITMIME" : "",
	    m->smtputf8 ? " SMTPUTF8" : "", l->room ? " HKROOM=ASKED" : "",
	    m->id);
	for (size_t i = 0; i < count; i++)
		buf_append_fmt(&b, "RCPT TO:<%s>%s\r\n",
		    recipients[i].forward_path,
		    recipients[i].parameters == NULL
			? ""
			: recipients[i].parameters);
	if (!by_fd(l, m))
		buf_append(&b, SPAN("DATA\r\n"));
	if (buf_check(&b, err) == -1)
		return -1;
	return lmtp_send(l, buf_span(&b), err);
}

static void
recipient_set(struct lmtp_recipient *to, const struct lmtp_reply *r)
{
	to->code = r->code;
	memcpy(to->enhanced, r->enhanced, sizeof(to->enhanced));
	memcpy(to->text, r->text, sizeof(to->text));
}

/*
 * Replies to MAIL, each RCPT and (data) DATA.  *accepted_out: how many
 * recipients will get a reply of their own after the message.
 */
static int
lmtp_envelope_replies(struct lmtp_conn *l, struct lmtp_recipient *recipients,
    size_t count, bool data, size_t *accepted_out, struct err *err)
{
	struct lmtp_reply mail, r;
	size_t accepted = 0;

	if (lmtp_reply_take(l, &mail, NULL, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (lmtp_reply_take(l, &r, NULL, err) == -1)
			return -1;
		if (mail.code / 100 != 2)
			recipient_set(&recipients[i], &mail);
		else if (r.code / 100 == 2)
			accepted++;
		else
			recipient_set(&recipients[i], &r);
	}
	*accepted_out = accepted;
	if (!data)
		return 0;
	if (lmtp_reply_take(l, &r, NULL, err) == -1)
		return -1;
	if (accepted == 0 && r.code == 354)
		return err_set(
		    err, ERR_TEMP, "deliveryd: wants data for nobody");
	if (accepted > 0 && r.code != 354)
		return err_set(
		    err, ERR_TEMP, "deliveryd: DATA: %u %s", r.code, r.text);
	return 0;
}

/* How long the replies may take that follow the data. */
static unsigned
data_wait_ms(const struct lmtp_message *m, size_t count)
{
	uint64_t octets = m->prefix.len + m->content.len, all;

	if (__builtin_mul_overflow(octets, count, &all) ||
	    all / WAIT_OCTETS > WAIT_MOST_MS)
		return WAIT_MOST_MS;
	return (unsigned)(all / WAIT_OCTETS);
}

static int
lmtp_message_on(struct lmtp_client *c, struct lmtp_conn *l,
    const struct lmtp_message *m, struct lmtp_recipient *recipients,
    size_t count, bool *sent_out, struct err *err)
{
	size_t accepted = 0;
	struct lmtp_reply r;

	if (lmtp_send_envelope(l, m, recipients, count, err) == -1 ||
	    lmtp_envelope_replies(
		l, recipients, count, !by_fd(l, m), &accepted, err) == -1)
		return -1;
	if (accepted == 0)
		return 0;
	*sent_out = true;
	l->deadline_ms =
	    clock_ms() + c->options.wait_ms + data_wait_ms(m, count);
	if (by_fd(l, m) ? lmtp_send_file(l, m, err) == -1
			: lmtp_send_data(l, m, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (recipients[i].code != 0)
			continue;
		if (lmtp_reply_take(l, &r, NULL, err) == -1)
			return -1;
		recipient_set(&recipients[i], &r);
	}
	return 0;
}

/* ---- a question
 * ----------------------------------------------------------------------------
 */

/* What is to be done on a connection: a message, or with m NULL a question. */
struct lmtp_work {
	const struct lmtp_message *m;
	struct lmtp_recipient *recipients;
	size_t count;
	const char *id;
	uint64_t octets;
};

static int
lmtp_question_on(
    struct lmtp_conn *l, const struct lmtp_work *work, struct err *err)
{
	CLEANUP(buf_fini) struct buf b;
	struct lmtp_reply mail, rcpt, rset;

	buf_init(&b, 2048);
	/* An older deliveryd takes what it can store. */
	if (!l->room) {
		work->recipients[0].code = 250;
		return 0;
	}
	buf_append_fmt(&b,
	    "MAIL FROM:<> SIZE=%llu HKID=%s\r\nRCPT TO:<%s>\r\nRSET\r\n",
	    (unsigned long long)work->octets, work->id,
	    work->recipients[0].forward_path);
	if (buf_check(&b, err) == -1 || lmtp_send(l, buf_span(&b), err) == -1 ||
	    lmtp_reply_take(l, &mail, NULL, err) == -1 ||
	    lmtp_reply_take(l, &rcpt, NULL, err) == -1 ||
	    lmtp_reply_take(l, &rset, NULL, err) == -1)
		return -1;
	if (rset.code != 250)
		return err_set(err, ERR_TEMP, "deliveryd: RSET: %u %s",
		    rset.code, rset.text);
	recipient_set(
	    &work->recipients[0], mail.code / 100 == 2 ? &rcpt : &mail);
	return 0;
}

/* ---- one after the other
 * ----------------------------------------------------------------------------
 */

static int
lmtp_attempt(struct lmtp_client *c, const struct lmtp_work *work,
    uint64_t deadline_ms, bool *again_out, struct err *err)
{
	struct lmtp_conn *l;
	bool tries, late, sent = false;
	int rc;

	*again_out = false;
	for (size_t i = 0; i < work->count; i++)
		work->recipients[i].code = 0;
	if (lmtp_take(c, deadline_ms, &l, &tries, err) == -1)
		return -1;
	if (l == NULL && (l = lmtp_conn_new()) == NULL) {
		lmtp_put(c, NULL, tries, false);
		return err_set(err, ERR_TEMP, "out of memory");
	}
	l->deadline_ms = deadline_ms;
	rc = lmtp_open(c, l, err);
	if (rc == 0)
		rc = work->m == NULL
			 ? lmtp_question_on(l, work, err)
			 : lmtp_message_on(c, l, work->m, work->recipients,
			       work->count, &sent, err);
	if (rc == -1) {
		/* A kept connection whose deliveryd has gone, and no octet of
		 * the message sent: nothing can have happened there. */
		late = l->late;
		*again_out = l->used && !sent && !late;
		lmtp_conn_free(l);
		lmtp_put(c, NULL, tries, late);
		return -1;
	}
	buf_fini(&l->out);
	buf_init(&l->out, 2 * LMTP_CHUNK);
	lmtp_put(c, l, tries, false);
	return 0;
}

/* Each turn uses up one dead connection of the pool. */
static int
lmtp_do(struct lmtp_client *c, const struct lmtp_work *work, unsigned wait_ms,
    struct err *err)
{
	uint64_t deadline_ms = clock_ms() + wait_ms;
	struct err first = ERR_INIT;
	bool again = true;
	int rc = -1;

	for (size_t turn = 0;
	     rc == -1 && again && turn <= c->options.sockets_max; turn++)
		rc = lmtp_attempt(c, work, deadline_ms, &again, &first);
	if (rc == -1) {
		first.kind = ERR_TEMP;
		if (err != NULL)
			*err = first;
	}
	return rc;
}

static bool
span_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (ascii_is(s.p[i], ASCII_CTL))
			return false;
	}
	return true;
}

/*
 * Recipients come from the directory, where somebody may have written what
 * would end the line and begin a command of theirs.
 */
static int
envelope_check(struct span reverse_path, const char *id,
    const struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	bool clean = span_clean(reverse_path) && span_clean(span_str(id));

	for (size_t i = 0; i < count && clean; i++)
		clean = span_clean(span_str(recipients[i].forward_path));
	return clean ? 0
		     : err_set(
			   err, ERR_TEMP, "a control character in an address");
}

int
lmtp_deliver(struct lmtp_client *c, const struct lmtp_message *m,
    struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	const struct lmtp_work work = {
		.m = m,
		.recipients = recipients,
		.count = count,
	};

	for (size_t i = 0; i < count; i++)
		recipients[i].code = 0;
	if (envelope_check(m->reverse_path, m->id, recipients, count, err) ==
	    -1)
		return -1;
	return lmtp_do(c, &work, c->options.wait_ms, err);
}

int
lmtp_ask_room(struct lmtp_client *c, const char *id, uint64_t octets,
    struct lmtp_recipient *to, struct err *err)
{
	const struct lmtp_work work = {
		.recipients = to,
		.count = 1,
		.id = id,
		.octets = octets,
	};

	to->code = 0;
	if (envelope_check(SPAN(""), id, to, 1, err) == -1)
		return -1;
	return lmtp_do(c, &work,
	    c->options.wait_ms < ASK_MS ? c->options.wait_ms : ASK_MS, err);
}
