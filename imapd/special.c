/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mailboxes with a purpose.                             RFC 6154 section 2
 *
 * The purpose goes by the name.  The four that every client looks for are
 * made and subscribed at the first login by IMAP, so that all clients of an
 * account meet in the same ones instead of each making its own.
 */
#include "imapd/command.h"

#include "store/list.h"

static const struct {
	const char *name, *use;
	bool make;
} specials[] = {
	{ "Archive", "\\Archive", false },
	{ "Drafts", "\\Drafts", true },
	{ "Junk", "\\Junk", true },
	{ "Sent", "\\Sent", true },
	{ "Trash", "\\Trash", true },
};

const char *
special_use_of(struct span name)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (span_eq_nocase(name, span_str(specials[i].name)))
			return specials[i].use;
	}
	return NULL;
}

/* Whether a login makes it. */
static bool
made_at_login(struct span name)
{
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (specials[i].make &&
		    span_eq(name, span_str(specials[i].name)))
			return true;
	return mailbox_name_is_inbox(name);
}

/* Nobody has been here, or a login that ended before it had made all. */
static bool
account_untouched(struct imap_session *s)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };

	if (mailbox_list(s->account, &list, NULL) == -1)
		return false;
	for (size_t i = 0; i < list.count; i++)
		if (list.entries[i].subscribed ||
		    !made_at_login(span_str(list.entries[i].name)))
			return false;
	return true;
}

void
special_folders_make(struct imap_session *s)
{
	struct span names[1 + sizeof(specials) / sizeof(specials[0])];
	struct err err = ERR_INIT;
	size_t count = 0;

	if (!account_untouched(s))
		return;
	names[count++] = SPAN("INBOX");
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++)
		if (specials[i].make)
			names[count++] = span_str(specials[i].name);
	/* Subscribed last: what says that all are there. */
	if (mailbox_create_all(s->account, names, count, &err) == -1 ||
	    mailbox_subscribe_all(s->account, names, count, &err) == -1)
		log_warning(&s->log, "folders not made", log_err(&err));
}
