/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The response for one message.
 *
 * First all that is asked is at hand: from the cache, or else from the header,
 * or else from the whole message, whichever is the least that will do.  Then it
 * is written, since a response half written cannot be taken back.
 */
#include "imapd/fetch_message.h"

#include "imapd/reply.h"
#include "mime/header.h"

/* Octets from which a literal goes from its file to the socket by itself. */
#define FILE_LITERAL_MIN 16384

struct message_fetch {
	struct fetch *f;
	uint32_t index;
	const struct message *message;
	struct span known[KNOWN_KINDS]; /* by the request's */
	/* The header with the empty line, and octets of its fields; p NULL:
	 * not read. */
	struct span header;
	size_t fields;
	struct content *content;         /* or NULL */
	struct mime_structure structure; /* count 0: not parsed yet */
	struct known_head head;          /* of known[KNOWN_HEAD] */
	time_t date;
	uint64_t size;
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

void
fetch_init(struct fetch *f, struct imap_session *s)
{
	*f = (struct fetch){ .s = s };
	message_head_init(&f->head);
	for (size_t i = 0; i < KNOWN_KINDS; i++)
		buf_init(&f->made[i], KNOWN_MADE_MAX);
	/* Fields picked from a header are no more than the header. */
	buf_init(&f->section, SIZE_MAX / 2);
}

void
fetch_fini(struct fetch *f)
{
	record_reader_free(f->known);
	message_head_fini(&f->head);
	for (size_t i = 0; i < KNOWN_KINDS; i++)
		buf_fini(&f->made[i]);
	buf_fini(&f->section);
}

/* ---- what is needed ---- */

static int
structure_need(struct message_fetch *m, struct err *err)
{
	if (m->structure.count > 0)
		return 0;
	return mime_structure_parse(
	    content_span(m->content), &m->structure, err);
}

/* The whole message, its header with it. */
static int
content_need(struct message_fetch *m, struct err *err)
{
	struct header_end end;

	if (m->content != NULL)
		return 0;
	if (content_open(m->f->s->mailbox, m->message->uid, &m->content, err) ==
	    -1)
		return -1;
	m->header = content_span(m->content);
	end = header_end(m->header);
	m->header = span_first(m->header, end.body);
	m->fields = end.fields;
	m->date = content_date(m->content);
	m->size = content_span(m->content).len;
	return 0;
}

static int
header_need(struct message_fetch *m, struct err *err)
{
	struct message_head *head = &m->f->head;

	if (m->header.p != NULL)
		return 0;
	if (message_head_read(m->f->s->mailbox, m->message->uid, head, err) ==
	    -1)
		return -1;
	m->header = head->header;
	m->fields = head->fields;
	m->date = head->date;
	m->size = m->message->size_virtual;
	return 0;
}

/* What the cache does not know of these kinds is read, and the cache told. */
static int
kinds_learn(struct message_fetch *m, unsigned kinds, struct err *err)
{
	const unsigned whole = 1U << KNOWN_STRUCTURE | 1U << KNOWN_BODY;
	struct known_source source = { 0 };

	if ((kinds & whole) == 0
		? header_need(m, err) == -1
		: content_need(m, err) == -1 || structure_need(m, err) == -1)
		return -1;
	source.fields = span_first(m->header, m->fields);
	source.date = m->date;
	source.size = m->size;
	if (m->content != NULL)
		source.message = content_span(m->content);
	source.structure = &m->structure;
	for (unsigned i = 0; i < KNOWN_KINDS; i++) {
		if ((kinds & 1U << i) != 0 &&
		    known_learn(m->f->known, m->message->uid, i, &source,
			&m->f->made[i], &m->known[i], err) == -1)
			return -1;
	}
	return 0;
}

static bool
kind_get(struct message_fetch *m, enum known_kind kind)
{
	return known_get(m->f->known, kind, m->message->uid, &m->known[kind]) &&
	       (kind != KNOWN_HEAD ||
		   known_head_parse(m->known[kind], &m->head));
}

static int
kinds_need(struct message_fetch *m, struct err *err)
{
	unsigned kinds = m->f->request.kinds, missing = 0;

	for (unsigned i = 0; i < KNOWN_KINDS; i++) {
		if ((kinds & 1U << i) != 0 && !kind_get(m, i))
			missing |= 1U << i;
	}
	if (missing != 0 && kinds_learn(m, missing, err) == -1)
		return -1;
	if ((missing & 1U << KNOWN_HEAD) != 0)
		(void)known_head_parse(m->known[KNOWN_HEAD], &m->head);
	return 0;
}

static int
message_need(struct message_fetch *m, struct err *err)
{
	struct fetch *f = m->f;

	if (f->request.content && content_need(m, err) == -1)
		return -1;
	if (kinds_need(m, err) == -1 ||
	    (f->request.header && header_need(m, err) == -1))
		return -1;
	if (m->header.p == NULL && m->known[KNOWN_HEAD].p != NULL)
		m->date = m->head.date;
	else if (f->request.date && m->header.p == NULL &&
		 known_date(
		     f->known, f->s->mailbox, m->message, &m->date, err) == -1)
		return -1;
	if (f->request.size && m->content == NULL &&
	    known_size(f->known, f->s->mailbox, m->message, &m->size, err) ==
		-1)
		return -1;
	return 0;
}

/* ---- sections ---- */

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
section_octets(struct message_fetch *m, const struct fetch_item *item,
    struct span *out, struct err *err)
{
	const struct section *section = &item->section;
	struct span message;

