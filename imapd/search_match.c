/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a message is what a program looks for. */
#include "imapd/search.h"

#include "imapd/known.h"
#include "imapd/search_text.h"
#include "mime/header.h"
#include "mime/structure.h"
#include "store/mailbox.h"

/* One message, its content opened when the first key needs it. */
struct search_match {
	struct search_context *c;
	uint32_t index;
	const struct message *message;
	struct content *content;
	struct mime_structure structure; /* count 0: not parsed */
	struct span header;              /* its fields; p NULL: not read */
	struct known_head head;          /* fields.p NULL: likewise */
	bool gone;
	struct err *err;
	bool failed;
};

static void
search_match_fini(struct search_match *m)
{
	content_free(m->content);
	mime_structure_fini(&m->structure);
}
CLEANUP_DEFINE_VALUE(struct search_match, search_match_fini)

void
search_context_init(struct search_context *c, struct mailbox *mailbox)
{
	*c = (struct search_context){ .mailbox = mailbox, .now = time(NULL) };
	message_head_init(&c->head);
	buf_init(&c->made, KNOWN_MADE_MAX);
}

void
search_context_fini(struct search_context *c)
{
	record_reader_free(c->known);
	message_head_fini(&c->head);
	buf_fini(&c->made);
}

static void
key_resolve(struct search_key *k, const struct search_context *c)
{
	for (; k != NULL; k = k->next) {
		if (k->kind == SEARCH_SEQUENCE && k->set.saved)
			k->kind = SEARCH_UID;
		if (k->kind == SEARCH_SEQUENCE)
			sequence_set_resolve(&k->set, c->count);
		if (k->kind == SEARCH_UID)
			sequence_set_resolve(&k->set, c->uid_largest);
		key_resolve(k->keys, c);
	}
}

void
search_resolve(const struct search_program *p, struct search_context *c)
{
	const struct view *v = mailbox_view(c->mailbox);

	c->count = view_count(v);
	c->uid_largest =
	    c->count == 0 ? view_uidnext(v) : view_at(v, c->count - 1)->uid;
	key_resolve(p->keys, c);
}

/* A call about this message failed; when only it cannot be read, or is gone,
 * others can still be found. */
static void
match_problem(struct search_match *m, const struct err *err)
{
	bool unreadable = message_unreadable(err);

	if (unreadable && m->c->unreadable++ == 0)
		m->c->unreadable_err = *err;
	if (unreadable || err->kind == ERR_POLICY) {
		m->gone = true;
		return;
	}
	m->failed = true;
	if (m->err != NULL)
		*m->err = *err;
}

static bool
content_need(struct search_match *m, struct span *out)
{
	struct err err = ERR_INIT;

	if (m->gone || m->failed)
		return false;
	if (m->content == NULL && content_open(m->c->mailbox, m->message->uid,
				      &m->content, &err) == -1) {
		match_problem(m, &err);
		return false;
	}
	*out = content_span(m->content);
	return true;
}

/* The fields of the header, as they stand. */
static bool
header_need(struct search_match *m, struct span *out)
{
	struct message_head *head = &m->c->head;
	struct err err = ERR_INIT;

	if (m->gone || m->failed)
		return false;
	if (m->header.p == NULL && m->content != NULL) {
		struct span message = content_span(m->content);

		m->header = span_first(message, header_end(message).fields);
	} else if (m->header.p == NULL) {
		if (message_head_read(
			m->c->mailbox, m->message->uid, head, &err) == -1) {
			match_problem(m, &err);
			return false;
		}
		m->header = span_first(head->header, head->fields);
	}
	*out = m->header;
	return true;
}

/* What the cache is told of a header that was read. */
static bool
head_learn(struct search_match *m, struct span *out)
{
	struct known_source source = { .size = m->message->size_virtual };
	struct err err = ERR_INIT;

	if (!header_need(m, &source.fields))
		return false;
	source.date =
	    m->content != NULL ? content_date(m->content) : m->c->head.date;
	if (known_learn(m->c->known, m->message->uid, KNOWN_HEAD, &source,
		&m->c->made, out, &err) == 0)
		return true;
	match_problem(m, &err);
	return false;
}

/* What the cache knows of the header, or would. */
static bool
fields_need(struct search_match *m, struct span *out)
{
	struct span value;

	if (m->head.fields.p == NULL &&
	    (!known_get(m->c->known, KNOWN_HEAD, m->message->uid, &value) ||
		!known_head_parse(value, &m->head)) &&
	    (!head_learn(m, &value) || !known_head_parse(value, &m->head)))
		return false;
	*out = m->head.fields;
	return true;
}

static bool
structure_need(struct search_match *m, struct span *message_out)
{
	struct err err = ERR_INIT;

	if (!content_need(m, message_out))
		return false;
	if (m->structure.count == 0 &&
	    mime_structure_parse(*message_out, &m->structure, &err) == -1) {
		match_problem(m, &err);
		return false;
	}
	return true;
}

