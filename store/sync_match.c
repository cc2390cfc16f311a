/* SPDX-License-Identifier: BSD-2-Clause */
/* Matching files, lines of dovecot-uidlist and messages by base name. */
#include <stdlib.h>

#include "store/sync_private.h"
#include "store/uidlist.h"

static bool
info_differs(const struct view *v, uint32_t index, struct span info)
{
	CLEANUP(buf_fini) struct buf now;

	buf_init(&now, FILENAME_MAX_OCTETS + 60);
	view_file_info(v, index, &now);
	return !span_eq(buf_span(&now), info);
}

/*
 * One message of the old view against its file.  A file that has a later line
 * is another message: this one was expunged, and a copy of it came back under
 * its name.
 */
static void
match_old(struct sync *s, uint32_t index, struct scan_file *file)
{
	const struct message *m = view_at(s->old, index);
	uint64_t letters;

	if (file == NULL || file->uid != 0) {
		s->rewrite = s->rewrite || file != NULL;
		s->edits[s->edit_count++] =
		    (struct view_edit){ .index = index, .remove = true };
		return;
	}
	file->uid = m->uid;
	letters = file->name.letters | (file->in_new ? MESSAGE_IN_NEW : 0);
	if (letters == (m->letters & ~MESSAGE_RAW) &&
	    !info_differs(s->old, index, file->name.info))
		return;
	s->edits[s->edit_count++] = (struct view_edit){
		.index = index,
		.letters = letters,
		.renamed = true,
		.info = file->name.info,
	};
}

/* Mail we know to be in new/ is not there: it must be in cur/. */
static bool
new_missing(const struct sync *s)
{
	uint32_t count = s->old == NULL || view_count_new(s->old) == 0
			     ? 0
			     : view_count(s->old);

	for (uint32_t i = 0; i < count; i++)
		if ((view_at(s->old, i)->letters & MESSAGE_IN_NEW) != 0 &&
		    scan_find(&s->scan, view_base_name(s->old, i)) == NULL)
			return true;
	return false;
}

/* A UID that a session may have seen and then seen expunged never returns. */
static bool
uid_usable(const struct sync *s, uint32_t uid)
{
	uint32_t index;

	if (s->old != NULL)
		return uid >= view_uidnext(s->old);
	return s->rested == NULL || s->saved ||
	       uid >= view_uidnext(s->rested) ||
	       view_find(s->rested, uid, &index);
}

/* A line tells of a file that is not in new/: cur/ has changed, though perhaps
 * within one tick of the clock of its time. */
static bool
line_missing(const struct sync *s)
{
	for (size_t i = 0; i < s->known.count; i++)
		if (uid_usable(s, s->known.items[i].uid) &&
		    scan_find(&s->scan, s->known.items[i].base) == NULL)
			return true;
	return false;
}

int
sync_match_files(struct sync *s, bool move, struct err *err)
{
	if (scan_run(&s->scan, move, s->whole, err) == -1)
		return -1;
	if (s->whole ||
	    (!s->scan.missed && !new_missing(s) && !line_missing(s)))
		return 0;
	s->whole = true;
	return scan_whole(&s->scan, err);
}

int
sync_match_view(struct sync *s, struct err *err)
{
	uint32_t count = s->old == NULL ? 0 : view_count(s->old);

	s->edits = calloc((size_t)count + 1, sizeof(*s->edits));
	if (s->edits == NULL)
		return err_set(err, ERR_TEMP, "sync: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		/* cur/ was not listed, so what is there has not changed. */
		if (!s->whole &&
		    (view_at(s->old, i)->letters & MESSAGE_IN_NEW) == 0)
			continue;
		match_old(s, i, scan_find(&s->scan, view_base_name(s->old, i)));
	}
	return 0;
}

static void
match_line(struct sync *s, const struct known *line)
{
	struct scan_file *file = scan_find(&s->scan, line->base);
	struct buf *pending = &s->f->uidlist.pending;

	if (file == NULL) {
		/* Perhaps in cur/, which we did not list. */
		if (!s->whole)
			uidlist_line_format(
			    line->uid, line->fields, line->base, pending);
		return;
	}
	if (!uid_usable(s, line->uid))
		return;
	/* Of two lines with one base the later counts. */
	s->rewrite = s->rewrite || file->uid != 0;
	file->uid = line->uid;
	file->fields = line->fields;
}

/* The line of a uid in what was read; NULL: none.  *at only goes forward. */
static const struct known *
known_line(const struct known_list *k, size_t *at, uint32_t uid)
{
	while (*at < k->count && k->items[*at].uid < uid)
		++*at;
	return *at < k->count && k->items[*at].uid == uid ? &k->items[*at]
							  : NULL;
}

/*
 * After a foreign rewrite: lines that are missing are written again, and
 * fields that others gave (a unique-id, above all) are taken over.
 */
