/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bringing deleted mail back.
 *
 * A base name that was expunged must not return under itself (Dovecot would
 * warn of it, and clients have seen its UID go), so each message gets another,
 * and keeps its identity as the field G.  It is linked into its mailbox, and
 * only when that and its UID are on the disk does the kept name go.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/filename.h"
#include "store/kept.h"
#include "store/kept_private.h"
#include "store/list.h"
#include "store/name.h"
#include "store/quota.h"

#define ITEMS_MAX 4000000U
#define TEXT_MAX ((size_t)1024 * 1024 * 1024)
/* Messages a turn: others want the mailbox, too. */
#define RUN 64

struct item {
	unsigned day;
	size_t folder_at, name_at; /* texts, in gathering.text */
	uint64_t octets;
	struct span base; /* set when the text stands still */
	const char *folder, *name;
};

struct bases {
	struct buf text; /* each with its NUL */
	struct span *sorted;
	size_t count;
};

struct gathering {
	struct kept_walk walk;
	const struct kept_choice *choice;
	char folder[4 * NAME_DIRECTORY_MAX + 1]; /* chosen; "": all */
	struct item *items;
	size_t count, room;
	struct buf text;
	/* What is being listed: */
	unsigned day;
	size_t folder_at;
	int fd;
	struct err *err;
	bool failed;
};

static void
gathering_fini(struct gathering *g)
{
	free(g->items);
	buf_fini(&g->text);
}
CLEANUP_DEFINE_VALUE(struct gathering, gathering_fini)

static void
bases_fini(struct bases *b)
{
	free(b->sorted);
	buf_fini(&b->text);
}
CLEANUP_DEFINE_VALUE(struct bases, bases_fini)

/* ---- what is kept ---- */

static bool
gather_wants(struct kept_walk *w, unsigned day)
{
	const struct kept_choice *c = ((struct gathering *)w)->choice;

	return day >= c->from && (c->to == 0 || day <= c->to);
}

static bool
gather_room(struct gathering *g)
{
	size_t room = 2 * g->room + 64;
	void *grown;

	if (g->count < g->room)
		return true;
	grown = g->count < ITEMS_MAX
		    ? realloc(g->items, room * sizeof(*g->items))
		    : NULL;
	if (grown == NULL) {
		(void)err_set(g->err, ERR_TEMP, "undelete: out of memory");
		g->failed = true;
		return false;
	}
	g->items = grown;
	g->room = room;
	return true;
}

