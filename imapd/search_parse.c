/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/search.h"

#include "imapd/modseq.h"
#include "imapd/parse.h"
#include "mime/charset.h"
#include "store/message.h"

struct parser {
	struct span in;
	struct arena *arena;
	struct span charset;
	unsigned depth, keys;
	bool modseq;
	struct err *err;
};

static int key_parse(struct parser *p, struct search_key **out);

/* ---- strings ----------------------------------------------------------------
 */

/* A string of the client's as it is compared. */
static int
needle_parse(struct parser *p, struct span *out)
{
	CLEANUP(buf_fini) struct buf utf8;
	CLEANUP(buf_fini) struct buf folded;
	struct span raw;

	/* Longer than what was gathered it cannot be. */
	buf_init(&utf8, 4 * p->in.len + 64);
	buf_init(&folded, 32 * p->in.len + 64);
	if (imap_sp_parse(&p->in, p->err) == -1 ||
	    imap_astring_parse(&p->in, p->arena, &raw, p->err) == -1)
		return -1;
	if (charset_decode(p->charset, raw, &utf8, p->err) == -1 ||
	    text_fold(buf_span(&utf8), &folded, p->err) == -1)
		return -1;
	*out = arena_copy(p->arena, buf_span(&folded), p->err);
	return out->p == NULL ? -1 : 0;
}

/* ---- keys by table
 * ------------------------------------------------------------ */

enum argument {
	ARG_NONE,
	ARG_NEEDLE,
	ARG_DATE,
	ARG_NUMBER,
	ARG_SECONDS, /* nz-number */
	ARG_MODSEQ,
	ARG_ATOM,   /* flag-keyword */
	ARG_HEADER, /* header-fld-name SP astring */
	ARG_SET,
};

static const struct {
	const char *name;
	enum search_kind kind;
	enum argument argument;
	uint64_t letters;
	const char *field;
	bool not ;
} keys[] = {
	{ "ALL", SEARCH_ALL, ARG_NONE, 0, NULL, false },
	{ "ANSWERED", SEARCH_FLAGS, ARG_NONE, MESSAGE_ANSWERED, NULL, false },
	{ "BCC", SEARCH_HEADER, ARG_NEEDLE, 0, "Bcc", false },
	{ "BEFORE", SEARCH_BEFORE, ARG_DATE, 0, NULL, false },
	{ "BODY", SEARCH_BODY, ARG_NEEDLE, 0, NULL, false },
	{ "CC", SEARCH_HEADER, ARG_NEEDLE, 0, "Cc", false },
	{ "DELETED", SEARCH_FLAGS, ARG_NONE, MESSAGE_DELETED, NULL, false },
	{ "DRAFT", SEARCH_FLAGS, ARG_NONE, MESSAGE_DRAFT, NULL, false },
	{ "FLAGGED", SEARCH_FLAGS, ARG_NONE, MESSAGE_FLAGGED, NULL, false },
	{ "FROM", SEARCH_HEADER, ARG_NEEDLE, 0, "From", false },
	{ "HEADER", SEARCH_HEADER, ARG_HEADER, 0, NULL, false },
	{ "KEYWORD", SEARCH_KEYWORD, ARG_ATOM, 0, NULL, false },
	{ "LARGER", SEARCH_LARGER, ARG_NUMBER, 0, NULL, false },
	{ "MODSEQ", SEARCH_MODSEQ, ARG_MODSEQ, 0, NULL, false },
	{ "OLD", SEARCH_RECENT, ARG_NONE, 0, NULL, true },
	{ "OLDER", SEARCH_OLDER, ARG_SECONDS, 0, NULL, false },
	{ "ON", SEARCH_ON, ARG_DATE, 0, NULL, false },
	{ "RECENT", SEARCH_RECENT, ARG_NONE, 0, NULL, false },
	{ "SEEN", SEARCH_FLAGS, ARG_NONE, MESSAGE_SEEN, NULL, false },
	{ "SENTBEFORE", SEARCH_SENTBEFORE, ARG_DATE, 0, NULL, false },
	{ "SENTON", SEARCH_SENTON, ARG_DATE, 0, NULL, false },
	{ "SENTSINCE", SEARCH_SENTSINCE, ARG_DATE, 0, NULL, false },
	{ "SINCE", SEARCH_SINCE, ARG_DATE, 0, NULL, false },
	{ "SMALLER", SEARCH_SMALLER, ARG_NUMBER, 0, NULL, false },
	{ "SUBJECT", SEARCH_HEADER, ARG_NEEDLE, 0, "Subject", false },
	{ "TEXT", SEARCH_TEXT, ARG_NEEDLE, 0, NULL, false },
	{ "TO", SEARCH_HEADER, ARG_NEEDLE, 0, "To", false },
	{ "UID", SEARCH_UID, ARG_SET, 0, NULL, false },
	{ "UNANSWERED", SEARCH_FLAGS, ARG_NONE, MESSAGE_ANSWERED, NULL, true },
	{ "UNDELETED", SEARCH_FLAGS, ARG_NONE, MESSAGE_DELETED, NULL, true },
	{ "UNDRAFT", SEARCH_FLAGS, ARG_NONE, MESSAGE_DRAFT, NULL, true },
	{ "UNFLAGGED", SEARCH_FLAGS, ARG_NONE, MESSAGE_FLAGGED, NULL, true },
	{ "UNKEYWORD", SEARCH_KEYWORD, ARG_ATOM, 0, NULL, true },
	{ "UNSEEN", SEARCH_FLAGS, ARG_NONE, MESSAGE_SEEN, NULL, true },
	{ "YOUNGER", SEARCH_YOUNGER, ARG_SECONDS, 0, NULL, false },
};

