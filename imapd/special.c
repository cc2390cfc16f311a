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

/* Nothing but an INBOX, and nothing subscribed: nobody has been here. */
static bool
account_untouched(struct imap_session *s)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };

	return mailbox_list(s->account, &list, NULL) == 0 && list.count == 1 &&
	       !list.entries[0].subscribed;
}

static int
special_folder_make(struct imap_session *s, struct span name, struct err *err)
{
	/* ERR_POLICY: another session was faster. */
	if (!mailbox_name_is_inbox(name) &&
	    mailbox_create(s->account, name, err) == -1 &&
	    err->kind != ERR_POLICY)
		return -1;
	return mailbox_subscribe(s->account, name, true, err);
}

void
special_folders_make(struct imap_session *s)
{
	struct err err = ERR_INIT;
	int outcome;

	if (!account_untouched(s))
		return;
	outcome = special_folder_make(s, SPAN("INBOX"), &err);
	for (size_t i = 0; i < sizeof(specials) / sizeof(specials[0]); i++) {
		if (outcome == 0 && specials[i].make)
			outcome = special_folder_make(
			    s, span_str(specials[i].name), &err);
	}
	if (outcome == -1)
		log_warning(&s->log, "folders not made", log_err(&err));
}
