/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a backup into the store: backup.h.
 *
 * Files are copied into tmp/ and flushed first.  Then, under the mailbox's
 * lock, a mailbox that takes over the backup's UIDs gets its list and after
 * that the files; any other gets the files, and then its list is appended to.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/file.h"
#include "store/backup_private.h"
#include "store/filename.h"
#include "store/list.h"
#include "store/name.h"
#include "store/quota.h"
#include "store/subscriptions.h"
#include "store/uidlist.h"

#define LIST_MAX ((size_t)512 * 1024 * 1024)
/* So many share a flush, and a turn of the lock. */
#define RUN 512

/* A message that is in tmp/. */
struct placed {
	uint32_t index; /* in the backup's view */
	char tmp[FILENAME_MAX_OCTETS + 8];
	uint64_t octets, bare_lf;
};

struct reading {
	struct account *account;
	int dir_fd;
	const struct backup_options *options;
	const struct backup_side *side;
	struct backup_result *result;
	struct err *err;
	bool failed;

	/* The mailbox at work. */
	struct backup_folder from;
	struct folder *to;
	bool inbox;
	struct span *bases; /* of what it holds, sorted */
	size_t base_count;
	struct view *view; /* that they point into */
	struct placed placed[RUN];
	struct view_add adds[RUN];
	struct {
		char path[FILENAME_MAX_OCTETS + 8];
		char fields[2 * FILENAME_MAX_OCTETS + 8];
	} names[RUN];
	size_t count;
};

/* ---- into tmp/ ---- */

/* tmp/name; -1 with nothing there, or nothing that counts. */
static int
copy_in(struct reading *r, uint32_t index, const char *name, struct placed *p,
    struct err *err)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { 0 } };
	CLEANUP(buf_fini) struct buf path;
	CLEANUP(fd_close) int from = -1;
	CLEANUP(fd_close) int to = -1;
	struct stat st;

	buf_init(&path, FILENAME_MAX_OCTETS + 8);
	view_file_path(r->from.view, index, &path);
	r->side->outside(r->side->arg);
	from = file_open_beneath(
	    r->from.fd, buf_str(&path), O_RDONLY | O_NONBLOCK, 0, err);
	r->side->inside(r->side->arg);
	if (from == -1)
		return -1;
	if (fstat(from, &st) == -1)
		return err_sys(err, "stat of the backup's %s", buf_str(&path));
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_POLICY, "%s of the backup is no file",
		    buf_str(&path));
	*p = (struct placed){ .index = index };
	(void)snprintf(p->tmp, sizeof(p->tmp), "tmp/%s", name);
	(void)unlinkat(r->to->fd, p->tmp, 0); /* of a run that was cut short */
	to = file_open_beneath(
	    r->to->fd, p->tmp, O_WRONLY | O_CREAT | O_EXCL, 0600, NULL);
	if (to == -1)
		return disk_err(err, "create %s", p->tmp);
	times[1] = st.st_mtim;
	if (backup_copy(from, to, &p->octets, &p->bare_lf, err) == -1 ||
	    futimens(to, times) == -1) {
		(void)unlinkat(r->to->fd, p->tmp, 0);
		return disk_err(err, "write %s", p->tmp);
	}
	r->result->copied++;
	r->result->octets += p->octets;
	r->side->step(r->side->arg, p->octets);
	return 0;
}

static int
flush_tmp(struct reading *r, struct err *err)
{
	return syncfs(r->to->fd) == -1 ? disk_err(err, "flush the mailbox") : 0;
}

/* ---- a mailbox that takes the UIDs over ---- */

static void
base_string(struct span base, char out[FILENAME_MAX_OCTETS + 1])
{
	(void)snprintf(out, FILENAME_MAX_OCTETS + 1, "%.*s", SPAN_FMT(base));
}

static int
install_list(struct reading *r, struct err *err)
{
	const struct view *v = r->from.view;
	struct uidlist_header h = { .version = 3,
		.uidvalidity = r->from.uidvalidity,
		.uidnext = r->from.uidnext };
	CLEANUP(buf_fini) struct buf text;
	struct stat st;

	if (h.uidnext < UINT32_MAX - BACKUP_UID_GAP - 1)
		h.uidnext += BACKUP_UID_GAP;
	memcpy(h.mailbox_id, r->from.mailbox_id, sizeof(h.mailbox_id));
	buf_init(&text, LIST_MAX);
	uidlist_header_format(&h, &text);
	for (uint32_t i = 0; i < view_count(v); i++)
		uidlist_line_format(view_at(v, i)->uid, view_fields(v, i),
		    view_base_name(v, i), &text);
	if (buf_check(&text, err) == -1 ||
	    keywordfile_write(r->to, r->from.keywords, err) == -1)
		return -1;
	return disk_replace(r->to->fd, "dovecot-uidlist", "dovecot-uidlist.tmp",
	    buf_span(&text), r->to->uidlist.stamp.seconds, &st, err);
}

