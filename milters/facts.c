/* SPDX-License-Identifier: BSD-2-Clause */
#include "milters/facts.h"

#include "common/arena.h"
#include "mime/address.h"
#include "mime/addrlist.h"
#include "mime/charset.h"
#include "mime/content.h"
#include "mime/encoded.h"
#include "mime/header.h"
#include "mime/structure.h"

/* Of one field that is read: a header has at most some 60,000 octets a field
 * by SMTP, and six of UTF-8 come of one in the worst charset. */
#define TEXT_MAX (1024 * 1024)
#define FIELD_ARENA (8 * 1024 * 1024)

/* ---- addresses ------------------------------------------------------------
 */

static int
address_add(const struct addrlist_item *item, enum rule_field field,
    struct rule_facts *facts, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, TEXT_MAX);
	if (item->kind != ADDRLIST_MAILBOX)
		return 0;
	buf_append(&text, item->local_part);
	if (item->domain.len > 0) {
		buf_append_octet(&text, '@');
		buf_append(&text, item->domain);
	}
	if (buf_check(&text, err) == -1)
		return -1;
	return rule_facts_add(facts, field, buf_span(&text), err);
}

static int
addresses_add(struct span value, enum rule_field field,
    struct rule_facts *facts, struct err *err)
{
	CLEANUP(arena_fini) struct arena arena;
	struct addrlist_item *item;

	arena_init(&arena, FIELD_ARENA);
	if (addrlist_parse(value, &arena, &item, err) == -1)
		return -1;
	for (; item != NULL; item = item->next)
		if (address_add(item, field, facts, err) == -1)
			return -1;
	return 0;
}

/* ---- the subject ----------------------------------------------------------
 */

/* In another charset than UTF-8 without saying so. */
static bool
is_raw(struct span value, struct span *charset)
{
	if (span_find(value, SPAN("\x1b$")) >= 0 ||
	    span_find(value, SPAN("\x1b(")) >= 0) {
		*charset = SPAN("ISO-2022-JP");
		return true;
	}
	if (utf8_valid(value))
		return false;
	/* Folds and tabs are no text; octets over 127 are the question. */
	for (size_t i = 0; i < value.len; i++) {
		if ((unsigned char)value.p[i] < 0x80)
			continue;
		if (utf8_sequence(span_from(value, i)) == 0) {
			if (charset->len == 0 || !charset_known(*charset) ||
			    span_eq_nocase(*charset, SPAN("utf-8")) ||
			    span_eq_nocase(*charset, SPAN("us-ascii")))
				*charset = SPAN("Shift_JIS");
			return true;
		}
		i += utf8_sequence(span_from(value, i)) - 1;
	}
	return false;
}

int
subject_decode(
    struct span value, struct span charset, struct buf *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf plain, utf8;
	bool raw;

	buf_init(&plain, TEXT_MAX);
	buf_init(&utf8, TEXT_MAX * 4);
	field_unfold(value, &plain);
	if (buf_check(&plain, err) == -1)
		return -1;
	raw = is_raw(buf_span(&plain), &charset);
	if (raw && charset_decode(charset, buf_span(&plain), &utf8, err) == -1)
		return -1;
	return encoded_words_decode(
	    raw ? buf_span(&utf8) : buf_span(&plain), out, err);
}

static struct span
message_charset(struct span fields, struct arena *arena)
{
	struct mime_content type;
	struct field f;

	if (field_find(fields, SPAN("Content-Type"), &f) &&
	    mime_content_type_parse(f.value, arena, &type, NULL) == 0)
		return mime_param_find(&type, SPAN("charset"));
	return SPAN("");
}

static int
subject_add(struct span value, struct span fields, struct rule_facts *facts,
    struct err *err)
{
	CLEANUP(arena_fini) struct arena arena;
	CLEANUP(buf_fini) struct buf text;

	arena_init(&arena, FIELD_ARENA);
	buf_init(&text, TEXT_MAX * 4);
	if (subject_decode(
		value, message_charset(fields, &arena), &text, err) == -1)
		return -1;
	return rule_facts_add(facts, RULE_SUBJECT, buf_span(&text), err);
}

/* ---- attachments ----------------------------------------------------------
 */

static bool
has_name(const struct mime_content *c, struct span name)
{
	/* "filename", "filename*", "filename*0*": RFC 2231 section 4. */
	for (size_t i = 0; i < c->params_len; i++) {
		struct span rest = c->params[i].name;

		if (span_take_nocase(&rest, name) &&
		    (rest.len == 0 || rest.p[0] == '*'))
			return true;
	}
	return false;
}

static bool
is_signature(const struct mime_content *type)
{
	static const char *const names[] = { "pkcs7-signature",
		"x-pkcs7-signature", "pgp-signature" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (span_eq_nocase(type->subtype, span_str(names[i])))
			return true;
	return false;
}

static int
part_is_attached(struct span fields, bool *attached_out, struct err *err)
{
	CLEANUP(arena_fini) struct arena arena;
	struct mime_content type = { .params_len = 0 };
	struct mime_content disposition = { .params_len = 0 };
	struct field f;

	arena_init(&arena, FIELD_ARENA);
	if (field_find(fields, SPAN("Content-Type"), &f) &&
	    mime_content_type_parse(f.value, &arena, &type, err) == -1)
		return -1;
	if (field_find(fields, SPAN("Content-Disposition"), &f) &&
	    mime_disposition_parse(f.value, &arena, &disposition, err) == -1)
		return -1;
	*attached_out = !is_signature(&type) &&
			(span_eq_nocase(disposition.type, SPAN("attachment")) ||
			    has_name(&disposition, SPAN("filename")) ||
			    has_name(&type, SPAN("name")));
	return 0;
}

int
attachments_count(struct span text, unsigned *count_out, struct err *err)
{
	CLEANUP(mime_structure_fini)
	struct mime_structure s = { .parts = NULL };
	uint64_t behind = 0; /* an attached message ends there */

	*count_out = 0;
	if (mime_structure_parse(text, &s, err) == -1)
		return -1;
	for (uint32_t i = 0; i < s.count; i++) {
		const struct mime_part *p = &s.parts[i];
		bool attached = false;

		if (p->header_at < behind || p->kind == MIME_MULTIPART)
			continue;
		if (part_is_attached(
			mime_part_fields(p, text), &attached, err) == -1)
			return -1;
		if (!attached)
			continue;
		*count_out += 1;
		if (p->kind == MIME_MESSAGE)
			behind = p->end;
	}
	return 0;
}

/* ---- all of it ------------------------------------------------------------
 */

static int
field_add(const struct field *f, struct span fields, struct rule_facts *facts,
    struct err *err)
{
	if (span_eq_nocase(f->name, SPAN("From")))
		return addresses_add(f->value, RULE_FROM, facts, err);
	if (span_eq_nocase(f->name, SPAN("To")) ||
	    span_eq_nocase(f->name, SPAN("Cc")))
		return addresses_add(f->value, RULE_TO, facts, err);
	if (span_eq_nocase(f->name, SPAN("Subject")))
		return subject_add(f->value, fields, facts, err);
	return 0;
}

int
message_facts(struct span text, uint64_t octets, struct rule_facts *facts_out,
    struct err *err)
{
	struct span fields = span_first(text, header_end(text).fields);
	struct span rest = fields;
	struct field f;
	unsigned attachments;

	rule_facts_init(facts_out, octets, 0);
	if (attachments_count(text, &attachments, err) == -1)
		return -1;
	facts_out->attachments = attachments;
	while (field_next(&rest, &f))
		if (field_add(&f, fields, facts_out, err) == -1)
			return -1;
	return 0;
}
