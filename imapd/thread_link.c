/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Everything here is in the parents: who is whose child, and in which order
 * siblings stand, is made of them at the end (siblings_make), in one walk
 * over the messages by date.
 */
#include "imapd/thread_link.h"

#include <stdlib.h>
#include <string.h>

#include "imapd/known.h"

/* A chain of answers longer than this is not looked through for loops: what
 * would make it longer is not linked. */
#define ANCESTORS_MAX 10000

struct linking {
	const struct thread_message *messages;
	uint32_t count; /* of messages */
	struct thread *thread;
	struct arena *arena;
	uint32_t *by_date; /* messages, oldest first */
	struct err *err;
};

static struct thread_node *
node_at(const struct linking *l, uint32_t n)
{
	return &l->thread->nodes[n];
}

static bool
is_dummy(const struct linking *l, uint32_t n)
{
	return n >= l->count;
}

static int64_t
date_of(const struct linking *l, uint32_t message)
{
	return l->messages[message].date;
}

/* ---- siblings --------------------------------------------------------------
 */

static int
date_cmp(const void *a, const void *b, void *arg)
{
	const struct linking *l = arg;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	int64_t x = date_of(l, i), y = date_of(l, j);

	if (x != y)
		return x < y ? -1 : 1;
	return (i > j) - (i < j);
}

static int
by_date_make(struct linking *l)
{
	l->by_date =
	    arena_array(l->arena, l->count, sizeof(*l->by_date), l->err);
	if (l->by_date == NULL)
		return -1;
	for (uint32_t i = 0; i < l->count; i++)
		l->by_date[i] = i;
	qsort_r(l->by_date, l->count, sizeof(*l->by_date), date_cmp, l);
	return 0;
}

/* Behind the last of the list that begins at *first. */
static void
sibling_add(
    const struct linking *l, uint32_t *first, uint32_t *last, uint32_t n)
{
	if (*first == THREAD_NONE)
		*first = n;
	else
		node_at(l, *last)->next = n;
	*last = n;
}

/*
 * Children and roots of the parents as they are.  A parent is a message, or a
 * dummy without a parent, which stands where its first child would.
 */
static void
siblings_make(struct linking *l)
{
	uint32_t last_root = THREAD_NONE;

	l->thread->root = THREAD_NONE;
	for (uint32_t n = 0; n < l->thread->count; n++) {
		node_at(l, n)->child = node_at(l, n)->last_child = THREAD_NONE;
		node_at(l, n)->next = THREAD_NONE;
	}
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t n = l->by_date[i], parent = node_at(l, n)->parent;
		struct thread_node *p;

		if (parent == THREAD_NONE) {
			sibling_add(l, &l->thread->root, &last_root, n);
			continue;
		}
		p = node_at(l, parent);
		if (is_dummy(l, parent) && p->child == THREAD_NONE)
			sibling_add(l, &l->thread->root, &last_root, parent);
		sibling_add(l, &p->child, &p->last_child, n);
	}
}

/* ---- references: step 1 ----------------------------------------------------
 */

/* An id somewhere: a message's own, or slot of the list of all references. */
struct id_use {
	unsigned char id[KNOWN_ID];
	uint32_t message; /* THREAD_NONE: a reference */
	uint32_t slot;
};

/* The same ids together, in front the first message that has it. */
static int
use_cmp(const void *a, const void *b)
{
	const struct id_use *x = a, *y = b;
	int order = memcmp(x->id, y->id, KNOWN_ID);

	if (order != 0)
		return order;
	return (x->message > y->message) - (x->message < y->message);
}

static size_t
references_count(const struct thread_message *m)
{
	return m->references.len / KNOWN_ID;
}

