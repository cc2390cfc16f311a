/* SPDX-License-Identifier: BSD-2-Clause */
/* A backup's folders as views: backup.h. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/backup_private.h"
#include "store/filename.h"
#include "store/keywords.h"
#include "store/name.h"
#include "store/uidlist.h"

#define LIST_MAX ((size_t)512 * 1024 * 1024)

void
backup_folder_fini(struct backup_folder *f)
{
	fd_close(f->fd);
	view_unref(f->view);
	keywords_unref(f->keywords);
	*f = (struct backup_folder){ .fd = -1 };
}

/* ---- folders ---- */

struct folders {
	int fd;
	bool (*each)(void *arg, const char *directory, struct span name);
	void *arg;
};

static bool
folder_entry(void *arg, const char *name, unsigned char type)
{
	struct folders *f = arg;
	CLEANUP(buf_fini) struct buf utf8;
	struct stat st;

	(void)type;
	buf_init(&utf8, (size_t)4 * 1000);
	if (name[0] != '.' || !name_of_directory(span_str(name), &utf8) ||
	    fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISDIR(st.st_mode))
		return true;
	return f->each(f->arg, name, buf_span(&utf8));
}

int
backup_each_folder(int dir_fd,
    bool (*each)(void *arg, const char *directory, struct span name), void *arg,
    struct err *err)
{
	CLEANUP(fd_close) int fd = disk_open_directory(dir_fd, ".", err);
	struct folders f = { .fd = fd, .each = each, .arg = arg };

	if (fd == -1)
		return -1;
	if (!each(arg, ".", SPAN("INBOX")))
		return 0;
	return disk_list(fd, folder_entry, &f, err);
}

struct counting {
	int dir_fd;
	uint64_t count;
};

static bool
count_entry(void *arg, const char *name, unsigned char type)
{
	uint64_t *count = arg;

	*count += name[0] != '.' && type != DT_DIR;
	return true;
}

static bool
count_folder(void *arg, const char *directory, struct span name)
{
	static const char *const parts[] = { "new", "cur" };
	struct counting *c = arg;

	(void)name;
	for (size_t i = 0; i < 2; i++) {
		char path[FILENAME_MAX_OCTETS + 8];
		CLEANUP(fd_close) int fd = -1;

		(void)snprintf(
		    path, sizeof(path), "%s/%s", directory, parts[i]);
		fd = disk_open_directory(c->dir_fd, path, NULL);
		if (fd != -1)
			(void)disk_list(fd, count_entry, &c->count, NULL);
	}
	return true;
}

int
backup_count_directory(int dir_fd, uint64_t *messages_out, struct err *err)
{
	struct counting c = { .dir_fd = dir_fd };
	int done = backup_each_folder(dir_fd, count_folder, &c, err);

	*messages_out = c.count;
	return done;
}

/* ---- one folder ---- */

struct line {
	uint32_t uid;
	struct span base, fields;
};

struct loading {
	struct backup_folder *out;
	struct buf list, names; /* texts that the spans point into */
	struct line *lines;     /* by base */
	size_t line_count, line_room;
	struct entry {
		size_t at;
		bool in_new;
		struct filename name;
		uint32_t uid;
		struct span fields;
	} * entries;
	size_t count, room;
	bool in_new;
	struct err *err;
	bool failed;
};

static void
loading_fini(struct loading *l)
{
	buf_fini(&l->list);
	buf_fini(&l->names);
	free(l->lines);
	free(l->entries);
}
CLEANUP_DEFINE_VALUE(struct loading, loading_fini)

static int
line_order(const void *a, const void *b)
{
	return span_order(
	    &((const struct line *)a)->base, &((const struct line *)b)->base);
}

static void *
grow(void *array, size_t count, size_t *room, size_t size, struct err *err)
{
	size_t wanted = 2 * *room + 64;
	void *grown;

	if (count < *room)
		return array;
	grown = realloc(array, wanted * size);
	if (grown == NULL)
		(void)err_set(err, ERR_TEMP, "restore: out of memory");
	else
		*room = wanted;
	return grown;
}

/* Dovecot's, ours, or Courier's, which is version 1 of the same. */
static int
load_list(struct loading *l, struct err *err)
{
	struct uidlist_header h;
	struct uidlist_line line;
	struct span text;
	uint32_t last = 0;
	struct stat st;
	bool absent;

	if (disk_read(l->out->fd, "dovecot-uidlist", &l->list, &absent, &st,
		err) == -1 ||
	    (absent && disk_read(l->out->fd, "courierimapuiddb", &l->list,
			   &absent, &st, err) == -1))
		return -1;
	text = buf_span(&l->list);
	if (uidlist_header_parse(&text, &h, NULL) == -1)
		return 0; /* its messages get new UIDs */
	l->out->uidvalidity = h.uidvalidity;
	l->out->uidnext = h.uidnext;
	memcpy(l->out->mailbox_id, h.mailbox_id, sizeof(h.mailbox_id));
	while (
	    uidlist_line_take(&text, h.version, last, &line) == UIDLIST_LINE) {
		struct line *grown = grow(l->lines, l->line_count,
		    &l->line_room, sizeof(*grown), err);

		if (grown == NULL)
			return -1;
		l->lines = grown;
		last = line.uid;
		l->lines[l->line_count++] =
		    (struct line){ line.uid, line.base, line.fields };
	}
	if (l->out->uidnext <= last)
		l->out->uidnext = last + 1;
	if (l->line_count > 0)
		qsort(l->lines, l->line_count, sizeof(*l->lines), line_order);
	return 0;
}

