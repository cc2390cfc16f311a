/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Deriving one view from another: chunks without an edit are shared, chunks
 * where only letters changed share their names, the rest is written anew.
 */
#include "store/view_edit.h"

#include <assert.h>
#include <stdlib.h>

#include "store/filename.h"
#include "store/uidlist.h"
#include "store/view_layout.h"

/* base, info and fields of a chunk's messages; each message's fit 1 KB,
 * except for fields, which uidlist lines bound. */
#define NAMES_MAX ((size_t)64 * 1024 * 1024)

struct builder {
	struct view *view;
	/* The chunk being written: */
	struct message messages[VIEW_CHUNK];
	uint32_t count;
	struct buf names;
	bool failed;
};

static bool
builder_put_chunk(struct builder *b, struct chunk *c)
{
	struct view *v = b->view;

	if (v->chunk_count == v->chunk_room) {
		uint32_t room = v->chunk_room == 0 ? 4 : 2 * v->chunk_room;
		void *grown = realloc(v->chunks, room * sizeof(v->chunks[0]));

		if (grown == NULL) {
			b->failed = true;
			chunk_unref(c);
			return false;
		}
		v->chunks = grown;
		v->chunk_room = room;
	}
	v->chunks[v->chunk_count].chunk = c;
	v->chunks[v->chunk_count++].start = v->count;
	v->count += c->count;
	v->in_new += c->in_new;
	v->used |= c->used;
	v->fields |= c->fields;
	return true;
}

static struct chunk *
chunk_new(const struct message *messages, uint32_t count, struct names *names)
{
	struct chunk *c = malloc(sizeof(*c) + count * sizeof(struct message));

	if (c == NULL)
		return NULL;
	c->refs = 1;
	c->count = count;
	c->names = names;
	if (names != NULL)
		names->refs++;
	memcpy(c->messages, messages, count * sizeof(struct message));
	return c;
}

/* When the letters of all its messages stand. */
static void
chunk_sum(struct chunk *c)
{
	c->in_new = 0;
	c->used = 0;
	c->common = UINT64_MAX;
	c->fields = 0;
	for (uint32_t i = 0; i < c->count; i++) {
		uint64_t letters = c->messages[i].letters;

		c->used |= letters;
		c->common &= letters;
		c->fields |= uidlist_fields(message_fields(c, &c->messages[i]));
		c->in_new += (letters & MESSAGE_IN_NEW) != 0;
	}
}

/* Ends the chunk being written. */
static void
builder_close(struct builder *b)
{
	struct names *names;
	struct chunk *c;

	if (b->count == 0 || b->failed)
		return;
	names = malloc(sizeof(*names) + b->names.len);
	if (names == NULL || buf_check(&b->names, NULL) == -1) {
		free(names);
		b->failed = true;
		return;
	}
	names->refs = 1;
	names->len = b->names.len;
	if (b->names.len > 0)
		memcpy(names->text, b->names.data, b->names.len);
	c = chunk_new(b->messages, b->count, names);
	names_unref(names);
	if (c == NULL) {
		b->failed = true;
	} else {
		chunk_sum(c);
		(void)builder_put_chunk(b, c);
	}
	b->count = 0;
	buf_clear(&b->names);
}

/* m's place in the names is set here. */
static void
builder_put(struct builder *b, struct message m, struct span base,
    struct span info, struct span fields)
{
	if (b->count == VIEW_CHUNK)
		builder_close(b);
	if (b->failed)
		return;
	if (base.len > FILENAME_MAX_OCTETS || info.len > FILENAME_MAX_OCTETS ||
	    fields.len > UINT16_MAX) {
		b->failed = true;
		return;
	}
	m.name_at = (uint32_t)b->names.len;
	m.base_len = (uint8_t)base.len;
	m.tail_len = (uint8_t)info.len;
	m.fields_len = (uint16_t)fields.len;
	buf_append(&b->names, base);
	buf_append(&b->names, info);
	buf_append(&b->names, fields);
	b->messages[b->count++] = m;
}

/* Sets MESSAGE_RAW, and answers what of info is to be kept in the names. */
static struct span
info_kept(struct span info, uint64_t *letters)
{
	bool plain =
	    (*letters & MESSAGE_IN_NEW) != 0
		? info.len == 0
		: filename_info_plain(info, *letters & MESSAGE_LETTERS);

	*letters &= ~MESSAGE_RAW;
	if (plain)
		return SPAN_NONE;
	*letters |= MESSAGE_RAW;
	return info;
}

