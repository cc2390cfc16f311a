/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/draft.h"

#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"
#include "mime/header.h"

void
draft_fini(struct draft *d)
{
	for (size_t i = 0; i < d->len; i++)
		free(d->fields[i].owned);
	free(d->fields);
	buf_fini(&d->replacement);
	*d = (struct draft){ .len = 0 };
}

/* Room for one more at position at; *field_out is zeroed. */
static int
draft_insert(
    struct draft *d, size_t at, struct draft_field **field_out, struct err *err)
{
	if (d->len == DRAFT_FIELDS_MAX)
		return err_set(
		    err, ERR_LIMIT, "over %d header fields", DRAFT_FIELDS_MAX);
	if (d->len == d->room) {
		size_t room = d->room == 0 ? 32 : d->room * 2;
		struct draft_field *fields =
		    reallocarray(d->fields, room, sizeof(*fields));

		if (fields == NULL)
			return err_set(err, ERR_TEMP, "out of memory");
		d->fields = fields;
		d->room = room;
	}
	memmove(d->fields + at + 1, d->fields + at,
	    (d->len - at) * sizeof(d->fields[0]));
	d->len++;
	d->fields[at] = (struct draft_field){ .owned = NULL };
	*field_out = &d->fields[at];
	return 0;
}

/* Lines between fields (mbox lines) stay with the field behind them. */
static int
draft_take(struct draft *d, struct span fields, bool ours, struct err *err)
{
	const char *kept = fields.p;
	struct draft_field *f;
	struct field field;

	while (field_next(&fields, &field)) {
		if (draft_insert(d, d->len, &f, err) == -1)
			return -1;
		f->raw =
		    span_of(kept, (size_t)(field.raw.p + field.raw.len - kept));
		f->name = field.name;
		f->value = field.value;
		f->ours = ours;
		kept = field.raw.p + field.raw.len;
	}
	return 0;
}

int
draft_init(struct draft *d, struct span ours, struct span message,
    uint64_t octets_max, struct err *err)
{
	struct header_end end = header_end(message);

	*d = (struct draft){ .body = span_from(message, end.body),
		.body_max = octets_max };
	buf_init(&d->replacement, octets_max);
	if (draft_take(d, ours, true, err) == -1 ||
	    draft_take(d, span_first(message, end.fields), false, err) == -1) {
		draft_fini(d);
		return -1;
	}
	return 0;
}

int
draft_copy(struct draft *to, const struct draft *from, struct err *err)
{
	*to = (struct draft){ .body = from->body,
		.body_replaced = from->body_replaced,
		.body_max = from->body_max };
	buf_init(&to->replacement, from->body_max);
	to->fields = calloc(from->len + 1, sizeof(*to->fields));
	if (to->fields == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	to->room = from->len + 1;
	for (size_t i = 0; i < from->len; i++) {
		if (from->fields[i].deleted)
			continue;
		to->fields[to->len] = from->fields[i];
		to->fields[to->len++].owned = NULL;
	}
	return 0;
}

int
draft_header_check(struct span message, struct err *err)
{
	struct span fields = span_first(message, header_end(message).fields);
	struct field field;
	size_t count = 0;

	if (fields.len > DRAFT_HEADER_MAX)
		return err_set(err, ERR_LIMIT, "the header is over %d octets",
		    DRAFT_HEADER_MAX);
	while (field_next(&fields, &field)) {
		if (field.raw.len > DRAFT_FIELD_MAX)
			return err_set(err, ERR_LIMIT,
			    "a header field is over %d octets",
			    DRAFT_FIELD_MAX);
		if (++count > DRAFT_FIELDS_MAX)
			return err_set(err, ERR_LIMIT, "over %d header fields",
			    DRAFT_FIELDS_MAX);
	}
	return 0;
}

void
draft_show(struct draft *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->len; i++) {
		struct draft_field *f = &d->fields[i];

		if (f->deleted) {
			free(f->owned);
			continue;
		}
		f->shown = !f->ours;
		d->fields[kept++] = *f;
	}
	d->len = kept;
}

void
draft_header_put(const struct draft *d, struct buf *out)
{
	for (size_t i = 0; i < d->len; i++) {
		const struct draft_field *f = &d->fields[i];

		if (f->deleted)
			continue;
		buf_append(out, f->raw);
		/* The last line of a message that has no body. */
		if (!span_ends(f->raw, SPAN("\n")))
			buf_append(out, SPAN("\r\n"));
	}
	buf_append(out, SPAN("\r\n"));
}

/* ---- edits
 * ------------------------------------------------------------------------- */

static bool
name_valid(struct span name)
{
	return name.len > 0 && name.len < 200 && ascii_all(name, ASCII_VCHAR) &&
	       span_index(name, ':') < 0;
}

/*
 * A milter's value as lines of a field: LF, with or without CR, becomes CRLF
 * and is followed by white space, so that no value ends the field; CR and NUL
 * elsewhere go.
 */
static void
value_put(struct span value, struct buf *out)
{
	for (size_t i = 0; i < value.len; i++) {
		char c = value.p[i];

		if (c == '\r' || c == '\0')
			continue;
		if (c != '\n') {
			buf_append_octet(out, c);
			continue;
		}
		if (i + 1 == value.len)
			break;
		buf_append(out, SPAN("\r\n"));
		if (!ascii_is_wsp(value.p[i + 1]))
			buf_append_octet(out, '\t');
	}
}