static bool
gather_file(void *arg, const char *name, unsigned char type)
{
	struct gathering *g = arg;
	struct filename parsed;
	struct stat st;

	(void)type;
	if (name[0] == '.' || strcmp(name, KEPT_KEYWORDS) == 0 ||
	    !filename_parse(span_str(name), &parsed) ||
	    fstatat(g->fd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return true;
	if (!gather_room(g))
		return false;
	g->items[g->count++] = (struct item){
		.day = g->day,
		.folder_at = g->folder_at,
		.name_at = g->text.len,
		.octets = (uint64_t)st.st_size,
	};
	buf_append(&g->text, span_of(name, strlen(name) + 1));
	return true;
}

static bool
gather_folder(struct kept_walk *w, unsigned day, const char *name, int fd,
    struct err *err)
{
	struct gathering *g = (struct gathering *)w;
	CLEANUP(buf_fini) struct buf utf8;

	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	if ((g->folder[0] != '\0' && strcmp(g->folder, name) != 0) ||
	    (strcmp(name, KEPT_INBOX) != 0 &&
		!name_of_directory(span_str(name), &utf8)))
		return true;
	g->day = day;
	g->fd = fd;
	g->folder_at = g->text.len;
	buf_append(&g->text, span_of(name, strlen(name) + 1));
	return disk_list(fd, gather_file, g, err) == 0 && !g->failed;
}

static int
gather(struct account *a, struct gathering *g, struct err *err)
{
	CLEANUP(buf_fini) struct buf directory;

	buf_init(&directory, 4 * NAME_DIRECTORY_MAX);
	if (g->choice->mailbox.len > 0) {
		if (name_to_directory(g->choice->mailbox, &directory, err) ==
		    -1)
			return -1;
		(void)snprintf(g->folder, sizeof(g->folder), "%s",
		    kept_folder_name(buf_str(&directory)));
	}
	if (kept_walk(a, &g->walk, err) == -1 || buf_check(&g->text, err) == -1)
		return -1;
	for (size_t i = 0; i < g->count; i++) {
		struct item *item = &g->items[i];
		struct filename parsed;

		item->folder = buf_str(&g->text) + item->folder_at;
		item->name = buf_str(&g->text) + item->name_at;
		(void)filename_parse(span_str(item->name), &parsed);
		item->base = parsed.base;
	}
	return 0;
}

/* ---- what is in the mailboxes ---- */

static bool
add_base(void *arg, const char *name, unsigned char type)
{
	struct bases *b = arg;
	struct filename parsed;

	(void)type;
	if (filename_parse(span_str(name), &parsed)) {
		buf_append(&b->text, parsed.base);
		buf_append_octet(&b->text, '\0');
		b->count++;
	}
	return true;
}

static int
add_folder(
    struct account *a, struct span name, struct bases *b, struct err *err)
{
	static const char *const parts[] = { "new", "cur" };
	CLEANUP(buf_fini) struct buf path;

	buf_init(&path, 4 * NAME_DIRECTORY_MAX + 8);
	for (size_t i = 0; i < 2; i++) {
		CLEANUP(fd_close) int fd = -1;

		buf_clear(&path);
		if (name_to_directory(name, &path, err) == -1)
			return -1;
		buf_append_fmt(&path, "/%s", parts[i]);
		fd = disk_open_directory(a->fd, buf_str(&path), NULL);
		if (fd != -1 && disk_list(fd, add_base, b, err) == -1)
			return -1;
	}
	return 0;
}

static int
bases_find(struct account *a, struct bases *b, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };
	struct span text;

	if (mailbox_list(a, &list, err) == -1)
		return -1;
	for (size_t i = 0; i < list.count; i++)
		if (list.entries[i].exists &&
		    add_folder(a, span_str(list.entries[i].name), b, err) == -1)
			return -1;
	b->sorted = calloc(b->count + 1, sizeof(*b->sorted));
	if (b->sorted == NULL)
		return err_set(err, ERR_TEMP, "undelete: out of memory");
	if (buf_check(&b->text, err) == -1)
		return -1;
	text = buf_span(&b->text);
	for (size_t i = 0; i < b->count; i++)
		(void)span_take_until(&text, '\0', &b->sorted[i]);
	qsort(b->sorted, b->count, sizeof(*b->sorted), span_order);
	return 0;
}

static bool
is_live(const struct bases *b, struct span base)
{
	return bsearch(&base, b->sorted, b->count, sizeof(*b->sorted),
		   span_order) != NULL;
}

/* ---- each message once ---- */

/* Of the same message, the copy that was not in the bin, then the last. */
static int
by_message(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int diff = span_order(&x->base, &y->base);

	if (diff != 0)
		return diff;
	diff = (strcmp(x->folder, ".Trash") == 0) -
	       (strcmp(y->folder, ".Trash") == 0);
	return diff != 0 ? diff : (x->day < y->day) - (x->day > y->day);
}

static int
by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;
	int diff = strcmp(x->folder, y->folder);

	if (diff == 0)
		diff = (x->day > y->day) - (x->day < y->day);
	return diff != 0 ? diff : filename_cmp(x->base, y->base);
}

static void
choose(
    struct gathering *g, const struct bases *live, struct kept_result *result)
{
	size_t kept = 0;

	if (g->count == 0)
		return;
	qsort(g->items, g->count, sizeof(*g->items), by_message);
	for (size_t i = 0; i < g->count; i++) {
		if (is_live(live, g->items[i].base) ||
		    (kept > 0 && span_order(&g->items[kept - 1].base,
				     &g->items[i].base) == 0)) {
			result->live++;
			continue;
		}
		g->items[kept++] = g->items[i];
	}
	g->count = kept;
	qsort(g->items, g->count, sizeof(*g->items), by_place);
}

/* ---- back into a mailbox ---- */

struct bringing {
	struct account *account;
	struct folder *folder;
	struct span mailbox;
	int kept_fd;
	struct keywords *old; /* that the letters are of; NULL: the mailbox's */
	bool made;            /* just now: letters mean nothing in it */
	struct {
		char path[FILENAME_MAX_OCTETS + 8];
		char fields[FILENAME_MAX_OCTETS + 2];
	} names[RUN];
	struct view_add adds[RUN];
	const struct item *linked[RUN];
	size_t count;
	uint64_t octets;
};

/* Octets with every line ending in CRLF. */
static int
virtual_size(int fd, const char *name, uint64_t *out, struct err *err)
{
	CLEANUP(fd_close)
	int file = file_open_beneath(fd, name, O_RDONLY | O_NONBLOCK, 0, err);
	char octets[65536], last = '\0';
	uint64_t size = 0;
	ssize_t len;

	if (file == -1)
		return -1;
	while ((len = read(file, octets, sizeof(octets))) > 0) {
		for (ssize_t i = 0; i < len; i++) {
			size += octets[i] == '\n' && last != '\r' ? 2 : 1;
			last = octets[i];
		}
	}
	if (len == -1)
		return err_sys(err, "read %s", name);
	*out = size;
	return 0;
}

