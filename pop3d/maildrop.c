/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/maildrop.h"

#include <stdlib.h>
#include <string.h>

#include "common/file.h"
#include "common/reactor.h"
#include "pop3d/maildrop_locks.h"
#include "pop3d/unique_ids.h"
#include "store/kept.h"
#include "store/mailbox.h"
#include "store/view.h"

enum {
	MARK_DELETED = 1 << 0,
	MARK_RETRIEVED = 1 << 1,
	MARK_UNREADABLE = 1 << 2
};

struct maildrop {
	struct maildrop_locks *locks;
	struct maildrop_lock *lock;
	struct account *account;
	int lock_fd; /* account_lock */
	struct mailbox *mailbox;
	struct view *view; /* the mailbox's, which never advances */
	uint32_t count;
	uint32_t deleted;
	uint32_t *order; /* view index of number - 1; NULL: the same */
	uint8_t *marks;  /* by view index; NULL: none */
	uint32_t unreadable;
	struct err unreadable_err; /* of the first one */
	struct unique_id_form form;
	struct unique_ids unique_ids;
	bool unique_ids_settled;
	bool measured;
	uint64_t octets; /* of all messages, when measured */
};

static uint32_t
index_of(const struct maildrop *d, uint32_t number)
{
	return d->order == NULL ? number - 1 : d->order[number - 1];
}

static const struct message *
message_of(const struct maildrop *d, uint32_t number)
{
	return view_at(d->view, index_of(d, number));
}

static int
maildrop_order(struct maildrop *d, struct err *err)
{
	if (d->count == 0)
		return 0;
	d->order = calloc(d->count, sizeof(*d->order));
	if (d->order == NULL)
		return err_sys(err, "order of %u messages", d->count);
	if (!view_maildrop_order(d->view, d->order)) {
		free(d->order);
		d->order = NULL;
	}
	return 0;
}

/* What can be known without reading any file. */
static void
maildrop_look(struct maildrop *d)
{
	uint64_t sum = 0, octets = 0;

	for (uint32_t i = 0; i < d->count; i++) {
		octets = view_at(d->view, i)->size_virtual;
		if (octets == MESSAGE_SIZE_UNKNOWN)
			break;
		sum += octets;
	}
	d->measured = d->count == 0 || octets != MESSAGE_SIZE_UNKNOWN;
	d->octets = sum;
	d->unique_ids_settled = !unique_ids_may_double(d->view, &d->form);
}

static enum maildrop_opened
maildrop_lock(
    struct maildrop *d, const struct maildrop_options *o, struct err *err)
{
	switch (maildrop_lock_take(
	    o->locks, o->account_id, clock_ms(), &d->lock, err)) {
	case MAILDROP_LOCK_TAKEN:
		break;
	case MAILDROP_LOCK_IN_USE:
		return MAILDROP_IN_USE;
	case MAILDROP_LOCK_TOO_SOON:
		return MAILDROP_TOO_SOON;
	case MAILDROP_LOCK_FAILED:
		return MAILDROP_FAILED;
	}
	if (account_open(o->store, span_str(o->tenant), span_str(o->account_id),
		ACCOUNT_CREATE, &d->account, err) == -1 ||
	    account_lock(d->account, &d->lock_fd, err) == -1)
		return MAILDROP_FAILED;
	account_keep_days(d->account, o->undelete_days);
	return d->lock_fd == -1 ? MAILDROP_IN_USE : MAILDROP_OPEN;
}

enum maildrop_opened
maildrop_open(const struct maildrop_options *o, struct maildrop **maildrop_out,
    struct err *err)
{
	CLEANUP(maildrop_close)
	struct maildrop *d = calloc(1, sizeof(*d));
	enum maildrop_opened opened;

	if (d == NULL) {
		(void)err_sys(err, "maildrop");
		return MAILDROP_FAILED;
	}
	d->lock_fd = -1;
	d->locks = o->locks;
	d->form = o->form;
	opened = maildrop_lock(d, o, err);
	if (opened != MAILDROP_OPEN)
		return opened;
	if (mailbox_open(d->account, SPAN("INBOX"), MAILBOX_WRITE, &d->mailbox,
		err) == -1)
		return MAILDROP_FAILED;
	d->view = mailbox_view(d->mailbox);
	d->count = view_count(d->view);
	if (maildrop_order(d, err) == -1)
		return MAILDROP_FAILED;
	maildrop_look(d);
	if (o->login_delay > 0)
		maildrop_lock_until(d->locks, d->lock,
		    clock_ms() + 1000 * (uint64_t)o->login_delay);
	*maildrop_out = STEAL(d);
	return MAILDROP_OPEN;
}

