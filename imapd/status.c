/* SPDX-License-Identifier: BSD-2-Clause */
/* STATUS.                                         RFC 3501 section 6.3.10 */
#include "imapd/command.h"
#include "imapd/reply.h"

enum {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
};

static const struct {
	const char *name;
	unsigned bit;
} attributes[] = {
	{ "MESSAGES", STATUS_MESSAGES },
	{ "RECENT", STATUS_RECENT },
	{ "UIDNEXT", STATUS_UIDNEXT },
	{ "UIDVALIDITY", STATUS_UIDVALIDITY },
	{ "UNSEEN", STATUS_UNSEEN },
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* "(" status-att *(SP status-att) ")" */
static int
status_list_parse(struct span *in, unsigned *asked_out, struct err *err)
{
	struct span name;
	unsigned asked = 0;

	if (imap_octet_parse(in, '(', err) == -1)
		return -1;
	do {
		size_t i = 0;

		if (imap_atom_parse(in, &name, err) == -1)
			return -1;
		while (i < ATTRIBUTES &&
		       !span_eq_nocase(name, span_str(attributes[i].name)))
			i++;
		if (i == ATTRIBUTES)
			return err_set(err, ERR_SYNTAX, "Unknown status item");
		asked |= attributes[i].bit;
	} while (span_take_octet(in, ' '));
	if (imap_octet_parse(in, ')', err) == -1)
		return -1;
	*asked_out = asked;
	return 0;
}

static uint32_t
status_value(const struct mailbox_status *status, unsigned bit)
{
	switch (bit) {
	case STATUS_MESSAGES:
		return status->messages;
	case STATUS_RECENT:
		return status->recent;
	case STATUS_UIDNEXT:
		return status->uidnext;
	case STATUS_UIDVALIDITY:
		return status->uidvalidity;
	default:
		return status->unseen;
	}
}

static void
status_write(struct imap_session *s, struct span name, unsigned asked,
    const struct mailbox_status *status)
{
	const char *between = "";

	buf_append(&s->out, SPAN("* STATUS "));
	imap_mailbox_write(&s->out, name);
	buf_append(&s->out, SPAN(" ("));
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if ((asked & attributes[i].bit) == 0)
			continue;
		buf_append_fmt(&s->out, "%s%s %u", between, attributes[i].name,
		    status_value(status, attributes[i].bit));
		between = " ";
	}
	buf_append(&s->out, SPAN(")\r\n"));
}

int
imap_status(struct imap_session *s, struct span args, struct err *err)
{
	struct mailbox_status status;
	struct span name;
	unsigned asked = 0;

	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    imap_sp_parse(&args, err) == -1 ||
	    status_list_parse(&args, &asked, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (mailbox_status(s->account, name, &status, err) == -1) {
		if (err->kind == ERR_POLICY)
			session_code(s, "NONEXISTENT");
		/* ERR_CLOSED is about that mailbox, not about ours. */
		if (err->kind == ERR_CLOSED)
			err->kind = ERR_TEMP;
		return -1;
	}
	status_write(s, name, asked, &status);
	return 0;
}
