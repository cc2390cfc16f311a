/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/structure.h"

#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "mime/content.h"
#include "mime/header.h"

/* An open part; multiparts wait for their boundary. */
struct frame {
	uint32_t part;
	uint32_t last_child; /* to link the next one */
	uint64_t lines_at_body;
	char boundary[MIME_BOUNDARY_MAX];
	size_t boundary_len; /* 0: none (any more) */
	bool digest;
};

struct walk {
	struct span message;
	size_t at;      /* the line that comes next */
	uint64_t lines; /* line ends before at */
	struct mime_structure *s;
	uint32_t cap;
	struct frame *frames; /* MIME_DEPTH_MAX of them */
	size_t depth;
};

static bool
boundary_matches(const struct frame *f, struct span behind_dashes)
{
	return f->boundary_len > 0 &&
	       span_starts(
		   behind_dashes, span_of(f->boundary, f->boundary_len));
}

/* The frame whose boundary the line at at is, or SIZE_MAX. */
static size_t
boundary_frame(const struct walk *w, size_t at)
{
	struct span rest = span_from(w->message, at);
	size_t best = SIZE_MAX;

	if (!span_starts(rest, SPAN("--")))
		return SIZE_MAX;
	rest = span_from(rest, 2);
	for (size_t i = w->depth; i-- > 0;) {
		const struct frame *f = &w->frames[i];

		if (boundary_matches(f, rest) &&
		    (best == SIZE_MAX ||
			f->boundary_len > w->frames[best].boundary_len))
			best = i;
	}
	return best;
}

/* Counts line ends from w->at up to to, and goes there. */
static void
walk_to(struct walk *w, size_t to)
{
	struct span s = span_of(w->message.p + w->at, to - w->at);
	const char *p = s.p, *end = s.p + s.len;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		w->lines++;
		p++;
	}
	w->at = to;
}

/* What the fields of a part say about its kind. */
struct kind_fields {
	struct span content_type;
};

/*
 * The header that begins at w->at, up to its end or a boundary line of an
 * open part.  Agrees with header_end, which knows no boundaries.
 */
static void
header_walk(struct walk *w, struct mime_part *p, struct kind_fields *found)
{
	struct span rest = span_from(w->message, w->at);
	struct field field;
	size_t at = w->at, empty = 0;

	*found = (struct kind_fields){ SPAN_NONE };
	while (boundary_frame(w, at) == SIZE_MAX && field_next(&rest, &field)) {
		at = w->message.len - rest.len;
		if (found->content_type.p == NULL &&
		    span_eq_nocase(field.name, SPAN("Content-Type")))
			found->content_type = field.value;
	}
	rest = span_from(w->message, at);
	if (span_starts(rest, SPAN("\r\n")))
		empty = 2;
	else if (span_starts(rest, SPAN("\n")))
		empty = 1;
	p->header_at = w->at;
	p->fields = at - w->at;
	p->body_at = at + empty;
	p->end = p->body_at;
	walk_to(w, at + empty);
}

static uint32_t
part_new(struct walk *w, struct err *err)
{
	struct mime_structure *s = w->s;

	if (s->count == w->cap) {
		uint32_t cap = w->cap == 0 ? 8 : w->cap * 2;
		void *parts = reallocarray(s->parts, cap, sizeof(*s->parts));

		if (parts == NULL) {
			(void)err_sys(err, "reallocarray");
			return MIME_NONE;
		}
		s->parts = parts;
		w->cap = cap;
	}
	s->parts[s->count] = (struct mime_part){
		.parent = MIME_NONE, .child = MIME_NONE, .next = MIME_NONE
	};
	return s->count++;
}

/* Kind and boundary of a part, from its Content-Type. */
static int
frame_settle(
    struct walk *w, struct frame *f, struct span content_type, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	struct mime_part *p = &w->s->parts[f->part];
	struct mime_content content;
	struct span boundary;
	bool deeper = w->depth < MIME_DEPTH_MAX;

	/* Parameters are copied at most once: four times the field will do. */
	arena_init(&a, 4 * content_type.len + 65536);
	if (mime_content_type_parse(content_type, &a, &content, err) == -1)
		return -1;
	if (content.type.len == 0) {
		if (p->in_digest && content_type.p == NULL && deeper)
			p->kind = MIME_MESSAGE;
		return 0;
	}
	if (span_eq_nocase(content.type, SPAN("message")) &&
	    span_eq_nocase(content.subtype, SPAN("rfc822")) && deeper) {
		p->kind = MIME_MESSAGE;
		return 0;
	}
	if (!span_eq_nocase(content.type, SPAN("multipart")) || !deeper)
		return 0;
	boundary = mime_param_find(&content, SPAN("boundary"));
	if (boundary.len == 0 || boundary.len > MIME_BOUNDARY_MAX)
		return 0;
	p->kind = MIME_MULTIPART;
	memcpy(f->boundary, boundary.p, boundary.len);
	f->boundary_len = boundary.len;
	f->digest = span_eq_nocase(content.subtype, SPAN("digest"));
	return 0;
}

