/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/unique_ids.h"

#include <stdlib.h>

#define TEXT_MAX ((size_t)512 * 1024 * 1024)

/* Which unique-ids are taken: a hash table. */
struct taken {
	const struct view *view;
	const struct unique_id_form *form;
	struct unique_ids *ids;
	size_t found; /* of ids, by those that have a P field: ascending */
	struct slot {
		uint32_t hash;
		uint32_t place;  /* index + 1; 0: free */
		uint32_t suffix; /* the last one given to its doubles */
	} * slots;
	uint32_t mask;
	struct buf one, other; /* a unique-id, and what it is compared with */
};

static void
taken_fini(struct taken *t)
{
	free(t->slots);
	buf_fini(&t->one);
	buf_fini(&t->other);
}
CLEANUP_DEFINE_VALUE(struct taken, taken_fini)

static int
taken_init(struct taken *t, const struct view *v,
    const struct unique_id_form *form, struct unique_ids *ids, struct err *err)
{
	uint32_t room = 16;

	*t = (struct taken){ .view = v, .form = form, .ids = ids };
	buf_init(&t->one, UNIQUE_ID_MAX + 16);
	buf_init(&t->other, UNIQUE_ID_MAX + 16);
	while (room / 2 < view_count(v) && room < (uint32_t)1 << 31)
		room *= 2;
	t->mask = room - 1;
	t->slots = calloc(room, sizeof(t->slots[0]));
	return t->slots == NULL ? err_sys(err, "unique-ids") : 0;
}

static uint32_t
id_hash(struct span id)
{
	uint64_t hash = 0x9e3779b97f4a7c15U ^ id.len;
	uint64_t word;

	for (; id.len >= 8; id = span_from(id, 8)) {
		memcpy(&word, id.p, 8);
		hash = (hash ^ word) * 0xff51afd7ed558ccdU;
		hash ^= hash >> 32;
	}
	for (size_t i = 0; i < id.len; i++)
		hash = (hash ^ (unsigned char)id.p[i]) * 0x100000001b3U;
	return (uint32_t)(hash ^ hash >> 29);
}

static int
item_cmp(const void *a, const void *b)
{
	const struct unique_ids_item *x = a, *y = b;

	return x->index < y->index ? -1 : x->index > y->index;
}

static const struct unique_ids_item *
items_find(const struct unique_ids_item *items, size_t count, uint32_t index)
{
	struct unique_ids_item key = { .index = index };

	return count == 0
		   ? NULL
		   : bsearch(&key, items, count, sizeof(*items), item_cmp);
}

/* What a message was given here, or has by itself. */
static struct span
taken_id(struct taken *t, uint32_t index)
{
	const struct unique_ids *ids = t->ids;
	const struct unique_ids_item *item =
	    items_find(ids->items, t->found, index);

	if (item == NULL && ids->count > t->found)
		item = items_find(
		    ids->items + t->found, ids->count - t->found, index);
	if (item != NULL)
		return unique_ids_text(ids, item);
	buf_clear(&t->other);
	view_unique_id(t->view, index, t->form, &t->other);
	return buf_span(&t->other);
}

/* The slot that has this unique-id, or the free one where it belongs. */
static struct slot *
taken_slot(struct taken *t, struct span id, uint32_t hash)
{
	uint32_t at = hash & t->mask;

	while (t->slots[at].place != 0 &&
	       (t->slots[at].hash != hash ||
		   !span_eq(taken_id(t, t->slots[at].place - 1), id)))
		at = (at + 1) & t->mask;
	return &t->slots[at];
}

static int
ids_add(struct unique_ids *ids, uint32_t index, struct span id, struct err *err)
{
	if (ids->count == ids->room) {
		size_t room = 2 * ids->room + 8;
		void *grown = realloc(ids->items, room * sizeof(ids->items[0]));

		if (grown == NULL)
			return err_sys(err, "unique-ids");
		ids->items = grown;
		ids->room = room;
	}
	ids->items[ids->count++] = (struct unique_ids_item){
		.index = index, .len = (uint32_t)id.len, .at = ids->text.len
	};
	buf_append(&ids->text, id);
	return buf_check(&ids->text, err);
}

/* A free slot for what begins like t->one, whose own slot is doubled. */
static struct slot *
taken_suffix(struct taken *t, struct slot *doubled, uint32_t *hash_out)
{
	size_t len = t->one.len;
	struct slot *slot;

	if (doubled->suffix == 0)
		doubled->suffix = 1;
	do {
		buf_truncate(&t->one, len);
		buf_append_octet(&t->one, '-');
		buf_append_u64(&t->one, ++doubled->suffix);
		*hash_out = id_hash(buf_span(&t->one));
		slot = taken_slot(t, buf_span(&t->one), *hash_out);
	} while (slot->place != 0);
	return slot;
}

static int
taken_put(struct taken *t, uint32_t index, struct err *err)
{
	struct slot *slot;
	uint32_t hash;

	buf_clear(&t->one);
	view_unique_id(t->view, index, t->form, &t->one);
	hash = id_hash(buf_span(&t->one));
	slot = taken_slot(t, buf_span(&t->one), hash);
	if (slot->place != 0) {
		slot = taken_suffix(t, slot, &hash);
		if (ids_add(t->ids, index, buf_span(&t->one), err) == -1)
			return -1;
	}
	*slot = (struct slot){ .hash = hash, .place = index + 1 };
	return buf_check(&t->one, err);
}

/* Without copies in the same mailbox, what is made of UIDs, names of files or
 * ids of messages is different. */
bool
unique_ids_may_double(const struct view *v, const struct unique_id_form *form)
{
	if (view_has_field(v, 'P'))
		return true;
	for (size_t i = 0; view_has_field(v, 'G') && i < form->count; i++)
		if (form->pieces[i].kind == 'g')
			return true;
	return false;
}

int
unique_ids_settle(const struct view *v, const struct unique_id_form *form,
    struct unique_ids *ids_out, struct err *err)
{
	CLEANUP(unique_ids_fini) struct unique_ids ids = { .count = 0 };
	CLEANUP(taken_fini) struct taken t = { .slots = NULL };
	uint32_t count = view_count(v);
	struct span field;

	buf_init(&ids.text, TEXT_MAX);
	*ids_out = ids;
	if (!unique_ids_may_double(v, form))
		return 0;
	if (taken_init(&t, v, form, &ids, err) == -1)
		return -1;
	for (uint32_t i = 0; i < count; i++)
		if (view_field(v, i, 'P', &field) &&
		    taken_put(&t, i, err) == -1)
			return -1;
	t.found = ids.count;
	for (uint32_t i = 0; i < count; i++)
		if (!view_field(v, i, 'P', &field) &&
		    taken_put(&t, i, err) == -1)
			return -1;
	if (ids.count > 0)
		qsort(ids.items, ids.count, sizeof(ids.items[0]), item_cmp);
	*ids_out = ids;
	ids = (struct unique_ids){ .count = 0 };
	return 0;
}

void
unique_ids_fini(struct unique_ids *ids)
{
	free(ids->items);
	buf_fini(&ids->text);
	ids->items = NULL;
	ids->count = ids->room = 0;
}

struct span
unique_ids_text(
    const struct unique_ids *ids, const struct unique_ids_item *item)
{
	return span_of(buf_str(&ids->text) + item->at, item->len);
}

const struct unique_ids_item *
unique_ids_find(const struct unique_ids *ids, uint32_t index)
{
	return items_find(ids->items, ids->count, index);
}
