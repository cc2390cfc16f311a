/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * COPY and MOVE inside an account: hard links, so that a message is on the
 * disk once and keeps its date.  The target's new names are flushed, and its
 * UIDs are in its list, before the source loses anything.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/inside.h"
#include "store/message.h"
#include "store/uidlist.h"

/* One message on its way. */
struct copied {
	uint32_t from_uid;
	char path[FILENAME_MAX_OCTETS + 8]; /* in the target */
	char fields[FILENAME_MAX_OCTETS + 2];
	uint64_t letters, size_physical, size_virtual;
	struct span base, info; /* in path */
};

struct copy {
	struct mailbox *m;
	struct folder *to;
	struct view *from; /* a reference */
	struct copied *items;
	size_t count;
	/* Bases that the target's list has or had, sorted. */
	struct buf list;
	struct span *bases;
	size_t base_count;
	unsigned keyword_of[KEYWORDS_MAX]; /* the target's number + 1 */
};

/*
 * A base that was ever in the target must not come back under it: Dovecot
 * would take it for an expunged message that reappears.
 */
static int
copy_read_bases(struct copy *c, struct err *err)
{
	struct uidlist_header h;
	struct uidlist_line line;
	struct span text;
	struct stat st;
	uint32_t last = 0;
	size_t room = 0;
	bool absent;

	if (disk_read(c->to->fd, "dovecot-uidlist", &c->list, &absent, &st,
		err) == -1)
		return -1;
	text = buf_span(&c->list);
	if (uidlist_header_parse(&text, &h, NULL) == -1)
		return 0;
	while (
	    uidlist_line_take(&text, h.version, last, &line) == UIDLIST_LINE) {
		last = line.uid;
		if (c->base_count == room) {
			void *grown;

			room = 2 * room + 64;
			grown = realloc(c->bases, room * sizeof(*c->bases));
			if (grown == NULL)
				return err_set(
				    err, ERR_TEMP, "copy: out of memory");
			c->bases = grown;
		}
		c->bases[c->base_count++] = line.base;
	}
	if (c->base_count > 0)
		qsort(c->bases, c->base_count, sizeof(*c->bases), span_order);
	return 0;
}

static bool
copy_base_known(const struct copy *c, struct span base)
{
	return c->base_count > 0 && bsearch(&base, c->bases, c->base_count,
					sizeof(*c->bases), span_order) != NULL;
}

/* The target's letters for a message's keywords: by name, not by number. */
static int
copy_letters(struct copy *c, uint64_t letters, uint64_t *out, struct err *err)
{
	*out = letters & MESSAGE_LETTERS & ~MESSAGE_KEYWORDS;
	for (unsigned n = 0; n < KEYWORDS_MAX; n++) {
		struct span name = view_keyword(c->from, n);
		struct err why = ERR_INIT;
		unsigned number;

		if ((letters & MESSAGE_KEYWORD(n)) == 0)
			continue;
		if (c->keyword_of[n] == 0) {
			if (folder_keyword(c->to, name, &number, &why) == 0)
				c->keyword_of[n] = number + 1;
			else if (why.kind == ERR_TEMP) {
				if (err != NULL)
					*err = why;
				return -1;
			} else {
				c->keyword_of[n] = UINT32_MAX;
			}
		}
		/* The target has no letter left: the copy goes without. */
		if (c->keyword_of[n] != UINT32_MAX)
			*out |= MESSAGE_KEYWORD(c->keyword_of[n] - 1);
	}
	return 0;
}

static void
copy_name(struct copy *c, struct copied *item, struct span old_base,
    struct span old_id)
{
	CLEANUP(buf_fini) struct buf path;
	struct filename old;
	bool keep = filename_parse(old_base, &old) &&
		    old.size_physical != MESSAGE_SIZE_UNKNOWN &&
		    old.size_virtual != MESSAGE_SIZE_UNKNOWN &&
		    !copy_base_known(c, old_base);
	size_t base_len;

