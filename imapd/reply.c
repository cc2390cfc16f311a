/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/reply.h"

#include <stdio.h>

#include "imapd/parse.h"
#include "store/list.h"

const struct imap_system_flag imap_system_flags[5] = {
	{ "\\Answered", MESSAGE_ANSWERED },
	{ "\\Flagged", MESSAGE_FLAGGED },
	{ "\\Deleted", MESSAGE_DELETED },
	{ "\\Seen", MESSAGE_SEEN },
	{ "\\Draft", MESSAGE_DRAFT },
};

/* May stand between quotes: TEXT-CHAR of 7 bits, controls left out too. */
static bool
is_quotable(struct span s)
{
	if (s.len > IMAP_QUOTED_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c < 32 && c != '\t') || c > 126)
			return false;
	}
	return true;
}

void
imap_string_write(struct buf *out, struct span s)
{
	if (!is_quotable(s)) {
		buf_append_fmt(out, "{%zu}\r\n", s.len);
		buf_append(out, s);
		return;
	}
	buf_append_octet(out, '"');
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, s.p[i]);
	}
	buf_append_octet(out, '"');
}

void
imap_nstring_write(struct buf *out, struct span s)
{
	if (s.p == NULL)
		buf_append(out, SPAN("NIL"));
	else
		imap_string_write(out, s);
}

void
imap_astring_write(struct buf *out, struct span s)
{
	bool bare = s.len > 0 && s.len <= IMAP_QUOTED_MAX &&
		    !span_eq_nocase(s, SPAN("NIL"));

	for (size_t i = 0; bare && i < s.len; i++)
		bare = imap_is(s.p[i], IMAP_ASTRING);
	if (bare)
		buf_append(out, s);
	else
		imap_string_write(out, s);
}

void
imap_mailbox_write(struct buf *out, struct span name)
{
	CLEANUP(buf_fini) struct buf wire;

	buf_init(&wire, 8 * MAILBOX_NAME_MAX);
	if (mutf7_encode(name, &wire, NULL) == -1) {
		buf_clear(&wire); /* no UTF-8: it came from a foreign tree */
		buf_append(&wire, name);
	}
	imap_astring_write(out, buf_span(&wire));
}

void
imap_flags_write(
    struct buf *out, const struct view *v, uint64_t letters, bool recent)
{
	const char *between = "";

	buf_append_octet(out, '(');
	for (size_t i = 0; i < 5; i++) {
		if ((letters & imap_system_flags[i].letter) == 0)
			continue;
		buf_append_str(out, between);
		buf_append_str(out, imap_system_flags[i].name);
		between = " ";
	}
	if (recent) {
		buf_append_str(out, between);
		buf_append(out, SPAN("\\Recent"));
		between = " ";
	}
	for (unsigned n = 0; n < 26; n++) {
		if ((letters & MESSAGE_KEYWORD(n)) == 0)
			continue;
		buf_append_str(out, between);
		buf_append(out, view_keyword(v, n));
		between = " ";
	}
	buf_append_octet(out, ')');
}

void
imap_date_time_write(struct buf *out, time_t when)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (gmtime_r(&when, &tm) == NULL || tm.tm_year < -1900 ||
	    tm.tm_year > 8099) {
		when = 0;
		(void)gmtime_r(&when, &tm);
	}
	buf_append_fmt(out, "\"%2d-%.3s-%04d %02d:%02d:%02d +0000\"",
	    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec);
}

void
imap_text_write(struct buf *out, struct span text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.p[i];

		buf_append_octet(
		    out, c < 32 || c > 126 || c == ']' ? '?' : text.p[i]);
	}
}