static void
builder_put_old(struct builder *b, const struct chunk *c,
    const struct message *old, const struct view_edit *edit)
{
	struct message m = *old;
	struct span info = (old->letters & MESSAGE_RAW) != 0
			       ? message_info_raw(c, old)
			       : SPAN_NONE;
	struct span fields = message_fields(c, old);

	if (edit != NULL) {
		m.letters = (m.letters & MESSAGE_RAW) | edit->letters;
		m.change = b->view->facts.change;
		if (edit->renamed)
			info = info_kept(edit->info, &m.letters);
		if (edit->has_fields)
			fields = edit->fields;
	}
	builder_put(b, m, message_base(c, old), info, fields);
}

/* Whether the edits of one chunk leave all its names as they are. */
static bool
edits_keep_names(const struct view_edit *edits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t letters = edits[i].letters;

		if (edits[i].remove || edits[i].has_fields)
			return false;
		if (edits[i].renamed &&
		    info_kept(edits[i].info, &letters).len > 0)
			return false;
	}
	return true;
}

/* The chunk again, with other letters. */
static void
builder_relabel(struct builder *b, const struct chunk *old, uint32_t start,
    const struct view_edit *edits, size_t count)
{
	struct chunk *c = chunk_new(old->messages, old->count, old->names);

	if (c == NULL) {
		b->failed = true;
		return;
	}
	for (size_t i = 0; i < count; i++) {
		struct message *m = &c->messages[edits[i].index - start];
		uint64_t raw = m->letters & MESSAGE_RAW;

		m->letters = edits[i].letters;
		if (edits[i].renamed) {
			(void)info_kept(edits[i].info, &m->letters);
			/* What was kept before is dead text until the chunk
			 * is written anew. */
		} else {
			m->letters |= raw;
		}
		m->change = b->view->facts.change;
	}
	chunk_sum(c);
	(void)builder_put_chunk(b, c);
}

static void
builder_rewrite(struct builder *b, const struct chunk *c, uint32_t start,
    const struct view_edit *edits, size_t count)
{
	size_t next = 0;

	for (uint32_t i = 0; i < c->count; i++) {
		const struct view_edit *edit = NULL;

		if (next < count && edits[next].index == start + i)
			edit = &edits[next++];
		if (edit == NULL || !edit->remove)
			builder_put_old(b, c, &c->messages[i], edit);
	}
}

static void
builder_old(struct builder *b, struct view *old, const struct view_edit *edits,
    size_t edit_count, bool adding)
{
	/* Half-empty chunks, left by expunges, are put together again. */
	bool tidy = old->chunk_count > 2 * (old->count / VIEW_CHUNK) + 8;
	size_t next = 0;

	for (uint32_t i = 0; i < old->chunk_count && !b->failed; i++) {
		struct chunk *c = old->chunks[i].chunk;
		uint32_t start = old->chunks[i].start;
		size_t here = 0;
		bool last = i + 1 == old->chunk_count;

		while (next + here < edit_count &&
		       edits[next + here].index < start + c->count)
			here++;
		if (tidy || (last && adding && c->count < VIEW_CHUNK) ||
		    !edits_keep_names(edits + next, here)) {
			builder_rewrite(b, c, start, edits + next, here);
		} else {
			builder_close(b);
			if (here == 0) {
				c->refs++;
				(void)builder_put_chunk(b, c);
			} else {
				builder_relabel(
				    b, c, start, edits + next, here);
			}
		}
		next += here;
	}
	assert(b->failed || next == edit_count);
}

static void
builder_add(struct builder *b, const struct view_add *add)
{
	struct message m = {
		.uid = add->uid,
		.letters = add->letters,
		.change =
		    add->change != 0 ? add->change : b->view->facts.change,
		.size_physical = add->size_physical,
		.size_virtual = add->size_virtual,
	};
	struct span info = info_kept(add->info, &m.letters);

	builder_put(b, m, add->base, info, add->fields);
}

int
view_derive(struct view *old, const struct view_facts *facts,
    const struct view_edit *edits, size_t edit_count,
    const struct view_add *adds, size_t add_count, struct view **view_out,
    struct err *err)
{
	CLEANUP(view_unref) struct view *v = calloc(1, sizeof(*v));
	CLEANUP(mem_free) struct builder *b = calloc(1, sizeof(*b));

	if (v == NULL || b == NULL) {
		if (v != NULL)
			v->refs = 1;
		return err_set(err, ERR_TEMP, "view: out of memory");
	}
	v->refs = 1;
	v->facts = *facts;
	keywords_ref(v->facts.keywords);
	b->view = v;
	buf_init(&b->names, NAMES_MAX);
	if (old != NULL)
		builder_old(b, old, edits, edit_count, add_count > 0);
	for (size_t i = 0; i < add_count && !b->failed; i++)
		builder_add(b, &adds[i]);
	builder_close(b);
	buf_fini(&b->names);
	if (b->failed)
		return err_set(err, ERR_TEMP, "view: out of memory");
	*view_out = STEAL(v);
	return 0;
}