static uint64_t
letters_now(struct bringing *b, uint64_t letters)
{
	uint64_t out =
	    letters & MESSAGE_LETTERS & ~MESSAGE_KEYWORDS & ~MESSAGE_DELETED;

	for (unsigned n = 0; n < KEYWORDS_MAX; n++) {
		unsigned number = n;

		if ((letters & MESSAGE_KEYWORD(n)) == 0)
			continue;
		if (b->old != NULL) {
			if (folder_keyword(b->folder, keywords_name(b->old, n),
				&number, NULL) == -1)
				continue;
		} else if (b->made) {
			continue;
		}
		out |= MESSAGE_KEYWORD(number);
	}
	return out;
}

static int
bring_one(struct bringing *b, const struct item *item, struct err *err)
{
	CLEANUP(buf_fini) struct buf path;
	struct view_add *add = &b->adds[b->count];
	char *name = b->names[b->count].path;
	struct filename parsed;
	size_t base_len;

	buf_init(&path, sizeof(b->names[0].path) - 1);
	(void)filename_parse(span_str(item->name), &parsed);
	*add = (struct view_add){ .letters = letters_now(b, parsed.letters),
		.size_physical = item->octets,
		.size_virtual = parsed.size_virtual };
	if (add->size_virtual == MESSAGE_SIZE_UNKNOWN &&
	    virtual_size(b->kept_fd, item->name, &add->size_virtual, err) == -1)
		return -1;
	buf_append(&path, add->letters != 0 ? SPAN("cur/") : SPAN("new/"));
	store_base_name(b->account->store, &path);
	buf_append_fmt(&path, ",S=%llu,W=%llu",
	    (unsigned long long)add->size_physical,
	    (unsigned long long)add->size_virtual);
	base_len = path.len - 4;
	if (add->letters != 0)
		filename_format_info(add->letters, SPAN_NONE, &path);
	else
		add->letters = MESSAGE_IN_NEW;
	if (buf_check(&path, err) == -1)
		return -1;
	memcpy(name, buf_str(&path), path.len + 1);
	(void)snprintf(b->names[b->count].fields, sizeof(b->names[0].fields),
	    "G%.*s", SPAN_FMT(parsed.base));
	add->base = span_of(name + 4, base_len);
	add->info = span_str(name + 4 + base_len);
	add->fields = span_str(b->names[b->count].fields);
	if (linkat(b->kept_fd, item->name, b->folder->fd, name, 0) == -1) {
		/* Brought back by somebody else, or purged. */
		if (errno == ENOENT)
			return 0;
		return disk_err(err, "bring a message back");
	}
	b->linked[b->count++] = item;
	b->octets += item->octets;
	dotlock_touch(&b->folder->lock);
	return 0;
}

static int
bring_register(struct bringing *b, struct err *err)
{
	if (b->count == 0)
		return 0;
	if (folder_flush(b->folder->new_fd, err) == -1 ||
	    folder_flush(b->folder->cur_fd, err) == -1)
		return -1;
	return folder_add(b->folder, b->adds, b->count, err);
}

/* With turn and lock, up to date: these items, and on failure none. */
static int
bring_locked(
    struct bringing *b, const struct item *items, size_t count, struct err *err)
{
	struct quota_change change;
	int done = 0;

	b->count = 0;
	b->octets = 0;
	quota_begin(b->account, &change);
	for (size_t i = 0; done == 0 && i < count; i++)
		done = bring_one(b, &items[i], err);
	if (done == 0)
		done = bring_register(b, err);
	if (done == -1) {
		for (size_t i = 0; i < b->count; i++)
			(void)unlinkat(b->folder->fd, b->names[i].path, 0);
		b->count = 0;
		b->octets = 0;
	}
	quota_end(&change, (int64_t)b->octets, (int64_t)b->count);
	for (size_t i = 0; i < b->count; i++)
		(void)unlinkat(b->kept_fd, b->linked[i]->name, 0);
	return done;
}

static int
bring_run(
    struct bringing *b, const struct item *items, size_t count, struct err *err)
{
	struct folder *f = b->folder;
	int done = folder_begin_change(f, false, NULL, err);

	if (done == 0) {
		uidfile_check(f);
		done = folder_sync(f, false, NULL, err);
	}
	if (done == 0)
		done = bring_locked(b, items, count, err);
	folder_end(f);
	return done;
}

static void
read_keywords(struct bringing *b)
{
	CLEANUP(buf_fini) struct buf text;
	struct stat st;
	bool absent;

	keywords_unref(b->old);
	b->old = NULL;
	buf_init(&text, (size_t)64 * 1024);
	if (disk_read(b->kept_fd, KEPT_KEYWORDS, &text, &absent, &st, NULL) ==
		0 &&
	    !absent)
		b->old = keywords_parse(buf_span(&text));
}

