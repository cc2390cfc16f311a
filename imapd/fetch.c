/* SPDX-License-Identifier: BSD-2-Clause */
/* FETCH.                                          RFC 3501 section 6.4.5 */
#include "imapd/fetch.h"

#include "imapd/command.h"
#include "imapd/known.h"
#include "imapd/reply.h"
#include "mime/header.h"
#include "store/message.h"

/* Octets from which a literal goes from its file to the socket by itself. */
#define FILE_LITERAL_MIN 16384

/* One FETCH command. */
struct fetch {
	struct imap_session *s;
	struct fetch_request request;
	struct record_reader *known; /* the cache, or NULL */
	/* For one message after the other. */
	struct message_head head;
	struct buf made;
	/* Messages that became \Seen by it, marked at the end. */
	uint32_t *seen;
	size_t seen_count;
	bool gone; /* some were there no more */
};

static void
fetch_fini(struct fetch *f)
{
	record_reader_free(f->known);
	message_head_fini(&f->head);
	buf_fini(&f->made);
}
CLEANUP_DEFINE_VALUE(struct fetch, fetch_fini)

/* One message of it. */
struct message_fetch {
	struct fetch *f;
	uint32_t index;
	const struct message *message;
	struct content *content;
	struct mime_structure structure; /* count 0: not parsed yet */
	struct span envelope;            /* p NULL: not asked */
	bool headed;                     /* f->head is this message's */
	bool becomes_seen;
	const char *between; /* "" before the first item */
};

static void
message_fetch_fini(struct message_fetch *m)
{
	content_free(m->content);
	mime_structure_fini(&m->structure);
}
CLEANUP_DEFINE_VALUE(struct message_fetch, message_fetch_fini)

static int
structure_need(struct message_fetch *m, struct err *err)
{
	if (m->structure.count > 0)
		return 0;
	return mime_structure_parse(
	    content_span(m->content), &m->structure, err);
}

/* ---- items ----------------------------------------------------------------
 */

static void
flags_item(struct message_fetch *m)
{
	struct imap_session *s = m->f->s;

	buf_append(&s->out, SPAN("FLAGS "));
	imap_flags_write(&s->out, mailbox_view(s->mailbox),
	    m->message->letters | (m->becomes_seen ? MESSAGE_SEEN : 0),
	    mailbox_recent(s->mailbox, m->message));
}

static int
date_item(struct message_fetch *m, struct err *err)
{
	struct imap_session *s = m->f->s;
	time_t when;

	if (m->content != NULL)
		when = content_date(m->content);
	else if (m->headed)
		when = m->f->head.date;
	else if (message_date(s->mailbox, m->message->uid, &when, err) == -1)
		return -1;
	buf_append(&s->out, SPAN("INTERNALDATE "));
	imap_date_time_write(&s->out, when);
	return 0;
}

static int
size_item(struct message_fetch *m, struct err *err)
{
	struct imap_session *s = m->f->s;
	uint64_t octets;

	if (m->content != NULL)
		octets = content_span(m->content).len;
	else if (message_size(s->mailbox, m->message->uid, &octets, err) == -1)
		return -1;
	buf_append_fmt(&s->out, "RFC822.SIZE %llu", (unsigned long long)octets);
	return 0;
}

/* What of a section was asked for. */
static struct span
partial_cut(const struct fetch_item *item, struct span whole)
{
	if (!item->partial || whole.p == NULL)
		return whole;
	return span_first(span_from(whole, item->from), item->count);
}

/* A literal of octets that are in the message's file. */
static int
file_literal(struct message_fetch *m, struct span octets, struct err *err)
{
	struct imap_session *s = m->f->s;
	int fd = content_fd(m->content);

	buf_append_fmt(&s->out, "{%zu}\r\n", octets.len);
	session_out_all(s);
	if (fd == -1) {
		conn_write(s->conn, octets);
		return 0;
	}
	return conn_write_file(s->conn, fd,
	    (uint64_t)(octets.p - content_span(m->content).p), octets.len, err);
}

static int
section_item(
    struct message_fetch *m, const struct fetch_item *item, struct err *err)
{
	struct imap_session *s = m->f->s;
	struct span message = content_span(m->content), octets;
	CLEANUP(buf_fini) struct buf made;

