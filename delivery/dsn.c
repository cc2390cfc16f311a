/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/dsn.h"

#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "mime/date.h"
#include "mime/header.h"
#include "mime/xtext.h"

/* A larger message comes back as its header alone. */
#define RETURN_MAX ((size_t)50 * 1024)
#define RETURN_HEADER_MAX ((size_t)64 * 1024)
#define REPORT_MAX ((size_t)640 * 1024)
/* A report names no more recipients than this. */
#define RECIPIENTS_MAX 500

static const char *const action_words[] = {
	[DSN_FAILED] = "failed",
	[DSN_DELAYED] = "delayed",
	[DSN_RELAYED] = "relayed",
	[DSN_DELIVERED] = "delivered",
};

static const char *const subjects[] = {
	[DSN_FAILED] = "Your message was not delivered",
	[DSN_DELAYED] = "Your message is delayed",
	[DSN_RELAYED] = "Your message was passed on",
	[DSN_DELIVERED] = "Your message was delivered",
};

static const char *const openings[] = {
	[DSN_FAILED] =
	    "Your message could not be delivered to these recipients:",
	[DSN_DELAYED] = ("Your message has not been delivered to these "
			 "recipients yet.  You need not\r\nsend it again: "
			 "delivery will be tried further."),
	[DSN_RELAYED] =
	    "Your message was passed on to the mail hosts of these "
	    "recipients, which do\r\nnot report what becomes of it:",
	[DSN_DELIVERED] =
	    "Your message was delivered to the mailboxes of these recipients:",
};

const char *
dsn_reply_text(const char *reply)
{
	const char *tab = reply == NULL ? NULL : strchr(reply, '\t');

	return reply == NULL ? "" : tab == NULL ? reply : tab + 1;
}

void
dsn_status(const char *reply, char *out, size_t size)
{
	const char *text = dsn_reply_text(reply);
	struct span rest = span_str(text), code, status;

	if (span_take_until(&rest, ' ', &code) && code.len == 3 &&
	    span_take_until(&rest, ' ', &status) && status.len >= 5 &&
	    status.len < size && status.p[1] == '.' &&
	    status.p[0] == code.p[0] &&
	    ascii_is(status.p[status.len - 1], ASCII_DIGIT)) {
		memcpy(out, status.p, status.len);
		out[status.len] = '\0';
		return;
	}
	(void)snprintf(out, size, "%c.0.0",
	    text[0] == '2' || text[0] == '4' ? text[0] : '5');
}

static void
put_date(const char *name, uint64_t ms, struct buf *out)
{
	buf_append_fmt(out, "%s: ", name);
	date_format(
	    (int64_t)(ms / 1000), date_local_offset((int64_t)(ms / 1000)), out);
	buf_append(out, SPAN("\r\n"));
}

/* Text of others', in one line of ours, cut. */
static void
put_safe(struct span text, size_t max, struct buf *out)
{
	text = span_first(text, max);
	for (size_t i = 0; i < text.len; i++)
		buf_append_octet(out, ascii_is(text.p[i], ASCII_VCHAR) ||
					      (unsigned char)text.p[i] > 127
					  ? text.p[i]
					  : ' ');
}

static bool
is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] > 127)
			return false;
	return true;
}

static enum dsn_action
worst(const struct dsn *dsn)
{
	enum dsn_action action = DSN_DELIVERED;

	for (size_t i = 0; i < dsn->count; i++)
		if (dsn->recipients[i].action < action)
			action = dsn->recipients[i].action;
	return action;
}

/* ---- parts ---- */

static void
put_header(
    const struct dsn *dsn, const char *boundary, bool ascii, struct buf *out)
{
	struct field id;
	struct span fields = span_first(
	    dsn->message->content, header_end(dsn->message->content).fields);

	put_date("Date", dsn->now_ms, out);
	buf_append_fmt(out,
	    "From: Mail Delivery System <mailer-daemon@%s>\r\nTo: <",
	    dsn->hostname);
	buf_append(out, dsn->message->reverse_path);
	buf_append_fmt(out,
	    ">\r\nSubject: %s\r\nMessage-ID: <%s.report@%s>\r\n",
	    subjects[worst(dsn)], dsn->id, dsn->hostname);
	if (field_find(fields, SPAN("Message-ID"), &id)) {
		struct span value = span_trim(id.value);

		if (value.len < 900 && ascii_all(value, ASCII_VCHAR)) {
			buf_append(out, SPAN("In-Reply-To: "));
			buf_append(out, value);
			buf_append(out, SPAN("\r\nReferences: "));
			buf_append(out, value);
			buf_append(out, SPAN("\r\n"));
		}
	}
	buf_append_fmt(out,
	    "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"%s\"\r\n",
	    boundary);
	if (!ascii)
		buf_append(out, SPAN("Content-Transfer-Encoding: 8bit\r\n"));
	buf_append(out, SPAN("\r\n"));
}

