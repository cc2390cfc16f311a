/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/outgoing.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "mime/header.h"

/* ---- EHLO ---- */

static void
offer_take(struct outgoing *o, struct span line)
{
	static const struct {
		const char *keyword;
		unsigned bit;
	} known[] = {
		{ "PIPELINING", OUTGOING_PIPELINING },
		{ "SIZE", OUTGOING_SIZE },
		{ "8BITMIME", OUTGOING_8BIT },
		{ "SMTPUTF8", OUTGOING_UTF8 },
		{ "STARTTLS", OUTGOING_STARTTLS },
		{ "DSN", OUTGOING_DSN },
		{ "ENHANCEDSTATUSCODES", OUTGOING_ENHANCED },
		{ "REQUIRETLS", OUTGOING_REQUIRETLS },
	};
	ptrdiff_t sp = span_index(line, ' ');
	struct span word = span_first(line, sp < 0 ? line.len : (size_t)sp);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (span_eq_nocase(word, span_str(known[i].keyword)))
			o->offers |= known[i].bit;
	if (span_eq_nocase(word, SPAN("SIZE")) && sp > 0 &&
	    !span_to_u64(
		span_trim(span_from(line, (size_t)sp + 1)), &o->size_max))
		o->size_max = 0;
}

/* The first line is a greeting, the others keywords. */
static void
offers_take(struct outgoing *o, struct span lines)
{
	struct span line;

	o->offers = 0;
	o->size_max = 0;
	(void)span_take_until(&lines, '\n', &line);
	while (span_take_until(&lines, '\n', &line))
		offer_take(o, line);
}

static int
say(struct outgoing *o, unsigned wait_ms, struct peer_reply *r,
    struct buf *lines, struct err *err, const char *verb, const char *argument)
{
	r->code = 0;
	peer_wait(&o->peer, wait_ms);
	if (peer_write_fmt(&o->peer, err, "%s%s%s\r\n", verb,
		argument[0] == '\0' ? "" : " ", argument) == -1 ||
	    peer_reply(&o->peer, r, lines, err) == -1) {
		r->code = 0;
		return err_prefix(err, "%s", verb);
	}
	return 0;
}

static int
unwanted(const struct peer_reply *r, const char *verb, struct err *err)
{
	return err_set(err, ERR_POLICY, "%s: %u %s", verb, r->code, r->text);
}

static int
hello(struct outgoing *o, struct peer_reply *r, struct err *err)
{
	CLEANUP(buf_fini) struct buf lines = { .max = 64 * 1024 };
	const struct outgoing_options *options = o->options;
	const char *verb = options->lmtp ? "LHLO" : "EHLO";

	if (say(o, options->waits.helo, r, &lines, err, verb, options->helo) ==
	    -1)
		return -1;
	if (r->code / 100 == 2) {
		offers_take(o, buf_span(&lines));
		return 0;
	}
	/* A host of the old kind.			RFC 5321 3.2 */
	if (options->lmtp || r->code / 100 != 5)
		return unwanted(r, verb, err);
	o->offers = 0;
	o->size_max = 0;
	if (say(o, options->waits.helo, r, NULL, err, "HELO", options->helo) ==
	    -1)
		return -1;
	return r->code / 100 == 2 ? 0 : unwanted(r, "HELO", err);
}

/* ---- TLS ---- */

static int
start_tls(struct outgoing *o, struct peer_reply *r, struct err *err)
{
	const struct outgoing_options *options = o->options;
	SSL *ssl;

	if (say(o, options->waits.helo, r, NULL, err, "STARTTLS", "") == -1)
		return -1;
	if (r->code != 220)
		return options->require_tls ? unwanted(r, "STARTTLS", err) : 0;
	r->code = 0;
	o->tls_tried = true;
	ssl = SSL_new(options->tls);
	if (ssl == NULL)
		return err_set(err, ERR_TEMP, "TLS: out of memory");
	if (options->server_name != NULL) {
		char name[256];

		(void)snprintf(name, sizeof(name), "%s", options->server_name);
		/* What SSL_set_tlsext_host_name() does, which drops const. */
		(void)SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		    TLSEXT_NAMETYPE_host_name, name);
	}
	peer_wait(&o->peer, options->waits.tls);
	if (peer_start_tls(&o->peer, ssl, err) == -1)
		return -1;
	if (options->verify != NULL &&
	    options->verify(options->arg, ssl, err) == -1)
		return -1;
	o->tls_tried = false;
	o->tls = true;
	return hello(o, r, err);
}

