/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/charset.h"

#include <stdlib.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "common/ascii.h"

/* UTF-16 units converted at a time. */
#define PIVOT 4096

static void
converter_close(UConverter **c)
{
	if (*c != NULL)
		ucnv_close(*c);
}

/* NULL: no such charset, or no memory. */
static UConverter *
converter_open(struct span name)
{
	char text[CHARSET_NAME_MAX + 1];
	UErrorCode status = U_ZERO_ERROR;
	UConverter *c;
	ptrdiff_t star = span_index(name, '*'); /* RFC 2231: language */

	if (star >= 0)
		name = span_first(name, (size_t)star);
	if (name.len == 0)
		name = SPAN("us-ascii");
	if (name.len > CHARSET_NAME_MAX || !ascii_all(name, ASCII_VCHAR))
		return NULL;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	c = ucnv_open(text, &status);
	if (U_FAILURE(status))
		return NULL;
	return c;
}

static bool
is_ascii(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] >= 128)
			return false;
	}
	return true;
}

/* ASCII without an escape is itself in each charset that mail uses but
 * UTF-16 and UTF-7. */
static bool
is_itself(struct span name, struct span text)
{
	return is_ascii(text) && span_index(text, '\033') < 0 &&
	       span_index(text, '~') < 0 && span_index(text, '\016') < 0 &&
	       !span_starts_nocase(name, SPAN("utf-16")) &&
	       !span_starts_nocase(name, SPAN("utf-32")) &&
	       !span_starts_nocase(name, SPAN("utf-7"));
}

bool
charset_known(struct span name)
{
	__attribute__((cleanup(converter_close))) UConverter *c =
	    converter_open(name);

	return c != NULL;
}

static bool
is_plain(struct span name)
{
	return name.len == 0 || span_eq_nocase(name, SPAN("us-ascii")) ||
	       span_eq_nocase(name, SPAN("utf-8")) ||
	       span_eq_nocase(name, SPAN("utf8"));
}

/* Appends UTF-16 as UTF-8. */
static void
utf16_append(const UChar *units, int32_t len, struct buf *out)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t octets = 0;
	char *room = buf_reserve(out, (size_t)len * 3 + 1);

	if (room == NULL)
		return;
	(void)u_strToUTF8WithSub(
	    room, len * 3 + 1, &octets, units, len, 0xfffd, NULL, &status);
	if (U_SUCCESS(status))
		buf_commit(out, (size_t)octets);
}

/* Octets of the escape sequence at the front, ISO 2022 (ECMA-35), or 0. */
static size_t
escape_len(struct span text)
{
	size_t len = 1;

	if (text.len < 3 || text.p[0] != '\x1b')
		return 0;
	while (len < text.len && text.p[len] >= 0x20 && text.p[len] <= 0x2f)
		len++;
	return len < text.len && len > 1 ? len + 1 : 0;
}

/*
 * An escape sequence that another one follows at once says nothing, and ICU
 * reads a fault there.  Where two encoded words are joined there is one.
 */
static void
escapes_thin(struct span text, struct buf *out)
{
	while (text.len > 0) {
		size_t len = escape_len(text);

		if (len > 0 && escape_len(span_from(text, len)) > 0) {
			text = span_from(text, len);
			continue;
		}
		buf_append(out, span_first(text, len > 0 ? len : 1));
		text = span_from(text, len > 0 ? len : 1);
	}
}

int
charset_decode(
    struct span name, struct span text, struct buf *utf8_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf thinned = { .max = text.len };
	__attribute__((cleanup(converter_close))) UConverter *c = NULL;
	UChar pivot[PIVOT];
	const char *at = text.p, *end = text.p + text.len;

	if (is_itself(name, text)) {
		buf_append(utf8_out, text);
		return buf_check(utf8_out, err);
	}
	/* Raw UTF-8 under no name, or the name of ASCII, is common. */
	c = converter_open(is_plain(name) ? SPAN("utf-8") : name);
	if (c == NULL)
		return err_set(err, ERR_POLICY, "unknown charset");
	if (span_starts_nocase(name, SPAN("iso-2022"))) {
		escapes_thin(text, &thinned);
		if (buf_check(&thinned, err) == -1)
			return -1;
		at = thinned.data;
		end = at + thinned.len;
	}
	for (;;) {
		UErrorCode status = U_ZERO_ERROR;
		UChar *to = pivot;

		ucnv_toUnicode(
		    c, &to, pivot + PIVOT - 1, &at, end, NULL, true, &status);
		utf16_append(pivot, (int32_t)(to - pivot), utf8_out);
		if (status != U_BUFFER_OVERFLOW_ERROR)
			break;
	}
	return buf_check(utf8_out, err);
}

