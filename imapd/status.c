/* SPDX-License-Identifier: BSD-2-Clause */
/* STATUS.            RFC 3501 6.3.10, RFC 8438, RFC 9208 4.1.4, RFC 7889 */
#include "imapd/status.h"

#include "imapd/command.h"
#include "imapd/known.h"
#include "imapd/modseq.h"
#include "imapd/reply.h"
#include "store/records.h"

enum {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_DELETED = 1 << 5,
	STATUS_SIZE = 1 << 6,
	STATUS_DELETED_STORAGE = 1 << 7,
	STATUS_APPENDLIMIT = 1 << 8,
	STATUS_HIGHESTMODSEQ = 1 << 9,
	/* The messages must be looked at, one by one. */
	STATUS_WALK = STATUS_SIZE | STATUS_DELETED_STORAGE,
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
	{ "DELETED", STATUS_DELETED },
	{ "SIZE", STATUS_SIZE },
	{ "DELETED-STORAGE", STATUS_DELETED_STORAGE },
	{ "APPENDLIMIT", STATUS_APPENDLIMIT },
	{ "HIGHESTMODSEQ", STATUS_HIGHESTMODSEQ },
};
#define ATTRIBUTES (sizeof(attributes) / sizeof(attributes[0]))

/* Octets as clients count them. */
struct sizes {
	uint64_t all, deleted;
};

int
status_items_parse(struct span *in, unsigned *items_out, struct err *err)
{
	struct span name;
	unsigned items = 0;

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
		items |= attributes[i].bit;
	} while (span_take_octet(in, ' '));
	if (imap_octet_parse(in, ')', err) == -1)
		return -1;
	*items_out = items;
	return 0;
}

static int
sizes_add(struct mailbox *m, struct record_reader *known, struct sizes *sizes,
    struct err *err)
{
	const struct view *v = mailbox_view(m);

	for (uint32_t i = 0; i < view_count(v); i++) {
		const struct message *message = view_at(v, i);
		struct err why = ERR_INIT;
		uint64_t octets;

		if (known_size(known, m, message, &octets, &why) == -1) {
			if (why.kind == ERR_POLICY) /* gone meanwhile */
				continue;
			*err = why;
			return -1;
		}
		sizes->all += octets;
		if ((message->letters & MESSAGE_DELETED) != 0)
			sizes->deleted += octets;
	}
	return 0;
}

static int
sizes_get(struct imap_session *s, struct span name, struct sizes *sizes,
    struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	CLEANUP(record_reader_free) struct record_reader *known = NULL;

	if (mailbox_open(s->account, name, MAILBOX_READ, &m, err) == -1)
		return -1;
	known = record_reader_new(
	    host_records(s->host), m, view_count(mailbox_view(m)));
	return sizes_add(m, known, sizes, err);
}

static uint64_t
status_value(const struct imap_session *s, const struct mailbox_status *status,
    const struct sizes *sizes, unsigned bit)
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
	case STATUS_DELETED:
		return status->deleted;
	case STATUS_SIZE:
		return sizes->all;
	case STATUS_DELETED_STORAGE:
		return sizes->deleted;
	case STATUS_APPENDLIMIT:
		return s->message_max;
	case STATUS_HIGHESTMODSEQ:
		return status->change;
	default:
		return status->unseen;
	}
}

int
status_write(
    struct imap_session *s, struct span name, unsigned items, struct err *err)
{
	struct mailbox_status status;
	struct sizes sizes = { 0, 0 };
	const char *between = "";

	if (mailbox_status(s->account, name, &status, err) == -1 ||
	    ((items & STATUS_WALK) != 0 &&
		sizes_get(s, name, &sizes, err) == -1))
		return -1;
	if ((items & STATUS_HIGHESTMODSEQ) != 0)
		session_condstore(s);
	buf_append(&s->out, SPAN("* STATUS "));
	imap_mailbox_write(&s->out, name);
	buf_append(&s->out, SPAN(" ("));
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		if ((items & attributes[i].bit) == 0)
			continue;
		buf_append_fmt(&s->out, "%s%s ", between, attributes[i].name);
		buf_append_u64(&s->out,
		    status_value(s, &status, &sizes, attributes[i].bit));
		between = " ";
	}
	buf_append(&s->out, SPAN(")\r\n"));
	session_out(s);
	return 0;
}

int
imap_status(struct imap_session *s, struct span args, struct err *err)
{
	struct span name;
	unsigned items = 0;

	if (session_mailbox_parse(s, &args, &name, err) == -1 ||
	    imap_sp_parse(&args, err) == -1 ||
	    status_items_parse(&args, &items, err) == -1 ||
	    imap_end_parse(&args, err) == -1)
		return -1;
	if (status_write(s, name, items, err) == 0)
		return 0;
	if (err->kind == ERR_POLICY)
		session_code(s, "NONEXISTENT");
	/* ERR_CLOSED is about that mailbox, not about ours. */
	if (err->kind == ERR_CLOSED)
		err->kind = ERR_TEMP;
	return -1;
}
