/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/fetch.h"

#include "imapd/known.h"
#include "imapd/modseq.h"
#include "imapd/parse.h"
#include "imapd/reply.h"

/* ---- section ------------------------------------------------------------- */

static const struct {
	const char *name;
	enum section_text text;
} section_texts[] = {
	/* The longer ones first. */
	{ "HEADER.FIELDS.NOT", SECTION_HEADER_FIELDS_NOT },
	{ "HEADER.FIELDS", SECTION_HEADER_FIELDS },
	{ "HEADER", SECTION_HEADER },
	{ "TEXT", SECTION_TEXT },
	{ "MIME", SECTION_MIME },
};

/*
 * How long an array must be for what the rest of the command can hold: one
 * more than its separators, and no more than the limit.  A command of a few
 * words then clears no memory for a thousand.
 */
static size_t
bound(struct span in, char separator, size_t least, size_t most)
{
	size_t count = least;

	for (size_t i = 0; i < in.len && count < most; i++)
		count += in.p[i] == separator;
	return count;
}

/* header-list = "(" header-fld-name *(SP header-fld-name) ")" */
static int
header_list_parse(
    struct span *in, struct arena *a, struct section *out, struct err *err)
{
	if (imap_sp_parse(in, err) == -1 ||
	    imap_octet_parse(in, '(', err) == -1)
		return -1;
	out->fields = arena_array(a, bound(*in, ' ', 1, HEADER_FIELDS_MAX),
	    sizeof(*out->fields), err);
	if (out->fields == NULL)
		return -1;
	do {
		if (out->fields_len == HEADER_FIELDS_MAX)
			return err_set(
			    err, ERR_LIMIT, "Too many header fields");
		if (imap_astring_parse(
			in, a, &out->fields[out->fields_len], err) == -1)
			return -1;
		out->fields_len++;
	} while (span_take_octet(in, ' '));
	return imap_octet_parse(in, ')', err);
}

/* section-msgtext, and "MIME" behind a part. */
static int
section_text_parse(
    struct span *in, struct arena *a, struct section *out, struct err *err)
{
	size_t i = 0;

	for (; i < sizeof(section_texts) / sizeof(section_texts[0]); i++) {
		if (!span_take_nocase(in, span_str(section_texts[i].name)))
			continue;
		out->text = section_texts[i].text;
		if (out->text == SECTION_MIME && out->depth == 0)
			break;
		if (out->text == SECTION_HEADER_FIELDS ||
		    out->text == SECTION_HEADER_FIELDS_NOT)
			return header_list_parse(in, a, out, err);
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "Unknown section");
}

/* section-part = nz-number *("." nz-number), and a "." before a text. */
static int
section_part_parse(
    struct span *in, struct section *out, bool *text_out, struct err *err)
{
	*text_out = false;
	for (;;) {
		if (in->len == 0 || in->p[0] < '0' || in->p[0] > '9') {
			*text_out = true;
			return 0;
		}
		if (out->depth == SECTION_DEPTH_MAX)
			return err_set(err, ERR_LIMIT, "Section too deep");
		if (imap_nz_number_parse(in, &out->numbers[out->depth], err) ==
		    -1)
			return -1;
		out->depth++;
		if (!span_take_octet(in, '.'))
			return 0;
	}
}

int
section_parse(
    struct span *in, struct arena *a, struct section *out, struct err *err)
{
	struct span rest = *in;
	struct section section = { .text = SECTION_ALL };
	bool text;

	if (imap_octet_parse(&rest, '[', err) == -1)
		return -1;
	if (!span_take_octet(&rest, ']')) {
		section.numbers =
		    arena_array(a, bound(rest, '.', 1, SECTION_DEPTH_MAX),
			sizeof(*section.numbers), err);
		if (section.numbers == NULL ||
		    section_part_parse(&rest, &section, &text, err) == -1 ||
		    (text &&
			section_text_parse(&rest, a, &section, err) == -1) ||
		    imap_octet_parse(&rest, ']', err) == -1)
			return -1;
	}
	*in = rest;
	*out = section;
	return 0;
}

static const char *
section_text_name(enum section_text text)
{
	size_t i = 0;

	for (; i < sizeof(section_texts) / sizeof(section_texts[0]); i++) {
		if (section_texts[i].text == text)
			return section_texts[i].name;
	}
	return "";
}