	/* The fields picked from a header are no more than the header. */
	buf_init(&made, message.len + 4);
	/* The whole message needs no structure. */
	if (item->section.depth == 0 && item->section.text == SECTION_ALL)
		octets = message;
	else if (structure_need(m, err) == -1)
		return -1;
	else
		octets =
		    section_find(&item->section, message, &m->structure, &made);
	octets = partial_cut(item, octets);
	if (item->name != NULL) {
		buf_append_str(&s->out, item->name);
	} else {
		buf_append(&s->out, SPAN("BODY"));
		section_write(&item->section, &s->out);
		if (item->partial)
			buf_append_fmt(&s->out, "<%u>", item->from);
	}
	buf_append_octet(&s->out, ' ');
	if (buf_check(&made, err) == -1)
		return -1;
	if (octets.len >= FILE_LITERAL_MIN && made.len == 0)
		return file_literal(m, octets, err);
	if (octets.p == NULL) {
		buf_append(&s->out, SPAN("NIL"));
		return 0;
	}
	/* Always a literal: some clients expect no quoted string here. */
	buf_append_fmt(&s->out, "{%zu}\r\n", octets.len);
	buf_append(&s->out, octets);
	return 0;
}

static int
structure_item(
    struct message_fetch *m, const struct fetch_item *item, struct err *err)
{
	struct imap_session *s = m->f->s;
	struct span message = content_span(m->content);

	if (structure_need(m, err) == -1)
		return -1;
	buf_append_str(
	    &s->out, item->kind == FETCH_BODY ? "BODY " : "BODYSTRUCTURE ");
	return bodystructure_write(&m->structure, message,
	    item->kind == FETCH_BODYSTRUCTURE, &s->out, err);
}

static int
item_write(
    struct message_fetch *m, const struct fetch_item *item, struct err *err)
{
	buf_append_str(&m->f->s->out, m->between);
	m->between = " ";
	switch (item->kind) {
	case FETCH_FLAGS:
		flags_item(m);
		return 0;
	case FETCH_UID:
		buf_append_fmt(&m->f->s->out, "UID %u", m->message->uid);
		return 0;
	case FETCH_INTERNALDATE:
		return date_item(m, err);
	case FETCH_SIZE:
		return size_item(m, err);
	case FETCH_ENVELOPE:
		buf_append(&m->f->s->out, SPAN("ENVELOPE "));
		buf_append(&m->f->s->out, m->envelope);
		return 0;
	case FETCH_BODY:
	case FETCH_BODYSTRUCTURE:
		return structure_item(m, item, err);
	case FETCH_SECTION:
		return section_item(m, item, err);
	}
	return 0;
}

/* ---- messages -------------------------------------------------------------
 */

/* Of the cache, or of the header. */
static int
envelope_need(struct message_fetch *m, struct err *err)
{
	struct fetch *f = m->f;
	uint32_t uid = m->message->uid;
	struct span header;

	if (known_get(f->known, KNOWN_ENVELOPE, uid, &m->envelope))
		return 0;
	if (m->content != NULL) {
		header = content_span(m->content);
		header = span_first(header, header_end(header).fields);
	} else {
		if (message_head_read(f->s->mailbox, uid, &f->head, err) == -1)
			return -1;
		m->headed = true;
		header = span_first(f->head.header, f->head.fields);
	}
	return known_learn(
	    f->known, uid, KNOWN_ENVELOPE, header, &f->made, &m->envelope, err);
}

/*
 * A response half written cannot be taken back: what can fail for a message
 * that is gone is tried before its first octet.
 */
static int
message_open(struct message_fetch *m, struct err *err)
{
	struct fetch *f = m->f;
	struct mailbox *mailbox = f->s->mailbox;
	uint64_t octets;
	time_t when;

	if (f->request.content &&
	    content_open(mailbox, m->message->uid, &m->content, err) == -1)
		return -1;
	if (f->request.envelope && envelope_need(m, err) == -1)
		return -1;
	if (m->content != NULL || m->headed)
		return 0;
	for (size_t i = 0; i < f->request.count; i++) {
		if (f->request.items[i].kind == FETCH_SIZE &&
		    message_size(mailbox, m->message->uid, &octets, err) == -1)
			return -1;
		if (f->request.items[i].kind == FETCH_INTERNALDATE &&
		    message_date(mailbox, m->message->uid, &when, err) == -1)
			return -1;
	}
	return 0;
}

