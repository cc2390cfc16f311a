/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets in. */
#include "common/ascii.h"
#include "smtpd/milter_codec.h"

/* RFC 5321 section 4.5.3.1.5. */
#define REPLY_LINE_MAX 512
#define REPLY_LINES_MAX 32

enum layout {
	LAYOUT_NONE,       /* no data */
	LAYOUT_OCTETS,     /* any */
	LAYOUT_TEXT,       /* text NUL */
	LAYOUT_PARAMETERS, /* text NUL [ text NUL ] */
	LAYOUT_FIELD,      /* text NUL text NUL */
	LAYOUT_INDEX,      /* u32 text NUL text NUL */
};

static const struct {
	char code;
	enum milter_reply_kind kind;
	enum layout layout;
	uint32_t bit;
	const char *name;
} replies[] = {
	{ 'c', MILTER_CONTINUE, LAYOUT_NONE, 0, "CONTINUE" },
	{ 'a', MILTER_ACCEPT, LAYOUT_NONE, 0, "ACCEPT" },
	{ 'r', MILTER_REJECT, LAYOUT_NONE, 0, "REJECT" },
	{ 't', MILTER_TEMPFAIL, LAYOUT_NONE, 0, "TEMPFAIL" },
	{ 'd', MILTER_DISCARD, LAYOUT_NONE, 0, "DISCARD" },
	{ 'y', MILTER_REPLYCODE, LAYOUT_TEXT, 0, "REPLYCODE" },
	{ 'f', MILTER_CONN_FAIL, LAYOUT_NONE, 0, "CONN_FAIL" },
	{ '4', MILTER_SHUTDOWN, LAYOUT_NONE, 0, "SHUTDOWN" },
	{ 's', MILTER_SKIPPED, LAYOUT_NONE, 0, "SKIP" },
	{ 'p', MILTER_PROGRESS, LAYOUT_NONE, 0, "PROGRESS" },
	{ '+', MILTER_ADD_RCPT, LAYOUT_TEXT, MILTER_MAY_ADD_RCPT, "ADDRCPT" },
	{ '2', MILTER_ADD_RCPT, LAYOUT_PARAMETERS, MILTER_MAY_ADD_RCPT_PAR,
	    "ADDRCPT_PAR" },
	{ '-', MILTER_DELETE_RCPT, LAYOUT_TEXT, MILTER_MAY_DELETE_RCPT,
	    "DELRCPT" },
	{ 'e', MILTER_CHANGE_FROM, LAYOUT_PARAMETERS, MILTER_MAY_CHANGE_FROM,
	    "CHGFROM" },
	{ 'h', MILTER_ADD_HEADER, LAYOUT_FIELD, MILTER_MAY_ADD_HEADER,
	    "ADDHEADER" },
	{ 'i', MILTER_INSERT_HEADER, LAYOUT_INDEX, MILTER_MAY_ADD_HEADER,
	    "INSHEADER" },
	{ 'm', MILTER_CHANGE_HEADER, LAYOUT_INDEX, MILTER_MAY_CHANGE_HEADER,
	    "CHGHEADER" },
	{ 'b', MILTER_REPLACE_BODY, LAYOUT_OCTETS, MILTER_MAY_CHANGE_BODY,
	    "REPLBODY" },
	{ 'q', MILTER_QUARANTINE, LAYOUT_TEXT, MILTER_MAY_QUARANTINE,
	    "QUARANTINE" },
	{ 'O', MILTER_OPTIONS, LAYOUT_OCTETS, 0, "OPTNEG" },
};
#define REPLIES (sizeof(replies) / sizeof(replies[0]))

bool
milter_is_edit(enum milter_reply_kind kind)
{
	return kind >= MILTER_ADD_RCPT && kind <= MILTER_QUARANTINE;
}

const char *
milter_reply_name(enum milter_reply_kind kind)
{
	size_t i = 0;

	while (replies[i].kind != kind)
		i++;
	return replies[i].name;
}

uint32_t
milter_edit_bit(const struct milter_reply *reply)
{
	/* Either bit is right for a recipient without parameters. */
	if (reply->kind == MILTER_ADD_RCPT)
		return reply->parameters.p == NULL ? MILTER_MAY_ADD_RCPT
						   : MILTER_MAY_ADD_RCPT_PAR;
	for (size_t i = 0; i < REPLIES; i++) {
		if (replies[i].kind == reply->kind)
			return replies[i].bit;
	}
	return 0;
}

static bool
take_index(struct span *in, uint32_t *index_out)
{
	const unsigned char *p = (const unsigned char *)in->p;

	if (in->len < 4)
		return false;
	*index_out = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
		     (uint32_t)p[2] << 8 | p[3];
	*in = span_from(*in, 4);
	return true;
}

/* The data by their layout; false: too few, too many, or no NUL. */
static bool
data_take(struct span data, enum layout layout, struct milter_reply *r)
{
	switch (layout) {
	case LAYOUT_NONE:
		return data.len == 0;
	case LAYOUT_OCTETS:
		r->text = data;
		return true;
	case LAYOUT_TEXT:
		return span_take_until(&data, '\0', &r->text) && data.len == 0;
	case LAYOUT_PARAMETERS:
		r->parameters = SPAN("");
		return span_take_until(&data, '\0', &r->text) &&
		       (data.len == 0 ||
			   (span_take_until(&data, '\0', &r->parameters) &&
			       data.len == 0));
	case LAYOUT_INDEX:
		if (!take_index(&data, &r->index))
			return false;
		__attribute__((fallthrough));
	case LAYOUT_FIELD:
		return span_take_until(&data, '\0', &r->name) &&
		       span_take_until(&data, '\0', &r->text) && data.len == 0;
	}
	return false;
}