	buf_init(&path, sizeof(item->path) - 1);
	buf_append(&path, item->letters != 0 ? SPAN("cur/") : SPAN("new/"));
	if (keep)
		buf_append(&path, old_base);
	else {
		store_base_name(c->to->account->store, &path);
		buf_append_fmt(&path, ",S=%llu,W=%llu",
		    (unsigned long long)item->size_physical,
		    (unsigned long long)item->size_virtual);
	}
	base_len = path.len - 4;
	if (item->letters != 0)
		filename_format_info(item->letters, SPAN_NONE, &path);
	(void)snprintf(item->path, sizeof(item->path), "%s", buf_str(&path));
	item->base = span_of(item->path + 4, base_len);
	item->info = span_str(item->path + 4 + base_len);
	/* The message keeps its identity under another name. */
	item->fields[0] = '\0';
	if (!keep || old_id.len > 0)
		(void)snprintf(item->fields, sizeof(item->fields), "G%.*s",
		    SPAN_FMT(old_id.len > 0 ? old_id : old_base));
}

/* Where hard links do not go any more (EMLINK) the octets are copied. */
static int
copy_octets(struct copy *c, struct copied *item, struct err *err)
{
	CLEANUP(content_free) struct content *content = NULL;
	CLEANUP(fd_close) int fd = -1;
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	char tmp[FILENAME_MAX_OCTETS + 8];

	if (content_open(c->m, item->from_uid, &content, err) == -1)
		return -1;
	(void)snprintf(tmp, sizeof(tmp), "tmp/%.*s", SPAN_FMT(item->base));
	fd = file_open_beneath(
	    c->to->fd, tmp, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	times[1].tv_sec = content_date(content);
	if (fd == -1 || file_write_fd(fd, content_span(content), NULL) == -1 ||
	    futimens(fd, times) == -1 || fsync(fd) == -1 ||
	    disk_rename_new(c->to->fd, tmp, c->to->fd, item->path) == -1) {
		(void)disk_err(err, "copy a message");
		(void)unlinkat(c->to->fd, tmp, 0);
		return -1;
	}
	return 0;
}

static int
copy_link(struct copy *c, struct copied *item, uint32_t index, struct err *err)
{
	struct folder *f = c->m->folder;
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	view_file_path(c->from, index, &path);
	for (int tries = 0; tries < 3; tries++) {
		bool found;

		if (linkat(f->fd, buf_str(&path), c->to->fd, item->path, 0) ==
		    0)
			return 0;
		if (errno == EMLINK || errno == EXDEV || errno == EPERM)
			return copy_octets(c, item, err);
		if (errno != ENOENT)
			return disk_err(err, "copy a message");
		buf_clear(&path);
		if (folder_find_file(f, view_base_name(c->from, index), &path,
			&found, err) == -1)
			return -1;
		if (!found)
			break;
	}
	return err_set(err, ERR_POLICY, "a message is gone");
}

/* Asking for the content makes both known. */
static int
copy_sizes(struct copy *c, const struct message *m, struct err *err)
{
	CLEANUP(content_free) struct content *content = NULL;

	if (m->size_virtual != MESSAGE_SIZE_UNKNOWN &&
	    m->size_physical != MESSAGE_SIZE_UNKNOWN)
		return 0;
	return content_open(c->m, m->uid, &content, err);
}

/* What is moved takes no more room than it had. */
static int
copy_room(struct copy *c, const uint32_t *uids, size_t count, struct err *err)
{
	uint64_t octets = 0, messages = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t index;

		if (!view_find(c->from, uids[i], &index))
			continue;
		if (copy_sizes(c, view_at(c->from, index), err) == -1)
			return -1;
		octets += view_at(c->from, index)->size_physical;
		messages++;
	}
	return account_room(c->to->account, octets, messages, err);
}

static int
copy_one(struct copy *c, uint32_t index, struct err *err)
{
	const struct message *m = view_at(c->from, index);
	struct copied *item = &c->items[c->count];
	struct span id = SPAN_NONE;

	item->from_uid = m->uid;
	if (copy_letters(c, m->letters, &item->letters, err) == -1 ||
	    copy_sizes(c, m, err) == -1)
		return -1;
	item->size_physical = m->size_physical;
	item->size_virtual = m->size_virtual;
	(void)view_field(c->from, index, 'G', &id);
	copy_name(c, item, view_base_name(c->from, index), id);
	if (copy_link(c, item, index, err) == -1)
		return -1;
	c->count++;
	dotlock_touch(&c->to->lock);
	return 0;
}

static void
copy_undo(struct copy *c)
{
	for (size_t i = 0; i < c->count; i++)
		(void)unlinkat(c->to->fd, c->items[i].path, 0);
	c->count = 0;
}