	buf_clear(&m->f->section);
	switch (section_source(section)) {
	case SECTION_OF_RECORD:
		*out = m->known[KNOWN_HEADER].p != NULL
			   ? section_header(section, m->known[KNOWN_HEADER],
				 m->known[KNOWN_HEADER].len, &m->f->section)
			   : section_header(
				 section, m->header, m->fields, &m->f->section);
		break;
	case SECTION_OF_HEADER:
		*out = section_header(
		    section, m->header, m->fields, &m->f->section);
		break;
	case SECTION_OF_MESSAGE:
		message = content_span(m->content);
		/* All of it needs no structure. */
		if (section->depth == 0 && section->text == SECTION_ALL) {
			*out = message;
			break;
		}
		if (structure_need(m, err) == -1)
			return -1;
		*out = section_find(
		    section, message, &m->structure, &m->f->section);
		break;
	}
	*out = partial_cut(item, *out);
	return buf_check(&m->f->section, err);
}

static int
section_item(
    struct message_fetch *m, const struct fetch_item *item, struct err *err)
{
	struct imap_session *s = m->f->s;
	struct span octets;

	if (section_octets(m, item, &octets, err) == -1)
		return -1;
	if (item->name != NULL) {
		buf_append_str(&s->out, item->name);
	} else {
		buf_append(&s->out, SPAN("BODY"));
		section_write(&item->section, &s->out);
		if (item->partial)
			buf_append_fmt(&s->out, "<%u>", item->from);
	}
	buf_append_octet(&s->out, ' ');
	if (octets.len >= FILE_LITERAL_MIN && m->content != NULL &&
	    m->f->section.len == 0)
		return file_literal(m, octets, err);
	if (octets.p == NULL) {
		buf_append(&s->out, SPAN("NIL"));
		return 0;
	}
	/* Always a literal: some clients expect no quoted string here. */
	buf_append_octet(&s->out, '{');
	buf_append_u64(&s->out, octets.len);
	buf_append(&s->out, SPAN("}\r\n"));
	buf_append(&s->out, octets);
	return 0;
}

/* ---- items ---- */

static void
flags_item(struct message_fetch *m)
{
	struct imap_session *s = m->f->s;

	buf_append(&s->out, SPAN("FLAGS "));
	imap_flags_write(&s->out, mailbox_view(s->mailbox),
	    m->message->letters | (m->becomes_seen ? MESSAGE_SEEN : 0),
	    mailbox_recent(s->mailbox, m->message));
}

static void
modseq_item(struct message_fetch *m)
{
	struct buf *out = &m->f->s->out;

	buf_append(out, SPAN("MODSEQ ("));
	buf_append_u64(out, m->message->change);
	buf_append_octet(out, ')');
}

static void
number_item(struct buf *out, struct span name, uint64_t number)
{
	buf_append(out, name);
	buf_append_u64(out, number);
}

static void
text_item(struct buf *out, struct span name, struct span text)
{
	buf_append(out, name);
	buf_append(out, text);
}

static int
item_write(
    struct message_fetch *m, const struct fetch_item *item, struct err *err)
{
	struct buf *out = &m->f->s->out;

	buf_append_str(out, m->between);
	m->between = " ";
	switch (item->kind) {
	case FETCH_FLAGS:
		flags_item(m);
		break;
	case FETCH_UID:
		number_item(out, SPAN("UID "), m->message->uid);
		break;
	case FETCH_INTERNALDATE:
		buf_append(out, SPAN("INTERNALDATE "));
		imap_date_time_write(out, m->date);
		break;
	case FETCH_SIZE:
		number_item(out, SPAN("RFC822.SIZE "), m->size);
		break;
	case FETCH_ENVELOPE:
		text_item(out, SPAN("ENVELOPE "), m->head.envelope);
		break;
	case FETCH_BODY:
		text_item(out, SPAN("BODY "), m->known[KNOWN_BODY]);
		break;
	case FETCH_BODYSTRUCTURE:
		text_item(
		    out, SPAN("BODYSTRUCTURE "), m->known[KNOWN_STRUCTURE]);
		break;
	case FETCH_MODSEQ:
		modseq_item(m);
		break;
	case FETCH_SECTION:
		return section_item(m, item, err);
	}
	return 0;
}

/* ---- the response ---- */

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

	number_item(&s->out, SPAN("* "), m->index + 1);
	buf_append(&s->out, SPAN(" FETCH ("));
	/* Implicit ones first: the UID after UID FETCH, flags that change. */
	if (s->uid && !item_asked(&f->request, FETCH_UID)) {
		number_item(&s->out, SPAN("UID "), m->message->uid);
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
	if (f->request.modseq && !item_asked(&f->request, FETCH_MODSEQ)) {
		buf_append_str(&s->out, m->between);
		modseq_item(m);
	}
	buf_append(&s->out, SPAN(")\r\n"));
	session_out(s);
	return 0;
}

int
fetch_message(struct fetch *f, uint32_t index, struct err *err)
{
	CLEANUP(message_fetch_fini)
	struct message_fetch m = { .f = f, .index = index, .between = "" };

	m.message = view_at(mailbox_view(f->s->mailbox), index);
	if (message_need(&m, err) == -1) {
		if (message_unreadable(err)) {
			if (f->unreadable++ == 0)
				f->unreadable_err = *err;
		} else if (err->kind != ERR_POLICY) {
			return -1;
		} else {
			f->gone = true;
		}
		err_clear(err);
		return 0;
	}
	m.becomes_seen = f->request.set_seen && !f->s->read_only &&
			 (m.message->letters & MESSAGE_SEEN) == 0;
	if (m.becomes_seen)
		f->seen[f->seen_count++] = m.message->uid;
	if (f->request.set_seen)
		counter_add(
		    host_counters(f->s->host), COUNTER_MESSAGES_READ, 1);
	return message_write(&m, err);
}
