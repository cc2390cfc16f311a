/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 30
#define EVERY_MS 100

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void
show(struct progress *p)
{
	uint64_t total = p->total < p->done ? p->done : p->total;
	uint64_t ms = now_ms() - p->begun_ms;
	unsigned full = total == 0 ? 0 : (unsigned)(p->done * WIDTH / total);
	char bar[WIDTH + 1];

	memset(bar, '#', full);
	memset(bar + full, '-', WIDTH - full);
	bar[WIDTH] = '\0';
	(void)fprintf(stderr,
	    "\r[%s] %3u %%  %" PRIu64 "/%" PRIu64 "  %.1f MB/s  %s\033[K", bar,
	    total == 0 ? 0 : (unsigned)(p->done * 100 / total), p->done, total,
	    ms == 0 ? 0.0 : (double)p->octets / 1000.0 / (double)ms, p->what);
	p->told_ms = now_ms();
}

void
progress_begin(struct progress *p, uint64_t total, const char *what)
{
	*p = (struct progress){
		.shown = isatty(2) == 1, .total = total, .begun_ms = now_ms()
	};
	for (size_t i = 0; what[i] != '\0' && i < sizeof(p->what) - 1; i++)
		p->what[i] = what[i];
	if (p->shown)
		show(p);
}

void
progress_step(struct progress *p, uint64_t octets)
{
	p->done++;
	p->octets += octets;
	if (p->shown && now_ms() - p->told_ms >= EVERY_MS)
		show(p);
}

void
progress_end(struct progress *p)
{
	if (p->shown)
		(void)fputs("\r\033[K", stderr);
}