void
section_write(const struct section *section, struct buf *out)
{
	buf_append_octet(out, '[');
	for (size_t i = 0; i < section->depth; i++)
		buf_append_fmt(
		    out, "%s%u", i == 0 ? "" : ".", section->numbers[i]);
	if (section->text != SECTION_ALL && section->depth > 0)
		buf_append_octet(out, '.');
	buf_append_str(out, section_text_name(section->text));
	for (size_t i = 0; i < section->fields_len; i++) {
		buf_append_str(out, i == 0 ? " (" : " ");
		imap_astring_write(out, section->fields[i]);
	}
	if (section->fields_len > 0)
		buf_append_octet(out, ')');
	buf_append_octet(out, ']');
}

/* ---- items --------------------------------------------------------------- */

/* "BODY" [".PEEK"] section, and the other names that mean one. */
static const struct {
	const char *name;
	enum fetch_kind kind;
	enum section_text text; /* of RFC822.* */
	bool peek;
} items[] = {
	/* The longer ones first. */
	{ "RFC822.HEADER", FETCH_SECTION, SECTION_HEADER, true },
	{ "RFC822.TEXT", FETCH_SECTION, SECTION_TEXT, false },
	{ "RFC822.SIZE", FETCH_SIZE, 0, true },
	{ "RFC822", FETCH_SECTION, SECTION_ALL, false },
	{ "INTERNALDATE", FETCH_INTERNALDATE, 0, true },
	{ "BODYSTRUCTURE", FETCH_BODYSTRUCTURE, 0, true },
	{ "ENVELOPE", FETCH_ENVELOPE, 0, true },
	{ "FLAGS", FETCH_FLAGS, 0, true },
	{ "MODSEQ", FETCH_MODSEQ, 0, true },
	{ "UID", FETCH_UID, 0, true },
	{ "BODY", FETCH_BODY, 0, true },
};

#define MACRO_ITEMS 5 /* the most that a macro stands for */

static const struct {
	const char *name;
	enum fetch_kind kinds[MACRO_ITEMS];
	size_t len;
} macros[] = {
	{ "ALL",
	    { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE },
	    4 },
	{ "FAST", { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE }, 3 },
	{ "FULL",
	    { FETCH_FLAGS, FETCH_INTERNALDATE, FETCH_SIZE, FETCH_ENVELOPE,
		FETCH_BODY },
	    5 },
};

/* "<" number "." nz-number ">" */
static int
partial_parse(struct span *in, struct fetch_item *out, struct err *err)
{
	if (!span_take_octet(in, '<'))
		return 0;
	out->partial = true;
	if (imap_number_parse(in, &out->from, err) == -1 ||
	    imap_octet_parse(in, '.', err) == -1 ||
	    imap_nz_number_parse(in, &out->count, err) == -1)
		return -1;
	return imap_octet_parse(in, '>', err);
}

/* The next octet cannot belong to the name. */
static bool
name_ends(struct span in)
{
	return in.len == 0 || in.p[0] == ' ' || in.p[0] == ')' ||
	       in.p[0] == '[';
}

static int
fetch_item_parse(
    struct span *in, struct arena *a, struct fetch_item *out, struct err *err)
{
	size_t i = 0;

	*out = (struct fetch_item){ .kind = FETCH_SECTION };
	if (span_take_nocase(in, SPAN("BODY.PEEK["))) {
		*in = span_of(in->p - 1, in->len + 1);
		out->peek = true;
		if (section_parse(in, a, &out->section, err) == -1)
			return -1;
		return partial_parse(in, out, err);
	}
	if (span_starts_nocase(*in, SPAN("BODY["))) {
		*in = span_from(*in, 4);
		if (section_parse(in, a, &out->section, err) == -1)
			return -1;
		return partial_parse(in, out, err);
	}
	for (; i < sizeof(items) / sizeof(items[0]); i++) {
		struct span rest = *in;

		if (!span_take_nocase(&rest, span_str(items[i].name)) ||
		    !name_ends(rest) || (rest.len > 0 && rest.p[0] == '['))
			continue;
		out->kind = items[i].kind;
		out->name = items[i].name;
		out->section.text = items[i].text;
		out->peek = items[i].peek;
		*in = rest;
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "Unknown FETCH item");
}