/* Puts "name: value" into the field, which loses what it held. */
static int
field_write(struct draft_field *f, const struct milter_edit *edit, bool space,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf raw;

	buf_init(&raw, (size_t)MILTER_DATA_MAX * 2);
	buf_append(&raw, edit->name);
	buf_append(&raw, space ? SPAN(": ") : SPAN(":"));
	value_put(edit->text, &raw);
	buf_append(&raw, SPAN("\r\n"));
	if (buf_check(&raw, err) == -1)
		return -1;
	free(f->owned);
	f->raw = buf_span(&raw);
	f->owned = STEAL(raw.data);
	f->name = span_first(f->raw, edit->name.len);
	f->value =
	    span_from(span_first(f->raw, f->raw.len - 2), edit->name.len + 1);
	return 0;
}

static int
field_add(struct draft *d, size_t at, const struct milter_edit *edit,
    bool space, struct err *err)
{
	struct draft_field *f;

	if (draft_insert(d, at, &f, err) == -1)
		return -1;
	return field_write(f, edit, space, err);
}

int
draft_add(struct draft *d, const struct milter_edit *field, struct err *err)
{
	size_t at = 0;

	while (at < d->len && d->fields[at].ours)
		at++;
	return field_add(d, at, field, true, err);
}

/* Where the field of that index among those that are there begins. */
static size_t
insert_position(const struct draft *d, uint32_t index)
{
	size_t at = 0;

	for (uint32_t n = 0; at < d->len && n < index; at++)
		n += d->fields[at].deleted ? 0 : 1;
	return at;
}

/* The index-th field of that name among those shown, or NULL. */
static struct draft_field *
field_numbered(
    struct draft *d, struct span name, uint32_t index, bool numbers_shift)
{
	uint32_t n = 0;

	for (size_t i = 0; i < d->len; i++) {
		struct draft_field *f = &d->fields[i];

		if (!f->shown || (f->deleted && numbers_shift) ||
		    !span_eq_nocase(f->name, name))
			continue;
		if (++n >= index)
			return f;
	}
	return NULL;
}

static int
field_change(struct draft *d, const struct milter_edit *edit,
    const struct draft_manner *manner, struct err *err)
{
	struct draft_field *f =
	    field_numbered(d, edit->name, edit->index, manner->numbers_shift);

	if (edit->text.len == 0) {
		if (f != NULL)
			f->deleted = true;
		return 0;
	}
	if (f == NULL || f->deleted)
		return field_add(d, d->len, edit, manner->space, err);
	return field_write(f, edit, manner->space, err);
}

/*
 * A piece of the new body: every line end becomes CRLF, wherever the pieces
 * were cut, so that no milter can make a line that ends otherwise.
 */
static void
body_put(struct draft *d, struct span piece)
{
	struct buf *out = &d->replacement;

	while (piece.len > 0) {
		size_t n = 0;

		while (n < piece.len && piece.p[n] != '\r' &&
		       piece.p[n] != '\n' && piece.p[n] != '\0')
			n++;
		buf_append(out, span_first(piece, n));
		if (n < piece.len && piece.p[n] == '\n')
			buf_append(out, SPAN("\r\n"));
		piece = span_from(piece, n + 1);
	}
}

static int
body_finish(struct draft *d, struct err *err)
{
	struct buf *out = &d->replacement;

	if (out->len > 0 && !span_ends(buf_span(out), SPAN("\n")))
		buf_append(out, SPAN("\r\n"));
	d->body = buf_span(out);
	return buf_check(out, err);
}

static int
apply_one(struct draft *d, const struct milter_edit *e,
    const struct draft_manner *manner, bool *replaced, struct err *err)
{
	switch (e->kind) {
	case MILTER_ADD_HEADER:
		return field_add(d, d->len, e, manner->space, err);
	case MILTER_INSERT_HEADER:
		return field_add(
		    d, insert_position(d, e->index), e, manner->space, err);
	case MILTER_CHANGE_HEADER:
		return field_change(d, e, manner, err);
	case MILTER_REPLACE_BODY:
		/* The first piece is where the old body ends. */
		if (!*replaced)
			buf_clear(&d->replacement);
		*replaced = true;
		body_put(d, e->text);
		return buf_check(&d->replacement, err);
	default:
		return 0;
	}
}

static bool
edit_names_field(const struct milter_edit *e)
{
	return e->kind == MILTER_ADD_HEADER ||
	       e->kind == MILTER_INSERT_HEADER ||
	       e->kind == MILTER_CHANGE_HEADER;
}

int
draft_apply(struct draft *d, const struct milter_edits *edits,
    const struct draft_manner *manner, struct err *err)
{
	bool replaced = false;

	for (size_t i = 0; i < edits->len; i++) {
		const struct milter_edit *e = &edits->items[i];

		if (edit_names_field(e) && !name_valid(e->name))
			continue;
		if (apply_one(d, e, manner, &replaced, err) == -1)
			return -1;
	}
	if (!replaced)
		return 0;
	d->body_replaced = true;
	return body_finish(d, err);
}