static size_t
uses_fill(const struct linking *l, struct id_use *uses)
{
	size_t count = 0;
	uint32_t slot = 0;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct thread_message *m = &l->messages[i];

		if (m->message_id.len == KNOWN_ID) {
			memcpy(uses[count].id, m->message_id.p, KNOWN_ID);
			uses[count++].message = i;
		}
		for (size_t r = 0; r < references_count(m); r++) {
			memcpy(uses[count].id, m->references.p + r * KNOWN_ID,
			    KNOWN_ID);
			uses[count].message = THREAD_NONE;
			uses[count++].slot = slot++;
		}
	}
	return count;
}

/* The node of each reference: a message, or a new dummy. */
static void
uses_resolve(
    struct linking *l, const struct id_use *uses, size_t count, uint32_t *slots)
{
	uint32_t node = THREAD_NONE;

	for (size_t i = 0; i < count; i++) {
		const struct id_use *u = &uses[i];

		if (i == 0 || memcmp(u->id, uses[i - 1].id, KNOWN_ID) != 0)
			node = u->message != THREAD_NONE ? u->message
							 : l->thread->count++;
		if (u->message == THREAD_NONE)
			slots[u->slot] = node;
	}
}

/* Whether parent would come to be its own ancestor. */
static bool
makes_loop(const struct linking *l, uint32_t parent, uint32_t child)
{
	for (unsigned i = 0; parent != THREAD_NONE; i++) {
		if (parent == child || i == ANCESTORS_MAX)
			return true;
		parent = node_at(l, parent)->parent;
	}
	return false;
}

static void
parent_set(const struct linking *l, uint32_t parent, uint32_t child)
{
	if (!makes_loop(l, parent, child))
		node_at(l, child)->parent = parent;
}

static void
references_link(const struct linking *l, const uint32_t *slots)
{
	for (uint32_t i = 0; i < l->count; i++) {
		size_t count = references_count(&l->messages[i]);

		for (size_t r = 1; r < count; r++) {
			if (node_at(l, slots[r])->parent == THREAD_NONE)
				parent_set(l, slots[r - 1], slots[r]);
		}
		node_at(l, i)->parent = THREAD_NONE;
		if (count > 0)
			parent_set(l, slots[count - 1], i);
		slots += count;
	}
}

/* ---- references: step 3 ----------------------------------------------------
 */

/*
 * The nearest ancestor that is a message, else the dummy above all.  What was
 * found is kept in anchors for the dummies between.
 */
static uint32_t
anchor_find(const struct linking *l, uint32_t *anchors, uint32_t parent)
{
	uint32_t n = parent, found;

	while (is_dummy(l, n) && anchors[n - l->count] == THREAD_NONE &&
	       node_at(l, n)->parent != THREAD_NONE)
		n = node_at(l, n)->parent;
	found = is_dummy(l, n) && anchors[n - l->count] != THREAD_NONE
		    ? anchors[n - l->count]
		    : n;
	while (parent != n) {
		anchors[parent - l->count] = found;
		parent = node_at(l, parent)->parent;
	}
	return found;
}

/* Dummies go, but for those above several messages that have nothing else
 * above them. */
static int
dummies_prune(struct linking *l)
{
	size_t dummies = l->thread->count - l->count;
	uint32_t *anchors =
	    arena_array(l->arena, dummies, sizeof(*anchors), l->err);
	uint32_t *children =
	    arena_array(l->arena, dummies, sizeof(*children), l->err);
	uint32_t *parents =
	    arena_array(l->arena, l->count, sizeof(*parents), l->err);

	if (anchors == NULL || children == NULL || parents == NULL)
		return -1;
	memset(anchors, 0xff, dummies * sizeof(*anchors));
	for (uint32_t n = 0; n < l->count; n++) {
		parents[n] = node_at(l, n)->parent;
		if (parents[n] == THREAD_NONE)
			continue;
		parents[n] = anchor_find(l, anchors, parents[n]);
		if (is_dummy(l, parents[n]))
			children[parents[n] - l->count]++;
	}
	for (uint32_t n = 0; n < l->count; n++) {
		uint32_t parent = parents[n];

		if (parent != THREAD_NONE && is_dummy(l, parent) &&
		    children[parent - l->count] == 1)
			parent = THREAD_NONE;
		node_at(l, n)->parent = parent;
	}
	return 0;
}

