/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/list.h"

#include "common/buf.h"
#include "imapd/parse.h"
#include "imapd/pattern.h"
#include "imapd/status.h"

struct option {
	const char *name;
	unsigned bit;
};

static const struct option selections[] = {
	{ "SUBSCRIBED", LIST_SUBSCRIBED | LIST_RETURN_SUBSCRIBED },
	{ "REMOTE", LIST_REMOTE },
	{ "RECURSIVEMATCH", LIST_RECURSIVEMATCH },
	{ "SPECIAL-USE", LIST_SPECIAL_USE | LIST_RETURN_SPECIAL_USE },
	{ NULL, 0 },
};

static const struct option returns[] = {
	{ "SUBSCRIBED", LIST_RETURN_SUBSCRIBED },
	{ "CHILDREN", LIST_RETURN_CHILDREN },
	{ "SPECIAL-USE", LIST_RETURN_SPECIAL_USE },
	{ "STATUS", LIST_RETURN_STATUS },
	{ NULL, 0 },
};

static int
option_parse(struct span *in, const struct option *known,
    struct list_request *out, struct err *err)
{
	struct span name;

	if (imap_atom_parse(in, &name, err) == -1)
		return -1;
	for (; known->name != NULL; known++) {
		if (!span_eq_nocase(name, span_str(known->name)))
			continue;
		out->options |= known->bit;
		if (known->bit != LIST_RETURN_STATUS)
			return 0;
		if (imap_sp_parse(in, err) == -1)
			return -1;
		return status_items_parse(in, &out->status, err);
	}
	return err_set(err, ERR_SYNTAX, "Unknown option of LIST");
}

/* [option *(SP option)] ")" */
static int
options_parse(struct span *in, const struct option *known,
    struct list_request *out, struct err *err)
{
	if (span_take_octet(in, ')'))
		return 0;
	do {
		if (option_parse(in, known, out, err) == -1)
			return -1;
	} while (span_take_octet(in, ' '));
	return imap_octet_parse(in, ')', err);
}

/* One pattern behind the reference. */
static int
pattern_parse(struct span *in, struct arena *a, struct span reference,
    struct list_request *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf joined;
	struct span pattern;

	buf_init(&joined, PATTERN_MAX);
	if (imap_list_mailbox_parse(in, a, &pattern, err) == -1)
		return -1;
	if (out->pattern_count == LIST_PATTERNS_MAX)
		return err_set(err, ERR_LIMIT, "Too many patterns");
	buf_append(&joined, reference);
	buf_append(&joined, pattern);
	if (buf_check(&joined, err) == -1)
		return -1;
	out->separator = pattern.len == 0;
	out->patterns[out->pattern_count] =
	    arena_copy(a, buf_span(&joined), err);
	return out->patterns[out->pattern_count++].p == NULL ? -1 : 0;
}

/* mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")" */
static int
patterns_parse(struct span *in, struct arena *a, struct span reference,
    struct list_request *out, struct err *err)
{
	out->patterns =
	    arena_array(a, LIST_PATTERNS_MAX, sizeof(*out->patterns), err);
	if (out->patterns == NULL)
		return -1;
	if (!span_take_octet(in, '('))
		return pattern_parse(in, a, reference, out, err);
	out->extended = true;
	do {
		if (pattern_parse(in, a, reference, out, err) == -1)
			return -1;
	} while (span_take_octet(in, ' '));
	return imap_octet_parse(in, ')', err);
}

int
list_request_parse(struct span *args, struct arena *a, struct list_request *out,
    struct err *err)
{
	const unsigned base = LIST_SUBSCRIBED | LIST_SPECIAL_USE;
	struct list_request r = { .extended = false };
	struct span in = *args, reference;

	if (span_take_nocase(&in, SPAN(" ("))) {
		r.extended = true;
		if (options_parse(&in, selections, &r, err) == -1)
			return -1;
	}
	if (imap_sp_parse(&in, err) == -1 ||
	    imap_list_mailbox_parse(&in, a, &reference, err) == -1 ||
	    imap_sp_parse(&in, err) == -1 ||
	    patterns_parse(&in, a, reference, &r, err) == -1)
		return -1;
	if (span_take_nocase(&in, SPAN(" RETURN ("))) {
		r.extended = true;
		if (options_parse(&in, returns, &r, err) == -1)
			return -1;
	}
	if (imap_end_parse(&in, err) == -1)
		return -1;
	if ((r.options & LIST_RECURSIVEMATCH) != 0 && (r.options & base) == 0)
		return err_set(err, ERR_SYNTAX,
		    "RECURSIVEMATCH needs another selection option");
	r.separator = r.separator && !r.extended;
	*args = in;
	*out = r;
	return 0;
}
