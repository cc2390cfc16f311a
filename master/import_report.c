/* SPDX-License-Identifier: BSD-2-Clause */
/* What an import says: refusals as they come, progress, and the sum. */
#include <stdio.h>
#include <string.h>

#include "master/import.h"

enum {
	BAR_WIDTH = 30,
	SHOW_EVERY_MS = 200
};

static double
seconds_since(const struct timespec *then)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static void
wipe_bar(const struct import *i)
{
	if (i->terminal)
		(void)fputs("\r\033[K", stderr);
}

void
import_refuse_line(struct import *i, unsigned line, const struct err *err)
{
	wipe_bar(i);
	manage_print(stderr, span_str(i->file));
	(void)fprintf(stderr, ":%u: ", line);
	manage_print(stderr, span_str(err->text));
	(void)fputc('\n', stderr);
	i->counts.refused++;
}

void
import_refuse(struct import *i, struct job *job, const struct err *err)
{
	wipe_bar(i);
	manage_print(stderr, span_str(i->file));
	(void)fprintf(stderr, ":%u: ", job->record.line);
	/* Only what is an address: a field more or less may be a password. */
	if (job->address.len > 0) {
		manage_print(stderr, buf_span(&job->address));
		(void)fputs(": ", stderr);
	}
	manage_print(stderr, span_str(err->text));
	(void)fputc('\n', stderr);
	job->state = JOB_REFUSED;
	i->counts.refused++;
}

void
import_progress(struct import *i, bool at_end)
{
	size_t done = i->size - i->csv.rest.len;
	double share = i->size == 0 ? 1 : (double)done / (double)i->size;
	double seconds = seconds_since(&i->begun);
	int filled = (int)(share * BAR_WIDTH);
	char bar[BAR_WIDTH + 1];

	if (!i->terminal ||
	    (!at_end && seconds_since(&i->shown) * 1000 < SHOW_EVERY_MS))
		return;
	(void)clock_gettime(CLOCK_MONOTONIC, &i->shown);
	memset(bar, '.', BAR_WIDTH);
	memset(bar, '#', (size_t)filled);
	bar[BAR_WIDTH] = '\0';
	wipe_bar(i);
	if (at_end)
		return;
	(void)fprintf(stderr,
	    "[%s] %3d%%  %lu lines, %.0f a second, %.0f s "
	    "left",
	    bar, (int)(share * 100), i->counts.lines,
	    (double)i->counts.lines / (seconds > 0 ? seconds : 1),
	    share > 0 ? seconds / share - seconds : 0);
	(void)fflush(stderr);
}

void
import_summary(struct import *i)
{
	double seconds = seconds_since(&i->begun);

	if (i->m->options.quiet)
		return;
	(void)printf("%lu lines: %lu %s, %lu changed, %lu as they were, %lu "
		     "refused; %.1f s, %.0f a second%s\n",
	    i->counts.lines, i->counts.added,
	    i->m->options.dry_run ? "to be added" : "added", i->counts.changed,
	    i->counts.unchanged, i->counts.refused, seconds,
	    (double)i->counts.lines / (seconds > 0.001 ? seconds : 0.001),
	    i->m->options.dry_run ? " (dry run: nothing was written)" : "");
}
