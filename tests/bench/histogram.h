/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Latencies in microseconds: 64 octaves of 32 linear buckets, so a value is
 * known to about 3 per cent whatever its size.
 */
#ifndef HK_BENCH_HISTOGRAM_H
#define HK_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 32
#define HISTOGRAM_BUCKETS (64 * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, sum, max;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t value);
/* The value below which the share (0..1) of the samples lie. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