static int
install_files(struct reading *r, uint64_t *octets_out, uint64_t *count_out,
    struct err *err)
{
	const struct view *v = r->from.view;

	for (uint32_t i = 0; i < view_count(v); i++) {
		char base[FILENAME_MAX_OCTETS + 1],
		    tmp[FILENAME_MAX_OCTETS + 8];
		CLEANUP(buf_fini) struct buf path;
		struct stat st;

		buf_init(&path, FILENAME_MAX_OCTETS + 8);
		view_file_path(v, i, &path);
		base_string(view_base_name(v, i), base);
		(void)snprintf(tmp, sizeof(tmp), "tmp/%s", base);
		if (fstatat(r->to->fd, tmp, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
		    disk_rename_new(
			r->to->fd, tmp, r->to->fd, buf_str(&path)) == -1)
			return disk_err(err, "place %s", base);
		*octets_out += (uint64_t)st.st_size;
		++*count_out;
		dotlock_touch(&r->to->lock);
	}
	return folder_flush(r->to->new_fd, err) == -1 ||
		       folder_flush(r->to->cur_fd, err) == -1
		   ? -1
		   : 0;
}

/* With turn and lock.  Afterwards this folder is another one. */
static int
install_locked(struct reading *r, struct err *err)
{
	struct quota_change change;
	uint64_t octets = 0, count = 0;
	int done;

	if (install_list(r, err) == -1)
		return -1;
	quota_begin(r->account, &change);
	done = install_files(r, &octets, &count, err);
	quota_end(&change, (int64_t)octets, (int64_t)count);
	return done;
}

static bool
takes_over(const struct reading *r, const struct view *v)
{
	return view_count(v) == 0 && r->from.uidvalidity != 0 &&
	       view_count(r->from.view) > 0 &&
	       /* Made in the same second; it has given out no UID. */
	       (view_uidvalidity(v) != r->from.uidvalidity ||
		   view_uidnext(v) == 1);
}

/* *done_out false: somebody put mail into it meanwhile. */
static int
install(struct reading *r, bool *done_out, struct err *err)
{
	const struct view *v = r->from.view;
	CLEANUP(view_unref) struct view *now = NULL;
	int done = 0;

	for (uint32_t i = 0; done == 0 && i < view_count(v); i++) {
		char base[FILENAME_MAX_OCTETS + 1];

		base_string(view_base_name(v, i), base);
		done = copy_in(r, i, base, &r->placed[0], err);
	}
	if (done == 0)
		done = flush_tmp(r, err);
	if (done == -1)
		return -1;
	done = folder_begin_change(r->to, false, NULL, err);
	if (done == 0)
		now = folder_current(r->to);
	*done_out = done == 0 && takes_over(r, now);
	if (*done_out)
		done = install_locked(r, err);
	if (*done_out)
		r->to->dead = true; /* with all who had it open */
	folder_end(r->to);
	r->result->renumbered += view_count(v) - r->from.known;
	return done;
}

/* ---- one that holds messages ---- */

/* Names of what is there, and what they were called before. */
static int
find_bases(struct reading *r, struct err *err)
{
	struct view *v = r->view;

	free(r->bases);
	r->base_count = 0;
	r->bases = calloc(2 * (size_t)view_count(v) + 1, sizeof(*r->bases));
	if (r->bases == NULL)
		return err_set(err, ERR_TEMP, "restore: out of memory");
	for (uint32_t i = 0; i < view_count(v); i++) {
		struct span id;

		r->bases[r->base_count++] = view_base_name(v, i);
		if (view_field(v, i, 'G', &id))
			r->bases[r->base_count++] = id;
	}
	qsort(r->bases, r->base_count, sizeof(*r->bases), span_order);
	return 0;
}

static bool
is_there(const struct reading *r, uint32_t index)
{
	struct span base = view_base_name(r->from.view, index), id;

	return bsearch(&base, r->bases, r->base_count, sizeof(*r->bases),
		   span_order) != NULL ||
	       (view_field(r->from.view, index, 'G', &id) &&
		   bsearch(&id, r->bases, r->base_count, sizeof(*r->bases),
		       span_order) != NULL);
}

static uint64_t
letters_there(struct reading *r, uint64_t letters)
{
	uint64_t out = letters & MESSAGE_LETTERS & ~MESSAGE_KEYWORDS;

	for (unsigned n = 0; n < KEYWORDS_MAX; n++) {
		unsigned number;

		if ((letters & MESSAGE_KEYWORD(n)) != 0 &&
		    folder_keyword(r->to, keywords_name(r->from.keywords, n),
			&number, NULL) == 0)
			out |= MESSAGE_KEYWORD(number);
	}
	return out;
}

/* What a client of the backup's server knew it by. */
static void
fields_there(struct reading *r, uint32_t index, struct buf *out)
{
	const struct view *v = r->from.view;
	CLEANUP(buf_fini) struct buf unique_id;
	struct span id;

	buf_init(&unique_id, UNIQUE_ID_MAX + 64);
	if (!view_field(v, index, 'G', &id))
		id = view_base_name(v, index);
	buf_append_fmt(out, "G%.*s", SPAN_FMT(id));
	if (!r->inbox || index >= r->from.known)
		return;
	view_unique_id(v, index, r->options->form, &unique_id);
	if (unique_id.len <= UNIQUE_ID_MAX)
		buf_append_fmt(out, " P%s", buf_str(&unique_id));
}

/* With turn and lock: the name and the line of the i-th of this run. */
static int
name_one(struct reading *r, size_t i, struct err *err)
{
	const struct placed *p = &r->placed[i];
	struct view_add *add = &r->adds[i];
	CLEANUP(buf_fini) struct buf path;
	CLEANUP(buf_fini) struct buf fields;
	size_t base_len;

	buf_init(&path, sizeof(r->names[0].path) - 1);
	buf_init(&fields, sizeof(r->names[0].fields) - 1);
	*add = (struct view_add){ .size_physical = p->octets,
		.size_virtual = p->octets + p->bare_lf,
		.letters = letters_there(
		    r, view_at(r->from.view, p->index)->letters) };
	buf_append(&path, add->letters != 0 ? SPAN("cur/") : SPAN("new/"));
	store_base_name(r->account->store, &path);
	buf_append_fmt(&path, ",S=%llu,W=%llu",
	    (unsigned long long)add->size_physical,
	    (unsigned long long)add->size_virtual);
	base_len = path.len - 4;
	if (add->letters != 0)
		filename_format_info(add->letters, SPAN_NONE, &path);
	else
		add->letters = MESSAGE_IN_NEW;
	fields_there(r, p->index, &fields);
	if (buf_check(&path, err) == -1 || buf_check(&fields, err) == -1)
		return -1;
	memcpy(r->names[i].path, buf_str(&path), path.len + 1);
	memcpy(r->names[i].fields, buf_str(&fields), fields.len + 1);
	add->base = span_of(r->names[i].path + 4, base_len);
	add->info = span_str(r->names[i].path + 4 + base_len);
	add->fields = span_str(r->names[i].fields);
	return 0;
}

static int
show_run(struct reading *r, size_t *shown, struct err *err)
{
	for (*shown = 0; *shown < r->count; ++*shown) {
		size_t i = *shown;

		if (name_one(r, i, err) == -1)
			return -1;
		if (disk_rename_new(r->to->fd, r->placed[i].tmp, r->to->fd,
			r->names[i].path) == -1)
			return disk_err(err, "place a message");
	}
	if (folder_flush(r->to->new_fd, err) == -1 ||
	    folder_flush(r->to->cur_fd, err) == -1)
		return -1;
	return folder_add(r->to, r->adds, r->count, err);
}

static int
add_locked(struct reading *r, struct err *err)
{
	struct quota_change change;
	uint64_t octets = 0;
	size_t shown;
	int done;

	quota_begin(r->account, &change);
	done = show_run(r, &shown, err);
	for (size_t i = 0; i < shown; i++) {
		octets += r->placed[i].octets;
		if (done == -1)
			(void)unlinkat(r->to->fd, r->names[i].path, 0);
	}
	quota_end(&change, done == -1 ? 0 : (int64_t)octets,
	    done == -1 ? 0 : (int64_t)shown);
	return done;
}

static int
add_run(struct reading *r, struct err *err)
{
	int done = flush_tmp(r, err);

	if (done == 0) {
		done = folder_begin_change(r->to, false, NULL, err);
		if (done == 0) {
			uidfile_check(r->to);
			done = folder_sync(r->to, false, NULL, err);
		}
		if (done == 0)
			done = add_locked(r, err);
		folder_end(r->to);
	}
	for (size_t i = 0; done == -1 && i < r->count; i++)
		(void)unlinkat(r->to->fd, r->placed[i].tmp, 0);
	r->result->renumbered += done == 0 ? r->count : 0;
	r->count = 0;
	return done;
}

static int
add_missing(struct reading *r, struct err *err)
{
	int done = find_bases(r, err);

	r->count = 0;
	for (uint32_t i = 0; done == 0 && i < view_count(r->from.view); i++) {
		CLEANUP(buf_fini) struct buf name;

		buf_init(&name, FILENAME_MAX_OCTETS);
		if (is_there(r, i)) {
			r->side->step(r->side->arg, 0);
			continue;
		}
		store_base_name(r->account->store, &name);
		done = copy_in(r, i, buf_str(&name), &r->placed[r->count], err);
		r->count += done == 0;
		if (done == 0 && r->count == RUN)
			done = add_run(r, err);
	}
	if (done == 0 && r->count > 0)
		done = add_run(r, err);
	return done;
}

/* ---- mailboxes ---- */

static int
look(struct reading *r, struct err *err)
{
	int done = folder_begin_change(r->to, false, NULL, err);

	view_unref(r->view);
	r->view = done == 0 ? folder_current(r->to) : NULL;
	folder_end(r->to);
	return done;
}

static int
fill_mailbox(
    struct reading *r, const char *directory, struct span name, struct err *err)
{
	bool installed = false;
	int done = look(r, err);