static void
part_link(struct walk *w, struct frame *parent, uint32_t part)
{
	struct mime_part *parts = w->s->parts;

	parts[part].parent = parent->part;
	parts[part].in_digest = parent->digest;
	if (parent->last_child == MIME_NONE)
		parts[parent->part].child = part;
	else
		parts[parent->last_child].next = part;
	parent->last_child = part;
}

/* A part whose header begins at w->at; messages inside it are opened too. */
static int
part_open(struct walk *w, struct err *err)
{
	for (;;) {
		struct kind_fields found;
		struct frame *f;
		uint32_t part = part_new(w, err);

		if (part == MIME_NONE)
			return -1;
		if (w->depth > 0)
			part_link(w, &w->frames[w->depth - 1], part);
		header_walk(w, &w->s->parts[part], &found);
		f = &w->frames[w->depth++];
		f->part = part;
		f->last_child = MIME_NONE;
		f->lines_at_body = w->lines;
		f->boundary_len = 0;
		f->digest = false;
		if (frame_settle(w, f, found.content_type, err) == -1)
			return -1;
		if (w->s->parts[part].kind != MIME_MESSAGE)
			return 0;
		if (w->s->count >= MIME_PARTS_MAX) {
			w->s->parts[part].kind = MIME_LEAF;
			return 0;
		}
	}
}

/* Closes the innermost parts until depth are left; they end at end. */
static void
parts_close(struct walk *w, size_t depth, size_t end, uint64_t lines)
{
	while (w->depth > depth) {
		const struct frame *f = &w->frames[--w->depth];
		struct mime_part *p = &w->s->parts[f->part];

		if (end < p->body_at) {
			/* A boundary right behind the header. */
			p->end = p->body_at;
			p->lines = 0;
		} else {
			uint64_t count = lines - f->lines_at_body;

			p->end = end;
			p->lines =
			    count > UINT32_MAX ? UINT32_MAX : (uint32_t)count;
		}
	}
}

/* w->at is a boundary line of frame number i. */
static int
boundary_line(struct walk *w, size_t i, struct err *err)
{
	struct span rest = span_from(w->message, w->at);
	struct frame *f = &w->frames[i];
	bool closing =
	    span_starts(span_from(rest, 2 + f->boundary_len), SPAN("--"));
	ptrdiff_t line_end = span_index(rest, '\n');
	size_t end = w->at;
	uint64_t lines = w->lines;

	if (end > 0 && w->message.p[end - 1] == '\n') {
		end--;
		lines--;
		if (end > 0 && w->message.p[end - 1] == '\r')
			end--;
	}
	parts_close(w, i + 1, end, lines);
	walk_to(
	    w, line_end < 0 ? w->message.len : w->at + (size_t)line_end + 1);
	if (closing || w->s->count >= MIME_PARTS_MAX) {
		f->boundary_len = 0; /* an epilogue follows */
		return 0;
	}
	return part_open(w, err);
}

static int
message_walk(struct walk *w, struct err *err)
{
	if (part_open(w, err) == -1)
		return -1;
	while (w->at < w->message.len) {
		struct span rest = span_from(w->message, w->at);
		size_t i = boundary_frame(w, w->at);
		ptrdiff_t line_end;

		if (i != SIZE_MAX) {
			if (boundary_line(w, i, err) == -1)
				return -1;
			continue;
		}
		line_end = span_index(rest, '\n');
		walk_to(w, line_end < 0 ? w->message.len
					: w->at + (size_t)line_end + 1);
	}
	parts_close(w, 0, w->message.len, w->lines);
	return 0;
}

int
mime_structure_parse(
    struct span message, struct mime_structure *structure_out, struct err *err)
{
	CLEANUP(mime_structure_fini) struct mime_structure s = { .count = 0 };
	/* One more: a part at the deepest level is open while it is read. */
	CLEANUP(mem_free)
	struct frame *frames = calloc(MIME_DEPTH_MAX + 1, sizeof(*frames));
	struct walk w = { .message = message, .s = &s, .frames = frames };

	if (frames == NULL)
		return err_sys(err, "calloc");
	if (message_walk(&w, err) == -1)
		return -1;
	*structure_out = s;
	s.parts = NULL;
	return 0;
}

void
mime_structure_fini(struct mime_structure *s)
{
	free(s->parts);
	s->parts = NULL;
	s->count = 0;
}

struct span
mime_part_fields(const struct mime_part *p, struct span message)
{
	return span_of(message.p + p->header_at, p->fields);
}

struct span
mime_part_header(const struct mime_part *p, struct span message)
{
	return span_of(message.p + p->header_at, p->body_at - p->header_at);
}

struct span
mime_part_body(const struct mime_part *p, struct span message)
{
	return span_of(message.p + p->body_at, p->end - p->body_at);
}

uint32_t
mime_child(const struct mime_structure *s, uint32_t part, uint32_t n)
{
	uint32_t child = s->parts[part].child;

	while (child != MIME_NONE && --n > 0)
		child = s->parts[child].next;
	return child;
}