int
sync_match_fields(struct sync *s, struct err *err)
{
	uint32_t count = s->old == NULL ? 0 : view_count(s->old);
	struct view_edit *merged = calloc((size_t)count + 1, sizeof(*merged));
	size_t at = 0, next = 0, len = 0;

	if (merged == NULL)
		return err_set(err, ERR_TEMP, "sync: out of memory");
	for (uint32_t i = 0; i < count; i++) {
		const struct message *m = view_at(s->old, i);
		const struct known *line = known_line(&s->known, &at, m->uid);
		struct view_edit edit = { .index = i,
			.letters = m->letters & ~MESSAGE_RAW };
		bool edited = next < s->edit_count && s->edits[next].index == i;

		if (edited)
			edit = s->edits[next++];
		s->rewrite = s->rewrite || line == NULL;
		if (line != NULL &&
		    !span_eq(line->fields, view_fields(s->old, i))) {
			edit.has_fields = edited = true;
			edit.fields = line->fields;
		}
		if (edited)
			merged[len++] = edit;
	}
	free(s->edits);
	s->edits = merged;
	s->edit_count = len;
	return 0;
}

/* Lines that waited for their file, then the new ones. */
void
sync_match_lines(struct sync *s, struct buf *waited)
{
	struct buf *pending = &s->f->uidlist.pending;
	struct span text;
	struct uidlist_line line;

	*waited = *pending;
	buf_init(pending, waited->max);
	text = buf_span(waited);
	while (uidlist_line_take(&text, 3, 0, &line) == UIDLIST_LINE) {
		struct known known = { line.uid, line.base, line.fields };

		match_line(s, &known);
	}
	for (size_t i = 0; i < s->known.count; i++)
		match_line(s, &s->known.items[i]);
	if (buf_check(pending, NULL) == -1) {
		/* Too many to keep: read the file again next time. */
		buf_fini(pending);
		s->f->uidlist.loaded = false;
	}
}

/* ---- what is new ---- */

static int
file_cmp(const void *a, const void *b)
{
	const struct scan_file *x = *(struct scan_file *const *)a;
	const struct scan_file *y = *(struct scan_file *const *)b;

	/* Known UIDs first, ascending; then arrival. */
	if ((x->uid == 0) != (y->uid == 0))
		return x->uid == 0 ? 1 : -1;
	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return filename_cmp(x->name.base, y->name.base);
}

static uint64_t
field_size(const struct scan_file *file, char key, uint64_t by_name)
{
	struct span value;
	uint64_t octets;

	if (by_name == MESSAGE_SIZE_UNKNOWN &&
	    uidlist_field(file->fields, key, &value) &&
	    span_to_u64(value, &octets))
		return octets;
	return by_name;
}

/* The change number that the message had before everybody rested. */
static uint64_t
change_before(const struct sync *s, uint32_t uid, uint64_t letters)
{
	const struct message *m;
	uint32_t index;

	if (s->rested == NULL || !view_find(s->rested, uid, &index))
		return 0;
	m = view_at(s->rested, index);
	return ((m->letters ^ letters) & MESSAGE_VISIBLE) == 0 ? m->change : 0;
}

static void
add_file(struct sync *s, const struct scan_file *file)
{
	uint64_t letters =
	    file->name.letters | (file->in_new ? MESSAGE_IN_NEW : 0);

	s->adds[s->add_count++] = (struct view_add){
		.uid = file->uid,
		.letters = letters,
		.change = change_before(s, file->uid, letters),
		.size_physical =
		    field_size(file, 'S', file->name.size_physical),
		.size_virtual = field_size(file, 'W', file->name.size_virtual),
		.base = file->name.base,
		.info = file->name.info,
		.fields = file->fields,
	};
}

static bool
in_old(const struct sync *s, uint32_t uid)
{
	uint32_t index;

	return s->old != NULL && uid != 0 && view_find(s->old, uid, &index);
}

/* Files that the old view lacks become adds; those without UID get one. */
int
sync_adds(struct sync *s, struct err *err)
{
	CLEANUP(mem_free)
	struct scan_file **files =
	    calloc(s->scan.count + 1, sizeof(struct scan_file *));
	size_t count = 0;

	s->adds = calloc(s->scan.count + 1, sizeof(*s->adds));
	if (files == NULL || s->adds == NULL)
		return err_set(err, ERR_TEMP, "sync: out of memory");
	for (size_t i = 0; i < s->scan.count; i++) {
		struct scan_file *file = &s->scan.files[i];

		if (!file->doubled && !in_old(s, file->uid))
			files[count++] = file;
	}
	qsort(files, count, sizeof(struct scan_file *), file_cmp);
	for (size_t i = 0; i < count; i++) {
		if (files[i]->uid == 0) {
			if (s->facts.uidnext >= UINT32_MAX - 1)
				return err_set(
				    err, ERR_LIMIT, "no UID is left");
			files[i]->uid = s->facts.uidnext++;
			s->fresh++;
		} else if (files[i]->uid >= s->facts.uidnext) {
			s->facts.uidnext = files[i]->uid + 1;
		}
		add_file(s, files[i]);
	}
	return 0;
}
