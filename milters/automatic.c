/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/automatic.h"

#include "common/outbound.h"
#include "common/packet.h"
#include "common/sasl.h"
#include "mime/date.h"
#include "mime/encoded.h"

/* A text has 8,192 characters at most. */
#define MESSAGE_MAX 60000
#define WAIT_MS 20000
/* relayd may be on its way up again. */
#define TRIES 2
#define BASE64_LINE 57 /* octets of 76 letters */

/* Lines of the text end in CRLF on the way. */
static void
text_crlf(struct span text, struct buf *out)
{
	struct span line;

	while (span_take_until(&text, '\n', &line)) {
		if (span_ends(line, SPAN("\r")))
			line.len--;
		buf_append(out, line);
		buf_append(out, SPAN("\r\n"));
	}
	buf_append(out, text);
	if (text.len > 0)
		buf_append(out, SPAN("\r\n"));
}

static void
put_base64(struct span text, struct buf *out)
{
	CLEANUP(buf_fini) struct buf lines;

	buf_init(&lines, MESSAGE_MAX);
	text_crlf(text, &lines);
	for (size_t at = 0; at < lines.len; at += BASE64_LINE) {
		base64_encode(
		    span_first(span_from(buf_span(&lines), at), BASE64_LINE),
		    out);
		buf_append(out, SPAN("\r\n"));
	}
}

void
automatic_format(const struct automatic *a, struct buf *out)
{
	buf_append(out, SPAN("From: "));
	if (a->name.len > 0) {
		display_name_format(a->name, out);
		buf_append_octet(out, ' ');
	}
	buf_append_octet(out, '<');
	buf_append(out, a->from);
	buf_append(out, SPAN(">\r\nTo: <"));
	buf_append(out, a->to);
	buf_append(out, SPAN(">\r\nSubject: "));
	encoded_words_format(a->subject, out);
	buf_append(out, SPAN("\r\nDate: "));
	date_format(a->now, date_local_offset(a->now), out);
	buf_append_fmt(
	    out, "\r\nMessage-ID: <%s.auto@%s>\r\n", a->id, a->hostname);
	if (a->in_reply_to.len > 0) {
		buf_append(out, SPAN("In-Reply-To: "));
		buf_append(out, a->in_reply_to);
		buf_append(out, SPAN("\r\nReferences: "));
		buf_append(out, a->in_reply_to);
		buf_append(out, SPAN("\r\n"));
	}
	/* RFC 3834 section 3.1.7; the other two for those who know no better.
	 */
	buf_append_fmt(out, "Auto-Submitted: %s\r\n", a->submitted);
	buf_append(out, SPAN("Precedence: bulk\r\n"
			     "X-Auto-Response-Suppress: All\r\n"
			     "MIME-Version: 1.0\r\n"
			     "Content-Type: text/plain; charset=UTF-8\r\n"
			     "Content-Transfer-Encoding: base64\r\n\r\n"));
	put_base64(a->text, out);
}

/* ---- to relayd ------------------------------------------------------------
 */

static int
answer_read(struct span packet, struct err *err)
{
	struct packet_head head;
	struct span fields, value;
	char text[200] = "";
	uint8_t tag;

	if (packet_open(packet, OUTBOUND_VERSION, &head, &fields, err) == -1)
		return -1;
	if (head.type == OUTBOUND_OK)
		return 0;
	while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
		if (tag == OUTBOUND_TEXT)
			(void)packet_text(value, text, sizeof(text));
	return err_set(err, ERR_TEMP, "relayd: %s", text);
}

static int
put_once(struct daemon *d, struct span packet, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(buf_fini) struct buf answer;
	size_t fds = 0;

	buf_init(&answer, PACKET_MAX);
	if (daemon_connect(d, "relayd", NULL, 0, &fd, err) == -1 ||
	    packet_send(fd, packet, NULL, 0, WAIT_MS, err) == -1 ||
	    packet_recv(fd, &answer, NULL, 0, &fds, WAIT_MS, err) == -1)
		return -1;
	return answer_read(buf_span(&answer), err);
}

static int
record_make(const struct automatic *a, struct span tenant, struct buf *out,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct outbound_recipient to = { .kind = OUTBOUND_SEND,
		.notify = OUTBOUND_NOTIFY_NEVER,
		.address = a->to };
	struct outbound m = { .id = span_str(a->id),
		.tenant = tenant,
		.arrival_ms = (uint64_t)a->now * 1000,
		.recipients = &to,
		.count = 1 };

	buf_init(&text, MESSAGE_MAX);
	automatic_format(a, &text);
	if (buf_check(&text, err) == -1)
		return -1;
	m.content = buf_span(&text);
	m.content_octets = text.len;
	outbound_format(&m, out);
	buf_append(out, m.content);
	return buf_check(out, err);
}

int
automatic_send(struct daemon *d, const struct automatic *a, struct span tenant,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf packet, record;
	int result = -1;

	buf_init(&record, OUTBOUND_INLINE_MAX);
	buf_init(&packet, PACKET_MAX);
	if (record_make(a, tenant, &record, err) == -1)
		return -1;
	packet_begin(
	    &packet, (struct packet_head){ OUTBOUND_VERSION, OUTBOUND_PUT, 1 });
	packet_put(&packet, OUTBOUND_RECORD, buf_span(&record));
	if (buf_check(&packet, err) == -1)
		return -1;
	/* The same id twice is one message: asking again does no harm. */
	for (int i = 0; result == -1 && i < TRIES; i++)
		result = put_once(d, buf_span(&packet), err);
	return result;
}
