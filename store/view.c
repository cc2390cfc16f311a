/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/view.h"

#include <assert.h>
#include <stdlib.h>

#include "common/ascii.h"
#include "store/filename.h"
#include "store/uidlist.h"
#include "store/view_layout.h"

struct span
message_base(const struct chunk *c, const struct message *m)
{
	if (c->names == NULL)
		return SPAN_NONE;
	return span_of(c->names->text + m->name_at, m->base_len);
}

struct span
message_info_raw(const struct chunk *c, const struct message *m)
{
	if (c->names == NULL)
		return SPAN_NONE;
	return span_of(c->names->text + m->name_at + m->base_len, m->tail_len);
}

struct span
message_fields(const struct chunk *c, const struct message *m)
{
	if (c->names == NULL)
		return SPAN_NONE;
	return span_of(c->names->text + m->name_at + m->base_len + m->tail_len,
	    m->fields_len);
}

void
names_unref(struct names *n)
{
	if (n != NULL && --n->refs == 0)
		free(n);
}

void
chunk_unref(struct chunk *c)
{
	if (c == NULL || --c->refs != 0)
		return;
	names_unref(c->names);
	free(c);
}

struct view *
view_ref(struct view *v)
{
	if (v != NULL)
		v->refs++;
	return v;
}

void
view_unref(struct view *v)
{
	if (v == NULL || --v->refs != 0)
		return;
	for (uint32_t i = 0; i < v->chunk_count; i++)
		chunk_unref(v->chunks[i].chunk);
	keywords_unref(v->facts.keywords);
	free(v->chunks);
	free(v);
}

uint32_t
view_count(const struct view *v)
{
	return v->count;
}

uint32_t
view_chunk_of(const struct view *v, uint32_t index)
{
	uint32_t low = 0, high = v->chunk_count;
	uint32_t guess = index / VIEW_CHUNK;

	assert(index < v->count);
	/* Chunks are full until something is expunged. */
	if (guess < high && v->chunks[guess].start == guess * VIEW_CHUNK &&
	    index - v->chunks[guess].start < v->chunks[guess].chunk->count)
		return guess;
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (v->chunks[middle].start <= index)
			low = middle;
		else
			high = middle;
	}
	return low;
}

const struct message *
view_at(const struct view *v, uint32_t index)
{
	uint32_t at = view_chunk_of(v, index);

	return &v->chunks[at].chunk->messages[index - v->chunks[at].start];
}

