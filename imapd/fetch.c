/* SPDX-License-Identifier: BSD-2-Clause */
/* FETCH.                                          RFC 3501 section 6.4.5 */
#include "imapd/fetch.h"

#include "imapd/command.h"
#include "imapd/fetch_message.h"
#include "imapd/modseq.h"

/* \Seen for what was read, in one go; the client was told already. */
static int
fetch_mark_seen(struct fetch *f, struct err *err)
{
	struct imap_session *s = f->s;
	struct sync_own own = { f->seen, NULL, f->seen_count };
	uint64_t *letters;
	uint32_t index;

	if (f->seen_count == 0)
		return 0;
	letters = arena_array(&s->arena, f->seen_count, sizeof(*letters), err);
	if (letters == NULL)
		return -1;
	for (size_t i = 0; i < f->seen_count; i++) {
		const struct view *v = mailbox_view(s->mailbox);

		if (view_find(v, f->seen[i], &index))
			letters[i] =
			    (view_at(v, index)->letters &
				(MESSAGE_SYSTEM_FLAGS | MESSAGE_KEYWORDS)) |
			    MESSAGE_SEEN;
	}
	own.letters = letters;
	if (mailbox_flags(s->mailbox, f->seen, f->seen_count, FLAGS_ADD,
		MESSAGE_SEEN, err) == -1 ||
	    session_sync_own(s, &own, err) == -1)
		return -1;
	/* RFC 7162 section 3.2.4: of the flags it was told alone. */
	for (size_t i = 0; s->condstore && i < f->seen_count; i++) {
		if (view_find(mailbox_view(s->mailbox), f->seen[i], &index))
			session_modseq_write(s, index);
	}
	return 0;
}

/* The messages that have changed since. */
static void
changed_only(const struct imap_session *s, uint64_t since, struct messages *m)
{
	const struct view *v = mailbox_view(s->mailbox);
	size_t kept = 0;

	for (size_t i = 0; i < m->count; i++) {
		if (view_at(v, m->indexes[i])->change > since)
			m->indexes[kept++] = m->indexes[i];
	}
	m->count = kept;
}

/* CHANGEDSINCE and VANISHED; the set is resolved. */
static int
modifiers_run(struct fetch *f, const struct sequence_set *set,
    struct messages *m, struct err *err)
{
	struct imap_session *s = f->s;

	if (f->request.vanished && (!s->uid || !s->qresync))
		return err_set(err, ERR_SYNTAX,
		    "VANISHED needs UID FETCH and QRESYNC enabled");
	if (f->request.modseq)
		session_condstore(s);
	if (f->request.has_since)
		changed_only(s, f->request.since, m);
	if (f->request.vanished)
		vanished_write(s, set, 1);
	return 0;
}

static int
fetch_run(struct fetch *f, const struct messages *m, struct err *err)
{
	f->seen = arena_array(&f->s->arena, m->count, sizeof(*f->seen), err);
	if (f->seen == NULL)
		return -1;
	if (f->request.cached)
		f->known = record_reader_new(
		    host_records(f->s->host), f->s->mailbox, m->count);
	for (size_t i = 0; i < m->count && !f->s->quit; i++) {
		if (fetch_message(f, m->indexes[i], err) == -1)
			return -1;
	}
	return fetch_mark_seen(f, err);
}

/* fetch = "FETCH" SP sequence-set SP (macro / fetch-att / list) */
int
imap_fetch(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(fetch_fini) struct fetch f;
	struct sequence_set set;
	struct messages m;

	fetch_init(&f, s);
	if (imap_sp_parse(&args, err) == -1 ||
	    sequence_set_parse(&args, &s->arena, &set, err) == -1 ||
	    imap_sp_parse(&args, err) == -1 ||
	    fetch_request_parse(&args, &s->arena, &f.request, err) == -1 ||
	    imap_end_parse(&args, err) == -1 ||
	    session_messages(s, &set, &m, err) == -1 ||
	    modifiers_run(&f, &set, &m, err) == -1 ||
	    fetch_run(&f, &m, err) == -1)
		return -1;
	if (f.unreadable > 0) {
		*err = f.unreadable_err;
		return err_prefix(
		    err, "%zu messages cannot be read", f.unreadable);
	}
	if (f.gone && !s->uid) {
		session_code(s, "EXPUNGEISSUED");
		return err_set(
		    err, ERR_POLICY, "Some messages are no longer there");
	}
	return 0;
}