/* Items of one folder and day. */
static int
bring_place(struct bringing *b, const struct item *items, size_t count,
    struct kept_result *result, struct err *err)
{
	char path[4 * NAME_DIRECTORY_MAX];
	int done = 0;

	(void)snprintf(
	    path, sizeof(path), KEPT_TOP "/%08u/%s", items->day, items->folder);
	b->kept_fd = disk_open_directory(b->account->fd, path, err);
	if (b->kept_fd == -1)
		return -1;
	read_keywords(b);
	for (size_t at = 0; done == 0 && at < count; at += RUN) {
		done = bring_run(
		    b, items + at, count - at < RUN ? count - at : RUN, err);
		result->messages += b->count;
		result->octets += b->octets;
	}
	fd_close(b->kept_fd);
	keywords_unref(b->old);
	b->old = NULL;
	return done;
}

static size_t
same_place(const struct item *items, size_t count)
{
	size_t n = 1;

	while (n < count && items[n].day == items[0].day &&
	       strcmp(items[n].folder, items[0].folder) == 0)
		n++;
	return n;
}

static struct span
mailbox_of(const char *folder, struct buf *utf8)
{
	buf_clear(utf8);
	if (strcmp(folder, KEPT_INBOX) == 0)
		return SPAN("INBOX");
	(void)name_of_directory(span_str(folder), utf8);
	return buf_span(utf8);
}

/* Into one mailbox: its folder is held for all of them. */
static int
bring_mailbox(struct account *a, const struct item *items, size_t count,
    struct span mailbox, struct kept_result *result, struct err *err)
{
	struct bringing *b = calloc(1, sizeof(*b));
	int done = 0;

	if (b == NULL)
		return err_set(err, ERR_TEMP, "undelete: out of memory");
	b->account = a;
	b->made = !mailbox_exists(a, mailbox);
	if (b->made)
		done = mailbox_create(a, mailbox, err);
	if (done == 0)
		done = folder_hold(a, mailbox, &b->folder, err);
	for (size_t at = 0, n; done == 0 && at < count; at += n) {
		n = same_place(items + at, count - at);
		done = bring_place(b, items + at, n, result, err);
	}
	if (b->folder != NULL)
		folder_release(b->folder);
	free(b);
	return done;
}

static int
bring_all(struct account *a, const struct gathering *g,
    struct kept_result *result, struct err *err)
{
	CLEANUP(buf_fini) struct buf utf8;
	int done = 0;

	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	for (size_t at = 0, n; done == 0 && at < g->count; at += n) {
		const struct item *items = g->items + at;

		for (n = 1; at + n < g->count &&
			    strcmp(items[n].folder, items[0].folder) == 0;
		     n++)
			;
		done = bring_mailbox(a, items, n,
		    mailbox_of(items[0].folder, &utf8), result, err);
	}
	return done;
}

/* ---- the whole ---- */

static void
tell_each(const struct gathering *g,
    void (*each)(
	void *arg, struct span mailbox, unsigned day, struct span name),
    void *arg)
{
	CLEANUP(buf_fini) struct buf utf8;

	buf_init(&utf8, 4 * MAILBOX_NAME_MAX);
	for (size_t i = 0; each != NULL && i < g->count; i++)
		each(arg, mailbox_of(g->items[i].folder, &utf8),
		    g->items[i].day, span_str(g->items[i].name));
}

int
kept_bring_back(struct account *a, const struct kept_choice *choice,
    void (*each)(
	void *arg, struct span mailbox, unsigned day, struct span name),
    void *arg, struct kept_result *result_out, struct err *err)
{
	CLEANUP(gathering_fini)
	struct gathering g = {
		.walk = { .wants = gather_wants, .folder = gather_folder },
		.choice = choice,
		.err = err,
	};
	CLEANUP(bases_fini) struct bases live = { 0 };
	uint64_t octets = 0;

	*result_out = (struct kept_result){ 0 };
	buf_init(&g.text, TEXT_MAX);
	buf_init(&live.text, TEXT_MAX);
	if (gather(a, &g, err) == -1 || bases_find(a, &live, err) == -1)
		return -1;
	choose(&g, &live, result_out);
	for (size_t i = 0; i < g.count; i++)
		octets += g.items[i].octets;
	tell_each(&g, each, arg);
	if (choice->dry || g.count == 0) {
		result_out->messages = g.count;
		result_out->octets = octets;
		return 0;
	}
	if (account_room(a, octets, g.count, err) == -1)
		return -1;
	return bring_all(a, &g, result_out, err);
}
