/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/crash/model.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *
must(void *p)
{
	if (p == NULL)
		errx(1, "out of memory");
	return p;
}

/* ---- names ---- */

static struct entry *
entry_find(const struct entries *e, const char *name)
{
	for (size_t i = 0; i < e->count; i++)
		if (strcmp(e->items[i].name, name) == 0)
			return &e->items[i];
	return NULL;
}

static void
entry_put(struct model *m, struct entries *e, const char *name, struct inode *i)
{
	if (e->count == e->room) {
		e->room = 2 * e->room + 8;
		e->items =
		    must(realloc(e->items, e->room * sizeof(e->items[0])));
	}
	e->items[e->count++] = (struct entry){
		.name = must(strdup(name)),
		.inode = i,
		.cookie = ++m->last_cookie,
	};
}

static void
entry_remove(struct entries *e, const char *name)
{
	struct entry *at = entry_find(e, name);

	if (at == NULL)
		return;
	free(at->name);
	memmove(
	    at, at + 1, (size_t)(e->items + e->count - (at + 1)) * sizeof(*at));
	e->count--;
}

static void
entries_fini(struct entries *e)
{
	for (size_t i = 0; i < e->count; i++)
		free(e->items[i].name);
	free(e->items);
	*e = (struct entries){ 0 };
}

struct inode *
model_find(const struct inode *dir, const char *name)
{
	struct entry *e = entry_find(&dir->entries, name);

	return e == NULL ? NULL : e->inode;
}

void
model_path(const struct inode *i, char *out, size_t size)
{
	char rest[4096] = "", longer[4096];

	for (; i != NULL && i->parent != NULL; i = i->parent) {
		if (snprintf(longer, sizeof(longer), "%s%s%s", i->name,
			rest[0] == '\0' ? "" : "/",
			rest) >= (int)sizeof(longer))
			break;
		memcpy(rest, longer, sizeof(rest));
	}
	(void)snprintf(out, size, "%s", rest);
}

/* ---- inodes ---- */

static struct inode *
inode_new(struct model *m, mode_t mode, uid_t uid, gid_t gid)
{
	struct inode *i = must(calloc(1, sizeof(*i)));

	i->number = ++m->last_number;
	i->now.mode = mode;
	i->now.uid = uid;
	i->now.gid = gid;
	(void)clock_gettime(CLOCK_REALTIME, &i->now.atime);
	i->now.mtime = i->now.ctime = i->now.atime;
	i->kept = i->now;
	i->next = m->inodes;
	m->inodes = i;
	return i;
}

static void
inode_free(struct inode *i)
{
	free(i->name);
	free(i->data.p);
	free(i->kept_data.p);
	free(i->dirty);
	entries_fini(&i->entries);
	entries_fini(&i->kept_entries);
	free(i);
}

void
model_init(struct model *m)
{
	*m = (struct model){ 0 };
	m->ops_last = &m->ops;
	m->root = inode_new(m, S_IFDIR | 0755, 0, 0);
}

static void
ops_drop(struct model *m)
{
	while (m->ops != NULL) {
		struct op *op = m->ops;

		m->ops = op->next;
		for (unsigned i = 0; i < op->count; i++)
			free(op->changes[i].name);
		free(op);
	}
	m->ops_last = &m->ops;
}

void
model_fini(struct model *m)
{
	ops_drop(m);
	while (m->inodes != NULL) {
		struct inode *i = m->inodes;

		m->inodes = i->next;
		inode_free(i);
	}
}

static void
touch(struct inode *i)
{
	(void)clock_gettime(CLOCK_REALTIME, &i->now.mtime);
	i->now.ctime = i->now.mtime;
}

/* ---- changes of names ---- */

static struct op *
op_new(struct model *m)
{
	struct op *op = must(calloc(1, sizeof(*op)));

	*m->ops_last = op;
	m->ops_last = &op->next;
	return op;
}