/*
 * [entry-name SP entry-type-req SP] mod-sequence-valzer
 *
 * There is one MODSEQ for all flags of a message: which is meant changes
 * nothing.
 */
static int
modseq_parse(struct parser *p, uint64_t *out)
{
	struct span name;

	if (p->in.len > 0 && p->in.p[0] == '"' &&
	    (imap_string_parse(&p->in, p->arena, &name, p->err) == -1 ||
		imap_sp_parse(&p->in, p->err) == -1 ||
		imap_atom_parse(&p->in, &name, p->err) == -1 ||
		imap_sp_parse(&p->in, p->err) == -1))
		return -1;
	return imap_modseq_parse(&p->in, out, p->err);
}

static int
argument_parse(struct parser *p, enum argument argument, struct search_key *k)
{
	switch (argument) {
	case ARG_NONE:
		return 0;
	case ARG_NEEDLE:
		return needle_parse(p, &k->text);
	case ARG_HEADER:
		if (imap_sp_parse(&p->in, p->err) == -1 ||
		    imap_astring_parse(&p->in, p->arena, &k->field, p->err) ==
			-1)
			return -1;
		return needle_parse(p, &k->text);
	default:
		break;
	}
	if (imap_sp_parse(&p->in, p->err) == -1)
		return -1;
	switch (argument) {
	case ARG_DATE:
		return imap_date_parse(&p->in, &k->day, p->err);
	case ARG_NUMBER:
		return imap_number_parse(&p->in, &k->number, p->err);
	case ARG_SECONDS:
		return imap_nz_number_parse(&p->in, &k->number, p->err);
	case ARG_MODSEQ:
		p->modseq = true;
		return modseq_parse(p, &k->modseq);
	case ARG_ATOM:
		return imap_atom_parse(&p->in, &k->text, p->err);
	default:
		return sequence_set_parse(&p->in, p->arena, &k->set, p->err);
	}
}

/* ---- structure
 * ---------------------------------------------------------------- */