void
maildrop_close(struct maildrop *d)
{
	if (d == NULL)
		return;
	mailbox_close(d->mailbox);
	fd_close(d->lock_fd);
	account_unref(d->account);
	maildrop_lock_give(d->locks, d->lock, clock_ms());
	unique_ids_fini(&d->unique_ids);
	free(d->order);
	free(d->marks);
	free(d);
}

uint32_t
maildrop_count(const struct maildrop *d)
{
	return d->count;
}

bool
maildrop_has(const struct maildrop *d, uint32_t number)
{
	return number >= 1 && number <= d->count &&
	       (d->marks == NULL ||
		   (d->marks[index_of(d, number)] & MARK_DELETED) == 0);
}

static int
mark_at(struct maildrop *d, uint32_t index, uint8_t mark, struct err *err)
{
	if (d->marks == NULL) {
		d->marks = calloc(d->count, sizeof(*d->marks));
		if (d->marks == NULL)
			return err_sys(err, "marks of %u messages", d->count);
	}
	d->marks[index] |= mark;
	return 0;
}

static int
size_at(
    struct maildrop *d, uint32_t index, uint64_t *octets_out, struct err *err)
{
	const struct message *message = view_at(d->view, index);
	struct err seen = ERR_INIT;

	*octets_out = message->size_virtual;
	if (*octets_out != MESSAGE_SIZE_UNKNOWN)
		return 0;
	*octets_out = 0;
	if (d->marks != NULL && (d->marks[index] & MARK_UNREADABLE) != 0)
		return 0;
	if (message_size(d->mailbox, message->uid, octets_out, &seen) == 0)
		return 0;
	*octets_out = 0;
	if (seen.kind == ERR_POLICY)
		return 0;
	if (message_unreadable(&seen)) {
		if (d->unreadable++ == 0)
			d->unreadable_err = seen;
		return mark_at(d, index, MARK_UNREADABLE, err);
	}
	if (err != NULL)
		*err = seen;
	return -1;
}

uint32_t
maildrop_unreadable(struct maildrop *d, struct err *why_out)
{
	uint32_t count = d->unreadable;

	d->unreadable = 0;
	*why_out = d->unreadable_err;
	return count;
}

int
maildrop_size(
    struct maildrop *d, uint32_t number, uint64_t *octets_out, struct err *err)
{
	return size_at(d, index_of(d, number), octets_out, err);
}

void
maildrop_unique_id(const struct maildrop *d, uint32_t number, struct buf *out)
{
	uint32_t index = index_of(d, number);
	const struct unique_ids_item *changed =
	    unique_ids_find(&d->unique_ids, index);

	if (changed != NULL)
		buf_append(out, unique_ids_text(&d->unique_ids, changed));
	else
		view_unique_id(d->view, index, &d->form, out);
}

/* What was made to differ stays so: clients know it from now on. */
static int
unique_ids_keep(struct maildrop *d, struct err *err)
{
	const struct unique_ids *ids = &d->unique_ids;
	CLEANUP(mem_free) struct unique_id *keep = NULL;
	size_t count = 0;

	keep = calloc(ids->count, sizeof(*keep));
	if (keep == NULL)
		return err_sys(err, "unique-ids");
	for (size_t i = 0; i < ids->count; i++) {
		struct span text = unique_ids_text(ids, &ids->items[i]);

		if (text.len <= UNIQUE_ID_MAX)
			keep[count++] = (struct unique_id){
				view_at(d->view, ids->items[i].index)->uid, text
			};
	}
	return mailbox_keep_unique_ids(d->mailbox, keep, count, err);
}

