/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The selected mailbox: what its client knows, and what it is told.
 *
 * The sequence numbers of a client change only by an EXPUNGE response; the
 * store keeps the view that goes with them (mailbox.h), and moves it when
 * asked, here.
 */
#include "imapd/session.h"

#include <stdlib.h>

#include "imapd/reply.h"

/* What mailbox_advance told, written once the new view is in place. */
struct news {
	struct imap_session *s;
	const struct sync_own *own;
	struct numbers {
		uint32_t *items;
		size_t len, cap;
	} changed, vanished; /* sequence numbers; UIDs */
	bool exists, keywords;
	bool failed;
};

static void
number_add(struct news *n, struct numbers *to, uint32_t number)
{
	if (to->len == to->cap) {
		size_t cap = to->cap == 0 ? 64 : 2 * to->cap;
		uint32_t *more = reallocarray(to->items, cap, sizeof(*more));

		if (more == NULL) {
			n->failed = true;
			return;
		}
		to->items = more;
		to->cap = cap;
	}
	to->items[to->len++] = number;
}

static void
news_expunged(void *arg, uint32_t seq, uint32_t uid)
{
	struct news *n = arg;

	if (n->s->qresync) {
		number_add(n, &n->vanished, uid);
		return;
	}
	buf_append_fmt(&n->s->out, "* %u EXPUNGE\r\n", seq);
	session_out(n->s);
}

static void
news_exists(void *arg, uint32_t count)
{
	struct news *n = arg;

	(void)count;
	n->exists = true;
}

static void
news_flags(void *arg, uint32_t seq, const struct message *message)
{
	struct news *n = arg;

	(void)message;
	number_add(n, &n->changed, seq);
}

static void
news_keywords(void *arg, const struct view *v)
{
	struct news *n = arg;

	(void)v;
	n->keywords = true;
}

static const struct mailbox_events news_events = {
	.expunged = news_expunged,
	.exists = news_exists,
	.flags = news_flags,
	.keywords = news_keywords,
};

/* Up to where the items of the response's end go. */
static const struct message *
fetch_begin(struct imap_session *s, uint32_t index)
{
	const struct message *m = view_at(mailbox_view(s->mailbox), index);

	buf_append_fmt(&s->out, "* %u FETCH (", index + 1);
	if (s->uid || s->qresync)
		buf_append_fmt(&s->out, "UID %u ", m->uid);
	return m;
}

void
session_flags_write(struct imap_session *s, uint32_t index)
{
	const struct message *m = fetch_begin(s, index);

	buf_append(&s->out, SPAN("FLAGS "));
	imap_flags_write(&s->out, mailbox_view(s->mailbox), m->letters,
	    mailbox_recent(s->mailbox, m));
	if (s->condstore) {
		buf_append(&s->out, SPAN(" MODSEQ ("));
		buf_append_u64(&s->out, m->change);
		buf_append_octet(&s->out, ')');
	}
	buf_append(&s->out, SPAN(")\r\n"));
	session_out(s);
}

void
session_modseq_write(struct imap_session *s, uint32_t index)
{
	const struct message *m = fetch_begin(s, index);

	buf_append(&s->out, SPAN("MODSEQ ("));
	buf_append_u64(&s->out, m->change);
	buf_append(&s->out, SPAN("))\r\n"));
	session_out(s);
}

/* "\Seen" and so on, and the keywords of the mailbox. */
void
session_mailbox_flags_write(struct imap_session *s)
{
	const struct view *v = mailbox_view(s->mailbox);
	CLEANUP(buf_fini) struct buf names;

	buf_init(&names, 65536);
	for (size_t i = 0; i < 5; i++)
		buf_append_fmt(&names, "%s%s", i == 0 ? "" : " ",
		    imap_system_flags[i].name);
	for (unsigned n = 0; n < 26; n++) {
		struct span keyword = view_keyword(v, n);

		if (keyword.len == 0)
			continue;
		buf_append_octet(&names, ' ');
		buf_append(&names, keyword);
	}
	buf_append_fmt(&s->out, "* FLAGS (%s)\r\n", buf_str(&names));
	if (s->read_only)
		buf_append(&s->out,
		    SPAN("* OK [PERMANENTFLAGS ()] Read-only mailbox\r\n"));
	else
		buf_append_fmt(&s->out,
		    "* OK [PERMANENTFLAGS (%s%s)] Flags permitted\r\n",
		    buf_str(&names), view_keyword_free(v) ? " \\*" : "");
}

/* Whether the client knows the message's flags by its own command. */
static bool
own_knows(const struct sync_own *own, const struct message *m)
{
	size_t low = 0, high = own == NULL ? 0 : own->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (own->uids[middle] < m->uid)
			low = middle + 1;
		else
			high = middle;
	}
	return own != NULL && low < own->count && own->uids[low] == m->uid &&
	       own->letters[low] ==
		   (m->letters & (MESSAGE_SYSTEM_FLAGS | MESSAGE_KEYWORDS));
}