static int
reply_parse(struct span packet, struct milter_reply *out, struct err *err)
{
	struct milter_reply r = { .index = 0 };
	size_t i = 0;

	while (i < REPLIES && replies[i].code != packet.p[0])
		i++;
	if (i == REPLIES)
		return err_set(err, ERR_SYNTAX, "reply 0x%02x is unknown",
		    (unsigned)(unsigned char)packet.p[0]);
	r.kind = replies[i].kind;
	if (!data_take(span_from(packet, 1), replies[i].layout, &r))
		return err_set(err, ERR_SYNTAX, "malformed %s of %zu octets",
		    replies[i].name, packet.len);
	*out = r;
	return 0;
}

/* Something else listens there: clamd and HTTP servers answer in words. */
static bool
looks_like_text(struct span in)
{
	for (size_t i = 0; i < 4; i++) {
		if (!ascii_is(in.p[i], ASCII_VCHAR) && in.p[i] != ' ')
			return false;
	}
	return true;
}

enum milter_take
milter_reply_take(struct span *in, struct milter_reply *reply_out,
    size_t *need_out, struct err *err)
{
	struct span rest = *in;
	uint32_t len;

	*need_out = 5;
	if (!take_index(&rest, &len))
		return MILTER_TAKE_MORE;
	if (len == 0 || len > MILTER_REPLY_MAX) {
		if (looks_like_text(*in))
			(void)err_set(err, ERR_SYNTAX,
			    "it answers \"%.4s\" in words: no milter listens "
			    "there",
			    in->p);
		else
			(void)err_set(err, ERR_SYNTAX,
			    "a packet of %u octets; expected 1 to %d", len,
			    MILTER_REPLY_MAX);
		return MILTER_TAKE_BAD;
	}
	*need_out = (size_t)len + 4;
	if (rest.len < len)
		return MILTER_TAKE_MORE;
	if (reply_parse(span_first(rest, len), reply_out, err) == -1)
		return MILTER_TAKE_BAD;
	*in = span_from(rest, len);
	return MILTER_TAKE_OK;
}

/* ---- reply codes
 * -------------------------------------------------------------------- */

/* "5.7.1" of the class of the code, or nothing. */
static bool
enhanced_valid(struct span line, char class)
{
	struct span word = line;
	ptrdiff_t sp = span_index(line, ' ');
	unsigned dots = 0;

	if (sp >= 0)
		word = span_first(line, (size_t)sp);
	if (word.len < 5 || word.p[1] != '.' ||
	    !ascii_is(word.p[0], ASCII_DIGIT))
		return true; /* it is text */
	for (size_t i = 0; i < word.len; i++) {
		if (word.p[i] == '.')
			dots++;
		else if (!ascii_is(word.p[i], ASCII_DIGIT))
			return true;
	}
	return dots == 2 && word.p[0] == class;
}

/* "%%" was doubled for an MTA that takes the text for a format. */
static void
percent_append(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] != '%' ||
		    (i + 1 < text.len && text.p[i + 1] == '%')) {
			/* Other octets are nothing for an SMTP client. */
			buf_append_octet(out,
			    (unsigned char)text.p[i] < 0x80 ? text.p[i] : '?');
			if (text.p[i] == '%')
				i++;
		}
	}
}

/* One line with its code; last: no further one follows. */
static bool
code_line(struct span line, struct span code, bool last, struct buf *out)
{
	struct span text;

	if (line.len < 4 || line.len > REPLY_LINE_MAX - 2 ||
	    !span_eq(span_first(line, 3), code) ||
	    line.p[3] != (last ? ' ' : '-'))
		return false;
	text = span_from(line, 4);
	for (size_t i = 0; i < text.len; i++) {
		if (ascii_is(text.p[i], ASCII_CTL))
			return false;
	}
	if (!enhanced_valid(text, code.p[0]))
		return false;
	buf_append(out, span_first(line, 4));
	percent_append(text, out);
	buf_append(out, SPAN("\r\n"));
	return true;
}

int
milter_code_parse(
    struct span text, unsigned *code_out, struct buf *lines, struct err *err)
{
	struct span rest = text, code = span_first(text, 3);
	size_t before = lines->len, count = 0;

	if (code.len < 3 || (code.p[0] != '4' && code.p[0] != '5') ||
	    !ascii_all(code, ASCII_DIGIT))
		return err_set(err, ERR_SYNTAX, "no code of 4xx or 5xx");
	for (bool last = false; !last; count++) {
		ptrdiff_t end = span_find(rest, SPAN("\r\n"));
		struct span line =
		    span_first(rest, end < 0 ? rest.len : (size_t)end);

		last = end < 0;
		if (count == REPLY_LINES_MAX ||
		    !code_line(line, code, last, lines)) {
			buf_truncate(lines, before);
			return err_set(
			    err, ERR_SYNTAX, "malformed reply code or text");
		}
		rest = span_from(rest, last ? rest.len : (size_t)end + 2);
	}
	*code_out = (unsigned)((code.p[0] - '0') * 100 +
			       (code.p[1] - '0') * 10 + code.p[2] - '0');
	return buf_check(lines, err);
}
