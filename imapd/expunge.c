/* SPDX-License-Identifier: BSD-2-Clause */
/* EXPUNGE, UID EXPUNGE, CLOSE, UNSELECT.  RFC 3501 6.4.2-3, 4315, 3691 */
#include "imapd/command.h"
#include "imapd/modseq.h"

/*
 * UIDs, in the arena, of the messages marked \Deleted; among: only those in
 * the set, or all when NULL.
 */
static int
deleted_uids(struct imap_session *s, const struct sequence_set *among,
    uint32_t **uids_out, size_t *count_out, struct err *err)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t *uids =
	    arena_array(&s->arena, view_count(v), sizeof(uint32_t), err);
	size_t count = 0;

	if (uids == NULL)
		return -1;
	for (uint32_t i = 0; i < view_count(v); i++) {
		const struct message *m = view_at(v, i);

		if ((m->letters & MESSAGE_DELETED) == 0 ||
		    (m->letters & MESSAGE_GONE) != 0)
			continue;
		if (among == NULL || sequence_set_has(among, m->uid))
			uids[count++] = m->uid;
	}
	*uids_out = uids;
	*count_out = count;
	return 0;
}

static int
expunge(
    struct imap_session *s, const struct sequence_set *among, struct err *err)
{
	uint32_t *uids;
	size_t count, gone = 0;

	if (deleted_uids(s, among, &uids, &count, err) == -1)
		return -1;
	if (count == 0)
		return 0;
	if (mailbox_expunge(s->mailbox, uids, count, &gone, err) == -1)
		return -1;
	counter_add(host_counters(s->host), COUNTER_MESSAGES_EXPUNGED, gone);
	log_info(&s->log, "messages expunged", log_u64("count", gone),
	    log_span("mailbox", mailbox_name(s->mailbox)));
	return 0;
}

static int
writable(struct imap_session *s, struct err *err)
{
	if (!s->read_only)
		return 0;
	return err_set(err, ERR_POLICY, "Mailbox is read-only");
}

int
imap_expunge(struct imap_session *s, struct span args, struct err *err)
{
	struct sequence_set set = { .count = 0 };
	uint32_t count;
	const struct view *v;

	if (s->uid &&
	    (imap_sp_parse(&args, err) == -1 ||
		sequence_set_parse(&args, &s->arena, &set, err) == -1))
		return -1;
	if (imap_end_parse(&args, err) == -1 || writable(s, err) == -1 ||
	    session_sync(s, true, err) == -1)
		return -1;
	if (session_saved_get(s, &set, err) == -1)
		return -1;
	v = mailbox_view(s->mailbox);
	count = view_count(v);
	sequence_set_resolve(
	    &set, count == 0 ? view_uidnext(v) : view_at(v, count - 1)->uid);
	if (expunge(s, s->uid ? &set : NULL, err) == -1)
		return -1;
	/* RFC 7162 sections 3.2.7, 3.2.9 */
	return s->condstore ? session_highest_code(s, err) : 0;
}

int
imap_close(struct imap_session *s, struct span args, struct err *err)
{
	int outcome = 0;

	if (imap_end_parse(&args, err) == -1)
		return -1;
	if (!s->read_only) {
		/* Silent: what others marked meanwhile goes too. */
		outcome = mailbox_refresh(s->mailbox, NULL, err);
		if (outcome == 0)
			outcome =
			    mailbox_advance(s->mailbox, true, NULL, NULL, err);
		if (outcome == 0)
			outcome = expunge(s, NULL, err);
	}
	/* The selection ends in any case, which a client counts on. */
	session_unselect(s);
	return outcome;
}

int
imap_unselect(struct imap_session *s, struct span args, struct err *err)
{
	if (imap_end_parse(&args, err) == -1)
		return -1;
	session_unselect(s);
	return 0;
}
