/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/csv.h"

#include <string.h>

#include "common/ascii.h"
#include "mime/address.h"

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void
csv_record_init(struct csv_record *r)
{
	r->line = 0;
	r->len = 0;
	buf_init(&r->text, CSV_RECORD_MAX);
}

void
csv_record_fini(struct csv_record *r)
{
	if (r->text.data != NULL)
		explicit_bzero(r->text.data, r->text.cap);
	buf_fini(&r->text);
	r->len = 0;
}

void
csv_init(struct csv *c, struct span text)
{
	*c = (struct csv){ text, 1 };
	if (span_starts(text, SPAN(BYTE_ORDER_MARK)))
		c->rest = span_from(text, 3);
}

/* Takes CRLF or LF. */
static bool
take_break(struct csv *c)
{
	struct span rest = c->rest;

	(void)span_take_octet(&rest, '\r');
	if (!span_take_octet(&rest, '\n'))
		return false;
	c->rest = rest;
	c->line++;
	return true;
}

/* Takes what the quotes hold; "" stands for one quote. */
static int
take_quoted(struct csv *c, struct buf *text, struct err *err)
{
	unsigned line = c->line;
	struct span part;

	c->rest = span_from(c->rest, 1);
	while (span_take_until(&c->rest, '"', &part)) {
		for (size_t i = 0; i < part.len; i++)
			c->line += part.p[i] == '\n';
		buf_append(text, part);
		if (!span_take_octet(&c->rest, '"'))
			return 0;
		buf_append_octet(text, '"');
	}
	return err_set(
	    err, ERR_SYNTAX, "a quote opens in line %u and never closes", line);
}

static int
take_plain(struct csv *c, struct buf *text, struct err *err)
{
	size_t len = 0;

	while (len < c->rest.len && c->rest.p[len] != ',' &&
	       c->rest.p[len] != '\n' && c->rest.p[len] != '"')
		len++;
	if (len < c->rest.len && c->rest.p[len] == '"')
		return err_set(err, ERR_SYNTAX,
		    "a quote within a field; expected the whole field in "
		    "quotes, and \"\" for a quote");
	if (len > 0 && len < c->rest.len && c->rest.p[len] == '\n' &&
	    c->rest.p[len - 1] == '\r')
		len--;
	buf_append(text, span_first(c->rest, len));
	c->rest = span_from(c->rest, len);
	return 0;
}

static bool
text_valid(struct span text)
{
	size_t start = 0;

	/* Runs between the controls that may be there. */
	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.p[i] != '\n' && text.p[i] != '\r' &&
		    text.p[i] != '\t')
			continue;
		if (!utf8_valid(span_first(span_from(text, start), i - start)))
			return false;
		start = i + 1;
	}
	return true;
}

/* Lengths first, as the buffer moves while it grows. */
static int
take_fields(struct csv *c, struct csv_record *r, struct err *err)
{
	size_t ends[CSV_FIELDS_MAX], start = 0;

	for (;;) {
		bool quoted = c->rest.len > 0 && c->rest.p[0] == '"';

		if (r->len == CSV_FIELDS_MAX)
			return err_set(
			    err, ERR_LIMIT, "over %d fields", CSV_FIELDS_MAX);
		if ((quoted ? take_quoted(c, &r->text, err)
			    : take_plain(c, &r->text, err)) == -1 ||
		    buf_check(&r->text, err) == -1)
			return -1;
		ends[r->len++] = r->text.len;
		if (span_take_octet(&c->rest, ','))
			continue;
		if (c->rest.len == 0 || take_break(c))
			break;
		return err_set(err, ERR_SYNTAX,
		    "expected a comma or the line's end behind a quoted field");
	}
	for (size_t i = 0; i < r->len; start = ends[i++])
		r->fields[i] =
		    span_of(buf_str(&r->text) + start, ends[i] - start);
	return 0;
}

enum csv_take
csv_take(struct csv *c, struct csv_record *r, struct err *err)
{
	while (take_break(c))
		;
	r->line = c->line;
	r->len = 0;
	buf_clear(&r->text);
	if (c->rest.len == 0)
		return CSV_END;
	if (take_fields(c, r, err) == -1) {
		r->len = 0;
		c->rest = span_from(c->rest, c->rest.len);
		return CSV_BROKEN;
	}
	if (text_valid(buf_span(&r->text)))
		return CSV_RECORD;
	(void)err_set(
	    err, ERR_SYNTAX, "expected UTF-8 without control characters");
	return CSV_BAD;
}

void
csv_field_format(struct span field, struct buf *out)
{
	/* At the start of a file it would be taken for its byte order mark. */
	bool quotes = span_starts(field, SPAN(BYTE_ORDER_MARK));

	for (size_t i = 0; i < field.len; i++)
		quotes |=
		    field.p[i] != '\0' && strchr(",\"\r\n", field.p[i]) != NULL;
	/* A blank at an edge would be lost by some programs. */
	if (field.len > 0)
		quotes |= ascii_is_wsp(field.p[0]) ||
			  ascii_is_wsp(field.p[field.len - 1]);
	if (!quotes) {
		buf_append(out, field);
		return;
	}
	buf_append_octet(out, '"');
	for (size_t i = 0; i < field.len; i++) {
		if (field.p[i] == '"')
			buf_append_octet(out, '"');
		buf_append_octet(out, field.p[i]);
	}
	buf_append_octet(out, '"');
}
