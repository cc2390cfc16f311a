/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/search_text.h"

#include "common/arena.h"
#include "common/buf.h"
#include "mime/charset.h"
#include "mime/content.h"
#include "mime/encoded.h"
#include "mime/header.h"

/* Text is converted in pieces of about this size, which end with a line. */
#define PIECE 65536
/* Folding and UTF-8 make it longer; a line is never so much longer. */
#define GROWTH 40

int
search_value_fold(struct span value, struct buf *folded, struct err *err)
{
	CLEANUP(buf_fini) struct buf utf8;

	buf_init(&utf8, 8 * value.len + 64);
	if (encoded_words_decode(value, &utf8, err) == -1)
		return -1;
	return text_fold(buf_span(&utf8), folded, err);
}

/* One field's value, or the whole field ("Subject: ..."), has the needle. */
static int
value_has(
    struct span value, struct span needle, bool *found_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf folded;

	buf_init(&folded, GROWTH * value.len + 64);
	if (search_value_fold(value, &folded, err) == -1)
		return -1;
	*found_out = span_find(buf_span(&folded), needle) >= 0;
	return 0;
}

int
header_has(struct span fields, struct span name, struct span needle,
    bool *found_out, struct err *err)
{
	struct field field;

	*found_out = false;
	while (!*found_out && field_next(&fields, &field)) {
		if (!span_eq_nocase(field.name, name))
			continue;
		if (needle.len == 0)
			*found_out = true;
		else if (value_has(field.value, needle, found_out, err) == -1)
			return -1;
	}
	return 0;
}

static int
fields_have(
    struct span fields, struct span needle, bool *found_out, struct err *err)
{
	struct field field;

	while (!*found_out && field_next(&fields, &field)) {
		if (value_has(field.raw, needle, found_out, err) == -1)
			return -1;
	}
	return 0;
}

/* Octets of the next piece: up to a line end behind PIECE octets. */
static size_t
piece_len(struct span text, struct span charset)
{
	ptrdiff_t line_end;

	/* A line end of UTF-16 is no octet. */
	if (text.len <= PIECE || span_starts_nocase(charset, SPAN("utf-16")) ||
	    span_starts_nocase(charset, SPAN("utf-32")))
		return text.len;
	line_end = span_index(span_from(text, PIECE), '\n');
	return line_end < 0 ? text.len : PIECE + (size_t)line_end + 1;
}

/* Decoded text has the needle; matches may lie across pieces. */
static int
text_has(struct span text, struct span charset, struct span needle,
    bool *found_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf utf8;
	CLEANUP(buf_fini) struct buf folded;
	struct err why = ERR_INIT;

	buf_init(&utf8, 4 * text.len + 64);
	buf_init(&folded, GROWTH * text.len + needle.len + 64);
	while (text.len > 0 && !*found_out) {
		size_t len = piece_len(text, charset), keep;
		struct span piece = span_first(text, len);

		text = span_from(text, len);
		buf_clear(&utf8);
		/* An unknown charset is searched as it is. */
		if (charset_decode(charset, piece, &utf8, &why) == -1) {
			if (why.kind != ERR_POLICY)
				return err_set(err, why.kind, "%s", why.text);
			buf_append(&utf8, piece);
		}
		if (text_fold(buf_span(&utf8), &folded, err) == -1)
			return -1;
		*found_out = span_find(buf_span(&folded), needle) >= 0;
		keep = needle.len == 0 ? 0 : needle.len - 1;
		if (folded.len > keep)
			buf_consume(&folded, folded.len - keep);
	}
	return 0;
}

/* What a text part's header says about its octets. */
static int
part_has(const struct mime_part *p, struct span message, struct span needle,
    bool *found_out, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	CLEANUP(buf_fini) struct buf decoded;
	struct span body = mime_part_body(p, message), encoding = SPAN_NONE;
	struct span fields = mime_part_fields(p, message);
	struct mime_content type = { .params = NULL };
	struct field field;

	arena_init(&a, 4 * fields.len + 65536);
	buf_init(&decoded, body.len + 8);
	if (field_find(fields, SPAN("Content-Type"), &field) &&
	    mime_content_type_parse(field.value, &a, &type, err) == -1)
		return -1;
	if (type.type.len > 0 && !span_eq_nocase(type.type, SPAN("text")))
		return 0;
	if (field_find(fields, SPAN("Content-Transfer-Encoding"), &field))
		encoding = mime_token_parse(field.value);
	if (span_eq_nocase(encoding, SPAN("base64"))) {
		base64_decode_lenient(body, &decoded);
		body = buf_span(&decoded);
	} else if (span_eq_nocase(encoding, SPAN("quoted-printable"))) {
		quoted_printable_decode(body, &decoded);
		body = buf_span(&decoded);
	}
	if (buf_check(&decoded, err) == -1)
		return -1;
	return text_has(body, mime_param_find(&type, SPAN("charset")), needle,
	    found_out, err);
}

int
message_has(struct span message, const struct mime_structure *structure,
    bool headers, struct span needle, bool *found_out, struct err *err)
{
	*found_out = needle.len == 0;
	for (uint32_t i = 0; i < structure->count && !*found_out; i++) {
		const struct mime_part *p = &structure->parts[i];
		bool inside = p->parent != MIME_NONE &&
			      structure->parts[p->parent].kind == MIME_MESSAGE;

		if ((headers || inside) &&
		    fields_have(mime_part_fields(p, message), needle, found_out,
			err) == -1)
			return -1;
		if (!*found_out && p->kind == MIME_LEAF &&
		    part_has(p, message, needle, found_out, err) == -1)
			return -1;
	}
	return 0;
}
