/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/warning.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "common/file.h"
#include "mime/date.h"
#include "store/draft.h"
#include "store/inside.h"

/* Ascending; the last is a full mailbox. */
static const unsigned levels[] = { 80, 95, 100 };
#define LEVELS (sizeof(levels) / sizeof(levels[0]))
#define FULL 100

/* So far below a level, crossing it again is news again. */
#define SWING 5

static const char *
mark_name(size_t level, char out[32])
{
	(void)snprintf(out, 32, "hikyaku-warned-%u", levels[level]);
	return out;
}

static bool
mark_there(struct account *a, size_t level)
{
	char name[32];

	return faccessat(a->fd, mark_name(level, name), F_OK,
		   AT_SYMLINK_NOFOLLOW) == 0;
}

/* False: it is there already, or cannot be made. */
static bool
mark_make(struct account *a, size_t level)
{
	char name[32];
	int fd = file_open_beneath(a->fd, mark_name(level, name),
	    O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);

	fd_close(fd);
	return fd != -1;
}

static void
mark_remove(struct account *a, size_t level)
{
	char name[32];

	(void)unlinkat(a->fd, mark_name(level, name), 0);
}

/* The lowest is there whenever one is. */
static void
marks_forget(struct account *a, unsigned percent)
{
	if (percent + SWING > levels[LEVELS - 1] || !mark_there(a, 0))
		return;
	for (size_t i = LEVELS; i-- > 0;)
		if (percent + SWING <= levels[i])
			mark_remove(a, i);
}

static int
send_warning(struct account *a, const struct owner *o,
    const struct usage *usage, unsigned level, struct err *err)
{
	const struct draft_options options = { .want_uid = false };
	const struct quota_owner owner = { o->address, o->title, o->language };
	CLEANUP(draft_free) struct draft *d = NULL;
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(buf_fini) struct buf id;
	int64_t now = time(NULL);

	buf_init(&text, 16384);
	buf_init(&id, 400);
	store_base_name(a->store, &id);
	warning_compose(&owner, usage, level, now, date_local_offset(now),
	    buf_str(&id), &text);
	if (buf_check(&text, err) == -1 ||
	    draft_new(a, SPAN("INBOX"), &d, err) == -1 ||
	    draft_write(d, buf_span(&text), err) == -1)
		return -1;
	return draft_commit(d, &options, NULL, err);
}

void
warning_look(struct account *a, const struct usage *usage, bool full)
{
	unsigned percent = full ? FULL : usage_percent(usage);
	size_t level = LEVELS;
	struct owner owner;

	marks_forget(a, percent);
	while (level > 0 && percent < levels[level - 1])
		level--;
	if (level == 0 || mark_there(a, level - 1) || !owner_get(a, &owner) ||
	    !mark_make(a, level - 1))
		return;
	for (size_t i = 0; i < level - 1; i++)
		(void)mark_make(a, i);
	/* Whoever looks next tries again. */
	if (send_warning(a, &owner, usage, levels[level - 1], NULL) == -1)
		mark_remove(a, level - 1);
}

void
warning_after(struct account *a, bool grew)
{
	struct usage usage;
	struct owner owner;

	if (grew ? !owner_get(a, &owner) || owner.far_away : !mark_there(a, 0))
		return;
	if (quota_peek(a, &usage))
		warning_look(a, &usage, false);
}