static void
put_words(const struct dsn *dsn, const char *boundary, struct buf *out)
{
	buf_append_fmt(out,
	    "--%s\r\nContent-Type: text/plain; charset=UTF-8\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n\r\n"
	    "This is the mail system of %s.\r\n",
	    boundary, dsn->hostname);
	for (int action = DSN_FAILED; action <= DSN_DELIVERED; action++) {
		bool any = false;

		for (size_t i = 0; i < dsn->count && i < RECIPIENTS_MAX; i++) {
			const struct dsn_recipient *r = &dsn->recipients[i];
			struct span reply = span_str(r->reply), remote;

			if ((int)r->action != action)
				continue;
			if (!any)
				buf_append_fmt(
				    out, "\r\n%s\r\n\r\n", openings[action]);
			any = true;
			buf_append_fmt(out, "    <%s>\r\n", r->address);
			if (action > DSN_DELAYED || reply.len == 0)
				continue;
			if (span_take_until(&reply, '\t', &remote) &&
			    remote.len > 0) {
				buf_append(out, SPAN("        "));
				put_safe(remote, 300, out);
				buf_append(out, SPAN(" says:\r\n"));
			}
			buf_append(out, SPAN("        "));
			put_safe(reply, 400, out);
			buf_append(out, SPAN("\r\n"));
		}
	}
	buf_append(out, SPAN("\r\n"));
}

/* "rfc822;user+40example.org" as "rfc822; user@example.org". */
static void
put_orcpt(const char *orcpt, struct buf *out)
{
	CLEANUP(buf_fini) struct buf decoded = { .max = 1000 };
	struct span rest = span_str(orcpt), type;

	if (!span_take_until(&rest, ';', &type) ||
	    xtext_decode(rest, &decoded, NULL) == -1)
		return;
	buf_append(out, SPAN("Original-Recipient: "));
	buf_append(out, type);
	buf_append(out, SPAN("; "));
	buf_append(out, buf_span(&decoded));
	buf_append(out, SPAN("\r\n"));
}

static void
put_recipient(
    const struct dsn *dsn, const struct dsn_recipient *r, struct buf *out)
{
	struct span reply = span_str(r->reply), remote = SPAN_NONE;
	char status[16];

	dsn_status(r->reply, status, sizeof(status));
	buf_append(out, SPAN("\r\n"));
	if (r->orcpt != NULL)
		put_orcpt(r->orcpt, out);
	buf_append_fmt(out,
	    "Final-Recipient: %s; %s\r\nAction: %s\r\nStatus: %s\r\n",
	    is_ascii(span_str(r->address)) ? "rfc822" : "utf-8", r->address,
	    action_words[r->action], r->status == NULL ? status : r->status);
	(void)span_take_until(&reply, '\t', &remote);
	if (remote.len > 0) {
		ptrdiff_t bracket = span_index(remote, '[');

		buf_append(out, SPAN("Remote-MTA: dns; "));
		put_safe(span_first(remote,
			     bracket <= 0 ? remote.len : (size_t)bracket),
		    255, out);
		buf_append(out, SPAN("\r\n"));
		if (reply.len > 0) {
			buf_append(out, SPAN("Diagnostic-Code: smtp; "));
			put_safe(reply, 400, out);
			buf_append(out, SPAN("\r\n"));
		}
	}
	put_date("Last-Attempt-Date", dsn->now_ms, out);
	if (r->action == DSN_DELAYED)
		put_date("Will-Retry-Until", dsn->retry_until_ms, out);
}