static void
op_change(struct model *m, struct op *op, struct inode *dir, const char *name,
    struct inode *after)
{
	struct entry *before = entry_find(&dir->entries, name);

	if (before != NULL) {
		before->inode->links--;
		entry_remove(&dir->entries, name);
	}
	if (after != NULL) {
		entry_put(m, &dir->entries, name, after);
		after->links++;
		free(after->name);
		after->name = must(strdup(name));
		after->parent = dir;
	}
	op->changes[op->count++] = (struct change){
		.dir = dir,
		.name = must(strdup(name)),
		.inode = after,
	};
	touch(dir);
}

struct inode *
model_create(struct model *m, struct inode *dir, const char *name, mode_t mode,
    uid_t uid, gid_t gid)
{
	struct inode *i = inode_new(m, mode, uid, gid);

	op_change(m, op_new(m), dir, name, i);
	return i;
}

void
model_link(
    struct model *m, struct inode *dir, const char *name, struct inode *i)
{
	op_change(m, op_new(m), dir, name, i);
	(void)clock_gettime(CLOCK_REALTIME, &i->now.ctime);
}

void
model_unlink(struct model *m, struct inode *dir, const char *name)
{
	op_change(m, op_new(m), dir, name, NULL);
}

void
model_rename(struct model *m, struct inode *from, const char *name,
    struct inode *to, const char *new_name)
{
	struct inode *i = model_find(from, name);
	struct op *op = op_new(m);

	op_change(m, op, from, name, NULL);
	op_change(m, op, to, new_name, i);
	(void)clock_gettime(CLOCK_REALTIME, &i->now.ctime);
}

/* Whether a cut could bring it back. */
static bool
op_names(const struct model *m, const struct inode *i)
{
	for (const struct op *op = m->ops; op != NULL; op = op->next)
		for (unsigned k = 0; k < op->count; k++)
			if (op->changes[k].inode == i ||
			    op->changes[k].dir == i)
				return true;
	return false;
}

static bool
is_kept(const struct model *m, const struct inode *i)
{
	for (const struct inode *d = m->inodes; d != NULL; d = d->next)
		for (size_t k = 0; k < d->kept_entries.count; k++)
			if (d->kept_entries.items[k].inode == i)
				return true;
	return false;
}

/* Octets of a file that has no name and no user are room again; the inode
 * stays until the next cut, which may need it. */
void
model_forget(struct model *m, struct inode *i, uint64_t lookups)
{
	i->lookups -= lookups < i->lookups ? lookups : i->lookups;
	if (i->lookups > 0 || i->links > 0 || !S_ISREG(i->now.mode) || i->gone)
		return;
	i->gone = true;
	m->octets -= i->data.len;
	if (op_names(m, i) || is_kept(m, i))
		return;
	free(i->data.p);
	free(i->kept_data.p);
	free(i->dirty);
	i->data = i->kept_data = (struct octets){ 0 };
	i->dirty = NULL;
	i->dirty_room = 0;
}

/* ---- octets ---- */

static void
octets_resize(struct octets *o, size_t len)
{
	if (len > o->room) {
		size_t room = len < 4096 ? 4096 : len + len / 2;

		o->p = must(realloc(o->p, room));
		o->room = room;
	}
	if (len > o->len)
		memset(o->p + o->len, 0, len - o->len);
	o->len = len;
}

static size_t
pages(size_t len)
{
	return (len + MODEL_PAGE - 1) / MODEL_PAGE;
}

static void
mark_dirty(struct inode *i, size_t from, size_t to)
{
	size_t needed = pages(to);

	if (needed > i->dirty_room) {
		size_t room = needed + needed / 2 + 16;

		i->dirty = must(realloc(i->dirty, room));
		memset(i->dirty + i->dirty_room, 0, room - i->dirty_room);
		i->dirty_room = room;
	}
	if (to > from)
		memset(i->dirty + from / MODEL_PAGE, 1,
		    needed - from / MODEL_PAGE);
}

