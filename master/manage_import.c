/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku account import. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file.h"
#include "master/ask.h"
#include "master/import.h"

/* What does not come from a file that can be mapped. */
#define PIPE_MAX ((size_t)256 * 1024 * 1024)

/* ---- the table --------------------------------------------------------------
 */

/* The whole text: mapped, or read from a pipe. */
struct table {
	void *map; /* MAP_FAILED: in text */
	size_t size;
	struct buf text;
};

static int
table_open(struct table *t, const char *file, struct err *err)
{
	CLEANUP(fd_close) int opened = -1;
	int fd = 0;
	struct stat st;

	t->map = MAP_FAILED;
	buf_init(&t->text, PIPE_MAX);
	if (strcmp(file, "-") != 0) {
		fd = opened = open(file, O_RDONLY | O_CLOEXEC);
		if (fd == -1)
			return err_sys(err, "open");
	}
	if (fstat(fd, &st) == -1)
		return err_sys(err, "stat");
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		t->size = (size_t)st.st_size;
		t->map = mmap(NULL, t->size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (t->map != MAP_FAILED)
		return 0;
	if (file_read_fd(fd, &t->text, err) == -1)
		return -1;
	t->size = t->text.len;
	return 0;
}

static struct span
table_span(const struct table *t)
{
	return t->map != MAP_FAILED ? span_of(t->map, t->size)
				    : buf_span(&t->text);
}

static void
table_fini(struct table *t)
{
	if (t->map != MAP_FAILED)
		(void)munmap(t->map, t->size);
	secret_fini(&t->text);
}
CLEANUP_DEFINE_VALUE(struct table, table_fini)

/* ---- max-accounts -----------------------------------------------------------
 */

int
import_room(
    struct import *i, struct span tenant, uint64_t **left_out, struct err *err)
{
	struct import_room *grown;
	uint64_t left;

	for (size_t n = 0; n < i->rooms_len; n++)
		if (span_eq(span_str(i->rooms[n].tenant), tenant)) {
			*left_out = &i->rooms[n].left;
			return 0;
		}
	if (manage_room(i->m, tenant, &left, err) == -1)
		return -1;
	grown = reallocarray(i->rooms, i->rooms_len + 1, sizeof(*grown));
	if (grown != NULL) {
		i->rooms = grown;
		grown += i->rooms_len;
		grown->tenant = strndup(tenant.p, tenant.len);
		grown->left = left;
	}
	if (grown == NULL || grown->tenant == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	i->rooms_len++;
	*left_out = &grown->left;
	return 0;
}

/* ---- the verb ---------------------------------------------------------------
 */

static int
import_init(struct import *i, struct manage *m, struct err *err)
{
	memset(i, 0, sizeof(*i));
	i->m = m;
	i->file = m->options.names[0];
	i->terminal = isatty(2) == 1 && !m->options.quiet;
	(void)clock_gettime(CLOCK_MONOTONIC, &i->begun);
	i->shown = i->begun;
	i->jobs = calloc(IMPORT_CHUNK, sizeof(*i->jobs));
	if (i->jobs == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	for (size_t n = 0; n < IMPORT_CHUNK; n++)
		job_init(&i->jobs[n]);
	return hash_secret_new(&i->secret, err);
}

static void
import_fini(struct import *i)
{
	for (size_t n = 0; i->jobs != NULL && n < IMPORT_CHUNK; n++)
		job_fini(&i->jobs[n]);
	for (size_t n = 0; n < i->domains_len; n++) {
		free(i->domains[n].domain);
		free(i->domains[n].tenant);
	}
	for (size_t n = 0; n < i->rooms_len; n++)
		free(i->rooms[n].tenant);
	free(i->rooms);
	free(i->domains);
	free(i->jobs);
	free(i->seen);
}

static int
import_all(struct import *i, struct err *err)
{
	if (import_header(i, err) == -1)
		return err_prefix(err, "line 1");
	while (import_read(i) == 1) {
		if (import_chunk(i, err) == -1) {
			unsigned line =
			    i->jobs_len > 0 ? i->jobs[0].record.line : 0;

			return err_prefix(err,
			    "stopped within 500 lines of line %u, and can be "
			    "run again",
			    line);
		}
		import_progress(i, false);
	}
	return 0;
}

int
manage_import(struct manage *m)
{
	CLEANUP(table_fini) struct table table = { .map = MAP_FAILED };
	struct import i;
	struct err err = ERR_INIT;
	int rc;

	buf_init(&table.text, 0);
	rc = import_init(&i, m, &err);
	if (rc == 0)
		rc = table_open(&table, i.file, &err);
	if (rc == 0) {
		i.size = table.size;
		csv_init(&i.csv, table_span(&table));
		rc = import_all(&i, &err);
		import_progress(&i, true);
		if (rc == 0 || i.counts.lines > 0)
			import_summary(&i);
	}
	import_fini(&i);
	if (rc == -1)
		return manage_fail(m, m->options.names[0], &err);
	return i.counts.refused > 0 ? MANAGE_PARTLY : MANAGE_DONE;
}
