/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/disposition.h"

#include <stdlib.h>
#include <string.h>

#include "mime/address.h"
#include "mime/xtext.h"

/* Of one decoded value: a notice of 8,192 characters is the longest. */
#define VALUE_MAX 32768
/* A command of LMTP is not longer than some 4,000 octets. */
#define FOLDER_MAX 800
#define TAG_MAX 1024
#define FORWARDED_MAX 400
#define TRACE_MAX 250
#define REASON_MAX 120

void
smtp_disposition_fini(struct smtp_disposition *d)
{
	free(d->folder);
	free(d->tag);
	free(d->replace);
	free(d->forwarded_by);
	for (size_t i = 0; i < d->traces_len; i++)
		free(d->traces[i]);
	*d = (struct smtp_disposition){ .folder = NULL };
}

bool
smtp_disposition_empty(const struct smtp_disposition *d)
{
	return d->folder == NULL && d->tag == NULL && d->replace == NULL &&
	       d->forwarded_by == NULL && d->traces_len == 0;
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool
smtp_disposition_same_text(
    const struct smtp_disposition *a, const struct smtp_disposition *b)
{
	return same(a->tag, b->tag) && same(a->replace, b->replace);
}

/* ---- taking
 * ---------------------------------------------------------------------------
 */

/* Line ends are for notices alone; xtext_decode lets no control through. */
static int
value_check(struct span value, bool lines, size_t max, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, VALUE_MAX);
	if (value.len == 0 || value.len > max)
		return err_set(
		    err, ERR_SYNTAX, "a value of %zu octets", value.len);
	while (value.len > 0) {
		ptrdiff_t at = lines ? span_find(value, SPAN("+0A")) : -1;
		struct span piece =
		    span_first(value, at < 0 ? value.len : (size_t)at);

		if (xtext_decode(piece, &text, err) == -1)
			return -1;
		value = span_from(value, piece.len + (at < 0 ? 0 : 3));
	}
	return utf8_valid(buf_span(&text))
		   ? 0
		   : err_set(err, ERR_SYNTAX, "a value that is no UTF-8");
}

static int
value_keep(
    char **place, struct span value, bool lines, size_t max, struct err *err)
{
	char *copy;

	if (value_check(value, lines, max, err) == -1)
		return -1;
	copy = strndup(value.p, value.len);
	if (copy == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	free(*place);
	*place = copy;
	return 0;
}

static int
trace_keep(struct smtp_disposition *d, struct span value, struct err *err)
{
	char *copy = NULL;

	if (d->traces_len == SMTP_TRACES_MAX)
		return err_set(
		    err, ERR_LIMIT, "over %d traces", SMTP_TRACES_MAX);
	if (value_keep(&copy, value, false, TRACE_MAX, err) == -1)
		return -1;
	d->traces[d->traces_len++] = copy;
	return 0;
}

static int
parameter_take(struct smtp_disposition *d, struct span word,
    struct buf *ignored, struct err *err)
{
	struct span value = word, keyword;

	if (!span_take_until(&value, '=', &keyword))
		keyword = SPAN("");
	if (span_eq_nocase(keyword, SPAN("FOLDER")))
		return value_keep(&d->folder, value, false, FOLDER_MAX, err);
	if (span_eq_nocase(keyword, SPAN("TAG")))
		return value_keep(&d->tag, value, false, TAG_MAX, err);
	if (span_eq_nocase(keyword, SPAN("REPLACE")))
		return value_keep(&d->replace, value, true, VALUE_MAX * 3, err);
	if (span_eq_nocase(keyword, SPAN("FORWARDEDBY")))
		return value_keep(
		    &d->forwarded_by, value, false, FORWARDED_MAX, err);
	if (span_eq_nocase(keyword, SPAN("TRACE")))
		return trace_keep(d, value, err);
	buf_append(ignored, SPAN(" "));
	buf_append(ignored, word);
	return 0;
}

int
smtp_disposition_take(struct smtp_disposition *d, struct span parameters,
    struct buf *ignored, struct err *err)
{
	while ((parameters = span_trim(parameters)).len > 0) {
		ptrdiff_t sp = span_index(parameters, ' ');
		struct span word = span_first(
		    parameters, sp < 0 ? parameters.len : (size_t)sp);

		if (parameter_take(d, word, ignored, err) == -1)
			return err_prefix(err, "parameter %.*s",
			    SPAN_FMT(span_first(word, 20)));
		parameters = span_from(parameters, word.len);
	}
	return 0;
}

/* ---- telling
 * ---------------------------------------------------------------------------
 */

static void
put(struct buf *out, const char *keyword, const char *value)
{
	if (value == NULL)
		return;
	buf_append_octet(out, ' ');
	buf_append_str(out, keyword);
	buf_append_str(out, value);
}

void
smtp_disposition_put(const struct smtp_disposition *d, struct buf *out)
{
	put(out, "FOLDER=", d->folder);
	put(out, "TAG=", d->tag);
	put(out, "REPLACE=", d->replace);
	put(out, "FORWARDEDBY=", d->forwarded_by);
	for (size_t i = 0; i < d->traces_len; i++)
		put(out, "TRACE=", d->traces[i]);
}

static void
put_reason(const char *reason, struct buf *out)
{
	CLEANUP(buf_fini) struct buf field;

	buf_init(&field, 512);
	buf_append(&field, SPAN("Hikyaku-Quarantine: "));
	for (const char *p = reason; *p != '\0' && p < reason + REASON_MAX; p++)
		buf_append_octet(&field, *p < ' ' || *p > '~' ? '?' : *p);
	buf_append(out, SPAN(" TRACE="));
	xtext_encode(buf_span(&field), out);
}

void
smtp_disposition_put_lmtp(
    const struct smtp_disposition *d, const char *quarantine, struct buf *out)
{
	/* What one filter quarantines, another's choice of folder leaves so. */
	put(out, "FOLDER=", quarantine != NULL ? "Quarantine" : d->folder);
	put(out, "FORWARDEDBY=", d->forwarded_by);
	if (quarantine != NULL)
		put_reason(quarantine, out);
	for (size_t i = 0; i < d->traces_len && i + 1 < SMTP_TRACES_MAX; i++)
		put(out, "TRACE=Hikyaku-Trace:+20", d->traces[i]);
}