void
model_resize(struct model *m, struct inode *i, size_t size)
{
	size_t before = i->data.len;

	m->octets += size;
	m->octets -= before;
	mark_dirty(
	    i, before < size ? before : size, before < size ? size : before);
	octets_resize(&i->data, size);
	touch(i);
}

void
model_write(struct model *m, struct inode *i, size_t offset, const char *octets,
    size_t len)
{
	if (offset + len > i->data.len)
		model_resize(m, i, offset + len);
	memcpy(i->data.p + offset, octets, len);
	mark_dirty(i, offset, offset + len);
	touch(i);
}

/* ---- keeping ---- */

/* Copies a part of a page, or what of it there is. */
static void
keep_part(struct inode *i, size_t at, size_t len)
{
	if (at >= i->data.len || at >= i->kept_data.len)
		return;
	if (len > i->data.len - at)
		len = i->data.len - at;
	if (len > i->kept_data.len - at)
		len = i->kept_data.len - at;
	memcpy(i->kept_data.p + at, i->data.p + at, len);
}

static bool
same_slot(const struct change *a, const struct change *b)
{
	return a->dir == b->dir && strcmp(a->name, b->name) == 0;
}

static void
op_unlink(struct model *m, struct op *op)
{
	struct op **at = &m->ops;

	while (*at != NULL && *at != op)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = op->next;
	if (op->next == NULL)
		m->ops_last = at;
}

/* Earlier changes of the same names come first; the op is gone afterwards. */
static void
op_keep(struct model *m, struct op *op)
{
	for (struct op *earlier = m->ops; earlier != NULL && earlier != op;) {
		bool needed = false;

		for (unsigned a = 0; a < op->count; a++)
			for (unsigned b = 0; b < earlier->count; b++)
				needed = needed || same_slot(&op->changes[a],
						       &earlier->changes[b]);
		if (needed) {
			op_keep(m, earlier);
			earlier = m->ops; /* the list has changed */
		} else {
			earlier = earlier->next;
		}
	}
	for (unsigned a = 0; a < op->count; a++) {
		struct change *c = &op->changes[a];

		entry_remove(&c->dir->kept_entries, c->name);
		if (c->inode != NULL)
			entry_put(m, &c->dir->kept_entries, c->name, c->inode);
		free(c->name);
	}
	op_unlink(m, op);
	free(op);
}

static bool
op_pending(const struct model *m, const struct op *op)
{
	for (const struct op *p = m->ops; p != NULL; p = p->next)
		if (p == op)
			return true;
	return false;
}

void
flush_begin(struct model *m, struct inode *i, struct flush *f)
{
	size_t count = 0;

	*f = (struct flush){ .inode = i };
	if (S_ISREG(i->now.mode)) {
		f->page_count = i->dirty_room;
		f->pages = must(malloc(f->page_count + 1));
		if (f->page_count > 0)
			memcpy(f->pages, i->dirty, f->page_count);
	}
	for (const struct op *op = m->ops; op != NULL; op = op->next)
		count++;
	f->ops = must(calloc(count + 1, sizeof(struct op *)));
	for (struct op *op = m->ops; op != NULL; op = op->next)
		for (unsigned k = 0; k < op->count; k++)
			if (m->ordered || op->changes[k].dir == i) {
				f->ops[f->op_count++] = op;
				break;
			}
}

static void
keep_file(struct inode *i, const struct flush *f)
{
	octets_resize(&i->kept_data, i->data.len);
	for (size_t page = 0; page < f->page_count; page++)
		if (f->pages[page]) {
			keep_part(i, page * MODEL_PAGE, MODEL_PAGE);
			i->dirty[page] = 0;
		}
}

void
flush_end(struct model *m, struct flush *f, bool keep)
{
	if (keep) {
		if (f->pages != NULL)
			keep_file(f->inode, f);
		f->inode->kept = f->inode->now;
		for (size_t i = 0; i < f->op_count; i++)
			if (op_pending(m, f->ops[i]))
				op_keep(m, f->ops[i]);
	}
	free(f->pages);
	free(f->ops);
}

