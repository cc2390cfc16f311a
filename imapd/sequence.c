/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/sequence.h"

#include <stdlib.h>

#include "imapd/parse.h"

/* seq-number = nz-number / "*" */
static int
seq_number_parse(struct span *in, uint32_t *out, struct err *err)
{
	if (span_take_octet(in, '*')) {
		*out = SEQUENCE_STAR;
		return 0;
	}
	return imap_nz_number_parse(in, out, err);
}

static int
seq_range_parse(struct span *in, struct sequence_range *out, struct err *err)
{
	if (seq_number_parse(in, &out->first, err) == -1)
		return -1;
	out->last = out->first;
	if (span_take_octet(in, ':'))
		return seq_number_parse(in, &out->last, err);
	return 0;
}

/* An upper bound of the ranges: commas in what can belong to the set. */
static size_t
seq_ranges_bound(struct span in)
{
	size_t bound = 1;

	for (size_t i = 0; i < in.len; i++) {
		char c = in.p[i];

		if (c == ',')
			bound++;
		else if (c != '*' && c != ':' && (c < '0' || c > '9'))
			break;
	}
	return bound;
}

int
sequence_set_parse(struct span *in, struct arena *a,
    struct sequence_set *set_out, struct err *err)
{
	struct span rest = *in;
	struct sequence_set set = { .count = 0 };

	if (span_take_octet(in, '$')) {
		*set_out = (struct sequence_set){ .saved = true };
		return 0;
	}
	set.ranges =
	    arena_array(a, seq_ranges_bound(rest), sizeof(*set.ranges), err);
	if (set.ranges == NULL)
		return -1;
	do {
		if (seq_range_parse(&rest, &set.ranges[set.count], err) == -1)
			return err_prefix(err, "sequence set");
		set.count++;
	} while (span_take_octet(&rest, ','));
	*in = rest;
	*set_out = set;
	return 0;
}

static int
range_compare(const void *a, const void *b)
{
	uint32_t x = ((const struct sequence_range *)a)->first;
	uint32_t y = ((const struct sequence_range *)b)->first;

	return (x > y) - (x < y);
}

/* "*" replaced, smaller number first.  False: a star of an empty mailbox. */
static bool
range_resolve(struct sequence_range *r, uint32_t largest)
{
	if (r->first == SEQUENCE_STAR)
		r->first = largest;
	if (r->last == SEQUENCE_STAR)
		r->last = largest;
	if (r->first > r->last) {
		uint32_t swap = r->first;

		r->first = r->last;
		r->last = swap;
	}
	if (r->first == 0)
		r->first = 1; /* "1:*" and "*:7" of an empty mailbox */
	return r->last != 0;
}

void
sequence_set_resolve(struct sequence_set *set, uint32_t largest)
{
	size_t kept = 0, out = 0;

	for (size_t i = 0; i < set->count; i++) {
		struct sequence_range r = set->ranges[i];

		if (range_resolve(&r, largest))
			set->ranges[kept++] = r;
	}
	if (kept > 0) /* else there may be no array at all */
		qsort(set->ranges, kept, sizeof(*set->ranges), range_compare);
	for (size_t i = 0; i < kept; i++) {
		struct sequence_range *r = &set->ranges[i], *last;

		last = out == 0 ? NULL : &set->ranges[out - 1];
		if (last != NULL &&
		    (last->last == UINT32_MAX || r->first <= last->last + 1)) {
			if (r->last > last->last)
				last->last = r->last;
		} else {
			set->ranges[out++] = *r;
		}
	}
	set->count = out;
}

uint32_t
sequence_set_max(const struct sequence_set *set)
{
	return set->count == 0 ? 0 : set->ranges[set->count - 1].last;
}

bool
sequence_set_has(const struct sequence_set *set, uint32_t number)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (set->ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < set->count && set->ranges[low].first <= number;
}

void
sequence_set_format(const uint32_t *numbers, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count;) {
		size_t end = i + 1;

		while (end < count && numbers[end] == numbers[end - 1] + 1)
			end++;
		if (i > 0)
			buf_append_octet(out, ',');
		buf_append_u64(out, numbers[i]);
		if (end - i > 1) {
			buf_append_octet(out, ':');
			buf_append_u64(out, numbers[end - 1]);
		}
		i = end;
	}
}