/* Appends UTF-16 as UTF-8 in that form of normalization. */
static int
normalized_append(const UNormalizer2 *n, const UChar *units, int32_t len,
    struct buf *out, struct err *err)
{
	UErrorCode status = U_ZERO_ERROR;
	int32_t made_len = unorm2_normalize(n, units, len, NULL, 0, &status);
	CLEANUP(mem_free) UChar *made = NULL;

	if (status != U_BUFFER_OVERFLOW_ERROR && U_FAILURE(status))
		return err_set(err, ERR_TEMP, "normalization");
	status = U_ZERO_ERROR;
	made = malloc(((size_t)made_len + 1) * sizeof(UChar));
	if (made == NULL)
		return err_sys(err, "malloc");
	made_len = unorm2_normalize(n, units, len, made, made_len + 1, &status);
	if (U_FAILURE(status))
		return err_set(err, ERR_TEMP, "normalization");
	utf16_append(made, made_len, out);
	return buf_check(out, err);
}

/* The caller frees. */
static UChar *
utf16_new(struct span utf8, int32_t *len_out, struct err *err)
{
	UErrorCode status = U_ZERO_ERROR;
	/* A unit for each octet at most. */
	int32_t cap = (int32_t)utf8.len + 1;
	UChar *units = malloc((size_t)cap * sizeof(UChar));

	if (units == NULL)
		(void)err_sys(err, "malloc");
	else
		(void)u_strFromUTF8WithSub(units, cap, len_out, utf8.p,
		    (int32_t)utf8.len, 0xfffd, NULL, &status);
	return units;
}

static int
unicode_fold(struct span utf8, struct buf *out, struct err *err)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *n = unorm2_getNFKCCasefoldInstance(&status);
	int32_t len = 0;
	CLEANUP(mem_free) UChar *units = utf16_new(utf8, &len, err);

	if (units == NULL)
		return -1;
	if (U_FAILURE(status))
		return err_set(err, ERR_TEMP, "case folding");
	return normalized_append(n, units, len, out, err);
}

static int
unicode_casemap(struct span utf8, struct buf *out, struct err *err)
{
	UErrorCode status = U_ZERO_ERROR;
	const UNormalizer2 *n = unorm2_getNFKDInstance(&status);
	int32_t len = 0, points_len = 0;
	CLEANUP(mem_free) UChar *units = utf16_new(utf8, &len, err);
	CLEANUP(mem_free) UChar32 *points = NULL;
	CLEANUP(mem_free) UChar *title = NULL;

	if (units == NULL)
		return -1;
	points = malloc(((size_t)len + 1) * sizeof(UChar32));
	title = malloc(((size_t)len * 2 + 1) * sizeof(UChar));
	if (points == NULL || title == NULL)
		return err_sys(err, "malloc");
	(void)u_strToUTF32WithSub(
	    points, len + 1, &points_len, units, len, 0xfffd, NULL, &status);
	for (int32_t i = 0; i < points_len; i++)
		points[i] = u_totitle(points[i]);
	(void)u_strFromUTF32WithSub(title, len * 2 + 1, &len, points,
	    points_len, 0xfffd, NULL, &status);
	if (U_FAILURE(status))
		return err_set(err, ERR_TEMP, "case mapping");
	return normalized_append(n, title, len, out, err);
}

/* ASCII is its own normal form. */
static int
text_map(struct span utf8, char (*ascii_map)(char),
    int (*unicode_map)(struct span, struct buf *, struct err *),
    struct buf *out, struct err *err)
{
	char *room;

	if (utf8.len > INT32_MAX / 8)
		return err_set(err, ERR_LIMIT, "text too long to compare");
	if (!is_ascii(utf8))
		return unicode_map(utf8, out, err);
	room = buf_reserve(out, utf8.len);
	if (room == NULL)
		return buf_check(out, err);
	for (size_t i = 0; i < utf8.len; i++)
		room[i] = ascii_map(utf8.p[i]);
	buf_commit(out, utf8.len);
	return 0;
}

int
text_fold(struct span utf8, struct buf *out, struct err *err)
{
	return text_map(utf8, ascii_lower, unicode_fold, out, err);
}

int
text_casemap(struct span utf8, struct buf *out, struct err *err)
{
	return text_map(utf8, ascii_upper, unicode_casemap, out, err);
}
