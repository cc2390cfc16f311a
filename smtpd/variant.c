/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/variant.h"

#include <string.h>

#include "common/ascii.h"
#include "common/sasl.h"
#include "mime/encoded.h"
#include "mime/xtext.h"

/* RFC 2045 section 6.8: 76 octets a line, of 57. */
#define LINE_OCTETS 57
#define TAG_MAX 1024
#define NOTICE_MAX 65536

void
smtp_variant_fini(struct smtp_variant *v)
{
	buf_fini(&v->header);
	buf_fini(&v->notice);
}

/* "Subject: tag what the sender wrote". */
static void
subject_put(const char *tag, struct span value, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, TAG_MAX);
	(void)xtext_decode(span_str(tag), &text, NULL);
	buf_append(out, SPAN("Subject: "));
	encoded_words_format(buf_span(&text), out);
	if (value.len > 0 && !ascii_is_wsp(value.p[0]) && value.p[0] != '\r')
		buf_append(out, SPAN(" "));
	buf_append(out, value);
	buf_append(out, SPAN("\r\n"));
}

static bool
describes_body(struct span name)
{
	return span_starts_nocase(name, SPAN("Content-")) ||
	       span_eq_nocase(name, SPAN("MIME-Version"));
}

static void
header_put(struct smtp_variant *v, const struct draft *draft,
    const struct smtp_disposition *d)
{
	bool tagged = d->tag == NULL;

	for (size_t i = 0; i < draft->len; i++) {
		const struct draft_field *f = &draft->fields[i];

		if (f->deleted ||
		    (d->replace != NULL && !f->ours && describes_body(f->name)))
			continue;
		if (!tagged && !f->ours &&
		    span_eq_nocase(f->name, SPAN("Subject"))) {
			subject_put(d->tag, f->value, &v->header);
			tagged = true;
			continue;
		}
		buf_append(&v->header, f->raw);
		if (!span_ends(f->raw, SPAN("\n")))
			buf_append(&v->header, SPAN("\r\n"));
	}
	if (!tagged)
		subject_put(d->tag, SPAN(""), &v->header);
	if (d->replace != NULL)
		buf_append(&v->header,
		    SPAN("MIME-Version: 1.0\r\n"
			 "Content-Type: text/plain; charset=utf-8\r\n"
			 "Content-Transfer-Encoding: base64\r\n"));
	buf_append(&v->header, SPAN("\r\n"));
}

/* Lines of the notice are apart by LF, which xtext_decode does not let by. */
static void
notice_decode(struct span text, struct buf *out)
{
	while (text.len > 0) {
		ptrdiff_t at = span_find(text, SPAN("+0A"));
		struct span line =
		    span_first(text, at < 0 ? text.len : (size_t)at);

		(void)xtext_decode(line, out, NULL);
		buf_append(out, SPAN("\r\n"));
		text = span_from(text, line.len + (at < 0 ? 0 : 3));
	}
}

static int
notice_put(struct smtp_variant *v, const char *replace, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct span rest;

	buf_init(&text, NOTICE_MAX);
	notice_decode(span_str(replace), &text);
	if (buf_check(&text, err) == -1)
		return -1;
	for (rest = buf_span(&text); rest.len > 0;
	     rest = span_from(rest, LINE_OCTETS)) {
		base64_encode(span_first(rest, LINE_OCTETS), &v->notice);
		buf_append(&v->notice, SPAN("\r\n"));
	}
	v->replaced = true;
	v->body = buf_span(&v->notice);
	return buf_check(&v->notice, err);
}

int
smtp_variant_make(struct smtp_variant *v, const struct draft *draft,
    const struct smtp_disposition *d, size_t octets_max, struct err *err)
{
	*v = (struct smtp_variant){ .body = draft->body };
	buf_init(&v->header, octets_max);
	buf_init(&v->notice, (size_t)NOTICE_MAX * 2);
	header_put(v, draft, d);
	if (buf_check(&v->header, err) == -1)
		return -1;
	return d->replace == NULL ? 0 : notice_put(v, d->replace, err);
}