int
maildrop_unique_ids(struct maildrop *d, size_t *changed_out,
    struct err *kept_err, struct err *err)
{
	*changed_out = 0;
	*kept_err = ERR_INIT;
	if (d->unique_ids_settled)
		return 0;
	if (unique_ids_settle(d->view, &d->form, &d->unique_ids, err) == -1)
		return -1;
	d->unique_ids_settled = true;
	*changed_out = d->unique_ids.count;
	if (d->unique_ids.count > 0)
		(void)unique_ids_keep(d, kept_err);
	return 0;
}

bool
maildrop_content_cached(
    struct maildrop *d, uint32_t number, struct content **content_out)
{
	return content_open_cached(
	    d->mailbox, message_of(d, number)->uid, content_out);
}

int
maildrop_content(struct maildrop *d, uint32_t number,
    struct content **content_out, struct err *err)
{
	return content_open(
	    d->mailbox, message_of(d, number)->uid, content_out, err);
}

static int
maildrop_mark(
    struct maildrop *d, uint32_t number, uint8_t mark, struct err *err)
{
	return mark_at(d, index_of(d, number), mark, err);
}

int
maildrop_delete(struct maildrop *d, uint32_t number, struct err *err)
{
	if (maildrop_mark(d, number, MARK_DELETED, err) == -1)
		return -1;
	d->deleted++;
	return 0;
}

int
maildrop_retrieved(struct maildrop *d, uint32_t number, struct err *err)
{
	if ((message_of(d, number)->letters & MESSAGE_SEEN) != 0)
		return 0; /* nothing to do at QUIT, so nothing to remember */
	return maildrop_mark(d, number, MARK_RETRIEVED, err);
}

int
maildrop_totals(struct maildrop *d, uint32_t *count_out, uint64_t *octets_out,
    struct err *err)
{
	uint64_t sum = 0, octets;

	for (uint32_t i = 0; !d->measured && i < d->count; i++) {
		if (size_at(d, i, &octets, err) == -1)
			return -1;
		sum += octets;
	}
	if (!d->measured)
		d->octets = sum;
	d->measured = true;
	*octets_out = d->octets;
	for (uint32_t i = 0; d->deleted > 0 && i < d->count; i++)
		if ((d->marks[i] & MARK_DELETED) != 0 &&
		    size_at(d, i, &octets, NULL) == 0)
			*octets_out -= octets;
	*count_out = d->count - d->deleted;
	return 0;
}

bool
maildrop_is_measured(const struct maildrop *d)
{
	return d->measured;
}

bool
maildrop_is_settled(const struct maildrop *d)
{
	return d->unique_ids_settled;
}

bool
maildrop_is_marked(const struct maildrop *d)
{
	return d->marks != NULL;
}

void
maildrop_reset(struct maildrop *d)
{
	for (uint32_t i = 0; d->marks != NULL && i < d->count; i++)
		d->marks[i] &= (uint8_t)~MARK_DELETED;
	d->deleted = 0;
}

/* The ascending uids of messages whose marks under mask are these. */
static size_t
maildrop_marked(
    const struct maildrop *d, uint8_t mask, uint8_t marks, uint32_t *uids)
{
	size_t len = 0;

	for (uint32_t i = 0; i < d->count; i++)
		if ((d->marks[i] & mask) == marks)
			uids[len++] = view_at(d->view, i)->uid;
	return len;
}

int
maildrop_update(
    struct maildrop *d, bool mark_seen, size_t *expunged_out, struct err *err)
{
	CLEANUP(mem_free) uint32_t *uids = NULL;
	size_t len;

	*expunged_out = 0;
	if (d->marks == NULL)
		return 0;
	uids = calloc(d->count, sizeof(*uids));
	if (uids == NULL)
		return err_sys(err, "uids of %u messages", d->count);

	len = maildrop_marked(d, MARK_DELETED, MARK_DELETED, uids);
	if (len > 0 &&
	    mailbox_expunge(d->mailbox, uids, len, expunged_out, err) == -1)
		return -1;
	/* Flags come after: what fails there loses nothing. */
	len = maildrop_marked(
	    d, MARK_DELETED | MARK_RETRIEVED, MARK_RETRIEVED, uids);
	if (!mark_seen || len == 0)
		return 0;
	return mailbox_flags(
	    d->mailbox, uids, len, FLAGS_ADD, MESSAGE_SEEN, err);
}
