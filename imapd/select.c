/* SPDX-License-Identifier: BSD-2-Clause */
/* SELECT and EXAMINE.                             RFC 3501 6.3.1, 6.3.2 */
#include "imapd/command.h"
#include "imapd/modseq.h"
#include "imapd/reply.h"

int
session_mailbox_parse(struct imap_session *s, struct span *in,
    struct span *name_out, struct err *err)
{
	bool name_ok;

	if (imap_sp_parse(in, err) == -1 ||
	    imap_mailbox_parse(in, &s->arena, name_out, &name_ok, err) == -1)
		return -1;
	if (!name_ok) {
		/* The rest must still be grammar, but is not looked at. */
		session_code(s, "CANNOT");
		return err_set(
		    err, ERR_POLICY, "A mailbox cannot have this name");
	}
	return 0;
}

void
session_mailbox_code(struct imap_session *s, struct span name, const char *code)
{
	if (!mailbox_exists(s->account, name))
		session_code(s, "%s", code);
}

static void
selected_write(struct imap_session *s)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t unseen = view_first_without(v, MESSAGE_SEEN);

	session_mailbox_flags_write(s);
	buf_append_fmt(&s->out, "* %u EXISTS\r\n* %u RECENT\r\n", view_count(v),
	    mailbox_recent_count(s->mailbox));
	if (unseen < view_count(v))
		buf_append_fmt(&s->out,
		    "* OK [UNSEEN %u] First unseen message\r\n", unseen + 1);
	buf_append_fmt(&s->out,
	    "* OK [UIDVALIDITY %u] UIDs valid\r\n"
	    "* OK [UIDNEXT %u] Predicted next UID\r\n",
	    view_uidvalidity(v), view_uidnext(v));
	session_highest_write(s);
}

/* The mailbox that was selected; RFC 7162 section 3.2.11. */
static void
close_selected(struct imap_session *s)
{
	if (s->mailbox != NULL)
		buf_append(
		    &s->out, SPAN("* OK [CLOSED] Previous mailbox closed\r\n"));
	session_unselect(s);
}

static int
open_mailbox(
    struct imap_session *s, struct span args, bool read_only, struct err *err)
{
	struct select_parameters parameters;
	struct span name;

	/* A SELECT answered NO leaves nothing selected (RFC 3501 6.3.1). */
	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    select_parameters_parse(s, &args, &parameters, err) == -1 ||
	    imap_end_parse(&args, err) == -1) {
		if (err->kind != ERR_SYNTAX)
			close_selected(s);
		return -1;
	}
	close_selected(s);
	if (mailbox_open(s->account, name,
		read_only ? MAILBOX_READ : MAILBOX_WRITE, &s->mailbox,
		err) == -1) {
		if (err->kind == ERR_POLICY)
			session_code(s, "NONEXISTENT");
		return -1;
	}
	s->read_only = read_only;
	if (parameters.condstore)
		s->condstore = true;
	if (s->condstore)
		mailbox_track(s->mailbox);
	selected_write(s);
	select_resync(s, &parameters);
	session_code(s, read_only ? "READ-ONLY" : "READ-WRITE");
	return 0;
}

int
imap_select(struct imap_session *s, struct span args, struct err *err)
{
	return open_mailbox(s, args, false, err);
}

int
imap_examine(struct imap_session *s, struct span args, struct err *err)
{
	return open_mailbox(s, args, true, err);
}