static bool
load_entry(void *arg, const char *name, unsigned char type)
{
	struct loading *l = arg;
	struct filename parsed;
	struct entry *grown;

	if (type == DT_DIR || !filename_parse(span_str(name), &parsed))
		return true;
	grown = grow(l->entries, l->count, &l->room, sizeof(*grown), l->err);
	if (grown == NULL) {
		l->failed = true;
		return false;
	}
	l->entries = grown;
	l->entries[l->count++] =
	    (struct entry){ .at = l->names.len, .in_new = l->in_new };
	buf_append(&l->names, span_of(name, strlen(name) + 1));
	return true;
}

static int
load_part(struct loading *l, const char *part, struct err *err)
{
	struct err why = ERR_INIT;
	CLEANUP(fd_close)
	int fd = disk_open_directory(l->out->fd, part, &why);

	if (fd == -1 && why.os == ENOENT)
		return 0;
	if (fd == -1) {
		*err = why;
		return -1;
	}
	l->in_new = part[0] == 'n';
	l->err = err;
	return disk_list(fd, load_entry, l, err) == -1 || l->failed ? -1 : 0;
}

/* Those with a UID by it, then the others as they came. */
static int
entry_order(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->uid != y->uid && x->uid != 0 && y->uid != 0)
		return x->uid < y->uid ? -1 : 1;
	if ((x->uid == 0) != (y->uid == 0))
		return x->uid == 0 ? 1 : -1;
	return filename_cmp(x->name.base, y->name.base);
}

static void
match_entries(struct loading *l)
{
	for (size_t i = 0; i < l->count; i++) {
		struct entry *e = &l->entries[i];
		const struct line *found = NULL;
		struct line key;

		(void)filename_parse(
		    span_str(buf_str(&l->names) + e->at), &e->name);
		key.base = e->name.base;
		if (l->line_count > 0)
			found = bsearch(&key, l->lines, l->line_count,
			    sizeof(*l->lines), line_order);
		if (found != NULL) {
			e->uid = found->uid;
			e->fields = found->fields;
		}
	}
	if (l->count > 0)
		qsort(l->entries, l->count, sizeof(*l->entries), entry_order);
}

/* A base that is there twice is one message too many: the second waits in vain
 * for a UID of its own, and is left out. */
static size_t
drop_doubles(struct loading *l)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->count; i++)
		if (kept == 0 || !span_eq(l->entries[kept - 1].name.base,
				     l->entries[i].name.base))
			l->entries[kept++] = l->entries[i];
	return kept;
}

static int
make_view(struct loading *l, struct err *err)
{
	CLEANUP(mem_free)
	struct view_add *adds = calloc(l->count + 1, sizeof(*adds));
	struct view_facts facts = { .uidvalidity = l->out->uidvalidity,
		.change = 1,
		.keywords = l->out->keywords };
	uint32_t next = l->out->uidnext == 0 ? 1 : l->out->uidnext;

	if (adds == NULL)
		return err_set(err, ERR_TEMP, "restore: out of memory");
	if (UINT32_MAX - 1 - next <= l->count)
		return err_set(err, ERR_LIMIT, "no UID is left");
	for (size_t i = 0; i < l->count; i++) {
		const struct entry *e = &l->entries[i];

		l->out->known += e->uid != 0;
		adds[i] = (struct view_add){
			.uid = e->uid != 0 ? e->uid : next++,
			.letters =
			    e->name.letters | (e->in_new ? MESSAGE_IN_NEW : 0),
			.size_physical = e->name.size_physical,
			.size_virtual = e->name.size_virtual,
			.base = e->name.base,
			.info = e->name.info,
			.fields = e->fields,
		};
	}
	facts.uidnext = l->out->uidnext = next;
	return view_derive(
	    NULL, &facts, NULL, 0, adds, l->count, &l->out->view, err);
}

static int
load_keywords(struct backup_folder *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct stat st;
	bool absent;

	buf_init(&text, (size_t)256 * 1024);
	if (disk_read(out->fd, "dovecot-keywords", &text, &absent, &st, err) ==
	    -1)
		return -1;
	out->keywords = keywords_parse(buf_span(&text));
	return out->keywords == NULL
		   ? err_set(err, ERR_TEMP, "restore: out of memory")
		   : 0;
}

int
backup_folder_load(int dir_fd, const char *directory, struct backup_folder *out,
    struct err *err)
{
	CLEANUP(loading_fini) struct loading l = { .out = out };

	*out = (struct backup_folder){ .fd = -1 };
	buf_init(&l.list, LIST_MAX);
	buf_init(&l.names, LIST_MAX);
	out->fd = disk_open_directory(dir_fd, directory, err);
	if (out->fd == -1 || load_keywords(out, err) == -1 ||
	    load_list(&l, err) == -1 || load_part(&l, "new", err) == -1 ||
	    load_part(&l, "cur", err) == -1 || buf_check(&l.names, err) == -1)
		return -1;
	match_entries(&l);
	l.count = drop_doubles(&l);
	return make_view(&l, err);
}
