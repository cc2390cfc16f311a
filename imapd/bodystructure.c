/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BODY and BODYSTRUCTURE.                         RFC 3501 section 7.4.2
 *
 *	body-type-1part = media SP body-fields [SP envelope SP body SP lines]
 *	                  [SP body-ext-1part]
 *	body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]
 *
 * A leaf that calls itself multipart or message/rfc822 (without boundary, or
 * beyond our limits) is shown as text/plain, so that clients can show it.
 */
#include "imapd/fetch.h"

#include "imapd/reply.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/lex.h"

/* Arena of one part's fields. */
#define PART_ARENA_MAX (16 * 1024 * 1024)

struct writer {
	const struct mime_structure *s;
	struct span message;
	bool extended;
	struct buf *out;
	struct err *err;
};

/* The fields of a part that its description is made of. */
struct part_fields {
	struct span type, id, description, encoding;
	struct span md5, disposition, language, location;
};

static void
part_fields_read(struct span fields, struct part_fields *out)
{
	const struct {
		struct span name;
		struct span *value;
	} wanted[] = {
		{ SPAN("Content-Type"), &out->type },
		{ SPAN("Content-ID"), &out->id },
		{ SPAN("Content-Description"), &out->description },
		{ SPAN("Content-Transfer-Encoding"), &out->encoding },
		{ SPAN("Content-MD5"), &out->md5 },
		{ SPAN("Content-Disposition"), &out->disposition },
		{ SPAN("Content-Language"), &out->language },
		{ SPAN("Content-Location"), &out->location },
	};
	struct field field;

	*out = (struct part_fields){ .type = SPAN_NONE };
	while (field_next(&fields, &field)) {
		if (!span_starts_nocase(field.name, SPAN("Content-")))
			continue;
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]);
		     i++) {
			if (wanted[i].value->p == NULL &&
			    span_eq_nocase(field.name, wanted[i].name))
				*wanted[i].value = field.value;
		}
	}
}

static void
text_write(struct span value, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, value.len + 1);
	if (value.p == NULL) {
		buf_append(out, SPAN("NIL"));
		return;
	}
	field_unfold(value, &text);
	imap_string_write(out, buf_span(&text));
}

/* body-fld-param */
static void
params_write(const struct mime_content *c, struct buf *out)
{
	if (c->params_len == 0) {
		buf_append(out, SPAN("NIL"));
		return;
	}
	for (size_t i = 0; i < c->params_len; i++) {
		buf_append_octet(out, i == 0 ? '(' : ' ');
		imap_string_write(out, c->params[i].name);
		buf_append_octet(out, ' ');
		imap_string_write(out, c->params[i].value);
	}
	buf_append_octet(out, ')');
}

/* body-fld-dsp = "(" string SP body-fld-param ")" / nil */
static int
disposition_write(struct writer *w, struct span value)
{
	CLEANUP(arena_fini) struct arena a;
	struct mime_content c = { .params = NULL };

	arena_init(&a, PART_ARENA_MAX);
	if (value.p != NULL &&
	    mime_disposition_parse(value, &a, &c, w->err) == -1)
		return -1;
	if (c.type.len == 0) {
		buf_append(w->out, SPAN("NIL"));
		return 0;
	}
	buf_append_octet(w->out, '(');
	imap_string_write(w->out, c.type);
	buf_append_octet(w->out, ' ');
	params_write(&c, w->out);
	buf_append_octet(w->out, ')');
	return 0;
}

/* body-fld-lang = nstring / "(" string *(SP string) ")" */
static void
language_write(struct span value, struct buf *out)
{
	struct span tag;
	size_t count = 0;

	while (value.len > 0) {
		(void)lex_cfws(&value, NULL);
		if (lex_run(&value, ",(\"", &tag)) {
			buf_append_octet(out, count++ == 0 ? '(' : ' ');
			imap_string_write(out, tag);
		} else {
			value = span_from(value, 1);
		}
	}
	buf_append_str(out, count == 0 ? "NIL" : ")");
}

/* SP body-fld-dsp SP body-fld-lang SP body-fld-loc */
static int
extension_write(struct writer *w, const struct part_fields *f)
{
	buf_append_octet(w->out, ' ');
	if (disposition_write(w, f->disposition) == -1)
		return -1;
	buf_append_octet(w->out, ' ');
	language_write(f->language, w->out);
	buf_append_octet(w->out, ' ');
	text_write(f->location, w->out);
	return 0;
}

static const struct mime_content text_plain = { { "text", 4 }, { "plain", 5 },
	NULL, 0 };

