/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/downgrade.h"

#include "common/arena.h"
#include "common/ascii.h"
#include "mime/address.h"
#include "mime/addrlist.h"
#include "mime/content.h"
#include "mime/header.h"

/* A line with an encoded word has 76 octets at most (RFC 2047 section 2), and
 * the name of the field is in it, too. */
#define WORD_OCTETS 39
/* What one field may make us hold while it is taken apart. */
#define FIELD_MEMORY ((size_t)16 * 1024 * 1024)

enum kind {
	KIND_TEXT,
	KIND_ADDRESSES,
	KIND_CONTENT,
	KIND_LEFT_OUT,
};

/* All others are KIND_TEXT. */
static const struct {
	struct span name;
	enum kind kind;
} kinds[] = {
	{ { "From", 4 }, KIND_ADDRESSES },
	{ { "Sender", 6 }, KIND_ADDRESSES },
	{ { "Reply-To", 8 }, KIND_ADDRESSES },
	{ { "To", 2 }, KIND_ADDRESSES },
	{ { "Cc", 2 }, KIND_ADDRESSES },
	{ { "Bcc", 3 }, KIND_ADDRESSES },
	{ { "Resent-From", 11 }, KIND_ADDRESSES },
	{ { "Resent-Sender", 13 }, KIND_ADDRESSES },
	{ { "Resent-To", 9 }, KIND_ADDRESSES },
	{ { "Resent-Cc", 9 }, KIND_ADDRESSES },
	{ { "Resent-Bcc", 10 }, KIND_ADDRESSES },
	{ { "Disposition-Notification-To", 27 }, KIND_ADDRESSES },
	{ { "Content-Type", 12 }, KIND_CONTENT },
	{ { "Content-Disposition", 19 }, KIND_CONTENT },
	{ { "Content-ID", 10 }, KIND_LEFT_OUT },
	{ { "Content-Location", 16 }, KIND_LEFT_OUT },
	{ { "Content-Transfer-Encoding", 25 }, KIND_LEFT_OUT },
	{ { "MIME-Version", 12 }, KIND_LEFT_OUT },
	{ { "Date", 4 }, KIND_LEFT_OUT },
	{ { "Resent-Date", 11 }, KIND_LEFT_OUT },
	{ { "Message-ID", 10 }, KIND_LEFT_OUT },
	{ { "Resent-Message-ID", 17 }, KIND_LEFT_OUT },
	{ { "In-Reply-To", 11 }, KIND_LEFT_OUT },
	{ { "References", 10 }, KIND_LEFT_OUT },
	{ { "Return-Path", 11 }, KIND_LEFT_OUT },
	{ { "Received", 8 }, KIND_LEFT_OUT },
	{ { "Received-SPF", 12 }, KIND_LEFT_OUT },
	{ { "Delivered-To", 12 }, KIND_LEFT_OUT },
	{ { "X-Original-To", 13 }, KIND_LEFT_OUT },
	{ { "Authentication-Results", 22 }, KIND_LEFT_OUT },
	{ { "DKIM-Signature", 14 }, KIND_LEFT_OUT },
	{ { "ARC-Seal", 8 }, KIND_LEFT_OUT },
	{ { "ARC-Message-Signature", 21 }, KIND_LEFT_OUT },
	{ { "ARC-Authentication-Results", 26 }, KIND_LEFT_OUT },
	{ { "List-ID", 7 }, KIND_LEFT_OUT },
	{ { "List-Post", 9 }, KIND_LEFT_OUT },
	{ { "List-Help", 9 }, KIND_LEFT_OUT },
	{ { "List-Owner", 10 }, KIND_LEFT_OUT },
	{ { "List-Archive", 12 }, KIND_LEFT_OUT },
	{ { "List-Subscribe", 14 }, KIND_LEFT_OUT },
	{ { "List-Unsubscribe", 16 }, KIND_LEFT_OUT },
};

static bool
is_ascii(struct span s)
{
	unsigned char all = 0;

	for (size_t i = 0; i < s.len; i++)
		all |= (unsigned char)s.p[i];
	return all < 0x80;
}

static bool
is_utf8(struct span s)
{
	while (s.len > 0) {
		size_t len = 1;

		if ((unsigned char)s.p[0] >= 0x80 &&
		    (len = utf8_sequence(s)) == 0)
			return false;
		s = span_from(s, len);
	}
	return true;
}

static enum kind
kind_of(struct span name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (span_eq_nocase(name, kinds[i].name))
			return kinds[i].kind;
	return KIND_TEXT;
}

/* ---- is it? -------------------------------------------------------------- */

static bool
is_international(const struct addrlist_item *item)
{
	return !is_ascii(item->local_part) || !is_ascii(item->domain);
}

static int
addresses_international(
    struct span value, bool *international_out, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	struct addrlist_item *item;

	arena_init(&a, FIELD_MEMORY);
	if (addrlist_parse(value, &a, &item, err) == -1)
		return -1;
	for (; item != NULL; item = item->next)
		if (item->kind == ADDRLIST_MAILBOX && is_international(item))
			*international_out = true;
	return 0;
}

