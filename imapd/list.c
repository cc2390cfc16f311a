/* SPDX-License-Identifier: BSD-2-Clause */
/* LIST, LSUB, NAMESPACE.           RFC 3501 6.3.8, 6.3.9; RFC 2342, 3348 */
#include "imapd/command.h"
#include "imapd/pattern.h"
#include "imapd/reply.h"
#include "store/list.h"

/* reference and list-mailbox joined, as one pattern. */
static int
pattern_parse(struct imap_session *s, struct span *args, struct buf *out,
    struct span *mailbox_out, struct err *err)
{
	struct span reference;

	if (imap_sp_parse(args, err) == -1 ||
	    imap_list_mailbox_parse(args, &s->arena, &reference, err) == -1 ||
	    imap_sp_parse(args, err) == -1 ||
	    imap_list_mailbox_parse(args, &s->arena, mailbox_out, err) == -1 ||
	    imap_end_parse(args, err) == -1)
		return -1;
	buf_append(out, reference);
	buf_append(out, *mailbox_out);
	return buf_check(out, err);
}

static void
entry_write(struct imap_session *s, const char *word,
    const struct mailbox_entry *e, bool noselect)
{
	const char *use = special_use_of(span_str(e->name));

	buf_append_fmt(&s->out, "* %s (%s", word,
	    e->has_children ? "\\HasChildren" : "\\HasNoChildren");
	if (noselect)
		buf_append(&s->out, SPAN(" \\Noselect"));
	if (use != NULL && !noselect)
		buf_append_fmt(&s->out, " %s", use);
	buf_append(&s->out, SPAN(") \"/\" "));
	imap_mailbox_write(&s->out, span_str(e->name));
	buf_append(&s->out, SPAN("\r\n"));
	session_out(s);
}

/* What exists, with the levels above; dead subscriptions are LSUB's. */
static bool
entry_listed(const struct mailbox_entry *e)
{
	return e->exists || e->has_children;
}

int
imap_list(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };
	CLEANUP(buf_fini) struct buf pattern;
	struct span mailbox;

	buf_init(&pattern, PATTERN_MAX);
	if (pattern_parse(s, &args, &pattern, &mailbox, err) == -1)
		return -1;
	if (mailbox.len == 0) {
		/* Asks for the separator only. */
		buf_append(&s->out, SPAN("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		return 0;
	}
	if (mailbox_list(s->account, &list, err) == -1)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox_entry *e = &list.entries[i];

		if (entry_listed(e) &&
		    pattern_match(buf_span(&pattern), span_str(e->name)))
			entry_write(s, "LIST", e, !e->exists);
	}
	return 0;
}

/*
 * RFC 3501 6.3.9: when "%" stops above a subscribed name, the level where it
 * stops is listed with \Noselect, unless it is subscribed itself.
 */
static bool
below_is_subscribed(const struct mailbox_list *list, size_t at)
{
	struct span name = span_str(list->entries[at].name);

	for (size_t i = 0; i < list->count; i++) {
		struct span below = span_str(list->entries[i].name);

		if (list->entries[i].subscribed && below.len > name.len &&
		    span_starts(below, name) && below.p[name.len] == '/')
			return true;
	}
	return false;
}

int
imap_lsub(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };
	CLEANUP(buf_fini) struct buf pattern;
	struct span mailbox;
	bool percent;

	buf_init(&pattern, PATTERN_MAX);
	if (pattern_parse(s, &args, &pattern, &mailbox, err) == -1 ||
	    mailbox_list(s->account, &list, err) == -1)
		return -1;
	percent = span_ends(mailbox, SPAN("%"));
	for (size_t i = 0; i < list.count; i++) {
		const struct mailbox_entry *e = &list.entries[i];

		if (!pattern_match(buf_span(&pattern), span_str(e->name)))
			continue;
		if (e->subscribed)
			entry_write(s, "LSUB", e, false);
		else if (percent && below_is_subscribed(&list, i))
			entry_write(s, "LSUB", e, true);
	}
	return 0;
}

int
imap_namespace(struct imap_session *s, struct span args, struct err *err)
{
	if (imap_end_parse(&args, err) == -1)
		return -1;
	buf_append(&s->out, SPAN("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
	return 0;
}