static struct search_key *
key_new(struct parser *p, enum search_kind kind)
{
	struct search_key *k;

	if (++p->keys > SEARCH_KEYS_MAX) {
		(void)err_set(p->err, ERR_LIMIT, "Too many search keys");
		return NULL;
	}
	k = arena_take(p->arena, sizeof(*k), p->err);
	if (k != NULL)
		k->kind = kind;
	return k;
}

/* Into a list that is sorted by cost. */
static void
key_insert(struct search_key **list, struct search_key *k)
{
	while (*list != NULL && (*list)->kind <= k->kind)
		list = &(*list)->next;
	k->next = *list;
	*list = k;
}

/* search-key *(SP search-key), up to what ends the list. */
static int
list_parse(struct parser *p, struct search_key **list)
{
	do {
		struct search_key *k;

		if (key_parse(p, &k) == -1)
			return -1;
		key_insert(list, k);
	} while (span_take_octet(&p->in, ' '));
	return 0;
}

/* "(" search-key *(SP search-key) ")" */
static int
group_parse(struct parser *p, struct search_key **out)
{
	struct search_key *k = key_new(p, SEARCH_GROUP);

	if (k == NULL || list_parse(p, &k->keys) == -1)
		return -1;
	*out = k;
	return imap_octet_parse(&p->in, ')', p->err);
}

/* "OR" SP search-key SP search-key */
static int
or_parse(struct parser *p, struct search_key **out)
{
	struct search_key *k = key_new(p, SEARCH_OR), *one;

	if (k == NULL)
		return -1;
	for (int i = 0; i < 2; i++) {
		if (imap_sp_parse(&p->in, p->err) == -1 ||
		    key_parse(p, &one) == -1)
			return -1;
		key_insert(&k->keys, one);
	}
	*out = k;
	return 0;
}

/* "NOT" SP search-key */
static int
not_parse(struct parser *p, struct search_key **out)
{
	if (imap_sp_parse(&p->in, p->err) == -1 || key_parse(p, out) == -1)
		return -1;
	(*out)->not = !(*out)->not ;
	return 0;
}

/* "NEW" is RECENT UNSEEN. */
static int
new_parse(struct parser *p, struct search_key **out)
{
	struct search_key *group = key_new(p, SEARCH_GROUP);
	struct search_key *recent = key_new(p, SEARCH_RECENT);
	struct search_key *unseen = key_new(p, SEARCH_FLAGS);

	if (group == NULL || recent == NULL || unseen == NULL)
		return -1;
	unseen->letters = MESSAGE_SEEN;
	unseen->not = true;
	key_insert(&group->keys, recent);
	key_insert(&group->keys, unseen);
	*out = group;
	return 0;
}

static int
named_parse(struct parser *p, struct span name, struct search_key **out)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct search_key *k;

		if (!span_eq_nocase(name, span_str(keys[i].name)))
			continue;
		k = key_new(p, keys[i].kind);
		if (k == NULL)
			return -1;
		k->not = keys[i].not ;
		k->letters = keys[i].letters;
		if (keys[i].field != NULL)
			k->field = span_str(keys[i].field);
		*out = k;
		return argument_parse(p, keys[i].argument, k);
	}
	return err_set(p->err, ERR_SYNTAX, "Unknown search key");
}

static int
set_parse(struct parser *p, struct search_key **out)
{
	*out = key_new(p, SEARCH_SEQUENCE);
	if (*out == NULL)
		return -1;
	return sequence_set_parse(&p->in, p->arena, &(*out)->set, p->err);
}

static int
key_kind_parse(struct parser *p, struct search_key **out)
{
	struct span name;
	char c = p->in.len == 0 ? '\0' : p->in.p[0];

	if (span_take_octet(&p->in, '('))
		return group_parse(p, out);
	if (c == '*' || c == '$' || (c >= '0' && c <= '9'))
		return set_parse(p, out);
	if (imap_atom_parse(&p->in, &name, p->err) == -1)
		return -1;
	if (span_eq_nocase(name, SPAN("OR")))
		return or_parse(p, out);
	if (span_eq_nocase(name, SPAN("NOT")))
		return not_parse(p, out);
	if (span_eq_nocase(name, SPAN("NEW")))
		return new_parse(p, out);
	return named_parse(p, name, out);
}

