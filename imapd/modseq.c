/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CONDSTORE and QRESYNC: what several commands need of them.
 *
 * Which messages were expunged since a MODSEQ is not remembered.  A client
 * that asks is told of every UID it might know that is not there, as section
 * 3.2.6 allows.
 */
#include "imapd/modseq.h"

#include "imapd/command.h"

int
imap_modseq_parse(struct span *in, uint64_t *out, struct err *err)
{
	uint64_t number;
	struct span rest = *in;

	if (!span_take_u64(&rest, &number) || number > INT64_MAX)
		return err_set(err, ERR_SYNTAX, "mod-sequence expected");
	*in = rest;
	*out = number;
	return 0;
}

/* ---- enabling -------------------------------------------------------------
 */

void
session_highest_write(struct imap_session *s)
{
	buf_append(&s->out, SPAN("* OK [HIGHESTMODSEQ "));
	buf_append_u64(&s->out, view_change(mailbox_view(s->mailbox)));
	buf_append(&s->out, SPAN("] Highest\r\n"));
}

void
session_condstore(struct imap_session *s)
{
	if (s->condstore)
		return;
	s->condstore = true;
	if (s->mailbox == NULL)
		return;
	mailbox_track(s->mailbox);
	session_highest_write(s);
}

int
session_highest_code(struct imap_session *s, struct err *err)
{
	if (session_sync(s, true, err) == -1)
		return -1;
	session_code(s, "HIGHESTMODSEQ %llu",
	    (unsigned long long)view_change(mailbox_view(s->mailbox)));
	return 0;
}

/* ---- parameters of SELECT -------------------------------------------------
 */

/* A set without "*" and "$". */
static int
known_set_parse(struct imap_session *s, struct span *in,
    struct sequence_set *out, struct err *err)
{
	if (sequence_set_parse(in, &s->arena, out, err) == -1)
		return -1;
	for (size_t i = 0; i < out->count; i++) {
		if (out->ranges[i].first == SEQUENCE_STAR ||
		    out->ranges[i].last == SEQUENCE_STAR)
			return err_set(err, ERR_SYNTAX, "\"*\" in known UIDs");
	}
	if (out->saved)
		return err_set(err, ERR_SYNTAX, "\"$\" in known UIDs");
	return 0;
}

/* "(" known-sequence-set SP known-uid-set ")", behind the "(". */
static int
match_data_parse(struct imap_session *s, struct span *in,
    struct select_parameters *out, struct err *err)
{
	if (known_set_parse(s, in, &out->numbers, err) == -1 ||
	    imap_sp_parse(in, err) == -1 ||
	    known_set_parse(s, in, &out->uids, err) == -1)
		return -1;
	return imap_octet_parse(in, ')', err);
}

/*
 * "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP match-data] ")"
 */
static int
qresync_parse(struct imap_session *s, struct span *in,
    struct select_parameters *out, struct err *err)
{
	if (imap_sp_parse(in, err) == -1 ||
	    imap_octet_parse(in, '(', err) == -1 ||
	    imap_nz_number_parse(in, &out->uidvalidity, err) == -1 ||
	    imap_sp_parse(in, err) == -1 ||
	    imap_modseq_parse(in, &out->modseq, err) == -1)
		return -1;
	if (out->modseq == 0)
		return err_set(err, ERR_SYNTAX, "mod-sequence is 0");
	if (span_starts(*in, SPAN(" ")) && !span_starts(*in, SPAN(" ("))) {
		*in = span_from(*in, 1);
		out->has_known = true;
		if (known_set_parse(s, in, &out->known, err) == -1)
			return -1;
	}
	if (span_take_nocase(in, SPAN(" (")) &&
	    match_data_parse(s, in, out, err) == -1)
		return -1;
	return imap_octet_parse(in, ')', err);
}

static int
parameter_parse(struct imap_session *s, struct span *in,
    struct select_parameters *out, struct err *err)
{
	struct span name;