/* ---- references: step 5 ----------------------------------------------------
 */

static int
subject_cmp(const void *a, const void *b, void *arg)
{
	const struct linking *l = arg;
	struct span x = l->messages[*(const uint32_t *)a].subject;
	struct span y = l->messages[*(const uint32_t *)b].subject;
	size_t len = x.len < y.len ? x.len : y.len;
	int order = len == 0 ? 0 : memcmp(x.p, y.p, len);

	if (order != 0)
		return order;
	return (x.len > y.len) - (x.len < y.len);
}

/* Numbers the subjects of the messages; equal ones are one. */
static uint32_t *
subjects_number(struct linking *l)
{
	uint32_t *order =
	    arena_array(l->arena, l->count, sizeof(*order), l->err);
	uint32_t *numbers =
	    arena_array(l->arena, l->count, sizeof(*numbers), l->err);
	uint32_t number = 0;

	if (order == NULL || numbers == NULL)
		return NULL;
	for (uint32_t i = 0; i < l->count; i++)
		order[i] = i;
	qsort_r(order, l->count, sizeof(*order), subject_cmp, l);
	for (uint32_t i = 0; i < l->count; i++) {
		if (i > 0 && subject_cmp(&order[i - 1], &order[i], l) != 0)
			number++;
		numbers[order[i]] = number;
	}
	return numbers;
}

/* The message that stands for a root: itself, or its first child. */
static uint32_t
thread_head(const struct linking *l, uint32_t root)
{
	return is_dummy(l, root) ? node_at(l, root)->child : root;
}

/* Whether a root takes its subject's place in the table from another. */
static bool
replaces(const struct linking *l, uint32_t root, uint32_t other)
{
	if (is_dummy(l, other))
		return false;
	return is_dummy(l, root) ||
	       (l->messages[other].reply && !l->messages[root].reply);
}

/* Step 5.C, for a root that is not the table's. */
static void
root_merge(struct linking *l, uint32_t root, uint32_t *table)
{
	uint32_t other = *table;

	if (is_dummy(l, root)) {
		/* Then the other is one, too. */
		for (uint32_t n = node_at(l, root)->child; n != THREAD_NONE;
		     n = node_at(l, n)->next)
			node_at(l, n)->parent = other;
	} else if (is_dummy(l, other) ||
		   (l->messages[root].reply && !l->messages[other].reply)) {
		node_at(l, root)->parent = other;
	} else {
		*table = l->thread->count++;
		node_at(l, *table)->parent = THREAD_NONE;
		node_at(l, root)->parent = *table;
		node_at(l, other)->parent = *table;
	}
}

static int
subjects_merge(struct linking *l)
{
	uint32_t *numbers = subjects_number(l);
	uint32_t *table =
	    arena_array(l->arena, l->count, sizeof(*table), l->err);

	if (numbers == NULL || table == NULL)
		return -1;
	memset(table, 0xff, l->count * sizeof(*table));
	siblings_make(l);
	for (int step = 0; step < 2; step++) {
		for (uint32_t root = l->thread->root; root != THREAD_NONE;
		     root = node_at(l, root)->next) {
			uint32_t head = thread_head(l, root);
			uint32_t *entry = &table[numbers[head]];

			if (l->messages[head].subject.len == 0)
				continue;
			if (step == 1 && *entry != root)
				root_merge(l, root, entry);
			if (step == 0 && (*entry == THREAD_NONE ||
					     replaces(l, root, *entry)))
				*entry = root;
		}
	}
	return 0;
}

/* ---- the algorithms --------------------------------------------------------
 */

