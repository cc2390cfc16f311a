/* SPDX-License-Identifier: BSD-2-Clause */
/* COPY and MOVE.                 RFC 3501 6.4.7, RFC 6851, RFC 4315 (COPYUID)
 */
#include "imapd/command.h"
#include "imapd/modseq.h"

/* Looks at a mailbox that others empty at the same time. */
#define COPY_TRIES 5

/* COPYUID SP nz-number SP uid-set SP uid-set */
static void
copyuid_write(const struct mailbox_copied *c, struct buf *out)
{
	buf_append_fmt(out, "COPYUID %u ", c->uidvalidity);
	sequence_set_format(c->from, c->count, out);
	buf_append_octet(out, ' ');
	sequence_set_format(c->to, c->count, out);
}

/* Which messages, and where to; the mailbox must be there. */
static int
copy_parse(struct imap_session *s, struct span args, struct messages *m,
    struct span *to_out, struct err *err)
{
	struct sequence_set set;

	if (imap_sp_parse(&args, err) == -1 ||
	    sequence_set_parse(&args, &s->arena, &set, err) == -1 ||
	    session_mailbox_parse(s, &args, to_out, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	return session_messages(s, &set, m, err);
}

/* Copies what is still there of the messages; their UIDs are looked up anew. */
static int
copy_present(struct imap_session *s, const struct messages *m, struct span to,
    bool move, struct mailbox_copied *copied, struct err *err)
{
	uint32_t *uids;
	size_t count;

	if (session_sync_own(s, NULL, err) == -1 ||
	    session_uids(s, m, &uids, &count, err) == -1)
		return -1;
	if (count < m->count && !s->uid) {
		session_code(s, "EXPUNGEISSUED");
		return err_set(
		    err, ERR_POLICY, "Some messages are no longer there");
	}
	if (count == 0)
		return 0;
	return mailbox_copy(s->mailbox, uids, count, to, move, copied, err);
}

static int
copy(struct imap_session *s, struct span args, bool move,
    struct mailbox_copied *copied, struct err *err)
{
	struct messages m;
	struct span to;

	if (copy_parse(s, args, &m, &to, err) == -1)
		return -1;
	if (move && s->read_only)
		return err_set(err, ERR_POLICY, "Mailbox is read-only");
	if (!mailbox_exists(s->account, to)) {
		session_code(s, "TRYCREATE");
		return err_set(err, ERR_POLICY, "There is no such mailbox");
	}
	/* Others may remove a message between the look and the copy. */
	for (int tries = 0; tries < COPY_TRIES; tries++) {
		if (copy_present(s, &m, to, move, copied, err) == 0)
			return 0;
		if (err->kind != ERR_POLICY || s->code.len > 0 ||
		    !mailbox_exists(s->account, to))
			break;
	}
	if (err->kind == ERR_LIMIT)
		session_code(s, "OVERQUOTA");
	if (err->kind == ERR_POLICY && s->code.len == 0)
		session_code(s, mailbox_exists(s->account, to) ? "EXPUNGEISSUED"
							       : "TRYCREATE");
	return -1;
}

int
imap_copy(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_copied_fini)
	struct mailbox_copied copied = { .count = 0 };

	if (copy(s, args, false, &copied, err) == -1)
		return -1;
	if (copied.count > 0) {
		buf_clear(&s->code);
		copyuid_write(&copied, &s->code);
	}
	return 0;
}

int
imap_move(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_copied_fini)
	struct mailbox_copied copied = { .count = 0 };

	if (copy(s, args, true, &copied, err) == -1)
		return -1;
	if (copied.count > 0) {
		/* Before the EXPUNGE responses (RFC 6851 section 4.3). */
		buf_append(&s->out, SPAN("* OK ["));
		copyuid_write(&copied, &s->out);
		buf_append(&s->out, SPAN("] Moved\r\n"));
	}
	return s->condstore ? session_highest_code(s, err) : 0;
}