	if (done == 0 && takes_over(r, r->view))
		done = install(r, &installed, err);
	if (installed) {
		CLEANUP(buf_fini) struct buf own;

		buf_init(&own, 4 * NAME_DIRECTORY_MAX);
		(void)directory;
		if (name_to_directory(name, &own, NULL) == 0)
			account_forget_folder(r->account, buf_str(&own), true);
		return done;
	}
	if (done == 0)
		done = look(r, err);
	return done == 0 ? add_missing(r, err) : -1;
}

static int
read_mailbox(
    struct reading *r, const char *directory, struct span name, struct err *err)
{
	int done;

	r->side->outside(r->side->arg);
	done = backup_folder_load(r->dir_fd, directory, &r->from, err);
	r->side->inside(r->side->arg);
	if (done == 0 && !mailbox_exists(r->account, name))
		done = mailbox_create(r->account, name, err);
	if (done == 0)
		done = folder_hold(r->account, name, &r->to, err);
	if (done == 0) {
		r->inbox = mailbox_name_is_inbox(name);
		r->result->mailboxes++;
		r->result->messages += view_count(r->from.view);
		done = fill_mailbox(r, directory, name, err);
		folder_release(r->to);
	}
	backup_folder_fini(&r->from);
	return done;
}

static bool
read_each(void *arg, const char *directory, struct span name)
{
	struct reading *r = arg;

	if (r->options->mailbox.len > 0 &&
	    !span_eq(r->options->mailbox, name) &&
	    !(mailbox_name_is_inbox(r->options->mailbox) &&
		mailbox_name_is_inbox(name)))
		return true;
	r->failed = read_mailbox(r, directory, name, r->err) == -1;
	if (r->failed)
		(void)err_prefix(r->err, "%.*s", SPAN_FMT(name));
	/* Back to where the next folder is found. */
	r->side->outside(r->side->arg);
	return !r->failed;
}

/* ---- subscriptions ---- */

static int
read_subscriptions(struct reading *r, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct span rest, line;
	struct stat st;
	bool absent, v2;
	int done;

	buf_init(&text, SUBSCRIPTIONS_OCTETS_MAX);
	r->side->outside(r->side->arg);
	done = disk_read(r->dir_fd, "subscriptions", &text, &absent, &st, err);
	r->side->inside(r->side->arg);
	if (done == -1 || absent)
		return done;
	rest = buf_span(&text);
	v2 = span_starts(rest, SPAN("V\t2\n"));
	if (v2)
		rest = span_from(rest, 4);
	while (span_take_until(&rest, '\n', &line)) {
		CLEANUP(buf_fini) struct buf name;

		buf_init(&name, 4 * MAILBOX_NAME_MAX);
		if (line.len > 0 && subscriptions_line(line, v2, &name) &&
		    mailbox_subscribe(r->account, buf_span(&name), true, err) ==
			-1)
			return -1;
	}
	return 0;
}

int
backup_read(struct account *a, int dir_fd, const struct backup_options *o,
    const struct backup_side *side, struct backup_result *result_out,
    struct err *err)
{
	struct reading *r = calloc(1, sizeof(*r));
	int done;

	if (r == NULL)
		return err_set(err, ERR_TEMP, "restore: out of memory");
	r->account = a;
	r->dir_fd = dir_fd;
	r->options = o;
	r->side = side;
	r->result = result_out;
	r->err = err;
	r->from.fd = -1;
	*result_out = (struct backup_result){ 0 };
	side->outside(side->arg);
	done = backup_each_folder(dir_fd, read_each, r, err);
	side->inside(side->arg);
	if (r->failed)
		done = -1;
	if (done == 0 && o->mailbox.len > 0 && result_out->mailboxes == 0)
		done =
		    err_set(err, ERR_POLICY, "the backup has no such mailbox");
	if (done == 0 && o->mailbox.len == 0)
		done = read_subscriptions(r, err);
	view_unref(r->view);
	free(r->bases);
	free(r);
	return done;
}