static bool
match_size(struct search_match *m, const struct search_key *k)
{
	struct err err = ERR_INIT;
	uint64_t octets;

	if (known_size(m->c->known, m->c->mailbox, m->message, &octets, &err) ==
	    -1) {
		match_problem(m, &err);
		return false;
	}
	return k->kind == SEARCH_LARGER ? octets > k->number
					: octets < k->number;
}

/* kind: BEFORE, ON or SINCE, by the first of its three. */
static bool
day_fits(
    int64_t day, enum search_kind kind, enum search_kind before, int32_t wanted)
{
	if (kind == before)
		return day < wanted;
	return kind == before + 1 ? day == wanted : day >= wanted;
}

/* Days of INTERNALDATE are UTC's, as FETCH shows them. */
static bool
match_date(struct search_match *m, const struct search_key *k)
{
	struct err err = ERR_INIT;
	time_t when;
	int64_t day;

	if (known_date(m->c->known, m->c->mailbox, m->message, &when, &err) ==
	    -1) {
		match_problem(m, &err);
		return false;
	}
	if (k->kind == SEARCH_OLDER)
		return when <= m->c->now - (time_t)k->number;
	if (k->kind == SEARCH_YOUNGER)
		return when >= m->c->now - (time_t)k->number;
	day = when / 86400 - (when % 86400 < 0);
	return day_fits(day, k->kind, SEARCH_BEFORE, k->day);
}

static bool
match_sent(struct search_match *m, const struct search_key *k)
{
	struct span fields;
	int32_t day;

	if (!fields_need(m, &fields))
		return false;
	day = known_day(fields);
	return day != KNOWN_NO_DAY &&
	       day_fits(day, k->kind, SEARCH_SENTBEFORE, k->day);
}

static bool
match_header(struct search_match *m, const struct search_key *k)
{
	struct err err = ERR_INIT;
	struct span fields;
	unsigned number;
	bool found = false;

	if (known_field_find(k->field, &number)) {
		if (!fields_need(m, &fields))
			return false;
		switch (known_field_has(fields, number, k->text)) {
		case KNOWN_YES:
			return true;
		case KNOWN_NO:
			return false;
		case KNOWN_ASK:
			break;
		}
	}
	if (header_need(m, &fields) &&
	    header_has(fields, k->field, k->text, &found, &err) == -1)
		match_problem(m, &err);
	return found;
}

/* BODY and TEXT. */
static bool
match_text(struct search_match *m, const struct search_key *k)
{
	struct err err = ERR_INIT;
	struct span message;
	bool found = false;

	if (structure_need(m, &message) &&
	    message_has(message, &m->structure, k->kind == SEARCH_TEXT, k->text,
		&found, &err) == -1)
		match_problem(m, &err);
	return found;
}

static bool
match_keyword(struct search_match *m, struct span name)
{
	int n = view_keyword_find(mailbox_view(m->c->mailbox), name);

	return n >= 0 && (m->message->letters & MESSAGE_KEYWORD(n)) != 0;
}

static bool match_key(struct search_match *m, const struct search_key *k);

static bool
match_all(struct search_match *m, const struct search_key *k)
{
	for (; k != NULL; k = k->next) {
		if (!match_key(m, k))
			return false;
	}
	return true;
}

static bool
match_kind(struct search_match *m, const struct search_key *k)
{
	switch (k->kind) {
	case SEARCH_ALL:
		return true;
	case SEARCH_FLAGS:
		return (m->message->letters & k->letters) != 0;
	case SEARCH_RECENT:
		return mailbox_recent(m->c->mailbox, m->message);
	case SEARCH_KEYWORD:
		return match_keyword(m, k->text);
	case SEARCH_SEQUENCE:
		return sequence_set_has(&k->set, m->index + 1);
	case SEARCH_UID:
		return sequence_set_has(&k->set, m->message->uid);
	case SEARCH_MODSEQ:
		return m->message->change >= k->modseq;
	case SEARCH_LARGER:
	case SEARCH_SMALLER:
		return match_size(m, k);
	case SEARCH_OLDER:
	case SEARCH_YOUNGER:
	case SEARCH_BEFORE:
	case SEARCH_ON:
	case SEARCH_SINCE:
		return match_date(m, k);
	case SEARCH_SENTBEFORE:
	case SEARCH_SENTON:
	case SEARCH_SENTSINCE:
		return match_sent(m, k);
	case SEARCH_GROUP:
		return match_all(m, k->keys);
	case SEARCH_OR:
		return match_key(m, k->keys) || match_key(m, k->keys->next);
	case SEARCH_HEADER:
		return match_header(m, k);
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_text(m, k);
	}
	return false;
}

static bool
match_key(struct search_match *m, const struct search_key *k)
{
	return match_kind(m, k) != k->not ;
}

int
search_matches(const struct search_program *p, struct search_context *c,
    uint32_t index, bool *match_out, struct err *err)
{
	CLEANUP(search_match_fini)
	struct search_match m = { .c = c, .index = index, .err = err };

	m.message = view_at(mailbox_view(c->mailbox), index);
	*match_out = match_all(&m, p->keys) && !m.gone;
	return m.failed ? -1 : 0;
}
