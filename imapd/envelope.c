/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ENVELOPE.                                       RFC 3501 section 7.4.2
 *
 *	envelope = "(" env-date SP env-subject SP env-from SP env-sender SP
 *	           env-reply-to SP env-to SP env-cc SP env-bcc SP
 *	           env-in-reply-to SP env-message-id ")"
 *
 * The first field of each name counts.  Texts are unfolded and stay encoded.
 */
#include "imapd/fetch.h"

#include "common/arena.h"
#include "imapd/reply.h"
#include "mime/addrlist.h"
#include "mime/header.h"

enum env {
	ENV_DATE,
	ENV_SUBJECT,
	ENV_FROM,
	ENV_SENDER,
	ENV_REPLY_TO,
	ENV_TO,
	ENV_CC,
	ENV_BCC,
	ENV_IN_REPLY_TO,
	ENV_MESSAGE_ID,
	ENV_END,
};

static const char *const env_names[ENV_END] = { "Date", "Subject", "From",
	"Sender", "Reply-To", "To", "Cc", "Bcc", "In-Reply-To", "Message-ID" };

/* Arena of one address list: its octets some times over, and items. */
#define ADDRESSES_MAX (8 * 1024 * 1024)

static void
text_write(struct span value, struct buf *out)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, value.len + 1);
	if (value.p == NULL) {
		buf_append(out, SPAN("NIL"));
		return;
	}
	field_unfold(value, &text);
	imap_string_write(out, buf_span(&text));
}

/*
 * address = "(" addr-name SP addr-adl SP addr-mailbox SP addr-host ")"
 *
 * NIL as host would make it a group, so what is missing gets Dovecot's
 * words, which clients know.
 */
static void
address_write(const struct addrlist_item *item, struct buf *out)
{
	struct span local = item->local_part, domain = item->domain;

	switch (item->kind) {
	case ADDRLIST_MAILBOX:
		if (local.p == NULL)
			local = SPAN("MISSING_MAILBOX");
		if (domain.p == NULL)
			domain = SPAN("MISSING_DOMAIN");
		buf_append_octet(out, '(');
		imap_nstring_write(out, item->name);
		buf_append_octet(out, ' ');
		imap_nstring_write(out, item->route);
		buf_append_octet(out, ' ');
		imap_string_write(out, local);
		buf_append_octet(out, ' ');
		imap_string_write(out, domain);
		buf_append_octet(out, ')');
		break;
	case ADDRLIST_GROUP_BEGIN:
		buf_append(out, SPAN("(NIL NIL "));
		imap_string_write(
		    out, item->name.p == NULL ? SPAN("") : item->name);
		buf_append(out, SPAN(" NIL)"));
		break;
	case ADDRLIST_GROUP_END:
		buf_append(out, SPAN("(NIL NIL NIL NIL)"));
		break;
	}
}

static int
addresses_write(struct span value, struct buf *out, struct err *err)
{
	CLEANUP(arena_fini) struct arena a;
	struct addrlist_item *item = NULL;
	struct err why = ERR_INIT;

	arena_init(&a, ADDRESSES_MAX);
	if (value.p != NULL && addrlist_parse(value, &a, &item, &why) == -1 &&
	    why.kind != ERR_LIMIT)
		return err_set(err, why.kind, "%s", why.text);
	if (item == NULL) {
		buf_append(out, SPAN("NIL"));
		return 0;
	}
	buf_append_octet(out, '(');
	for (; item != NULL; item = item->next)
		address_write(item, out);
	buf_append_octet(out, ')');
	return 0;
}

static bool
is_blank(struct span value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.p[i] != ' ' && value.p[i] != '\t' &&
		    value.p[i] != '\r' && value.p[i] != '\n')
			return false;
	}
	return true;
}

int
envelope_write(struct span fields, struct buf *out, struct err *err)
{
	struct span values[ENV_END] = { SPAN_NONE };
	struct field field;

	while (field_next(&fields, &field)) {
		for (int i = 0; i < ENV_END; i++) {
			if (values[i].p == NULL &&
			    span_eq_nocase(field.name, span_str(env_names[i])))
				values[i] = field.value;
		}
	}
	/* RFC 3501: without these, the server says From again. */
	if (values[ENV_SENDER].p == NULL || is_blank(values[ENV_SENDER]))
		values[ENV_SENDER] = values[ENV_FROM];
	if (values[ENV_REPLY_TO].p == NULL || is_blank(values[ENV_REPLY_TO]))
		values[ENV_REPLY_TO] = values[ENV_FROM];
	buf_append_octet(out, '(');
	for (int i = 0; i < ENV_END; i++) {
		if (i > 0)
			buf_append_octet(out, ' ');
		if (i < ENV_FROM || i > ENV_BCC)
			text_write(values[i], out);
		else if (addresses_write(values[i], out, err) == -1)
			return -1;
	}
	buf_append_octet(out, ')');
	return buf_check(out, err);
}