void
model_keep_all(struct model *m)
{
	while (m->ops != NULL)
		op_keep(m, m->ops);
	for (struct inode *i = m->inodes; i != NULL; i = i->next) {
		octets_resize(&i->kept_data, i->data.len);
		keep_part(i, 0, i->data.len);
		if (i->dirty != NULL)
			memset(i->dirty, 0, i->dirty_room);
		i->kept = i->now;
	}
}

/* ---- the cut ---- */

struct dice {
	uint64_t state;
	unsigned chance;
};

/* splitmix64 */
static uint64_t
throw_dice(struct dice *d)
{
	uint64_t z = d->state += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static bool
survives(struct dice *d)
{
	return throw_dice(d) % 256 < d->chance;
}

static void
cut_file(struct inode *i, struct dice *d, bool tear)
{
	if (i->data.len != i->kept_data.len && survives(d))
		octets_resize(&i->kept_data, i->data.len);
	for (size_t page = 0; page < pages(i->kept_data.len); page++) {
		size_t at = page * MODEL_PAGE;

		if (page >= i->dirty_room || !i->dirty[page])
			continue;
		if (!tear || throw_dice(d) % 4 != 0) {
			if (survives(d))
				keep_part(i, at, MODEL_PAGE);
			continue;
		}
		for (size_t s = 0; s < MODEL_PAGE; s += MODEL_SECTOR)
			if (survives(d))
				keep_part(i, at + s, MODEL_SECTOR);
	}
}

static void
cut_names(struct model *m, struct dice *d)
{
	size_t count = 0, at = 0;
	struct op **ops;

	/* A journal's end: all before it, nothing behind it. */
	while (m->ordered && m->ops != NULL && survives(d))
		op_keep(m, m->ops);
	for (struct op *op = m->ops; op != NULL; op = op->next)
		count++;
	ops = must(calloc(count + 1, sizeof(struct op *)));
	for (struct op *op = m->ops; op != NULL; op = op->next)
		ops[at++] = op;
	for (at = 0; !m->ordered && at < count; at++)
		if (survives(d) && op_pending(m, ops[at]))
			op_keep(m, ops[at]);
	free(ops);
	ops_drop(m);
}

/* What has a name is what there is. */
static void
take_kept(struct model *m, struct inode *i)
{
	if (i->reached)
		return;
	i->reached = true;
	i->now = i->kept;
	octets_resize(&i->data, i->kept_data.len);
	if (i->data.len > 0)
		memcpy(i->data.p, i->kept_data.p, i->data.len);
	if (i->dirty != NULL)
		memset(i->dirty, 0, i->dirty_room);
	entries_fini(&i->entries);
	for (size_t k = 0; k < i->kept_entries.count; k++) {
		const struct entry *e = &i->kept_entries.items[k];

		entry_put(m, &i->entries, e->name, e->inode);
		e->inode->links++;
		free(e->inode->name);
		e->inode->name = must(strdup(e->name));
		e->inode->parent = i;
		take_kept(m, e->inode);
	}
}

void
model_cut(struct model *m, uint64_t seed, unsigned chance, bool tear)
{
	struct dice d = { .state = seed, .chance = chance };
	struct inode **at = &m->inodes;

	cut_names(m, &d);
	for (struct inode *i = m->inodes; i != NULL; i = i->next) {
		if (S_ISREG(i->now.mode))
			cut_file(i, &d, tear);
		if (survives(&d))
			i->kept = i->now;
		i->reached = false;
		i->links = 0;
		i->lookups = 0;
	}
	take_kept(m, m->root);
	m->octets = 0;
	while (*at != NULL) {
		struct inode *i = *at;

		if (i->reached) {
			m->octets += i->data.len;
			at = &i->next;
			continue;
		}
		*at = i->next;
		inode_free(i);
	}
}
