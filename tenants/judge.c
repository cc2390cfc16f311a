/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/judge.h"

#include "common/ascii.h"
#include "common/buf.h"
#include "tenants/generalized_time.h"
#include "tenants/plain_text.h"

static int
judge_flag(struct span text, struct setting_value *out, struct err *why)
{
	out->number = span_eq_nocase(text, SPAN("TRUE"));
	if (out->number == 0 && !span_eq_nocase(text, SPAN("FALSE")))
		return err_set(why, ERR_SYNTAX, "expected TRUE or FALSE");
	return 0;
}

static int
judge_word(const struct setting_spec *spec, struct span text,
    struct setting_value *out, struct err *why)
{
	CLEANUP(buf_fini) struct buf allowed;

	buf_init(&allowed, sizeof(why->text) - 1);
	for (uint64_t i = spec->min; spec->words[i] != NULL; i++) {
		out->number = i;
		if (span_eq_nocase(text, span_str(spec->words[i])))
			return 0;
		buf_append_fmt(&allowed, "%s%s", i == spec->min ? "" : ", ",
		    spec->words[i]);
	}
	return err_set(
	    why, ERR_SYNTAX, "expected one of: %s", buf_str(&allowed));
}

static int
judge_number(const struct setting_spec *spec, struct span text,
    struct setting_value *out, struct err *why)
{
	if (!span_to_u64(text, &out->number) || out->number < spec->min ||
	    out->number > spec->max)
		return err_set(why, ERR_LIMIT,
		    "expected a number from %llu to %llu",
		    (unsigned long long)spec->min,
		    (unsigned long long)spec->max);
	return 0;
}

static int
judge_time(struct span text, struct setting_value *out, struct err *why)
{
	int64_t seconds;

	if (!generalized_time_parse(text, &seconds))
		return err_set(why, ERR_SYNTAX,
		    "expected a time such as 20260810090000+0900");
	out->number = (uint64_t)seconds;
	return 0;
}

/* An IANA name; it becomes a file's name where it is used. */
static bool
is_zone(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (!ascii_is(text.p[i], ASCII_ALPHA | ASCII_DIGIT) &&
		    (strchr("/_+-", text.p[i]) == NULL || i == 0))
			return false;
	return text.len > 0;
}

static int
judge_text(const struct setting_spec *spec, uint64_t max, struct span text,
    struct setting_value *out, size_t *column, struct err *why)
{
	uint64_t len = text_characters(text);
	const char *bad;

	if (text_check(text, spec->type == SETTING_TEXT, &bad, why) == -1) {
		*column = 1 + text_characters(
				  span_first(text, (size_t)(bad - text.p)));
		return -1;
	}
	if (len > max)
		return err_set(why, ERR_LIMIT,
		    "the text has %s%llu characters; %llu are allowed",
		    text.len >= ATTR_VALUE_MAX ? "over " : "",
		    (unsigned long long)len, (unsigned long long)max);
	if (spec->attr == ATTR_TIME_ZONE && !is_zone(text))
		return err_set(
		    why, ERR_SYNTAX, "expected a time zone such as Asia/Tokyo");
	out->text = text;
	return 0;
}

int
setting_judge(const struct setting_spec *spec, uint64_t max, struct span text,
    struct setting_value *out, size_t *column, struct err *why)
{
	switch (spec->type) {
	case SETTING_FLAG:
		return judge_flag(text, out, why);
	case SETTING_WORD:
		return judge_word(spec, text, out, why);
	case SETTING_NUMBER:
		return judge_number(spec, text, out, why);
	case SETTING_TIME:
		return judge_time(text, out, why);
	default:
		return judge_text(spec, max, text, out, column, why);
	}
}
