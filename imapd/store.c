/* SPDX-License-Identifier: BSD-2-Clause */
/* STORE.                                          RFC 3501 section 6.4.6 */
#include "imapd/command.h"
#include "imapd/modseq.h"

struct store_args {
	struct sequence_set set;
	enum flags_change change;
	bool silent;
	struct imap_flags flags;
	uint64_t since; /* UNCHANGEDSINCE, or UINT64_MAX */
};

/* RFC 7162 section 3.1.3 */
static int
modifier_parse(struct span *in, struct store_args *out, struct err *err)
{
	out->since = UINT64_MAX;
	if (!span_take_nocase(in, SPAN(" (")))
		return 0;
	if (!span_take_nocase(in, SPAN("UNCHANGEDSINCE ")))
		return err_set(err, ERR_SYNTAX, "UNCHANGEDSINCE expected");
	if (imap_modseq_parse(in, &out->since, err) == -1)
		return -1;
	return imap_octet_parse(in, ')', err);
}

/*
 * store = "STORE" SP sequence-set [SP "(" "UNCHANGEDSINCE" SP number ")"]
 *         SP store-att-flags
 * store-att-flags = (["+" / "-"] "FLAGS" [".SILENT"]) SP
 *                   (flag-list / (flag *(SP flag)))
 */
static int
store_parse(struct imap_session *s, struct span args, struct store_args *out,
    struct err *err)
{
	if (imap_sp_parse(&args, err) == -1 ||
	    sequence_set_parse(&args, &s->arena, &out->set, err) == -1 ||
	    modifier_parse(&args, out, err) == -1 ||
	    imap_sp_parse(&args, err) == -1)
		return -1;
	out->change = FLAGS_SET;
	if (span_take_octet(&args, '+'))
		out->change = FLAGS_ADD;
	else if (span_take_octet(&args, '-'))
		out->change = FLAGS_REMOVE;
	if (!span_take_nocase(&args, SPAN("FLAGS")))
		return err_set(err, ERR_SYNTAX, "FLAGS expected");
	out->silent = span_take_nocase(&args, SPAN(".SILENT"));
	if (imap_sp_parse(&args, err) == -1)
		return -1;
	if (args.len > 0 && args.p[0] == '(') {
		if (imap_flag_list_parse(&args, &s->arena, &out->flags, err) ==
		    -1)
			return -1;
	} else if (imap_flags_bare_parse(&args, &s->arena, &out->flags, err) ==
		   -1) {
		return -1;
	}
	return imap_end_parse(&args, err);
}

/* Keywords as letters; only what is to be set is made. */
static int
keyword_letters(struct imap_session *s, struct store_args *a, struct err *err)
{
	for (size_t i = 0; i < a->flags.keyword_count; i++) {
		struct span name = a->flags.keywords[i];
		int known = view_keyword_find(mailbox_view(s->mailbox), name);
		unsigned number = (unsigned)known;

		if (known < 0 && a->change == FLAGS_REMOVE)
			continue;
		if (known < 0 &&
		    mailbox_keyword(s->mailbox, name, &number, err) == -1)
			return -1;
		a->flags.letters |= MESSAGE_KEYWORD(number);
	}
	return 0;
}

static uint64_t
letters_after(uint64_t before, const struct store_args *a)
{
	switch (a->change) {
	case FLAGS_ADD:
		return before | a->flags.letters;
	case FLAGS_REMOVE:
		return before & ~a->flags.letters;
	default:
		return a->flags.letters;
	}
}

/* What the client expects of each message without being told. */
static int
expectation(struct imap_session *s, const struct store_args *a,
    const struct messages *m, struct sync_own *own, struct err *err)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t *uids;
	uint64_t *letters;
	size_t count;

	if (session_uids(s, m, &uids, &count, err) == -1)
		return -1;
	letters = arena_array(&s->arena, count, sizeof(*letters), err);
	if (letters == NULL)
		return -1;
	count = 0;
	for (size_t i = 0; i < m->count; i++) {
		uint64_t before = view_at(v, m->indexes[i])->letters;

		if ((before & MESSAGE_GONE) == 0)
			letters[count++] =
			    letters_after(before, a) &
			    (MESSAGE_SYSTEM_FLAGS | MESSAGE_KEYWORDS);
	}
	*own = (struct sync_own){ uids, letters, count };
	return 0;
}

/* Changes the flags; *modified, in the arena: UIDs left as they are. */
static int
store_run(struct imap_session *s, const struct store_args *a,
    const struct sync_own *own, uint32_t **modified, size_t *modified_count,
    struct err *err)
{
	*modified_count = 0;
	*modified = arena_array(&s->arena, own->count, sizeof(uint32_t), err);
	if (*modified == NULL)
		return -1;
	return mailbox_flags_since(s->mailbox, own->uids, own->count, a->change,
	    a->flags.letters, a->since, *modified, modified_count, err);
}

/* What the client is told of each message it named and that was changed. */
static void
stored_write(struct imap_session *s, const struct store_args *a,
    const struct messages *m, const uint32_t *modified, size_t count)
{
	const struct view *v = mailbox_view(s->mailbox);
	size_t next = 0;

	for (size_t i = 0; i < m->count && !s->quit; i++) {
		const struct message *message = view_at(v, m->indexes[i]);

		while (next < count && modified[next] < message->uid)
			next++;
		if ((message->letters & MESSAGE_GONE) != 0 ||
		    (next < count && modified[next] == message->uid))
			continue;
		if (!a->silent)
			session_flags_write(s, m->indexes[i]);
		else if (s->condstore)
			session_modseq_write(s, m->indexes[i]);
	}
}

/* "MODIFIED" SP set, as the client names messages. */
static void
modified_code(struct imap_session *s, uint32_t *modified, size_t count)
{
	const struct view *v = mailbox_view(s->mailbox);
	uint32_t index;

	for (size_t i = 0; !s->uid && i < count; i++) {
		if (view_find(v, modified[i], &index))
			modified[i] = index + 1;
	}
	buf_clear(&s->code);
	buf_append(&s->code, SPAN("MODIFIED "));
	sequence_set_format(modified, count, &s->code);
}

int
imap_store(struct imap_session *s, struct span args, struct err *err)
{
	struct store_args a = { .silent = false };
	struct sync_own own;
	struct messages m;
	uint32_t *modified;
	size_t count;

	if (store_parse(s, args, &a, err) == -1 ||
	    session_messages(s, &a.set, &m, err) == -1)
		return -1;
	if (s->read_only)
		return err_set(err, ERR_POLICY, "Mailbox is read-only");
	if (a.since != UINT64_MAX)
		session_condstore(s);
	if (keyword_letters(s, &a, err) == -1 ||
	    expectation(s, &a, &m, &own, err) == -1 ||
	    store_run(s, &a, &own, &modified, &count, err) == -1 ||
	    session_sync_own(s, &own, err) == -1)
		return -1;
	stored_write(s, &a, &m, modified, count);
	if (own.count < m.count && !s->uid) {
		session_code(s, "EXPUNGEISSUED");
		return err_set(
		    err, ERR_POLICY, "Some messages are no longer there");
	}
	if (count > 0)
		modified_code(s, modified, count);
	return 0;
}
