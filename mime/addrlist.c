/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/addrlist.h"

#include <string.h>

#include "mime/lex.h"

#define SPECIALS "()<>[]:;@\\,\""

struct parser {
	struct span in;
	struct arena *arena;
	struct addrlist_item *first, **tail;
	size_t count;
	bool in_group;
	struct err *err;
	/*
	 * Scratch, each with room for the whole field.  The words in front of
	 * "<", ":", "@" or the end, in both readings: phrase has one SP where
	 * white space was, local has none.
	 */
	char *phrase, *local;
	size_t phrase_len, local_len;
};

/* A copy that stays; SPAN_NONE for nothing. */
static int
text_keep(struct parser *p, const char *text, size_t len, struct span *out)
{
	*out = SPAN_NONE;
	if (len == 0)
		return 0;
	*out = arena_copy(p->arena, span_of(text, len), p->err);
	return out->p == NULL ? -1 : 0;
}

static int
item_add(struct parser *p, const struct addrlist_item *item)
{
	struct addrlist_item *copy =
	    arena_take(p->arena, sizeof(*copy), p->err);

	if (copy == NULL)
		return -1;
	*copy = *item;
	*p->tail = copy;
	p->tail = &copy->next;
	p->count++;
	return 0;
}

/* A word at the front goes to the end of local; its length, or 0. */
static bool
word_take(struct parser *p, const char *stops, size_t *len_out)
{
	char *to = p->local + p->local_len;
	struct span word;

	if (lex_quoted(&p->in, &word)) {
		*len_out = lex_unquote(word, to);
	} else if (lex_run(&p->in, stops, &word)) {
		memcpy(to, word.p, word.len);
		*len_out = word.len;
	} else {
		return false;
	}
	p->local_len += *len_out;
	return true;
}

/* Collects words up to an octet that is none. */
static void
words_take(struct parser *p, struct span *comment)
{
	bool space = false;

	p->phrase_len = p->local_len = 0;
	for (;;) {
		size_t len;

		if (lex_cfws(&p->in, comment))
			space = p->phrase_len > 0;
		if (!word_take(p, SPECIALS, &len)) {
			/* Some octets have no place here. */
			if (p->in.len == 0 ||
			    (p->in.p[0] != '\0' && strchr("<:@,;", p->in.p[0])))
				return;
			p->in = span_from(p->in, 1);
			continue;
		}
		if (space)
			p->phrase[p->phrase_len++] = ' ';
		space = false;
		memcpy(p->phrase + p->phrase_len, p->local + p->local_len - len,
		    len);
		p->phrase_len += len;
	}
}

/* domain = dot-atom / domain-literal, without white space and comments. */
static int
domain_take(struct parser *p, struct span *out, struct span *comment)
{
	size_t len = 0;

	for (;;) {
		struct span run;

		/* White space only beside a dot (obs-domain). */
		if (lex_cfws(&p->in, comment) && len > 0 &&
		    p->local[len - 1] != '.' && !span_starts(p->in, SPAN(".")))
			break;
		if (p->in.len > 0 && p->in.p[0] == '[') {
			ptrdiff_t end = span_index(p->in, ']');

			run = end < 0 ? p->in
				      : span_first(p->in, (size_t)end + 1);
			p->in = span_from(p->in, run.len);
		} else if (!lex_run(&p->in, SPECIALS, &run)) {
			break;
		}
		memcpy(p->local + len, run.p, run.len);
		len += run.len;
	}
	return text_keep(p, p->local, len, out);
}

/* route = "@" domain *("," "@" domain) ":" ; *in stays when it is none. */
static void
route_take(struct parser *p, struct span *out)
{
	struct span rest = p->in;
	ptrdiff_t colon, angle;

	(void)lex_cfws(&rest, NULL);
	colon = span_index(rest, ':');
	angle = span_index(rest, '>');
	if (rest.len == 0 || rest.p[0] != '@' || colon < 0 ||
	    (angle >= 0 && angle < colon))
		return;
	*out = span_first(rest, (size_t)colon);
	p->in = span_from(rest, (size_t)colon + 1);
}

