/* SPDX-License-Identifier: BSD-2-Clause */
/* What the journal has at the start: which messages wait, and how far they
 * came. */
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "delivery/backlog_private.h"

struct recovery {
	struct backlog *b;
	struct waiting **items; /* by number, rising */
	size_t count, room;
	uint64_t messages, settled;
};

static struct waiting *
find(const struct recovery *r, uint64_t number)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->items[middle]->ref.number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->count && r->items[low]->ref.number == number
		   ? r->items[low]
		   : NULL;
}

/* No target is left: it waits for nothing. */
static void
drop(struct recovery *r, uint64_t number)
{
	struct waiting *w = find(r, number);

	if (w != NULL)
		w->left = 0;
}

static int
keep(struct recovery *r, struct waiting *w, struct err *err)
{
	if (r->count == r->room) {
		size_t room = 2 * r->room + 256;
		void *grown = realloc(r->items, room * sizeof(r->items[0]));

		if (grown == NULL)
			return err_set(err, ERR_TEMP, "backlog: out of memory");
		r->items = grown;
		r->room = room;
	}
	r->items[r->count++] = w;
	return 0;
}

static int
visit_message(struct recovery *r, const struct journal_ref *ref,
    struct span payload, struct err *err)
{
	CLEANUP(record_message_fini) struct record_message m = { 0 };
	struct waiting *w;

	if (record_message_parse(payload, &m, err) == -1)
		return -1;
	w = waiting_new((uint32_t)m.count);
	if (w == NULL)
		return err_set(err, ERR_TEMP, "backlog: out of memory");
	w->ref = *ref;
	for (size_t i = 0; i < m.count; i++)
		w->states[i] =
		    m.targets[i].marked ? TARGET_MARKED : TARGET_TODO;
	if (keep(r, w, err) == -1) {
		free(w);
		return -1;
	}
	r->messages++;
	if (m.replaces != 0)
		drop(r, m.replaces);
	return 0;
}

static int
visit_marks(
    struct recovery *r, uint16_t type, struct span payload, struct err *err)
{
	struct record_mark mark;

	if (record_marks_open(&payload, err) == -1)
		return -1;
	while (record_marks_next(&payload, &mark)) {
		struct waiting *w = find(r, mark.number);

		if (w == NULL)
			continue;
		if (type == RECORD_SETTLED)
			w->left = 0;
		else if (mark.target < w->count)
			w->states[mark.target] = TARGET_MARKED;
	}
	return 0;
}

/* It is whole, and means nothing: our own mistake.  Somebody may want it. */
static int
visit_nonsense(struct recovery *r, const struct journal_ref *ref,
    const struct journal_record *record, struct err *why, struct err *err)
{
	if (journal_put_aside(
		r->b->journal, ref->number, record->payload, err) == -1)
		return -1;
	log_error(&log_process, "a record is put aside",
	    log_u64("number", ref->number), log_u64("type", record->type),
	    log_u64("segment", ref->segment), log_u64("offset", ref->offset),
	    log_err(why));
	return 0;
}

static int
visit(void *arg, const struct journal_ref *ref,
    const struct journal_record *record, bool *hold_out, struct err *err)
{
	struct recovery *r = arg;
	struct err why = ERR_INIT;
	int done;

	switch (record->type) {
	case RECORD_MESSAGE:
		done = visit_message(r, ref, record->payload, &why);
		*hold_out = done == 0;
		break;
	case RECORD_PLACING:
	case RECORD_SETTLED:
		done = visit_marks(r, record->type, record->payload, &why);
		break;
	default:
		done = err_set(&why, ERR_POLICY, "record of type %u",
		    (unsigned)record->type);
		break;
	}
	if (done == 0)
		return 0;
	if (why.kind == ERR_SYNTAX)
		return visit_nonsense(r, ref, record, &why, err);
	/* A later version's: it must not be lost, and not be overtaken. */
	if (err != NULL)
		*err = why;
	return err_prefix(err, "segment-%04u at %llu", ref->segment,
	    (unsigned long long)ref->offset);
}

int
backlog_recover(struct backlog *b, struct err *err)
{
	struct recovery r = { .b = b };
	int done = journal_recover(b->journal, visit, &r, err);

	for (size_t i = 0; i < r.count; i++) {
		struct waiting *w = r.items[i];

		if (done == 0 && w->left > 0) {
			backlog_enter(b, w);
			continue;
		}
		if (done == 0) {
			journal_settle(b->journal, &w->ref);
			r.settled++;
		}
		free(w);
	}
	free(r.items);
	if (done == 0 && r.messages > r.settled)
		log_warning(&log_process, "messages were on their way",
		    log_u64("count", r.messages - r.settled));
	return done;
}
