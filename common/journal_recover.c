/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading a journal from end to end.
 *
 * The survey learns which numbers each segment has.  A number that comes again
 * in a later segment voids everything from it on in the earlier ones: those
 * records were written, but their flush failed and nobody was told of them.
 */
#include <stdlib.h>
#include <string.h>

#include "common/journal_private.h"

/* Generations below were free already when a later head was written. */
static uint64_t
oldest_that_counts(const struct journal *j)
{
	uint64_t oldest = 0;

	for (const struct segment *s = j->oldest; s != NULL; s = s->next)
		if (s->head.oldest > oldest)
			oldest = s->head.oldest;
	return oldest;
}

static bool
has_generation(const struct journal *j, uint64_t generation)
{
	for (const struct segment *s = j->oldest; s != NULL; s = s->next)
		if (s->head.generation == generation)
			return true;
	return false;
}

/* Each segment with records names the one before it. */
static void
check_generations(struct journal *j, uint64_t oldest)
{
	for (const struct segment *s = j->oldest; s != NULL; s = s->next) {
		uint64_t before = s->head.generation - s->head.step;
		struct err why = ERR_INIT;

		if (s->first == 0 || s->head.step == 0 || before < oldest ||
		    has_generation(j, before))
			continue;
		(void)err_set(&why, ERR_TEMP,
		    "%s: the segment of generation %llu, before segment-%04u, "
		    "is missing",
		    j->path, (unsigned long long)before, s->slot);
		journal_trouble(j, &why);
	}
}

static int
survey_segment(
    struct journal *j, struct segment *s, struct buf *room, struct err *err)
{
	struct journal_walk w = { .head = s->head, .offset = JOURNAL_DATA };
	struct journal_record r;
	uint64_t offset;

	if (segment_load(j, s, room, err) == -1)
		return -1;
	w.segment = buf_span(room);
	while (journal_walk_next(&w, s->last, &r, &offset)) {
		if (s->first == 0)
			s->first = r.number;
		s->last = r.number;
	}
	return 0;
}

int
journal_survey(struct journal *j, struct err *err)
{
	uint64_t oldest = oldest_that_counts(j);
	CLEANUP(buf_fini) struct buf room;

	buf_init(&room, (size_t)JOURNAL_SEGMENT_MAX);
	for (struct segment *s = j->oldest; s != NULL; s = s->next) {
		j->generation = s->head.generation;
		/* Free already: only room. */
		if (s->head.generation < oldest)
			continue;
		if (survey_segment(j, s, &room, err) == -1)
			return -1;
		if (s->first != 0)
			j->number = s->last;
	}
	check_generations(j, oldest);
	return 0;
}

/* ---- showing the records ---- */

struct recovery {
	struct journal *j;
	int (*visit)(void *arg, const struct journal_ref *ref,
	    const struct journal_record *record, bool *hold_out,
	    struct err *err);
	void *arg;
	uint64_t number;  /* of the last record shown */
	uint64_t flushed; /* by the latest word */
	/* A hole that is damage if something says it was flushed. */
	struct hole {
		uint64_t first, last, offset;
		unsigned slot;
	} hole;
};

/* The first number that a later segment has, or none. */
static uint64_t
void_from(const struct segment *s)
{
	for (s = s->next; s != NULL; s = s->next)
		if (s->first != 0)
			return s->first;
	return UINT64_MAX;
}

static void
judge_hole(struct recovery *r)
{
	const struct hole *hole = &r->hole;
	struct err why = ERR_INIT;

	if (hole->first == 0 || r->flushed < hole->first)
		return;
	(void)err_set(&why, ERR_TEMP,
	    "%s/segment-%04u: records %llu to %llu before offset %llu were "
	    "acknowledged and cannot be read",
	    r->j->path, hole->slot, (unsigned long long)hole->first,
	    (unsigned long long)hole->last, (unsigned long long)hole->offset);
	journal_trouble(r->j, &why);
	r->hole = (struct hole){ 0 };
}

/* Numbers that are missing before this record. */
static void
note_hole(struct recovery *r, const struct segment *s,
    const struct journal_record *record, uint64_t offset)
{
	bool first_known = r->number != 0;
	uint64_t expected = first_known ? r->number + 1 : record->number;

	/* With nothing before it, only its place tells. */
	if (!first_known && offset != JOURNAL_DATA && record->number > 1)
		expected = record->number - 1;
	if (record->number > expected) {
		judge_hole(r);
		r->hole = (struct hole){
			.first = expected,
			.last = record->number - 1,
			.offset = offset,
			.slot = s->slot,
		};
	}
	if (record->flushed > r->flushed)
		r->flushed = record->flushed;
	judge_hole(r);
}

static int
recover_segment(
    struct recovery *r, struct segment *s, struct buf *room, struct err *err)
{
	struct journal_walk w = { .head = s->head, .offset = JOURNAL_DATA };
	uint64_t until = void_from(s), offset;
	struct journal_record record;

	if (s->first == 0)
		return 0;
	if (segment_load(r->j, s, room, err) == -1)
		return -1;
	w.segment = buf_span(room);
	while (journal_walk_next(&w, r->number, &record, &offset) &&
	       record.number < until) {
		struct journal_ref ref = {
			.segment = s->slot,
			.number = record.number,
			.generation = s->head.generation,
			.offset = offset,
			.time_ms = record.time_ms,
			.octets = (uint32_t)record.payload.len,
		};
		bool hold = false;

		note_hole(r, s, &record, offset);
		r->number = record.number;
		if (r->visit(r->arg, &ref, &record, &hold, err) == -1)
			return -1;
		if (hold) {
			s->held++;
			r->j->held++;
			r->j->held_octets += ref.octets;
		}
	}
	return 0;
}

int
journal_recover(struct journal *j,
    int (*visit)(void *arg, const struct journal_ref *ref,
	const struct journal_record *record, bool *hold_out, struct err *err),
    void *arg, struct err *err)
{
	struct recovery r = { .j = j, .visit = visit, .arg = arg };
	CLEANUP(buf_fini) struct buf room;

	buf_init(&room, (size_t)JOURNAL_SEGMENT_MAX);
	for (struct segment *s = j->oldest; s != NULL; s = s->next)
		if (recover_segment(&r, s, &room, err) == -1)
			return -1;
	return 0;
}