int
outgoing_open(struct outgoing *o, int fd,
    const struct outgoing_options *options, struct peer_reply *r,
    struct err *err)
{
	*o = (struct outgoing){ .options = options };
	*r = (struct peer_reply){ .code = 0 };
	peer_init(&o->peer, fd);
	peer_wait(&o->peer, options->waits.greeting);
	if (peer_reply(&o->peer, r, NULL, err) == -1) {
		r->code = 0;
		return err_prefix(err, "greeting");
	}
	if (r->code != 220)
		return unwanted(r, "greeting", err);
	if (hello(o, r, err) == -1)
		return -1;
	if (options->tls != NULL && (o->offers & OUTGOING_STARTTLS) != 0 &&
	    start_tls(o, r, err) == -1)
		return -1;
	if (options->require_tls && !o->tls) {
		r->code = 0;
		return err_set(err, ERR_POLICY, "the host offers no TLS");
	}
	return 0;
}

void
outgoing_close(struct outgoing *o)
{
	if (o->peer.fd != -1 && !o->peer.broken) {
		peer_wait(&o->peer, 1000);
		if (peer_write(&o->peer, SPAN("QUIT\r\n"), NULL) == 0)
			(void)peer_flush(&o->peer, NULL);
		if (o->peer.ssl != NULL)
			(void)SSL_shutdown(o->peer.ssl);
	}
	peer_fini(&o->peer);
}

/* ---- what a message needs ---- */

static bool
is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return true;
}

static void
refuse(
    struct peer_reply *r, unsigned code, const char *enhanced, const char *text)
{
	*r = (struct peer_reply){ .code = code };
	(void)snprintf(r->enhanced, sizeof(r->enhanced), "%s", enhanced);
	(void)snprintf(r->text, sizeof(r->text), "%s", text);
}

static bool
header_needs_utf8(const struct outbound *m)
{
	return (m->flags & OUTBOUND_UTF8) != 0 &&
	       !is_ascii(span_first(m->content, header_end(m->content).fields));
}

void
outgoing_unfit(const struct outgoing *o, const struct outbound *m,
    struct span address, struct peer_reply *r)
{
	*r = (struct peer_reply){ .code = 0 };
	if (o->size_max > 0 && m->content_octets > o->size_max)
		refuse(r, 552, "5.3.4", "The host takes no message so large");
	else if ((o->offers & OUTGOING_UTF8) == 0 &&
		 (!is_ascii(address) || !is_ascii(m->reverse_path) ||
		     header_needs_utf8(m)))
		refuse(r, 550, "5.6.7",
		    "The host does not take internationalized mail");
	else if ((o->offers & OUTGOING_8BIT) == 0 && !is_ascii(m->content))
		refuse(r, 554, "5.6.3",
		    "The host does not take 8-bit mail (8BITMIME)");
	else if ((m->flags & OUTBOUND_REQUIRETLS) != 0 &&
		 (o->offers & OUTGOING_REQUIRETLS) == 0)
		refuse(r, 550, "5.7.30",
		    "The host does not promise TLS on the way on");
}

/* ---- a transaction ---- */