int
header_is_international(
    struct span fields, bool *international_out, struct err *err)
{
	bool international = false, received = false;
	struct field field;

	*international_out = false;
	if (is_ascii(fields) || !is_utf8(fields))
		return 0;
	while (!international && field_next(&fields, &field)) {
		if (!received && span_eq_nocase(field.name, SPAN("Received"))) {
			received = true;
			international =
			    span_find(field.value, SPAN(" with UTF8")) >= 0;
		} else if (!is_ascii(field.value) &&
			   kind_of(field.name) == KIND_ADDRESSES &&
			   addresses_international(
			       field.value, &international, err) == -1) {
			return -1;
		}
	}
	*international_out = international;
	return 0;
}

/* ---- encoded words ------------------------------------------------------- */

/* The most octets at the front of text that end with a character. */
static struct span
piece_take(struct span *text)
{
	struct span piece = span_of(text->p, 0);

	while (piece.len < text->len) {
		struct span rest = span_from(*text, piece.len);
		size_t len = utf8_sequence(rest);

		if (len == 0)
			len = 1;
		if (piece.len + len > WORD_OCTETS)
			break;
		piece.len += len;
	}
	*text = span_from(*text, piece.len);
	return piece;
}

static void
base64_append(struct span octets, struct buf *out)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < octets.len; i += 3) {
		size_t left = octets.len - i;
		unsigned bits = (unsigned)(unsigned char)octets.p[i] << 16;

		if (left > 1)
			bits |= (unsigned)(unsigned char)octets.p[i + 1] << 8;
		if (left > 2)
			bits |= (unsigned char)octets.p[i + 2];
		buf_append_octet(out, digits[bits >> 18]);
		buf_append_octet(out, digits[bits >> 12 & 63]);
		buf_append_octet(out, left > 1 ? digits[bits >> 6 & 63] : '=');
		buf_append_octet(out, left > 2 ? digits[bits & 63] : '=');
	}
}

/* Each word on a line of its own, so that no line gets long. */
static void
encoded_words_append(struct span text, struct buf *out)
{
	for (bool first = true; text.len > 0; first = false) {
		if (!first)
			buf_append(out, SPAN("\r\n "));
		buf_append(out, SPAN("=?UTF-8?B?"));
		base64_append(piece_take(&text), out);
		buf_append(out, SPAN("?="));
	}
}

/* ---- text ---------------------------------------------------------------- */

/* The words at the front that all have other than ASCII, with the blanks
 * between them; or those that have not, with all blanks behind. */
static struct span
run_take(struct span *text, bool *ascii_out)
{
	struct span run = span_of(text->p, 0), rest = *text;

	*ascii_out = false;
	while (rest.len > 0) {
		size_t len = 0, blanks;

		while (
		    len < rest.len && rest.p[len] != ' ' && rest.p[len] != '\t')
			len++;
		for (blanks = len; blanks < rest.len; blanks++)
			if (rest.p[blanks] != ' ' && rest.p[blanks] != '\t')
				break;
		if (run.len == 0)
			*ascii_out = is_ascii(span_first(rest, len));
		else if (*ascii_out != is_ascii(span_first(rest, len)))
			break;
		/* Blanks behind the last encoded word are not its own. */
		run.len =
		    (size_t)(rest.p - text->p) + (*ascii_out ? blanks : len);
		rest = span_from(rest, blanks);
	}
	*text = span_from(*text, run.len);
	return run;
}

static void
text_append(struct span value, struct buf *out)
{
	CLEANUP(buf_fini) struct buf unfolded;
	struct span text;

	buf_init(&unfolded, value.len);
	field_unfold(value, &unfolded);
	text = buf_span(&unfolded);
	while (text.len > 0) {
		bool ascii;
		struct span run = run_take(&text, &ascii);

		if (ascii) {
			buf_append(out, run);
			continue;
		}
		encoded_words_append(run, out);
		if (text.len > 0) /* folds, and parts it from what follows */
			buf_append(out, SPAN("\r\n"));
	}
}

/* ---- addresses ----------------------------------------------------------- */

static bool
is_phrase(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is(s.p[i], ASCII_ATEXT) && s.p[i] != ' ')
			return false;
	return s.len > 0;
}

static void
quoted_append(struct span s, struct buf *out)
{
	buf_append_octet(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '\r' || s.p[i] == '\n')
			continue;
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, s.p[i]);
	}
	buf_append_octet(out, '"');
}

static void
name_append(struct span name, struct buf *out)
{
	if (!is_ascii(name))
		encoded_words_append(name, out);
	else if (is_phrase(name))
		buf_append(out, name);
	else
		quoted_append(name, out);
}

static void
local_part_append(struct span local_part, struct buf *out)
{
	struct span rest = local_part, atom;
	bool dots = local_part.len > 0;

	while (span_take_until(&rest, '.', &atom))
		dots = dots && atom.len > 0 && ascii_all(atom, ASCII_ATEXT);
	if (dots && rest.len > 0 && ascii_all(rest, ASCII_ATEXT))
		buf_append(out, local_part);
	else
		quoted_append(local_part, out);
}