uint32_t
view_lower_bound(const struct view *v, uint32_t uid)
{
	uint32_t low = 0, high = v->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (view_at(v, middle)->uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

bool
view_find(const struct view *v, uint32_t uid, uint32_t *index_out)
{
	uint32_t index = view_lower_bound(v, uid);

	if (index == v->count || view_at(v, index)->uid != uid)
		return false;
	*index_out = index;
	return true;
}

uint32_t
view_uidvalidity(const struct view *v)
{
	return v->facts.uidvalidity;
}

uint32_t
view_uidnext(const struct view *v)
{
	return v->facts.uidnext;
}

uint64_t
view_change(const struct view *v)
{
	return v->facts.change;
}

const char *
view_mailbox_id(const struct view *v)
{
	return v->facts.mailbox_id;
}

struct view_facts
view_facts(const struct view *v)
{
	return v->facts;
}

struct span
view_keyword(const struct view *v, unsigned n)
{
	static const char *const unknown[KEYWORDS_MAX] = { "unknown-0",
		"unknown-1", "unknown-2", "unknown-3", "unknown-4", "unknown-5",
		"unknown-6", "unknown-7", "unknown-8", "unknown-9",
		"unknown-10", "unknown-11", "unknown-12", "unknown-13",
		"unknown-14", "unknown-15", "unknown-16", "unknown-17",
		"unknown-18", "unknown-19", "unknown-20", "unknown-21",
		"unknown-22", "unknown-23", "unknown-24", "unknown-25" };
	struct span name = keywords_name(v->facts.keywords, n);

	if (name.len == 0 && n < KEYWORDS_MAX &&
	    (view_keywords_used(v) & MESSAGE_KEYWORD(n)) != 0)
		return span_str(unknown[n]);
	return name;
}

int
view_keyword_find(const struct view *v, struct span name)
{
	for (unsigned n = 0; name.len > 0 && n < KEYWORDS_MAX; n++)
		if (span_eq_nocase(view_keyword(v, n), name))
			return (int)n;
	return -1;
}

bool
view_keyword_free(const struct view *v)
{
	return keywords_lowest_free(v->facts.keywords, view_keywords_used(v)) >=
	       0;
}

struct span
view_base_name(const struct view *v, uint32_t index)
{
	const struct chunk *c = v->chunks[view_chunk_of(v, index)].chunk;

	return message_base(c, view_at(v, index));
}

struct span
view_fields(const struct view *v, uint32_t index)
{
	const struct chunk *c = v->chunks[view_chunk_of(v, index)].chunk;

	return message_fields(c, view_at(v, index));
}

bool
view_has_field(const struct view *v, char field)
{
	return (v->fields & UIDLIST_FIELD_BIT(field)) != 0;
}

bool
view_field(
    const struct view *v, uint32_t index, char field, struct span *value_out)
{
	return uidlist_field(view_fields(v, index), field, value_out);
}

struct maildrop_place {
	uint64_t order;
	uint32_t index;
};

static int
maildrop_place_cmp(const void *a, const void *b)
{
	const struct maildrop_place *x = a, *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

bool
view_maildrop_order(const struct view *v, uint32_t *indexes)
{
	CLEANUP(mem_free) struct maildrop_place *places = NULL;
	uint32_t ordered = 0;

	if (!view_has_field(v, 'O'))
		return false;
	for (uint32_t i = 0; i < v->count; i++) {
		struct span value;
		uint64_t order = UINT64_MAX;

		if (view_field(v, i, 'O', &value) &&
		    span_to_u64(value, &order)) {
			if (places == NULL)
				places = calloc(v->count, sizeof(*places));
			if (places == NULL)
				return false; /* the order of UIDs will do */
			places[ordered++] = (struct maildrop_place){ order, i };
		}
	}
	if (ordered == 0)
		return false;
	qsort(places, ordered, sizeof(*places), maildrop_place_cmp);
	for (uint32_t i = 0; i < ordered; i++)
		indexes[i] = places[i].index;
	for (uint32_t i = 0; i < v->count; i++) {
		struct span value;
		uint64_t order;

		if (!view_field(v, i, 'O', &value) ||
		    !span_to_u64(value, &order))
			indexes[ordered++] = i;
	}
	return true;
}

void
view_file_info(const struct view *v, uint32_t index, struct buf *out)
{
	const struct chunk *c = v->chunks[view_chunk_of(v, index)].chunk;
	const struct message *m = view_at(v, index);

	if ((m->letters & MESSAGE_RAW) != 0)
		buf_append(out, message_info_raw(c, m));
	else if ((m->letters & MESSAGE_IN_NEW) == 0)
		filename_format_info(m->letters, SPAN_NONE, out);
}

void
view_file_path(const struct view *v, uint32_t index, struct buf *out)
{
	bool in_new = (view_at(v, index)->letters & MESSAGE_IN_NEW) != 0;

	buf_append(out, in_new ? SPAN("new/") : SPAN("cur/"));
	buf_append(out, view_base_name(v, index));
	view_file_info(v, index, out);
}

uint32_t
view_shared_run(
    const struct view *a, uint32_t i, const struct view *b, uint32_t j)
{
	uint32_t at_a = view_chunk_of(a, i), at_b = view_chunk_of(b, j);
	const struct chunk *c = a->chunks[at_a].chunk;

	if (c != b->chunks[at_b].chunk ||
	    i - a->chunks[at_a].start != j - b->chunks[at_b].start)
		return 0;
	return c->count - (i - a->chunks[at_a].start);
}

size_t
view_memory(const struct view *v)
{
	size_t octets = sizeof(*v) + v->chunk_room * sizeof(v->chunks[0]);

	for (uint32_t i = 0; i < v->chunk_count; i++) {
		const struct chunk *c = v->chunks[i].chunk;

		octets += sizeof(*c) + c->count * sizeof(struct message);
		if (c->names != NULL)
			octets += sizeof(*c->names) + c->names->len;
	}
	return octets;
}

uint32_t
view_count_letters(const struct view *v, uint64_t letters)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < v->chunk_count; i++) {
		const struct chunk *c = v->chunks[i].chunk;

		for (uint32_t j = 0; j < c->count; j++)
			count += (c->messages[j].letters & letters) != 0;
	}
	return count;
}

uint32_t
view_first_without(const struct view *v, uint64_t letter)
{
	for (uint32_t i = 0; i < v->chunk_count; i++) {
		const struct chunk *c = v->chunks[i].chunk;

		if ((c->common & letter) != 0)
			continue;
		for (uint32_t j = 0; j < c->count; j++)
			if ((c->messages[j].letters & letter) == 0)
				return v->chunks[i].start + j;
	}
	return v->count;
}

uint64_t
view_keywords_used(const struct view *v)
{
	return v->used & MESSAGE_KEYWORDS;
}

uint32_t
view_count_new(const struct view *v)
{
	return v->in_new;
}

void
view_learn_size(const struct view *v, uint32_t index, uint64_t size_physical,
    uint64_t size_virtual)
{
	uint32_t at = view_chunk_of(v, index);
	struct message *m =
	    &v->chunks[at].chunk->messages[index - v->chunks[at].start];

	m->size_physical = size_physical;
	m->size_virtual = size_virtual;
}
