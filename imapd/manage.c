/* SPDX-License-Identifier: BSD-2-Clause */
/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE.      RFC 3501 6.3.3-6.3.7 */
#include "imapd/command.h"

int
imap_create(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(buf_fini) struct buf name;
	struct span wire, in;
	bool ok;

	/*
	 * A trailing separator says that names will be made below it: it is
	 * dropped (RFC 3501 6.3.3), before the name is judged.
	 */
	buf_init(&name, IMAP_LINE_MAX);
	if (imap_sp_parse(&args, err) == -1 ||
	    imap_astring_parse(&args, &s->arena, &wire, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (wire.len > 1 && span_ends(wire, SPAN("/")))
		wire.len--;
	buf_append_fmt(&name, "{%zu}\r\n", wire.len);
	buf_append(&name, wire);
	in = buf_span(&name);
	if (buf_check(&name, err) == -1 ||
	    imap_mailbox_parse(&in, &s->arena, &wire, &ok, err) == -1)
		return -1;
	if (!ok) {
		session_code(s, "CANNOT");
		return err_set(
		    err, ERR_POLICY, "A mailbox cannot have this name");
	}
	if (mailbox_create(s->account, wire, err) == 0)
		return 0;
	if (err->kind == ERR_POLICY)
		session_code(s, "ALREADYEXISTS");
	return -1;
}

int
imap_delete(struct imap_session *s, struct span args, struct err *err)
{
	struct span name;

	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (mailbox_name_is_inbox(name)) {
		session_code(s, "CANNOT");
		return err_set(err, ERR_POLICY, "INBOX cannot be deleted");
	}
	/* Nobody can go on with a mailbox that is no more. */
	if (s->mailbox != NULL && span_eq(mailbox_name(s->mailbox), name))
		session_unselect(s);
	if (mailbox_delete(s->account, name, err) == 0)
		return 0;
	if (err->kind == ERR_POLICY)
		session_mailbox_code(s, name, "NONEXISTENT");
	return -1;
}

int
imap_rename(struct imap_session *s, struct span args, struct err *err)
{
	struct span from, to;

	if (session_mailbox_parse(s, &args, &from, err) == -1 ||
	    session_mailbox_parse(s, &args, &to, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (mailbox_exists(s->account, to)) {
		session_code(s, "ALREADYEXISTS");
		return err_set(err, ERR_POLICY, "Mailbox exists already");
	}
	if (mailbox_rename(s->account, from, to, err) == 0)
		return 0;
	if (err->kind == ERR_POLICY)
		session_mailbox_code(s, from, "NONEXISTENT");
	return -1;
}

static int
subscribe(struct imap_session *s, struct span args, bool on, struct err *err)
{
	struct span name;

	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	return mailbox_subscribe(s->account, name, on, err);
}

int
imap_subscribe(struct imap_session *s, struct span args, struct err *err)
{
	return subscribe(s, args, true, err);
}

int
imap_unsubscribe(struct imap_session *s, struct span args, struct err *err)
{
	return subscribe(s, args, false, err);
}