/* Behind "<". */
static int
angle_take(struct parser *p, struct addrlist_item *item)
{
	size_t len;

	route_take(p, &item->route);
	p->local_len = 0;
	do
		(void)lex_cfws(&p->in, NULL);
	while (word_take(p, "<>@\"(,;", &len));
	if (text_keep(p, p->local, p->local_len, &item->local_part) == -1)
		return -1;
	if (span_take_octet(&p->in, '@') &&
	    domain_take(p, &item->domain, NULL) == -1)
		return -1;
	(void)lex_cfws(&p->in, NULL);
	(void)span_take_octet(&p->in, '>');
	return 0;
}

/* A comment behind an address without phrase names its owner. */
static int
name_from_comment(struct parser *p, struct span comment, struct span *name)
{
	char *room;

	comment = span_trim(comment);
	if (comment.len == 0)
		return 0;
	room = arena_take(p->arena, comment.len, p->err);
	if (room == NULL)
		return -1;
	*name = span_of(room, lex_unquote(comment, room));
	return 0;
}

/* "<", ":", "@" or the end, behind words. */
static int
item_take(struct parser *p)
{
	struct addrlist_item item = { .kind = ADDRLIST_MAILBOX };
	struct span comment = SPAN_NONE, phrase;

	words_take(p, &comment);
	if (text_keep(p, p->phrase, p->phrase_len, &phrase) == -1)
		return -1;
	if (span_take_octet(&p->in, '<')) {
		item.name = phrase;
		if (angle_take(p, &item) == -1)
			return -1;
	} else if (!p->in_group && span_take_octet(&p->in, ':')) {
		item.kind = ADDRLIST_GROUP_BEGIN;
		item.name = phrase;
		p->in_group = true;
		return item_add(p, &item);
	} else if (p->local_len > 0 || span_starts(p->in, SPAN("@"))) {
		if (text_keep(p, p->local, p->local_len, &item.local_part) ==
		    -1)
			return -1;
		if (span_take_octet(&p->in, '@') &&
		    domain_take(p, &item.domain, &comment) == -1)
			return -1;
	} else {
		return 0;
	}
	/* Behind an address stands a comma; a comment may come before it. */
	(void)lex_cfws(&p->in, &comment);
	if (item.name.p == NULL &&
	    name_from_comment(p, comment, &item.name) == -1)
		return -1;
	return item_add(p, &item);
}

/* Separators between items; groups end. */
static int
separator_take(struct parser *p, bool *taken)
{
	(void)lex_cfws(&p->in, NULL);
	*taken = true;
	if (span_take_octet(&p->in, ','))
		return 0;
	if (span_take_octet(&p->in, ';')) {
		struct addrlist_item end = { .kind = ADDRLIST_GROUP_END };

		if (!p->in_group)
			return 0;
		p->in_group = false;
		return item_add(p, &end);
	}
	*taken = false;
	return 0;
}

int
addrlist_parse(struct span value, struct arena *a,
    struct addrlist_item **first_out, struct err *err)
{
	struct parser p = { .in = value, .arena = a, .err = err };

	p.tail = &p.first;
	p.phrase = arena_take(a, 2 * value.len + 1, err);
	p.local = arena_take(a, value.len + 1, err);
	if (p.phrase == NULL || p.local == NULL)
		return -1;
	while (p.in.len > 0 && p.count < ADDRLIST_MAX) {
		size_t before = p.in.len;
		bool taken;

		if (separator_take(&p, &taken) == -1)
			return -1;
		if (!taken && item_take(&p) == -1)
			return -1;
		if (p.in.len == before)
			p.in = span_from(p.in, 1);
	}
	if (p.in_group) {
		struct addrlist_item end = { .kind = ADDRLIST_GROUP_END };

		if (item_add(&p, &end) == -1)
			return -1;
	}
	*first_out = p.first;
	return 0;
}
