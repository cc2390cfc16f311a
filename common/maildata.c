/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/maildata.h"

void
maildata_init(
    struct maildata *m, void (*content)(void *arg, struct span), void *arg)
{
	*m = (struct maildata){ .content = content, .arg = arg };
}

static void
emit(struct maildata *m, const char *from, const char *to)
{
	if (from != to)
		m->content(m->arg, span_of(from, (size_t)(to - from)));
}

/*
 * Moves over the rest of a line as far as it is plain: up to a CR, or to the
 * end.  A bare LF or NUL on the way only marks the data as bad.
 */
static const char *
skip_text(struct maildata *m, const char *p, const char *end)
{
	size_t len = (size_t)(end - p);
	const char *cr = memchr(p, '\r', len);

	if (cr != NULL)
		len = (size_t)(cr - p);
	if (!m->bad &&
	    (memchr(p, '\n', len) != NULL || memchr(p, '\0', len) != NULL))
		m->bad = true;
	return p + len;
}

/*
 * One octet that is not the plain inside of a line.  Answers the state after
 * it; *keep_out: whether it is content.
 */
static enum maildata_state
step(struct maildata *m, char c, bool *keep_out)
{
	*keep_out = true;
	switch (m->state) {
	case MAILDATA_BOL:
		if (c == '.') {
			*keep_out = false;
			return MAILDATA_DOT;
		}
		break;
	case MAILDATA_DOT:
		if (c == '\r') {
			*keep_out = false;
			return MAILDATA_DOT_CR;
		}
		break;
	case MAILDATA_DOT_CR:
		if (c == '\n') {
			*keep_out = false;
			return MAILDATA_END;
		}
		/* A bare CR, which is kept in the content all the same. */
		m->bad = true;
		m->content(m->arg, SPAN("\r"));
		break;
	case MAILDATA_CR:
		if (c == '\n')
			return MAILDATA_BOL;
		m->bad = true;
		break;
	case MAILDATA_TEXT:
	case MAILDATA_END:
		break;
	}
	if (c == '\r')
		return MAILDATA_CR;
	if (c == '\n' || c == '\0')
		m->bad = true;
	return MAILDATA_TEXT;
}

size_t
maildata_take(struct maildata *m, struct span octets)
{
	const char *p = octets.p, *end = octets.p + octets.len;
	const char *kept = p; /* content from here on is not emitted yet */

	while (p < end && m->state != MAILDATA_END) {
		bool keep;

		if (m->state == MAILDATA_TEXT) {
			p = skip_text(m, p, end);
			if (p == end)
				break;
		}
		if (m->state == MAILDATA_DOT_CR)
			kept = p; /* step may emit the CR before this one */
		m->state = step(m, *p, &keep);
		if (!keep) {
			emit(m, kept, p);
			kept = p + 1;
		}
		p++;
	}
	emit(m, kept, p);
	return (size_t)(p - octets.p);
}