static int
write_mail(struct outgoing *o, const struct outbound *m, struct err *err)
{
	bool utf8 =
	    (m->flags & OUTBOUND_UTF8) != 0 && (o->offers & OUTGOING_UTF8) != 0;

	(void)peer_write(&o->peer, SPAN("MAIL FROM:<"), err);
	(void)peer_write(&o->peer, m->reverse_path, err);
	(void)peer_write(&o->peer, SPAN(">"), err);
	if ((o->offers & OUTGOING_SIZE) != 0)
		(void)peer_write_fmt(&o->peer, err, " SIZE=%llu",
		    (unsigned long long)m->content_octets);
	if ((o->offers & OUTGOING_8BIT) != 0 &&
	    ((m->flags & OUTBOUND_8BIT) != 0 || utf8 || !is_ascii(m->content)))
		(void)peer_write(&o->peer, SPAN(" BODY=8BITMIME"), err);
	if (utf8)
		(void)peer_write(&o->peer, SPAN(" SMTPUTF8"), err);
	if ((m->flags & OUTBOUND_REQUIRETLS) != 0)
		(void)peer_write(&o->peer, SPAN(" REQUIRETLS"), err);
	if ((o->offers & OUTGOING_DSN) != 0) {
		if ((m->flags & (OUTBOUND_RET_FULL | OUTBOUND_RET_HDRS)) != 0)
			(void)peer_write_fmt(&o->peer, err, " RET=%s",
			    (m->flags & OUTBOUND_RET_FULL) != 0 ? "FULL"
								: "HDRS");
		if (m->envid.len > 0) {
			(void)peer_write(&o->peer, SPAN(" ENVID="), err);
			(void)peer_write(&o->peer, m->envid, err);
		}
	}
	if (o->options->trusted) {
		(void)peer_write(&o->peer, SPAN(" HKID="), err);
		(void)peer_write(&o->peer, m->id, err);
	}
	return peer_write(&o->peer, SPAN("\r\n"), err);
}

static int
write_rcpt(
    struct outgoing *o, const struct outgoing_recipient *r, struct err *err)
{
	static const struct {
		unsigned bit;
		const char *word;
	} words[] = {
		{ OUTBOUND_NOTIFY_NEVER, "NEVER" },
		{ OUTBOUND_NOTIFY_SUCCESS, "SUCCESS" },
		{ OUTBOUND_NOTIFY_FAILURE, "FAILURE" },
		{ OUTBOUND_NOTIFY_DELAY, "DELAY" },
	};
	const char *before = " NOTIFY=";

	(void)peer_write(&o->peer, SPAN("RCPT TO:<"), err);
	(void)peer_write(&o->peer, r->address, err);
	(void)peer_write(&o->peer, SPAN(">"), err);
	for (size_t i = 0; i < 4 && (o->offers & OUTGOING_DSN) != 0; i++)
		if ((r->notify & words[i].bit) != 0) {
			(void)peer_write_fmt(
			    &o->peer, err, "%s%s", before, words[i].word);
			before = ",";
		}
	if ((o->offers & OUTGOING_DSN) != 0 && r->orcpt.len > 0) {
		(void)peer_write(&o->peer, SPAN(" ORCPT="), err);
		(void)peer_write(&o->peer, r->orcpt, err);
	}
	return peer_write(&o->peer, SPAN("\r\n"), err);
}

static void
set_all(
    struct outgoing_message *m, const struct peer_reply *r, const char *command)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->recipients[i].reply.code == 0) {
			m->recipients[i].reply = *r;
			m->recipients[i].command = command;
		}
}

/* MAIL and its reply; 1: it was refused, and everybody with it. */
static int
mail_reply(struct outgoing *o, struct outgoing_message *m, struct err *err)
{
	struct peer_reply r;

	peer_wait(&o->peer, o->options->waits.mail);
	if (peer_reply(&o->peer, &r, NULL, err) == -1)
		return -1;
	if (r.code / 100 == 2)
		return 0;
	set_all(m, &r, "MAIL");
	return 1;
}

/* Replies to RCPT of those that were sent: those not refused yet. */
static int
rcpt_reply(struct outgoing *o, struct outgoing_recipient *to, size_t *accepted,
    struct err *err)
{
	struct peer_reply r;

	peer_wait(&o->peer, o->options->waits.rcpt);
	if (peer_reply(&o->peer, &r, NULL, err) == -1)
		return -1;
	if (r.code / 100 == 2) {
		(*accepted)++;
		return 0;
	}
	to->reply = r;
	to->command = "RCPT";
	return 0;
}

/* MAIL, RCPTs and DATA in one go; refused ones are known only afterwards. */
static int
envelope_pipelined(struct outgoing *o, struct outgoing_message *m,
    size_t *accepted, struct peer_reply *data, struct err *err)
{
	bool asked[OUTGOING_RECIPIENTS_MAX];
	int refused;

	for (size_t i = 0; i < m->count; i++) {
		asked[i] = m->recipients[i].reply.code == 0;
		if (asked[i] && write_rcpt(o, &m->recipients[i], err) == -1)
			return -1;
	}
	if (peer_write(&o->peer, SPAN("DATA\r\n"), err) == -1)
		return -1;
	refused = mail_reply(o, m, err);
	if (refused == -1)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		struct outgoing_recipient other = { .notify = 0 };

		if (!asked[i])
			continue;
		if (rcpt_reply(o, refused ? &other : &m->recipients[i],
			accepted, err) == -1)
			return -1;
	}
	if (refused)
		*accepted = 0;
	peer_wait(&o->peer, o->options->waits.data);
	return peer_reply(&o->peer, data, NULL, err);
}