/* UIDs for everything that is linked, once the names are on the disk. */
static int
copy_register(struct copy *c, struct mailbox_copied *copied, struct err *err)
{
	CLEANUP(view_unref) struct view *v = NULL;
	CLEANUP(mem_free)
	struct view_add *adds = calloc(c->count + 1, sizeof(*adds));

	copied->from = calloc(c->count + 1, sizeof(uint32_t));
	copied->to = calloc(c->count + 1, sizeof(uint32_t));
	if (adds == NULL || copied->from == NULL || copied->to == NULL)
		return err_set(err, ERR_TEMP, "copy: out of memory");
	if (folder_flush(c->to->new_fd, err) == -1 ||
	    folder_flush(c->to->cur_fd, err) == -1)
		return -1;
	for (size_t i = 0; i < c->count; i++) {
		const struct copied *item = &c->items[i];

		adds[i] = (struct view_add){
			.letters = item->letters |
				   (item->letters == 0 ? MESSAGE_IN_NEW : 0),
			.size_physical = item->size_physical,
			.size_virtual = item->size_virtual,
			.base = item->base,
			.info = item->info,
			.fields = span_str(item->fields),
		};
	}
	if (folder_add(c->to, adds, c->count, err) == -1)
		return -1;
	v = folder_current(c->to);
	copied->uidvalidity = view_uidvalidity(v);
	copied->count = c->count;
	for (size_t i = 0; i < c->count; i++) {
		copied->from[i] = c->items[i].from_uid;
		copied->to[i] = adds[i].uid;
	}
	return 0;
}

static int
copy_links(struct copy *c, const uint32_t *uids, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t index;

		if (view_find(c->from, uids[i], &index) &&
		    copy_one(c, index, err) == -1)
			return -1;
	}
	return 0;
}

/* With the target's turn and lock, up to date. */
static int
copy_all(struct copy *c, const uint32_t *uids, size_t count,
    struct mailbox_copied *copied, struct err *err)
{
	struct quota_change change;
	int64_t octets = 0;
	int done;

	if (copy_read_bases(c, err) == -1)
		return -1;
	quota_begin(c->to->account, &change);
	done = copy_links(c, uids, count, err);
	if (done == 0)
		done = copy_register(c, copied, err);
	if (done == -1)
		copy_undo(c);
	for (size_t i = 0; i < c->count; i++)
		octets += (int64_t)c->items[i].size_physical;
	quota_end(&change, octets, (int64_t)c->count);
	return done;
}

static int
copy_begin(struct copy *c, struct err *err)
{
	if (folder_begin_change(c->to, false, NULL, err) == -1)
		return -1;
	uidfile_check(c->to);
	return folder_sync(c->to, false, NULL, err);
}

static int
copy_locked(struct copy *c, const uint32_t *uids, size_t count,
    struct mailbox_copied *copied, struct err *err)
{
	int done = copy_begin(c, err);

	if (done == 0)
		done = copy_all(c, uids, count, copied, err);
	folder_end(c->to);
	return done;
}

int
mailbox_copy(struct mailbox *m, const uint32_t *uids, size_t count,
    struct span to, bool move, struct mailbox_copied *copied_out,
    struct err *err)
{
	struct copy c = { .m = m };
	struct mailbox_copied copied = { 0 };
	int done;

	if (move && m->mode != MAILBOX_WRITE)
		return err_set(err, ERR_POLICY, "the mailbox is read-only");
	if (folder_hold(m->folder->account, to, &c.to, err) == -1)
		return -1;
	buf_init(&c.list, (size_t)512 * 1024 * 1024);
	c.items = calloc(count + 1, sizeof(*c.items));
	c.from = folder_current(m->folder);
	if (c.items == NULL || c.from == NULL) {
		done = err_set(err, ERR_TEMP, "copy: out of memory");
	} else {
		done = move ? 0 : copy_room(&c, uids, count, err);
		if (done == 0)
			done = copy_locked(&c, uids, count, &copied, err);
	}
	folder_release(c.to);
	view_unref(c.from);
	buf_fini(&c.list);
	free(c.items);
	free(c.bases);
	if (done == 0 && move)
		done = mailbox_expunge_moved(m, copied.from, copied.count, err);
	if (done == -1) {
		mailbox_copied_fini(&copied);
		return -1;
	}
	*copied_out = copied;
	return 0;
}

void
mailbox_copied_fini(struct mailbox_copied *c)
{
	free(c->from);
	free(c->to);
	*c = (struct mailbox_copied){ 0 };
}
