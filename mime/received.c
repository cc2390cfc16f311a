/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/received.h"

#include "common/ascii.h"
#include "mime/address.h"
#include "mime/date.h"

enum {
	RECEIVED_TEXT_MAX = 255
}; /* octets kept of one thing a client said */

const char *
received_with(const struct received *r)
{
	/* By utf8, then TLS, then AUTH. */
	static const char *const esmtp[2][2][2] = {
		{ { "ESMTP", "ESMTPA" }, { "ESMTPS", "ESMTPSA" } },
		{ { "UTF8SMTP", "UTF8SMTPA" }, { "UTF8SMTPS", "UTF8SMTPSA" } },
	};
	static const char *const lmtp[2][2][2] = {
		{ { "LMTP", "LMTPA" }, { "LMTPS", "LMTPSA" } },
		{ { "UTF8LMTP", "UTF8LMTPA" }, { "UTF8LMTPS", "UTF8LMTPSA" } },
	};
	bool tls = r->tls_version.len > 0;

	if (r->lmtp)
		return lmtp[r->utf8][tls][r->authenticated];
	if (!r->extended)
		return "SMTP";
	return esmtp[r->utf8][tls][r->authenticated];
}

/* Octets that a comment may hold without "(", ")" and "\" being special. */
static void
append_safe(struct span text, struct buf *out)
{
	text = span_first(text, RECEIVED_TEXT_MAX);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		bool safe = ascii_is(c, ASCII_VCHAR) && c != '(' && c != ')' &&
			    c != '\\' && c != '<' && c != '>' && c != '"' &&
			    c != ';' && c != ',';

		buf_append_octet(out, safe ? c : '?');
	}
}

static void
append_helo(struct span helo, struct buf *out)
{
	if (helo.len == 0) {
		buf_append_str(out, "unknown");
		return;
	}
	append_safe(helo, out);
	if (!mail_domain_valid(helo, false) && !address_literal_valid(helo))
		buf_append_str(out, " (not a valid name)");
}

/* TCP-info: the address as a literal.                   RFC 5321 4.4, 4.1.3 */
static void
append_client(struct span client, struct buf *out)
{
	if (span_eq(client, SPAN("unix"))) {
		buf_append_str(out, " (local socket)");
		return;
	}
	buf_append_str(out, " ([");
	if (span_index(client, ':') >= 0)
		buf_append_str(out, "IPv6:");
	append_safe(client, out);
	buf_append_str(out, "])");
}

void
received_format(const struct received *r, struct buf *out)
{
	buf_append_str(out, "Received: from ");
	append_helo(r->helo, out);
	append_client(r->client, out);
	if (r->tls_version.len > 0) {
		buf_append_str(out, "\r\n\t(");
		append_safe(r->tls_version, out);
		buf_append_octet(out, ' ');
		append_safe(r->tls_cipher, out);
		buf_append_octet(out, ')');
	}
	buf_append_str(out, "\r\n\tby ");
	append_safe(r->by, out);
	buf_append_fmt(out, " with %s id ", received_with(r));
	append_safe(r->id, out);
	/* Quoted local parts may hold what ends a comment or a line here. */
	if (r->recipient.len > 0 && ascii_all(r->recipient, ASCII_VCHAR) &&
	    span_index(r->recipient, '"') < 0) {
		buf_append_str(out, "\r\n\tfor <");
		buf_append(out, r->recipient);
		buf_append_octet(out, '>');
	}
	buf_append_str(out, "; ");
	date_format(r->time, r->offset, out);
	buf_append_str(out, "\r\n");
}