static bool
item_asked(const struct fetch_request *r, enum fetch_kind kind)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->items[i].kind == kind)
			return true;
	}
	return false;
}

static int
message_write(struct message_fetch *m, struct err *err)
{
	struct fetch *f = m->f;
	struct imap_session *s = f->s;

	buf_append_fmt(&s->out, "* %u FETCH (", m->index + 1);
	/* Implicit ones first: the UID after UID FETCH, flags that change. */
	if (s->uid && !item_asked(&f->request, FETCH_UID)) {
		buf_append_fmt(&s->out, "UID %u", m->message->uid);
		m->between = " ";
	}
	if (m->becomes_seen && !item_asked(&f->request, FETCH_FLAGS)) {
		buf_append_str(&s->out, m->between);
		m->between = " ";
		flags_item(m);
	}
	for (size_t i = 0; i < f->request.count; i++) {
		if (item_write(m, &f->request.items[i], err) == -1) {
			/* The client cannot be told in the middle. */
			s->quit = true;
			return -1;
		}
	}
	buf_append(&s->out, SPAN(")\r\n"));
	session_out(s);
	return 0;
}

static int
message_fetch(struct fetch *f, uint32_t index, struct err *err)
{
	CLEANUP(message_fetch_fini)
	struct message_fetch m = { .f = f, .index = index, .between = "" };

	m.message = view_at(mailbox_view(f->s->mailbox), index);
	if (message_open(&m, err) == -1) {
		if (err->kind != ERR_POLICY)
			return -1;
		f->gone = true;
		err_clear(err);
		return 0;
	}
	m.becomes_seen = f->request.set_seen && !f->s->read_only &&
			 (m.message->letters & MESSAGE_SEEN) == 0;
	if (m.becomes_seen)
		f->seen[f->seen_count++] = m.message->uid;
	if (m.content != NULL && f->request.set_seen)
		counter_add(
		    host_counters(f->s->host), COUNTER_MESSAGES_READ, 1);
	return message_write(&m, err);
}

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
		MESSAGE_SEEN, err) == -1)
		return -1;
	return session_sync_own(s, &own, err);
}

static int
fetch_run(struct fetch *f, const struct messages *m, struct err *err)
{
	f->seen = arena_array(&f->s->arena, m->count, sizeof(*f->seen), err);
	if (f->seen == NULL)
		return -1;
	if (f->request.envelope)
		f->known = record_reader_new(
		    host_records(f->s->host), f->s->mailbox, m->count);
	for (size_t i = 0; i < m->count && !f->s->quit; i++) {
		if (message_fetch(f, m->indexes[i], err) == -1)
			return -1;
	}
	return fetch_mark_seen(f, err);
}

/* fetch = "FETCH" SP sequence-set SP (macro / fetch-att / list) */
int
imap_fetch(struct imap_session *s, struct span args, struct err *err)
{
	CLEANUP(fetch_fini) struct fetch f = { .s = s };
	struct sequence_set set;
	struct messages m;

	message_head_init(&f.head);
	buf_init(&f.made, KNOWN_MADE_MAX);
	if (imap_sp_parse(&args, err) == -1 ||
	    sequence_set_parse(&args, &s->arena, &set, err) == -1 ||
	    imap_sp_parse(&args, err) == -1 ||
	    fetch_request_parse(&args, &s->arena, &f.request, err) == -1 ||
	    imap_end_parse(&args, err) == -1 ||
	    session_messages(s, &set, &m, err) == -1 ||
	    fetch_run(&f, &m, err) == -1)
		return -1;
	if (f.gone && !s->uid) {
		session_code(s, "EXPUNGEISSUED");
		return err_set(
		    err, ERR_POLICY, "Some messages are no longer there");
	}
	return 0;
}
