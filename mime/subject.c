/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/subject.h"

static bool
is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Step 1: tabs and line ends become SP, and many of them one. */
static size_t
white_join(char *text, size_t len)
{
	size_t to = 0;

	for (size_t i = 0; i < len; i++) {
		if (!is_white(text[i]))
			text[to++] = text[i];
		else if (to == 0 || text[to - 1] != ' ')
			text[to++] = ' ';
	}
	return to;
}

/* Step 2: *subj-trailer, "(fwd)" / WSP */
static bool
trailers_drop(struct span *s)
{
	bool fwd = false;

	for (;;) {
		if (s->len > 0 && s->p[s->len - 1] == ' ') {
			s->len--;
		} else if (s->len >= 5 &&
			   span_eq_nocase(
			       span_from(*s, s->len - 5), SPAN("(fwd)"))) {
			s->len -= 5;
			fwd = true;
		} else {
			return fwd;
		}
	}
}

/* subj-blob = "[" *BLOBCHAR "]" *WSP */
static bool
blob_take(struct span *s)
{
	struct span rest = *s;

	if (!span_take_octet(&rest, '['))
		return false;
	while (rest.len > 0 && rest.p[0] != '[' && rest.p[0] != ']')
		rest = span_from(rest, 1);
	if (!span_take_octet(&rest, ']'))
		return false;
	while (span_take_octet(&rest, ' '))
		;
	*s = rest;
	return true;
}

/* subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":" */
static bool
refwd_take(struct span *s)
{
	struct span rest = *s;

	if (!span_take_nocase(&rest, SPAN("re")) &&
	    !span_take_nocase(&rest, SPAN("fwd")) &&
	    !span_take_nocase(&rest, SPAN("fw")))
		return false;
	while (span_take_octet(&rest, ' '))
		;
	(void)blob_take(&rest);
	if (!span_take_octet(&rest, ':'))
		return false;
	*s = rest;
	return true;
}

/*
 * Steps 3 to 5.  Where blobs are not followed by a subj-refwd, looking again
 * behind each of them would find none either: they go one after the other,
 * but for one with nothing behind it.
 */
static bool
leaders_drop(struct span *s)
{
	bool refwd = false;

	for (;;) {
		struct span behind;

		while (span_take_octet(s, ' '))
			;
		behind = *s;
		while (blob_take(&behind))
			;
		if (refwd_take(&behind)) {
			*s = behind;
			refwd = true;
			continue;
		}
		for (behind = *s; blob_take(&behind) && behind.len > 0;)
			*s = behind;
		return refwd;
	}
}

/* Step 6: "[fwd:" ... "]" */
static bool
forward_drop(struct span *s)
{
	if (!span_starts_nocase(*s, SPAN("[fwd:")) || !span_ends(*s, SPAN("]")))
		return false;
	*s = span_from(span_first(*s, s->len - 1), 5);
	return true;
}

struct span
subject_base(char *text, size_t len, bool *reply_out)
{
	struct span s = span_of(text, white_join(text, len));

	*reply_out = false;
	for (;;) {
		bool trailer = trailers_drop(&s), leader = leaders_drop(&s);
		bool forward = forward_drop(&s);

		*reply_out |= trailer || leader || forward;
		if (!forward)
			return s;
	}
}