static void
news_write(struct news *n)
{
	struct imap_session *s = n->s;
	const struct view *v = mailbox_view(s->mailbox);

	if (n->vanished.len > 0) {
		buf_append(&s->out, SPAN("* VANISHED "));
		sequence_set_format(
		    n->vanished.items, n->vanished.len, &s->out);
		buf_append(&s->out, SPAN("\r\n"));
	}
	if (n->exists)
		buf_append_fmt(&s->out, "* %u EXISTS\r\n* %u RECENT\r\n",
		    view_count(v), mailbox_recent_count(s->mailbox));
	if (n->keywords)
		session_mailbox_flags_write(s);
	for (size_t i = 0; i < n->changed.len; i++) {
		uint32_t seq = n->changed.items[i];

		if (seq >= 1 && seq <= view_count(v) &&
		    !own_knows(n->own, view_at(v, seq - 1)))
			session_flags_write(s, seq - 1);
	}
}

static int
sync_run(struct imap_session *s, bool expunges, const struct sync_own *own,
    struct err *err)
{
	struct news n = { .s = s, .own = own };
	bool changed = false;
	int outcome = 0;

	if (mailbox_refresh(s->mailbox, &changed, err) == -1)
		return -1;
	s->resting = false;
	if (changed || expunges)
		outcome = mailbox_advance(
		    s->mailbox, expunges, &news_events, &n, err);
	if (outcome == 0)
		news_write(&n);
	free(n.changed.items);
	free(n.vanished.items);
	if (n.failed)
		return err_set(err, ERR_TEMP, "out of memory");
	return outcome;
}

int
session_sync(struct imap_session *s, bool expunges, struct err *err)
{
	return sync_run(s, expunges, NULL, err);
}

int
session_sync_own(
    struct imap_session *s, const struct sync_own *own, struct err *err)
{
	return sync_run(s, false, own, err);
}

void
session_unselect(struct imap_session *s)
{
	mailbox_close(s->mailbox);
	s->mailbox = NULL;
	s->watching = false;
	s->read_only = false;
	s->resting = false;
	free(s->saved);
	s->saved = NULL;
	s->saved_count = 0;
}

/* ---- sets ------------------------------------------------------------------
 */

/* The index range of a resolved range; false: it is empty. */
static bool
range_indexes(const struct view *v, bool uids, const struct sequence_range *r,
    uint32_t *first_out, uint32_t *end_out)
{
	if (uids) {
		*first_out = view_lower_bound(v, r->first);
		*end_out = r->last == UINT32_MAX
			       ? view_count(v)
			       : view_lower_bound(v, r->last + 1);
	} else {
		*first_out = r->first - 1;
		*end_out = r->last;
	}
	return *first_out < *end_out;
}

int
session_saved_get(
    struct imap_session *s, struct sequence_set *set, struct err *err)
{
	if (!set->saved)
		return 0;
	set->ranges =
	    arena_array(&s->arena, s->saved_count, sizeof(*set->ranges), err);
	if (set->ranges == NULL)
		return -1;
	set->count = s->saved_count;
	for (size_t i = 0; i < s->saved_count; i++)
		set->ranges[i] =
		    (struct sequence_range){ s->saved[i], s->saved[i] };
	return 0;
}

int
session_saved_set(struct imap_session *s, const uint32_t *indexes, size_t count,
    struct err *err)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t *saved = NULL;

	free(s->saved);
	s->saved = NULL;
	s->saved_count = 0;
	if (count == 0)
		return 0;
	saved = reallocarray(NULL, count, sizeof(*saved));
	if (saved == NULL)
		return err_sys(err, "reallocarray");
	for (size_t i = 0; i < count; i++)
		saved[i] = view_at(v, indexes[i])->uid;
	s->saved = saved;
	s->saved_count = count;
	return 0;
}

int
session_messages(struct imap_session *s, struct sequence_set *set,
    struct messages *out, struct err *err)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t count = view_count(v), largest = count, first, end;
	bool uids = s->uid || set->saved;
	size_t total = 0;

	if (session_saved_get(s, set, err) == -1)
		return -1;
	if (uids)
		largest =
		    count == 0 ? view_uidnext(v) : view_at(v, count - 1)->uid;
	sequence_set_resolve(set, largest);
	if (!uids && (sequence_set_max(set) > count || set->count == 0))
		return err_set(
		    err, ERR_SYNTAX, "There is no message of that number");
	for (size_t i = 0; i < set->count; i++) {
		if (range_indexes(v, uids, &set->ranges[i], &first, &end))
			total += end - first;
	}
	out->count = 0;
	out->indexes = arena_array(&s->arena, total, sizeof(uint32_t), err);
	if (out->indexes == NULL)
		return -1;
	for (size_t i = 0; i < set->count; i++) {
		if (!range_indexes(v, uids, &set->ranges[i], &first, &end))
			continue;
		while (first < end)
			out->indexes[out->count++] = first++;
	}
	return 0;
}

void
session_numbers(struct imap_session *s, uint32_t *indexes, size_t count)
{
	const struct view *v = mailbox_view(s->mailbox);

	for (size_t i = 0; i < count; i++)
		indexes[i] =
		    s->uid ? view_at(v, indexes[i])->uid : indexes[i] + 1;
}

int
session_uids(struct imap_session *s, const struct messages *m,
    uint32_t **uids_out, size_t *count_out, struct err *err)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t *uids =
	    arena_array(&s->arena, m->count, sizeof(uint32_t), err);

	*count_out = 0;
	if (uids == NULL)
		return -1;
	for (size_t i = 0; i < m->count; i++) {
		const struct message *message = view_at(v, m->indexes[i]);

		if ((message->letters & MESSAGE_GONE) == 0)
			uids[(*count_out)++] = message->uid;
	}
	*uids_out = uids;
	return 0;
}