/* What a section needs. */
static void
section_add(struct fetch_request *r, const struct section *section)
{
	switch (section_source(section)) {
	case SECTION_OF_RECORD:
		r->kinds |= 1U << KNOWN_HEADER;
		break;
	case SECTION_OF_HEADER:
		r->header = true;
		break;
	case SECTION_OF_MESSAGE:
		r->content = true;
		break;
	}
}

static void
item_add(struct fetch_request *r, const struct fetch_item *item)
{
	r->items[r->count++] = *item;
	if (!item->peek)
		r->set_seen = true;
	switch (item->kind) {
	case FETCH_FLAGS:
	case FETCH_UID:
		break;
	case FETCH_MODSEQ:
		r->modseq = true;
		break;
	case FETCH_INTERNALDATE:
		r->date = true;
		break;
	case FETCH_SIZE:
		r->size = true;
		break;
	case FETCH_ENVELOPE:
		r->kinds |= 1U << KNOWN_HEAD;
		break;
	case FETCH_BODY:
		r->kinds |= 1U << KNOWN_BODY;
		break;
	case FETCH_BODYSTRUCTURE:
		r->kinds |= 1U << KNOWN_STRUCTURE;
		break;
	case FETCH_SECTION:
		section_add(r, &item->section);
		break;
	}
}

/* Once all items are there. */
static void
request_settle(struct fetch_request *r)
{
	/* The fields are in what is read anyway. */
	if (r->content || r->header)
		r->kinds &= ~(1U << KNOWN_HEADER);
	r->cached = r->kinds != 0 ||
		    (!r->content && (r->size || (r->date && !r->header)));
}

/* True when *in is one of the macros, which stand alone. */
static bool
macro_take(struct span *in, struct fetch_request *r)
{
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
		struct span rest = *in;

		if (!span_take_nocase(&rest, span_str(macros[i].name)) ||
		    (rest.len > 0 && !span_starts(rest, SPAN(" ("))))
			continue;
		for (size_t j = 0; j < macros[i].len; j++)
			item_add(
			    r, &(struct fetch_item){
				   .kind = macros[i].kinds[j], .peek = true });
		*in = rest;
		return true;
	}
	return false;
}

/* [SP "(" modifier *(SP modifier) ")"] */
static int
modifiers_parse(struct span *in, struct fetch_request *r, struct err *err)
{
	struct span name;

	if (!span_take_nocase(in, SPAN(" (")))
		return 0;
	do {
		if (imap_atom_parse(in, &name, err) == -1)
			return -1;
		if (span_eq_nocase(name, SPAN("VANISHED"))) {
			r->vanished = true;
			continue;
		}
		if (!span_eq_nocase(name, SPAN("CHANGEDSINCE")))
			return err_set(
			    err, ERR_SYNTAX, "Unknown FETCH modifier");
		r->has_since = r->modseq = true;
		if (imap_sp_parse(in, err) == -1 ||
		    imap_modseq_parse(in, &r->since, err) == -1)
			return -1;
	} while (span_take_octet(in, ' '));
	if (r->vanished && !r->has_since)
		return err_set(err, ERR_SYNTAX, "VANISHED needs CHANGEDSINCE");
	return imap_octet_parse(in, ')', err);
}

int
fetch_request_parse(struct span *in, struct arena *a, struct fetch_request *out,
    struct err *err)
{
	struct span rest = *in;
	struct fetch_request r = { .count = 0 };
	struct fetch_item item;
	bool list;

	r.items = arena_array(a, bound(rest, ' ', MACRO_ITEMS, FETCH_ITEMS_MAX),
	    sizeof(*r.items), err);
	if (r.items == NULL)
		return -1;
	if (!macro_take(&rest, &r)) {
		list = span_take_octet(&rest, '(');
		do {
			if (r.count == FETCH_ITEMS_MAX)
				return err_set(
				    err, ERR_LIMIT, "Too many items");
			if (fetch_item_parse(&rest, a, &item, err) == -1)
				return -1;
			item_add(&r, &item);
		} while (list && span_take_octet(&rest, ' '));
		if (list && imap_octet_parse(&rest, ')', err) == -1)
			return -1;
	}
	if (modifiers_parse(&rest, &r, err) == -1)
		return -1;
	request_settle(&r);
	*in = rest;
	*out = r;
	return 0;
}
