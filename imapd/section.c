/* SPDX-License-Identifier: BSD-2-Clause */
/* From a section to its octets.                  RFC 3501 section 6.4.5 */
#include "imapd/fetch.h"

#include "imapd/known.h"
#include "mime/header.h"

/*
 * Where the numbers lead.  A part that holds a message is one thing as a
 * part of what it is in (its body is the whole message) and another as the
 * message: numbers behind it count the parts of the message inside.
 */
struct place {
	uint32_t part;
	bool as_message;
};

static bool
place_step(const struct mime_structure *s, struct place *place, uint32_t number)
{
	const struct mime_part *p = &s->parts[place->part];

	if (!place->as_message && p->kind == MIME_MESSAGE) {
		place->part = p->child;
		place->as_message = true;
		p = &s->parts[place->part];
	}
	if (p->kind == MIME_MULTIPART) {
		place->part = mime_child(s, place->part, number);
		place->as_message = false;
		return place->part != MIME_NONE;
	}
	/* What is no multipart has its body as part 1. */
	if (!place->as_message || number != 1)
		return false;
	place->as_message = false;
	return true;
}

static bool
field_wanted(const struct section *section, struct span name)
{
	bool named = false;

	for (size_t i = 0; i < section->fields_len && !named; i++)
		named = span_eq_nocase(section->fields[i], name);
	return named == (section->text == SECTION_HEADER_FIELDS);
}

/* The wanted fields as they stand, and the empty line. */
static struct span
fields_pick(const struct section *section, struct span fields, struct buf *made)
{
	struct field field;

	while (field_next(&fields, &field)) {
		if (!field_wanted(section, field.name))
			continue;
		buf_append(made, field.raw);
		if (!span_ends(field.raw, SPAN("\n")))
			buf_append(made, SPAN("\r\n"));
	}
	buf_append(made, SPAN("\r\n"));
	return buf_span(made);
}

enum section_source
section_source(const struct section *section)
{
	if (section->depth > 0)
		return SECTION_OF_MESSAGE;
	switch (section->text) {
	case SECTION_HEADER:
	case SECTION_HEADER_FIELDS_NOT:
		return SECTION_OF_HEADER;
	case SECTION_HEADER_FIELDS:
		for (size_t i = 0; i < section->fields_len; i++) {
			if (!known_header_has(section->fields[i]))
				return SECTION_OF_HEADER;
		}
		return SECTION_OF_RECORD;
	default:
		return SECTION_OF_MESSAGE;
	}
}

struct span
section_header(const struct section *section, struct span header, size_t fields,
    struct buf *made)
{
	if (section->text == SECTION_HEADER)
		return header;
	return fields_pick(section, span_first(header, fields), made);
}

/* HEADER, HEADER.FIELDS and TEXT of a message or of one inside a part. */
static struct span
message_text(const struct section *section, struct place place,
    struct span message, const struct mime_structure *s, struct buf *made)
{
	const struct mime_part *p = &s->parts[place.part];

	if (!place.as_message) {
		/* Only a message has these: otherwise they are empty. */
		if (p->kind != MIME_MESSAGE)
			return SPAN("");
		p = &s->parts[p->child];
	}
	switch (section->text) {
	case SECTION_HEADER:
		return mime_part_header(p, message);
	case SECTION_TEXT:
		return mime_part_body(p, message);
	default:
		return fields_pick(section, mime_part_fields(p, message), made);
	}
}

struct span
section_find(const struct section *section, struct span message,
    const struct mime_structure *structure, struct buf *made)
{
	struct place place = { .part = 0, .as_message = true };
	const struct mime_part *p;

	for (size_t i = 0; i < section->depth; i++) {
		if (!place_step(structure, &place, section->numbers[i]))
			return SPAN_NONE;
	}
	p = &structure->parts[place.part];
	switch (section->text) {
	case SECTION_ALL:
		return section->depth == 0 ? message
					   : mime_part_body(p, message);
	case SECTION_MIME:
		return mime_part_header(p, message);
	default:
		return message_text(section, place, message, structure, made);
	}
}
