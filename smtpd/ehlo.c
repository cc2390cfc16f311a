/* SPDX-License-Identifier: BSD-2-Clause */
/* HELO and EHLO, STARTTLS.             RFC 5321 section 4.1.1.1, RFC 3207 */
#include <string.h>

#include "smtpd/chain.h"
#include "smtpd/session.h"

static void
ehlo_answer(struct smtp_session *s)
{
	CLEANUP(buf_fini) struct buf offer;
	CLEANUP(tls_context_unref)
	struct tls_context *tls = smtp_server_tls(s->server);

	buf_init(&offer, 1024);
	smtp_auth_offer(s, &offer);
	conn_write_fmt(s->conn,
	    "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n250-8BITMIME\r\n"
	    "250-DSN\r\n",
	    smtp_server_hostname(s->server),
	    (unsigned long long)s->message_max);
	if (tls != NULL && !conn_tls(s->conn))
		conn_write(s->conn, SPAN("250-STARTTLS\r\n"));
	if (offer.len > 0)
		conn_write_fmt(s->conn, "250-AUTH%s\r\n", buf_str(&offer));
	/* RFC 9422: more recipients than this would be told so one by one. */
	conn_write_fmt(s->conn, "250-LIMITS RCPTMAX=%llu\r\n",
	    (unsigned long long)s->conf->recipients_max);
	conn_write(s->conn, SPAN("250 ENHANCEDSTATUSCODES\r\n"));
}

/*
 * A milter that refuses the name is heard at MAIL: a client that is refused
 * here says HELO instead and goes on.  True: the connection ends.
 */
static bool
helo_judged(struct smtp_session *s)
{
	CLEANUP(milter_verdict_fini) struct milter_verdict v;

	milter_verdict_init(&v);
	smtp_chain_helo(s->chain, &v);
	if (v.ruling != MILTER_RULES_REFUSE || v.code == 421)
		return smtp_reply_verdict(s, "HELO", &v);
	smtp_refusal_keep(s, &v);
	return false;
}

void
smtp_helo(struct smtp_session *s, struct span argument, bool extended)
{
	char *helo;

	if (!smtp_helo_valid(argument, smtp_is_submission(s))) {
		smtp_reply(s, 501, "5.5.4",
		    "%s needs a domain name or an address literal",
		    extended ? "EHLO" : "HELO");
		return;
	}
	if (smtp_desynchronized(s, extended ? "EHLO" : "HELO"))
		return;
	helo = strndup(argument.p, argument.len);
	if (helo == NULL) {
		smtp_reply(s, 451, "4.3.0", "Out of memory");
		return;
	}
	free(s->helo);
	s->helo = helo;
	s->extended = extended;
	smtp_transaction_reset(s);
	if (helo_judged(s))
		return;
	if (extended)
		ehlo_answer(s);
	else
		smtp_reply(s, 250, "", "%s", smtp_server_hostname(s->server));
}

void
smtp_starttls(struct smtp_session *s, struct span argument)
{
	CLEANUP(tls_context_unref)
	struct tls_context *tls = smtp_server_tls(s->server);
	struct err err = ERR_INIT;

	if (argument.len > 0) {
		smtp_reply(s, 501, "5.5.4", "STARTTLS takes no argument");
		return;
	}
	if (conn_tls(s->conn) || tls == NULL) {
		smtp_reply(s, 503, "5.5.1",
		    conn_tls(s->conn) ? "TLS is in use already"
				      : "TLS is not available");
		return;
	}
	/* Words sent before the handshake may be somebody else's. */
	if (smtp_desynchronized(s, "STARTTLS"))
		return;
	conn_write(s->conn, SPAN("220 2.0.0 Go ahead\r\n"));
	if (conn_start_tls(s->conn, tls, &err) == -1) {
		log_warning(&s->log, "TLS not started", log_err(&err));
		s->quit = true;
		return;
	}
	/* Nothing that was said in clear counts.  RFC 3207 section 4.2 */
	smtp_transaction_reset(s);
	smtp_auth_forget(s);
	free(s->helo);
	s->helo = NULL;
	s->extended = false;
}
