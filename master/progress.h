/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bar on the standard error, if that is a terminal:
 *
 *	[########------------]  41 %  4100/10000  12.3 MB/s  hanako@...
 */
#ifndef HK_MASTER_PROGRESS_H
#define HK_MASTER_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown; /* there is a terminal */
	uint64_t total, done, octets;
	uint64_t begun_ms, told_ms;
	char what[64];
};

/* total: of steps; what: printed behind the bar. */
void progress_begin(struct progress *p, uint64_t total, const char *what);
void progress_step(struct progress *p, uint64_t octets);
/* Wipes it. */
void progress_end(struct progress *p);

#endif
