/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/saslprep.h"

#include <stdlib.h>
#include <string.h>

#include <unicode/usprep.h>
#include <unicode/ustring.h>

enum {
	TEXT_MAX = 1024,       /* octets; a password has no more */
	UNITS_MAX = 18 * 1024, /* NFKC makes up to 18 code points of one */
};

static bool
is_ascii(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] > 0x7f)
			return false;
	return true;
}

/* The length of the prepared text in units of *to, or -1. */
static int32_t
prepare(struct span text, UChar *from, UChar *to)
{
	UErrorCode status = U_ZERO_ERROR;
	UStringPrepProfile *profile =
	    usprep_openByType(USPREP_RFC4013_SASLPREP, &status);
	int32_t len = 0;

	if (U_FAILURE(status))
		return -1;
	(void)u_strFromUTF8(
	    from, TEXT_MAX, &len, text.p, (int32_t)text.len, &status);
	len = usprep_prepare(profile, from, len, to, UNITS_MAX,
	    USPREP_ALLOW_UNASSIGNED, NULL, &status);
	usprep_close(profile);
	return U_FAILURE(status) ? -1 : len;
}

struct work {
	UChar from[TEXT_MAX], to[UNITS_MAX];
	char text[UNITS_MAX * 3];
};

static bool
append_prepared(struct work *w, struct span text, struct buf *out)
{
	int32_t len = prepare(text, w->from, w->to), octets = 0;
	UErrorCode status = U_ZERO_ERROR;
	struct span made;

	if (len <= 0)
		return false;
	(void)u_strToUTF8(
	    w->text, sizeof(w->text), &octets, w->to, len, &status);
	made = span_of(w->text, (size_t)octets);
	if (U_FAILURE(status) || span_eq(made, text))
		return false;
	buf_append(out, made);
	return buf_check(out, NULL) == 0;
}

bool
saslprep(struct span text, struct buf *out)
{
	struct work *w;
	bool made;

	if (text.len > TEXT_MAX || is_ascii(text))
		return false;
	w = calloc(1, sizeof(*w)); /* too much for a stack */
	if (w == NULL)
		return false;
	made = append_prepared(w, text, out);
	explicit_bzero(w, sizeof(*w));
	free(w);
	return made;
}
