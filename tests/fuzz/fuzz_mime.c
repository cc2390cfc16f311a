/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets are a message.  Parts lie within their parents and in order, a
 * part's header is where header_end says it is unless a boundary cut it, and
 * what is written of it is a well-formed IMAP response.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "imapd/fetch.h"
#include "imapd/known.h"
#include "imapd/parse.h"
#include "imapd/search_text.h"
#include "mime/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_parts(const struct mime_structure *s, struct span message)
{
	assert(s->count >= 1 && s->count <= MIME_PARTS_MAX);
	for (uint32_t i = 0; i < s->count; i++) {
		const struct mime_part *p = &s->parts[i];
		uint64_t at = p->body_at;

		assert(p->header_at + p->fields <= p->body_at);
		assert(p->body_at <= p->end && p->end <= message.len);
		if (p->parent != MIME_NONE) {
			const struct mime_part *parent = &s->parts[p->parent];

			assert(p->parent < i);
			assert(p->header_at >= parent->body_at);
			assert(p->end <= parent->end || p->end == p->body_at);
		}
		for (uint32_t c = p->child; c != MIME_NONE;
		     c = s->parts[c].next) {
			assert(s->parts[c].parent == i);
			assert(s->parts[c].header_at >= at);
			at = s->parts[c].end;
		}
	}
}

/* Parentheses balance outside of strings and literals. */
static void
check_response(struct span s)
{
	struct err err = ERR_INIT;
	size_t depth = 0;

	while (s.len > 0) {
		CLEANUP(arena_fini) struct arena a;
		struct span string;

		arena_init(&a, SIZE_MAX);
		if (s.p[0] == '"' || s.p[0] == '{') {
			assert(imap_string_parse(&s, &a, &string, &err) == 0);
			continue;
		}
		depth += s.p[0] == '(';
		assert(s.p[0] != ')' || depth > 0);
		depth -= s.p[0] == ')';
		assert(s.p[0] != '\r' && s.p[0] != '\n');
		s = span_from(s, 1);
	}
	assert(depth == 0);
}

/* What is kept of a header answers as the header does, or says to ask it. */
static void
check_known(struct span fields, struct span needle)
{
	static const char *const names[] = { "Subject", "From", "To",
		"References", "List-Id" };
	CLEANUP(buf_fini) struct buf made;
	bool found;

	buf_init(&made, 16 << 20);
	if (known_fields_make(fields, &made, NULL) == -1)
		return;
	assert(known_day(buf_span(&made)) == header_day(fields));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		enum known_answer answer;
		unsigned number;

		assert(known_field_find(span_str(names[i]), &number));
		answer = known_field_has(buf_span(&made), number, needle);
		if (answer != KNOWN_ASK &&
		    header_has(
			fields, span_str(names[i]), needle, &found, NULL) == 0)
			assert(found == (answer == KNOWN_YES));
	}
	/* A record is octets of a disk: any will do. */
	for (size_t i = 0; i < made.len; i += 7)
		(void)known_field_has(span_from(buf_span(&made), i), 0, needle);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span message = span_of((const char *)data, size);
	CLEANUP(mime_structure_fini) struct mime_structure s = { .count = 0 };
	CLEANUP(buf_fini) struct buf out;
	bool found;

	buf_init(&out, 16 << 20);
	if (mime_structure_parse(message, &s, NULL) == -1)
		return 0;
	check_parts(&s, message);
	assert(s.parts[0].body_at == header_end(message).body);
	if (bodystructure_write(&s, message, true, &out, NULL) == 0)
		check_response(buf_span(&out));
	buf_clear(&out);
	if (envelope_write(
		mime_part_fields(&s.parts[0], message), &out, NULL) == 0)
		check_response(buf_span(&out));
	check_known(mime_part_fields(&s.parts[0], message), SPAN(""));
	check_known(mime_part_fields(&s.parts[0], message), SPAN("e"));
	check_known(mime_part_fields(&s.parts[0], message),
	    span_first(span_from(message, 9), 3));
	(void)message_has(message, &s, true, SPAN("needle"), &found, NULL);
	return 0;
}