/* The type as it is shown; see the head of this file. */
static int
leaf_type(const struct mime_part *p, struct span value, struct arena *a,
    struct mime_content *out, struct err *err)
{
	if (mime_content_type_parse(value, a, out, err) == -1)
		return -1;
	if (p->kind == MIME_MESSAGE) {
		if (out->type.len == 0) {
			out->type = SPAN("message");
			out->subtype = SPAN("rfc822");
		}
		return 0;
	}
	if (out->type.len == 0) {
		static struct mime_param ascii[] = { { { "charset", 7 },
		    { "us-ascii", 8 } } };

		*out = text_plain;
		out->params = ascii;
		out->params_len = 1;
	} else if (span_eq_nocase(out->type, SPAN("multipart")) ||
		   (span_eq_nocase(out->type, SPAN("message")) &&
		       span_eq_nocase(out->subtype, SPAN("rfc822")))) {
		*out = text_plain;
	}
	return 0;
}

/* media SP body-fields */
static void
fields_write(struct writer *w, const struct mime_part *p,
    const struct mime_content *type, const struct part_fields *f)
{
	struct span encoding = mime_token_parse(f->encoding);

	imap_string_write(w->out, type->type);
	buf_append_octet(w->out, ' ');
	imap_string_write(w->out, type->subtype);
	buf_append_octet(w->out, ' ');
	params_write(type, w->out);
	buf_append_octet(w->out, ' ');
	text_write(f->id, w->out);
	buf_append_octet(w->out, ' ');
	text_write(f->description, w->out);
	buf_append_octet(w->out, ' ');
	imap_string_write(w->out, encoding.len == 0 ? SPAN("7bit") : encoding);
	buf_append_octet(w->out, ' ');
	buf_append_u64(w->out, p->end - p->body_at);
}

static int body_write(struct writer *w, uint32_t part);

static int
onepart_write(struct writer *w, const struct mime_part *p)
{
	CLEANUP(arena_fini) struct arena a;
	struct part_fields f;
	struct mime_content type;

	arena_init(&a, PART_ARENA_MAX);
	part_fields_read(mime_part_fields(p, w->message), &f);
	if (leaf_type(p, f.type, &a, &type, w->err) == -1)
		return -1;
	fields_write(w, p, &type, &f);
	if (p->kind == MIME_MESSAGE) {
		const struct mime_part *inside = &w->s->parts[p->child];

		buf_append_octet(w->out, ' ');
		if (envelope_write(mime_part_fields(inside, w->message), w->out,
			w->err) == -1)
			return -1;
		buf_append_octet(w->out, ' ');
		if (body_write(w, p->child) == -1)
			return -1;
	}
	if (p->kind == MIME_MESSAGE || span_eq_nocase(type.type, SPAN("text")))
		buf_append_fmt(w->out, " %u", p->lines);
	if (!w->extended)
		return 0;
	buf_append_octet(w->out, ' ');
	text_write(f.md5, w->out);
	return extension_write(w, &f);
}

static int
multipart_write(struct writer *w, const struct mime_part *p)
{
	CLEANUP(arena_fini) struct arena a;
	struct part_fields f;
	struct mime_content type;

	arena_init(&a, PART_ARENA_MAX);
	part_fields_read(mime_part_fields(p, w->message), &f);
	if (mime_content_type_parse(f.type, &a, &type, w->err) == -1)
		return -1;
	for (uint32_t i = p->child; i != MIME_NONE; i = w->s->parts[i].next) {
		if (body_write(w, i) == -1)
			return -1;
	}
	if (p->child == MIME_NONE) /* 1*body: an empty one, as Dovecot does */
		buf_append(w->out,
		    SPAN("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL "
			 "NIL \"7bit\" 0 0)"));
	buf_append_octet(w->out, ' ');
	imap_string_write(w->out, type.subtype);
	if (!w->extended)
		return 0;
	buf_append_octet(w->out, ' ');
	params_write(&type, w->out);
	return extension_write(w, &f);
}

/* Nests as deep as MIME_DEPTH_MAX allows. */
static int
body_write(struct writer *w, uint32_t part)
{
	const struct mime_part *p = &w->s->parts[part];
	int outcome;

	buf_append_octet(w->out, '(');
	outcome = p->kind == MIME_MULTIPART ? multipart_write(w, p)
					    : onepart_write(w, p);
	buf_append_octet(w->out, ')');
	return outcome == -1 ? -1 : buf_check(w->out, w->err);
}

int
bodystructure_write(const struct mime_structure *structure, struct span message,
    bool extended, struct buf *out, struct err *err)
{
	struct writer w = { structure, message, extended, out, err };

	return body_write(&w, 0);
}
