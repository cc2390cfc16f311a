/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of any state: CAPABILITY NOOP CHECK LOGOUT ID ENABLE. */
#include "imapd/command.h"
#include "imapd/id.h"
#include "imapd/modseq.h"
#include "imapd/reply.h"

/*
 * Only what works fully.  IMAP4rev1 stands first: a phone was seen to show
 * an empty inbox where it did not.
 */
static const char capabilities[] =
    "CAPABILITY IMAP4rev1 LITERAL+ SASL-IR ID ENABLE IDLE NAMESPACE CHILDREN "
    "UNSELECT UIDPLUS MOVE CONDSTORE QRESYNC SPECIAL-USE LIST-EXTENDED "
    "LIST-STATUS STATUS=SIZE "
    "ESEARCH SEARCHRES WITHIN SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT "
    "THREAD=REFERENCES THREAD=REFS QUOTA QUOTA=RES-STORAGE QUOTA=RES-MESSAGE "
    "APPENDLIMIT=";

void
imap_capabilities_write(const struct imap_session *s, struct buf *out)
{
	buf_append_str(out, capabilities);
	buf_append_u64(out, s->message_max);
}

int
imap_capability(struct imap_session *s, struct span args, struct err *err)
{
	if (imap_end_parse(&args, err) == -1)
		return -1;
	buf_append(&s->out, SPAN("* "));
	imap_capabilities_write(s, &s->out);
	buf_append(&s->out, SPAN("\r\n"));
	return 0;
}

/* What changed is told after every command. */
int
imap_noop(struct imap_session *s, struct span args, struct err *err)
{
	(void)s;
	return imap_end_parse(&args, err);
}

/* Every change was on disk when it was answered. */
int
imap_check(struct imap_session *s, struct span args, struct err *err)
{
	(void)s;
	return imap_end_parse(&args, err);
}

int
imap_logout(struct imap_session *s, struct span args, struct err *err)
{
	if (imap_end_parse(&args, err) == -1)
		return -1;
	buf_append(&s->out, SPAN("* BYE Logging out\r\n"));
	s->quit = true;
	return 0;
}

int
imap_id(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(buf_fini) struct buf said;

	buf_init(&said, IMAP_ID_TEXT_MAX);
	if (imap_id_parse(&args, &s->arena, &said, err) == -1)
		return -1;
	log_info(&s->log, "client names itself",
	    log_span("client_id", buf_span(&said)));
	imap_id_write(&s->out);
	return 0;
}

/*
 * enable = "ENABLE" 1*(SP capability)                  RFC 5161 section 3.1
 *
 * What there is nothing to enable of is left out of the answer.
 */
int
imap_enable(struct imap_session *s, struct span args, struct err *err)
{
	bool condstore = false, qresync = false;
	struct span capability;

	do {
		if (imap_sp_parse(&args, err) == -1 ||
		    imap_atom_parse(&args, &capability, err) == -1)
			return -1;
		condstore |= span_eq_nocase(capability, SPAN("CONDSTORE"));
		qresync |= span_eq_nocase(capability, SPAN("QRESYNC"));
	} while (args.len > 0);
	buf_append(&s->out, SPAN("* ENABLED"));
	if (condstore)
		buf_append(&s->out, SPAN(" CONDSTORE"));
	if (qresync)
		buf_append(&s->out, SPAN(" QRESYNC"));
	buf_append(&s->out, SPAN("\r\n"));
	/* RFC 7162 section 3.2.3 */
	s->qresync |= qresync;
	if (condstore || qresync)
		session_condstore(s);
	return 0;
}