/* One after the other. */
static int
envelope_stepwise(struct outgoing *o, struct outgoing_message *m,
    size_t *accepted, struct peer_reply *data, struct err *err)
{
	int refused = mail_reply(o, m, err);

	data->code = 0;
	if (refused != 0)
		return refused == -1 ? -1 : 0;
	for (size_t i = 0; i < m->count; i++) {
		if (m->recipients[i].reply.code != 0)
			continue;
		if (write_rcpt(o, &m->recipients[i], err) == -1 ||
		    rcpt_reply(o, &m->recipients[i], accepted, err) == -1)
			return -1;
	}
	if (*accepted == 0)
		return 0;
	if (peer_write(&o->peer, SPAN("DATA\r\n"), err) == -1)
		return -1;
	peer_wait(&o->peer, o->options->waits.data);
	return peer_reply(&o->peer, data, NULL, err);
}

/* The dot's reply is for all in SMTP, and each has its own in LMTP. */
static int
dot_replies(struct outgoing *o, struct outgoing_message *m, struct err *err)
{
	struct peer_reply r;

	peer_wait(&o->peer, o->options->waits.dot);
	for (size_t i = 0; i < m->count; i++) {
		if (m->recipients[i].reply.code != 0)
			continue;
		if (peer_reply(&o->peer, &r, NULL, err) == -1)
			return -1;
		m->recipients[i].reply = r;
		m->recipients[i].command = "end of data";
		if (!o->options->lmtp) {
			set_all(m, &r, "end of data");
			return 0;
		}
	}
	return 0;
}

/* One deadline for all of it: a line that takes 64 octets a millisecond is
 * slow. */
static int
write_content(struct outgoing *o, struct span content, struct err *err)
{
	peer_wait(
	    &o->peer, o->options->waits.block + (unsigned)(content.len / 64));
	if (peer_write_data(&o->peer, content, err) == -1)
		return -1;
	return peer_flush(&o->peer, err);
}

static int
transaction_begin(struct outgoing *o, struct err *err)
{
	struct peer_reply r;

	if (!o->transaction)
		return 0;
	if (say(o, o->options->waits.helo, &r, NULL, err, "RSET", "") == -1)
		return -1;
	if (r.code / 100 != 2)
		return unwanted(&r, "RSET", err);
	o->transaction = false;
	return 0;
}

int
outgoing_send(struct outgoing *o, struct outgoing_message *m, bool *unknown_out,
    struct err *err)
{
	struct peer_reply data = { .code = 0 };
	size_t accepted = 0;
	int done;

	*unknown_out = false;
	if (transaction_begin(o, err) == -1 ||
	    write_mail(o, m->message, err) == -1)
		return -1;
	o->messages++;
	o->transaction = true;
	done = (o->offers & OUTGOING_PIPELINING) != 0
		   ? envelope_pipelined(o, m, &accepted, &data, err)
		   : envelope_stepwise(o, m, &accepted, &data, err);
	if (done == -1)
		return -1;
	if (accepted == 0 && data.code == 354) {
		/* It wants data for nobody.		RFC 2920 3.1 */
		peer_wait(&o->peer, o->options->waits.dot);
		if (peer_write(&o->peer, SPAN(".\r\n"), err) == -1 ||
		    peer_reply(&o->peer, &data, NULL, err) == -1)
			return -1;
		return 0;
	}
	if (accepted == 0)
		return 0;
	if (data.code / 100 == 4 || data.code / 100 == 5) {
		set_all(m, &data, "DATA");
		return 0;
	}
	if (data.code != 354)
		return err_set(
		    err, ERR_SYNTAX, "DATA: %u %s", data.code, data.text);
	*unknown_out = true;
	if (write_content(o, m->message->content, err) == -1 ||
	    dot_replies(o, m, err) == -1)
		return -1;
	*unknown_out = false;
	o->transaction = false;
	return 0;
}
