/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime/disposition.h"

#include "common/buf.h"
#include "mime/xtext.h"

/* Of one decoded value: a text of up to 8,192 characters is the longest. */
#define VALUE_MAX 32768

static int
decode(struct span text, struct arena *arena, struct span *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;

	buf_init(&value, VALUE_MAX);
	if (xtext_decode(text, &value, err) == -1)
		return -1;
	*out = arena_copy(arena, buf_span(&value), err);
	return out->p == NULL ? -1 : 0;
}

/* Of REPLACE, which has lines; nowhere else is a control character. */
static int
decode_lines(
    struct span text, struct arena *arena, struct span *out, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;
	ptrdiff_t at;

	buf_init(&value, VALUE_MAX);
	while ((at = span_find(text, SPAN("+0A"))) >= 0) {
		if (xtext_decode(span_first(text, (size_t)at), &value, err) ==
		    -1)
			return -1;
		buf_append_octet(&value, '\n');
		text = span_from(text, (size_t)at + 3);
	}
	if (xtext_decode(text, &value, err) == -1)
		return -1;
	*out = arena_copy(arena, buf_span(&value), err);
	return out->p == NULL ? -1 : 0;
}

/* Behind what earlier filters have said. */
static int
trace_add(
    struct span text, struct arena *arena, struct span *trace, struct err *err)
{
	CLEANUP(buf_fini) struct buf all;

	buf_init(&all, VALUE_MAX);
	if (trace->len > 0) {
		buf_append(&all, *trace);
		buf_append(&all, SPAN("; "));
	}
	if (xtext_decode(text, &all, err) == -1)
		return -1;
	*trace = arena_copy(arena, buf_span(&all), err);
	return trace->p == NULL ? -1 : 0;
}

static int
parameter_parse(struct span text, struct arena *arena, struct disposition *d,
    struct err *err)
{
	struct span keyword;

	if (span_eq(text, SPAN("DELETED"))) {
		d->deleted = true;
		return 0;
	}
	if (!span_take_until(&text, '=', &keyword))
		return err_set(err, ERR_SYNTAX, "a parameter without \"=\"");
	if (span_eq(keyword, SPAN("FOLDER")))
		return decode(text, arena, &d->folder, err);
	if (span_eq(keyword, SPAN("TAG")))
		return decode(text, arena, &d->tag, err);
	if (span_eq(keyword, SPAN("REPLACE")))
		return decode_lines(text, arena, &d->replace, err);
	if (span_eq(keyword, SPAN("FORWARDEDBY")))
		return decode(text, arena, &d->forwarded_by, err);
	if (span_eq(keyword, SPAN("TRACE")))
		return trace_add(text, arena, &d->trace, err);
	/* Of a later version of smtpd. */
	return 0;
}

static struct span
take_word(struct span *text)
{
	struct span word;

	if (!span_take_until(text, ' ', &word)) {
		word = *text;
		*text = span_from(*text, text->len);
	}
	return word;
}

/* The same of each recipient at these places. */
static int
places_set(struct span who, const struct disposition *d,
    struct dispositions *out, struct err *err)
{
	do {
		uint64_t first, last;

		if (!span_take_u64(&who, &first))
			return err_set(err, ERR_SYNTAX, "no place");
		last = first;
		if (span_take_octet(&who, '-') && !span_take_u64(&who, &last))
			return err_set(err, ERR_SYNTAX, "no last place");
		if (first == 0 || first > last || last > out->rcpts_len)
			return err_set(
			    err, ERR_SYNTAX, "a place that is nobody's");
		for (uint64_t i = first; i <= last; i++)
			out->rcpts[i - 1] = *d;
	} while (span_take_octet(&who, ','));
	return who.len == 0
		   ? 0
		   : err_set(err, ERR_SYNTAX, "something behind a place");
}

static int
disposition_parse(struct span text, struct arena *arena,
    struct dispositions *out, struct err *err)
{
	struct disposition d = { .deleted = false };
	struct span who = take_word(&text);

	if (text.len == 0)
		return err_set(err, ERR_SYNTAX, "nothing said of somebody");
	while (text.len > 0)
		if (parameter_parse(take_word(&text), arena, &d, err) == -1)
			return -1;
	if (!span_starts(who, SPAN("<")))
		return places_set(who, &d, out, err);
	if (who.len < 3 || !span_ends(who, SPAN(">")))
		return err_set(err, ERR_SYNTAX, "an address without \">\"");
	if (decode(span_of(who.p + 1, who.len - 2), arena, &d.address, err) ==
	    -1)
		return -1;
	out->added[out->added_len++] = d;
	return 0;
}

int
dispositions_parse(struct span text, size_t rcpts, struct arena *arena,
    struct dispositions *out, struct err *err)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.p[i] == ';';
	*out = (struct dispositions){ .rcpts_len = rcpts };
	out->rcpts = arena_array(arena, rcpts + 1, sizeof(*out->rcpts), err);
	out->added = arena_array(arena, count, sizeof(*out->added), err);
	if (out->rcpts == NULL || out->added == NULL)
		return -1;
	while (text.len > 0) {
		struct span one;

		if (!span_take_until(&text, ';', &one)) {
			one = text;
			text = span_from(text, text.len);
		}
		if (disposition_parse(one, arena, out, err) == -1)
			return -1;
	}
	return 0;
}