static void
put_status(
    const struct dsn *dsn, const char *boundary, bool global, struct buf *out)
{
	CLEANUP(buf_fini) struct buf envid = { .max = 1000 };

	buf_append_fmt(out,
	    "--%s\r\nContent-Type: message/%sdelivery-status\r\n%s\r\n"
	    "Reporting-MTA: dns; %s\r\n",
	    boundary, global ? "global-" : "",
	    global ? "Content-Transfer-Encoding: 8bit\r\n" : "", dsn->hostname);
	if (dsn->message->envid.len > 0 &&
	    xtext_decode(dsn->message->envid, &envid, NULL) == 0) {
		buf_append(out, SPAN("Original-Envelope-Id: "));
		buf_append(out, buf_span(&envid));
		buf_append(out, SPAN("\r\n"));
	}
	put_date("Arrival-Date", dsn->message->arrival_ms, out);
	for (size_t i = 0; i < dsn->count && i < RECIPIENTS_MAX; i++)
		put_recipient(dsn, &dsn->recipients[i], out);
	buf_append(out, SPAN("\r\n"));
}

/* The message, or its header: RET=HDRS; all but failures; a large one. */
static struct span
returned(const struct dsn *dsn, bool *whole_out)
{
	struct span content = dsn->message->content;
	size_t fields = header_end(content).fields;

	*whole_out = worst(dsn) == DSN_FAILED &&
		     (dsn->message->flags & OUTBOUND_RET_HDRS) == 0 &&
		     content.len <= RETURN_MAX;
	if (*whole_out)
		return content;
	content = span_first(content, fields);
	/* Cut at a line's end. */
	if (content.len > RETURN_HEADER_MAX) {
		ptrdiff_t end =
		    span_rindex(span_first(content, RETURN_HEADER_MAX), '\n');

		content = span_first(content, (size_t)(end + 1));
	}
	return content;
}

static void
put_returned(const char *boundary, struct span content, bool whole, bool global,
    struct buf *out)
{
	const char *type = whole ? "message/rfc822" : "text/rfc822-headers";

	if (global && !is_ascii(content))
		type = whole ? "message/global" : "message/global-headers";
	buf_append_fmt(out, "--%s\r\nContent-Type: %s\r\n%s\r\n", boundary,
	    type,
	    is_ascii(content) ? "" : "Content-Transfer-Encoding: 8bit\r\n");
	buf_append(out, content);
	if (content.len > 0 && !span_ends(content, SPAN("\r\n")))
		buf_append(out, SPAN("\r\n"));
	buf_append_fmt(out, "\r\n--%s--\r\n", boundary);
}

static bool
addresses_ascii(const struct dsn *dsn)
{
	for (size_t i = 0; i < dsn->count; i++)
		if (!is_ascii(span_str(dsn->recipients[i].address)))
			return false;
	return is_ascii(dsn->message->reverse_path);
}

static void
put_trace(const struct dsn *dsn, struct buf *out)
{
	buf_append_fmt(out, "Received: by %s id %s; ", dsn->hostname, dsn->id);
	date_format((int64_t)(dsn->now_ms / 1000),
	    date_local_offset((int64_t)(dsn->now_ms / 1000)), out);
	buf_append(out, SPAN("\r\n"));
}

int
dsn_build(const struct dsn *dsn, struct buf *record_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text = { .max = REPORT_MAX };
	struct outbound_recipient to = {
		.kind = OUTBOUND_SEND,
		.notify = OUTBOUND_NOTIFY_NEVER,
		.address = dsn->message->reverse_path,
	};
	struct outbound m = {
		.id = span_str(dsn->id),
		.tenant = dsn->message->tenant,
		.arrival_ms = dsn->now_ms,
		.recipients = &to,
		.count = 1,
	};
	char boundary[64];
	bool whole, global = !addresses_ascii(dsn);
	struct span content = returned(dsn, &whole);
	bool ascii = is_ascii(content) && !global;

	(void)snprintf(boundary, sizeof(boundary), "hikyaku=_%s", dsn->id);
	put_trace(dsn, &text);
	put_header(dsn, boundary, ascii, &text);
	put_words(dsn, boundary, &text);
	put_status(dsn, boundary, global, &text);
	put_returned(boundary, content, whole, global, &text);
	if (buf_check(&text, err) == -1)
		return -1;
	m.flags = (ascii ? 0U : (unsigned)OUTBOUND_8BIT) |
		  (global ? (unsigned)OUTBOUND_UTF8 : 0U);
	m.content_octets = text.len;
	outbound_format(&m, record_out);
	buf_append(record_out, buf_span(&text));
	return buf_check(record_out, err);
}