static void
mailbox_append(const struct addrlist_item *item, struct buf *out)
{
	if (item->name.len > 0) {
		name_append(item->name, out);
		buf_append_octet(out, ' ');
	}
	buf_append_octet(out, '<');
	if (item->local_part.len > 0)
		local_part_append(item->local_part, out);
	if (item->domain.len > 0) {
		buf_append_octet(out, '@');
		buf_append(out, item->domain);
	}
	buf_append_octet(out, '>');
}

/* The address is told in the name; nobody can answer there. */
static int
international_append(
    const struct addrlist_item *item, struct buf *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf told;

	buf_init(&told, FIELD_MEMORY);
	if (item->name.len > 0) {
		buf_append(&told, item->name);
		buf_append_octet(&told, ' ');
	}
	buf_append_octet(&told, '<');
	buf_append(&told, item->local_part);
	buf_append_octet(&told, '@');
	buf_append(&told, item->domain);
	buf_append_octet(&told, '>');
	encoded_words_append(buf_span(&told), out);
	buf_append(
	    out, SPAN("\r\n <invalid@internationalized-address.invalid>"));
	return buf_check(&told, err);
}

static int
addresses_append(
    struct span value, struct arena *a, struct buf *out, struct err *err)
{
	struct addrlist_item *item;
	bool first = true; /* of the list or of its group */

	if (addrlist_parse(value, a, &item, err) == -1)
		return -1;
	for (; item != NULL; item = item->next) {
		if (item->kind == ADDRLIST_GROUP_END) {
			buf_append_octet(out, ';');
			first = false;
			continue;
		}
		if (!first)
			buf_append(out, SPAN(",\r\n "));
		first = item->kind == ADDRLIST_GROUP_BEGIN;
		if (first) {
			name_append(item->name, out);
			buf_append(out, SPAN(": "));
		} else if (!is_international(item)) {
			mailbox_append(item, out);
		} else if (international_append(item, out, err) == -1) {
			return -1;
		}
	}
	return 0;
}

/* ---- parameters ---------------------------------------------------------- */

/* "name*=utf-8''..."					RFC 2231 section 4 */
static void
extended_append(const struct mime_param *p, struct buf *out)
{
	buf_append(out, p->name);
	buf_append(out, SPAN("*=utf-8''"));
	for (size_t i = 0; i < p->value.len; i++) {
		char c = p->value.p[i];

		if (ascii_is(c, ASCII_ALPHA | ASCII_DIGIT) || c == '.' ||
		    c == '-' || c == '_')
			buf_append_octet(out, c);
		else
			buf_append_fmt(out, "%%%02X", (unsigned char)c);
	}
}

static int
content_append(
    struct span value, struct arena *a, struct buf *out, struct err *err)
{
	struct mime_content content;
	bool type = span_index(value, '/') >= 0;

	if ((type ? mime_content_type_parse(value, a, &content, err)
		  : mime_disposition_parse(value, a, &content, err)) == -1)
		return -1;
	if (!is_ascii(content.type) || !is_ascii(content.subtype))
		content.type = content.subtype = SPAN_NONE;
	buf_append(out, content.type);
	if (content.subtype.len > 0) {
		buf_append_octet(out, '/');
		buf_append(out, content.subtype);
	}
	for (size_t i = 0; i < content.params_len; i++) {
		const struct mime_param *p = &content.params[i];

		if (!is_ascii(p->name))
			continue;
		buf_append(out, SPAN(";\r\n "));
		if (is_ascii(p->value)) {
			buf_append(out, p->name);
			buf_append_octet(out, '=');
			quoted_append(p->value, out);
		} else {
			extended_append(p, out);
		}
	}
	return 0;
}

/* ---- fields -------------------------------------------------------------- */

static int
field_downgrade(const struct field *f, struct buf *out, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	enum kind kind = kind_of(f->name);

	arena_init(&a, FIELD_MEMORY);
	if (is_ascii(f->raw)) {
		buf_append(out, f->raw);
		return 0;
	}
	/* A name is ASCII: mime/header.h says what is a field. */
	if (kind == KIND_LEFT_OUT)
		return 0;
	buf_append(out, f->name);
	buf_append(out, SPAN(": "));
	if (kind == KIND_ADDRESSES) {
		if (addresses_append(f->value, &a, out, err) == -1)
			return -1;
	} else if (kind == KIND_CONTENT) {
		if (content_append(f->value, &a, out, err) == -1)
			return -1;
	} else {
		text_append(f->value, out);
	}
	buf_append(out, SPAN("\r\n"));
	return 0;
}

int
header_downgrade(struct span fields, struct buf *out, struct err *err)
{
	struct field field;

	while (field_next(&fields, &field))
		if (field_downgrade(&field, out, err) == -1)
			return -1;
	return buf_check(out, err);
}