/* Room for the messages and so many others; only the messages are there. */
static int
nodes_make(struct linking *l, size_t others)
{
	size_t count = l->count + others;

	if (count >= THREAD_NONE)
		return err_set(l->err, ERR_LIMIT, "Too many references");
	l->thread->nodes =
	    arena_array(l->arena, count, sizeof(*l->thread->nodes), l->err);
	if (l->thread->nodes == NULL)
		return -1;
	memset(l->thread->nodes, 0xff, count * sizeof(*l->thread->nodes));
	l->thread->messages = l->thread->count = l->count;
	return 0;
}

static int
by_references(struct linking *l, bool subjects)
{
	size_t references = 0;
	struct id_use *uses;
	uint32_t *slots;

	for (uint32_t i = 0; i < l->count; i++)
		references += references_count(&l->messages[i]);
	uses =
	    arena_array(l->arena, l->count + references, sizeof(*uses), l->err);
	slots = arena_array(l->arena, references, sizeof(*slots), l->err);
	/* Each reference may be a dummy, and each subject may need one. */
	if (uses == NULL || slots == NULL ||
	    nodes_make(l, references + l->count) == -1)
		return -1;
	references = uses_fill(l, uses);
	qsort(uses, references, sizeof(*uses), use_cmp);
	uses_resolve(l, uses, references, slots);
	references_link(l, slots);
	if (dummies_prune(l) == -1)
		return -1;
	return subjects ? subjects_merge(l) : 0;
}

/* The second message of a thread and all after it answer the first. */
static int
by_subject(struct linking *l)
{
	uint32_t *numbers = subjects_number(l);
	uint32_t *first =
	    arena_array(l->arena, l->count, sizeof(*first), l->err);

	if (numbers == NULL || first == NULL || nodes_make(l, 0) == -1)
		return -1;
	memset(first, 0xff, l->count * sizeof(*first));
	for (uint32_t i = 0; i < l->count; i++) {
		uint32_t n = l->by_date[i];

		if (first[numbers[n]] == THREAD_NONE)
			first[numbers[n]] = n;
		else
			node_at(l, n)->parent = first[numbers[n]];
	}
	return 0;
}

/*
 * Roots in the order of the newest message below them: who comes upon a root
 * last, going by date, came with its newest message.
 */
static int
roots_by_newest(struct linking *l)
{
	size_t count = l->thread->count;
	uint32_t *tops = arena_array(l->arena, count, sizeof(*tops), l->err);
	bool *placed = arena_array(l->arena, count, sizeof(*placed), l->err);
	uint32_t first = THREAD_NONE;

	if (tops == NULL || placed == NULL)
		return -1;
	memset(tops, 0xff, count * sizeof(*tops));
	for (uint32_t i = l->count; i-- > 0;) {
		uint32_t n = l->by_date[i], top = n;

		while (tops[top] == THREAD_NONE &&
		       node_at(l, top)->parent != THREAD_NONE)
			top = node_at(l, top)->parent;
		if (tops[top] != THREAD_NONE)
			top = tops[top];
		for (; n != top && tops[n] == THREAD_NONE;
		     n = node_at(l, n)->parent)
			tops[n] = top;
		if (placed[top])
			continue;
		placed[top] = true;
		node_at(l, top)->next = first;
		first = top;
	}
	l->thread->root = first;
	return 0;
}

int
thread_link(enum thread_algorithm algorithm,
    const struct thread_message *messages, uint32_t count, struct arena *a,
    struct thread *out, struct err *err)
{
	struct linking l = { .messages = messages,
		.count = count,
		.thread = out,
		.arena = a,
		.err = err };

	*out = (struct thread){ .root = THREAD_NONE };
	if (by_date_make(&l) == -1)
		return -1;
	if (algorithm == THREAD_ORDEREDSUBJECT) {
		if (by_subject(&l) == -1)
			return -1;
	} else if (by_references(&l, algorithm == THREAD_REFERENCES) == -1) {
		return -1;
	}
	siblings_make(&l);
	return algorithm == THREAD_REFS ? roots_by_newest(&l) : 0;
}
