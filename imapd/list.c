/* SPDX-License-Identifier: BSD-2-Clause */
/* LIST, LSUB, NAMESPACE.
 * RFC 3501 6.3.8, 6.3.9; RFC 2342, 3348, 5258, 5819, 6154 */
#include "imapd/list.h"

#include "imapd/command.h"
#include "imapd/pattern.h"
#include "imapd/reply.h"
#include "imapd/status.h"
#include "store/list.h"

/* Some mailbox below this one is subscribed. */
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

static bool
request_matches(const struct list_request *r, struct span name)
{
	for (size_t i = 0; i < r->pattern_count; i++) {
		if (pattern_match(r->patterns[i], name))
			return true;
	}
	return false;
}

/* Whether the selection options choose it. */
static bool
entry_selected(const struct list_request *r, const struct mailbox_entry *e)
{
	if ((r->options & LIST_SUBSCRIBED) != 0 && !e->subscribed)
		return false;
	if ((r->options & LIST_SPECIAL_USE) != 0 &&
	    (!e->exists || special_use_of(span_str(e->name)) == NULL))
		return false;
	/* What exists, with the levels above; dead subscriptions are for who
	 * asks for subscriptions. */
	return e->exists || e->has_children ||
	       (r->options & LIST_SUBSCRIBED) != 0;
}

/* mbx-list-flags, "(" ... ")" */
static void
attributes_write(struct imap_session *s, const struct list_request *r,
    const struct mailbox_entry *e)
{
	const char *use = special_use_of(span_str(e->name));
	const char *between = "";

	buf_append_octet(&s->out, '(');
	if (!r->extended || (r->options & LIST_RETURN_CHILDREN) != 0) {
		buf_append_str(&s->out,
		    e->has_children ? "\\HasChildren" : "\\HasNoChildren");
		between = " ";
	}
	if (!e->exists) {
		buf_append_fmt(&s->out, "%s%s", between,
		    r->extended ? "\\NonExistent" : "\\Noselect");
		between = " ";
	}
	if (e->subscribed && (r->options & LIST_RETURN_SUBSCRIBED) != 0) {
		buf_append_fmt(&s->out, "%s\\Subscribed", between);
		between = " ";
	}
	if (use != NULL && e->exists)
		buf_append_fmt(&s->out, "%s%s", between, use);
	buf_append_octet(&s->out, ')');
}

static void
entry_write(struct imap_session *s, const char *word,
    const struct list_request *r, const struct mailbox_entry *e, bool childinfo)
{
	buf_append_fmt(&s->out, "* %s ", word);
	attributes_write(s, r, e);
	buf_append(&s->out, SPAN(" \"/\" "));
	imap_mailbox_write(&s->out, span_str(e->name));
	if (childinfo)
		buf_append(&s->out, SPAN(" (\"CHILDINFO\" (\"SUBSCRIBED\"))"));
	buf_append(&s->out, SPAN("\r\n"));
	session_out(s);
}

/*
 * RFC 5819 section 2: no STATUS for what cannot be selected, nor where it
 * fails.
 */
static void
entry_status(struct imap_session *s, const struct list_request *r,
    const struct mailbox_entry *e)
{
	struct err err = ERR_INIT;

	if ((r->options & LIST_RETURN_STATUS) == 0 || !e->exists)
		return;
	if (status_write(s, span_str(e->name), r->status, &err) == -1)
		log_debug(&s->log, "no status of a listed mailbox",
		    log_str("mailbox", e->name), log_err(&err));
}

int
imap_list(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };
	struct list_request r;

	if (list_request_parse(&args, &s->arena, &r, err) == -1)
		return -1;
	if (r.separator) {
		buf_append(&s->out, SPAN("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		return 0;
	}
	if (mailbox_list(s->account, &list, err) == -1)
		return -1;
	for (size_t i = 0; i < list.count && !s->quit; i++) {
		const struct mailbox_entry *e = &list.entries[i];
		bool selected, childinfo;

		if (!request_matches(&r, span_str(e->name)))
			continue;
		selected = entry_selected(&r, e);
		childinfo = (r.options & LIST_RECURSIVEMATCH) != 0 &&
			    (r.options & LIST_SUBSCRIBED) != 0 &&
			    below_is_subscribed(&list, i);
		if (!selected && !childinfo)
			continue;
		entry_write(s, "LIST", &r, e, childinfo);
		entry_status(s, &r, e);
	}
	return 0;
}

/*
 * RFC 3501 6.3.9: when "%" stops above a subscribed name, the level where it
 * stops is listed with \Noselect, unless it is subscribed itself.
 */
int
imap_lsub(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { .count = 0 };
	struct list_request r;
	bool percent;

	if (list_request_parse(&args, &s->arena, &r, err) == -1)
		return -1;
	if (r.extended)
		return err_set(err, ERR_SYNTAX, "LSUB has no options");
	if (mailbox_list(s->account, &list, err) == -1)
		return -1;
	percent = span_ends(r.patterns[0], SPAN("%"));
	for (size_t i = 0; i < list.count; i++) {
		struct mailbox_entry e = list.entries[i];

		if (!request_matches(&r, span_str(e.name)))
			continue;
		if (!e.subscribed &&
		    (!percent || !below_is_subscribed(&list, i)))
			continue;
		/* \Noselect says here that it is not subscribed. */
		e.exists = e.subscribed;
		entry_write(s, "LSUB", &r, &e, false);
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