static int
key_parse(struct parser *p, struct search_key **out)
{
	int outcome;

	if (p->depth == SEARCH_DEPTH_MAX)
		return err_set(p->err, ERR_LIMIT, "Search nested too deep");
	p->depth++;
	outcome = key_kind_parse(p, out);
	p->depth--;
	return outcome;
}

/* ---- what stands in front of the keys
 * ------------------------------------------ */

static const struct {
	const char *name;
	unsigned bit;
} options[] = {
	{ "MIN", SEARCH_RETURN_MIN },
	{ "MAX", SEARCH_RETURN_MAX },
	{ "ALL", SEARCH_RETURN_ALL },
	{ "COUNT", SEARCH_RETURN_COUNT },
	{ "SAVE", SEARCH_RETURN_SAVE },
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* "(" [option *(SP option)] ")", behind RETURN SP. */
static int
return_parse(struct parser *p, struct search_program *out)
{
	struct span name;

	out->extended = true;
	if (imap_octet_parse(&p->in, '(', p->err) == -1)
		return -1;
	if (span_take_octet(&p->in, ')')) {
		out->result = SEARCH_RETURN_ALL;
		return 0;
	}
	do {
		size_t i = 0;

		if (imap_atom_parse(&p->in, &name, p->err) == -1)
			return -1;
		while (i < OPTIONS &&
		       !span_eq_nocase(name, span_str(options[i].name)))
			i++;
		if (i == OPTIONS)
			return err_set(
			    p->err, ERR_SYNTAX, "Unknown search option");
		out->result |= options[i].bit;
	} while (span_take_octet(&p->in, ' '));
	return imap_octet_parse(&p->in, ')', p->err);
}

static int
charset_parse(struct parser *p)
{
	if (imap_astring_parse(&p->in, p->arena, &p->charset, p->err) == -1)
		return -1;
	if (p->charset.len == 0 || !charset_known(p->charset))
		return err_set(p->err, ERR_POLICY, "Unknown charset");
	return 0;
}

int
search_return_parse(struct span *in, struct arena *a,
    struct search_program *out, struct err *err)
{
	struct parser p = { .in = *in, .arena = a, .err = err };

	if (!span_take_nocase(&p.in, SPAN(" RETURN ")))
		return 0;
	if (return_parse(&p, out) == -1)
		return -1;
	*in = p.in;
	return 0;
}

/* 1*(SP search-key), to the end. */
static int
program_parse(struct parser *p, struct span *in, struct search_program *out)
{
	if (imap_sp_parse(&p->in, p->err) == -1 ||
	    list_parse(p, &out->keys) == -1 ||
	    imap_end_parse(&p->in, p->err) == -1)
		return -1;
	out->modseq = p->modseq;
	*in = p->in;
	return 0;
}

int
search_criteria_parse(struct span *in, struct arena *a,
    struct search_program *out, struct err *err)
{
	struct parser p = { .in = *in, .arena = a, .err = err };

	if (imap_sp_parse(&p.in, err) == -1 || charset_parse(&p) == -1)
		return -1;
	return program_parse(&p, in, out);
}

int
search_parse(struct span *in, struct arena *a, struct search_program *out,
    struct err *err)
{
	struct search_program program = { .keys = NULL };
	struct parser p = { .arena = a, .err = err };

	p.in = *in;
	if (search_return_parse(&p.in, a, &program, err) == -1 ||
	    (span_take_nocase(&p.in, SPAN(" CHARSET ")) &&
		charset_parse(&p) == -1) ||
	    program_parse(&p, in, &program) == -1)
		return -1;
	*out = program;
	return 0;
}
