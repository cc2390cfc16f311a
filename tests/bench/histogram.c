/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/histogram.h"

/* Values below 2 * HISTOGRAM_SUB have a bucket each. */
static unsigned
bucket_of(uint64_t value)
{
	unsigned shift = 0;

	while ((value >> shift) >= 2 * HISTOGRAM_SUB)
		shift++;
	return shift * HISTOGRAM_SUB + (unsigned)(value >> shift);
}

/* The middle of a bucket. */
static uint64_t
bucket_value(unsigned bucket)
{
	unsigned shift, low;

	if (bucket < 2 * HISTOGRAM_SUB)
		return bucket;
	shift = bucket / HISTOGRAM_SUB - 1;
	low = bucket - shift * HISTOGRAM_SUB;
	return ((uint64_t)low << shift) + ((1ull << shift) >> 1);
}

void
histogram_add(struct histogram *h, uint64_t value)
{
	h->count++;
	h->sum += value;
	if (value > h->max)
		h->max = value;
	h->bucket[bucket_of(value)]++;
}

uint64_t
histogram_quantile(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)(share * (double)h->count), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > wanted)
			return bucket_value(i) < h->max ? bucket_value(i)
							: h->max;
	}
	return h->max;
}