	if (imap_atom_parse(in, &name, err) == -1)
		return -1;
	if (span_eq_nocase(name, SPAN("CONDSTORE"))) {
		out->condstore = true;
		return 0;
	}
	if (!span_eq_nocase(name, SPAN("QRESYNC")))
		return err_set(err, ERR_SYNTAX, "Unknown parameter");
	if (!s->qresync)
		return err_set(err, ERR_SYNTAX, "QRESYNC was not enabled");
	if (out->qresync)
		return err_set(err, ERR_SYNTAX, "QRESYNC twice");
	out->qresync = true;
	return qresync_parse(s, in, out, err);
}

int
select_parameters_parse(struct imap_session *s, struct span *in,
    struct select_parameters *out, struct err *err)
{
	*out = (struct select_parameters){ .condstore = false };
	if (!span_take_nocase(in, SPAN(" (")))
		return 0;
	do {
		if (parameter_parse(s, in, out, err) == -1)
			return -1;
	} while (span_take_octet(in, ' '));
	return imap_octet_parse(in, ')', err);
}

/* ---- what changed ---------------------------------------------------------
 */

/* Where a set is read, number by number. */
struct cursor {
	const struct sequence_set *set;
	size_t range;
	uint32_t next; /* 0: the range's first */
};

static bool
cursor_next(struct cursor *c, uint32_t *out)
{
	const struct sequence_range *r;

	if (c->range == c->set->count)
		return false;
	r = &c->set->ranges[c->range];
	*out = c->next == 0 ? r->first : c->next;
	if (*out >= r->last) {
		c->range++;
		c->next = 0;
	} else {
		c->next = *out + 1;
	}
	return true;
}

/*
 * Section 3.2.5.2: up to the last pair that is as the client says, it knows
 * of every expunge.  The first UID that is to be told.
 */
static uint32_t
first_unknown(const struct view *v, const struct select_parameters *p)
{
	struct cursor numbers = { .set = &p->numbers };
	struct cursor uids = { .set = &p->uids };
	uint32_t number, uid, first = 1;

	while (cursor_next(&numbers, &number) && cursor_next(&uids, &uid)) {
		if (number > view_count(v) ||
		    view_at(v, number - 1)->uid != uid)
			break;
		first = uid + 1;
	}
	return first;
}

/* "first:last" behind what was written before. */
static void
gap_write(struct imap_session *s, bool *any, uint64_t first, uint64_t last)
{
	if (first > last)
		return;
	buf_append_str(&s->out, *any ? "," : "* VANISHED (EARLIER) ");
	*any = true;
	buf_append_u64(&s->out, first);
	if (last > first) {
		buf_append_octet(&s->out, ':');
		buf_append_u64(&s->out, last);
	}
	session_out(s);
}

void
vanished_write(
    struct imap_session *s, const struct sequence_set *set, uint32_t first)
{
	const struct view *v = mailbox_view(s->mailbox);
	bool any = false;

	for (size_t i = 0; i < set->count; i++) {
		uint64_t from = set->ranges[i].first;
		uint64_t last = set->ranges[i].last;
		uint32_t index;

		if (from < first)
			from = first;
		if (last >= view_uidnext(v))
			last = (uint64_t)view_uidnext(v) - 1;
		if (from > last)
			continue;
		index = view_lower_bound(v, (uint32_t)from);
		for (; index < view_count(v); index++) {
			uint64_t uid = view_at(v, index)->uid;

			if (uid > last)
				break;
			gap_write(s, &any, from, uid - 1);
			from = uid + 1;
		}
		gap_write(s, &any, from, last);
	}
	if (any)
		buf_append(&s->out, SPAN("\r\n"));
}

void
select_resync(struct imap_session *s, struct select_parameters *p)
{
	const struct view *v = mailbox_view(s->mailbox);
	struct sequence_range all = { 1, view_uidnext(v) - 1 };

	if (!p->qresync || p->uidvalidity != view_uidvalidity(v) ||
	    view_uidnext(v) == 1)
		return;
	if (!p->has_known) {
		p->known.ranges = &all;
		p->known.count = 1;
	}
	sequence_set_resolve(&p->known, all.last);
	vanished_write(s, &p->known, first_unknown(v, p));
	for (uint32_t i = 0; i < view_count(v) && !s->quit; i++) {
		const struct message *m = view_at(v, i);

		if (m->change > p->modseq &&
		    sequence_set_has(&p->known, m->uid))
			session_flags_write(s, i);
	}
}
