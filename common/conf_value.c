/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/conf_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/ascii.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* From small to large: formatting takes the largest that divides. */
static const struct unit octet_units[] = { { "", 1 }, { "k", 1024 },
	{ "M", 1024 * 1024 }, { "G", 1024 * 1024 * 1024 }, { NULL, 0 } };
static const struct unit second_units[] = { { "s", 1 }, { "m", 60 },
	{ "h", 3600 }, { "d", 86400 }, { NULL, 0 } };
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

static const struct {
	const struct unit *units;
	const char *what, *form;
} numbers[] = {
	[CONF_TYPE_COUNT] = { no_units, "number", "a number" },
	[CONF_TYPE_OCTETS] = { octet_units, "size",
	    "a number with k, M, G or nothing" },
	[CONF_TYPE_SECONDS] = { second_units, "time",
	    "a number with s, m, h or d" },
};

static const struct {
	const char *name;
	bool value;
} bools[] = { { "yes", true }, { "true", true }, { "on", true },
	{ "no", false }, { "false", false }, { "off", false } };

void *
conf_field(const struct conf_key *key, void *values)
{
	return (char *)values + key->offset;
}

static const void *
conf_field_const(const struct conf_key *key, const void *values)
{
	return (const char *)values + key->offset;
}

/* What stood there, fit for a message: cut, and no octet that is no ASCII. */
static void
quote(const char *text, char *out, size_t size)
{
	size_t i;

	for (i = 0; text[i] != '\0' && i < size - 4; i++)
		out[i] = text[i] == ' ' || ascii_is(text[i], ASCII_VCHAR)
			     ? text[i]
			     : '?';
	(void)snprintf(out + i, size - i, "%s", text[i] == '\0' ? "" : "...");
}

static void
format_number(const struct unit *units, uint64_t number, char *out, size_t size)
{
	const struct unit *unit = units;

	for (const struct unit *u = units; u->name != NULL; u++)
		if (number >= u->factor && number % u->factor == 0)
			unit = u;
	(void)snprintf(out, size, "%llu%s",
	    (unsigned long long)(number / unit->factor), unit->name);
}

static bool
parse_number(const struct unit *units, const char *text, uint64_t *out)
{
	struct span in = span_str(text);
	uint64_t number;

	if (!span_take_u64(&in, &number))
		return false;
	/* Sizes and times of a plain number: octets and seconds. */
	if (in.len == 0) {
		*out = number;
		return true;
	}
	for (const struct unit *u = units; u->name != NULL; u++)
		if (u->name[0] != '\0' && span_eq_nocase(in, span_str(u->name)))
			return !__builtin_mul_overflow(number, u->factor, out);
	return false;
}

static int
value_number(const struct conf_key *key, const char *text, uint64_t *out,
    char *why, size_t why_size)
{
	const struct unit *units = numbers[key->type].units;
	char stood[44], low[24], high[24];
	uint64_t number;

	quote(text, stood, sizeof(stood));
	if (!parse_number(units, text, &number)) {
		(void)snprintf(why, why_size, "\"%s\" is no %s; expected %s",
		    stood, numbers[key->type].what, numbers[key->type].form);
		return -1;
	}
	if (number < key->min || (key->max != 0 && number > key->max)) {
		format_number(units, key->min, low, sizeof(low));
		format_number(units, key->max, high, sizeof(high));
		(void)snprintf(why, why_size,
		    "\"%s\" is out of range; expected %s to %s", stood, low,
		    key->max == 0 ? "any number" : high);
		return -1;
	}
	*out = number;
	return 0;
}

static int
value_bool(const char *text, bool *out, char *why, size_t why_size)
{
	char stood[44];

	for (size_t i = 0; i < sizeof(bools) / sizeof(bools[0]); i++) {
		if (span_eq_nocase(span_str(text), span_str(bools[i].name))) {
			*out = bools[i].value;
			return 0;
		}
	}
	quote(text, stood, sizeof(stood));
	(void)snprintf(why, why_size, "\"%s\"; expected yes or no", stood);
	return -1;
}

static int
value_enum(const struct conf_key *key, const char *text, unsigned *out,
    char *why, size_t why_size)
{
	char stood[44];
	size_t len;

	for (unsigned i = 0; key->choices[i] != NULL; i++) {
		if (span_eq_nocase(span_str(text), span_str(key->choices[i]))) {
			*out = i;
			return 0;
		}
	}
	quote(text, stood, sizeof(stood));
	len = (size_t)snprintf(why, why_size, "\"%s\"; expected one of", stood);
	for (unsigned i = 0; key->choices[i] != NULL && len < why_size; i++)
		len += (size_t)snprintf(why + len, why_size - len, "%s %s",
		    i > 0 ? "," : "", key->choices[i]);
	return -1;
}

static int
value_string(char **out, const char *text, struct err *err)
{
	char *copy = strdup(text);

	if (copy == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	free(*out);
	*out = copy;
	return 0;
}

int
conf_value_parse(const struct conf_key *key, const char *text, void *values,
    char *why, size_t why_size, struct err *err)
{
	void *field = conf_field(key, values);

	switch (key->type) {
	case CONF_TYPE_STRING:
		return value_string(field, text, err);
	case CONF_TYPE_STRINGS:
		return conf_strings_add(field, text, err);
	case CONF_TYPE_BOOL:
		return value_bool(text, field, why, why_size);
	case CONF_TYPE_COUNT:
	case CONF_TYPE_OCTETS:
	case CONF_TYPE_SECONDS:
		return value_number(key, text, field, why, why_size);
	case CONF_TYPE_ENUM:
		return value_enum(key, text, field, why, why_size);
	}
	return err_set(err, ERR_TEMP, "%s: no such type", key->name);
}

void
conf_value_fini(const struct conf_key *key, void *values)
{
	void *field = conf_field(key, values);

	if (key->type == CONF_TYPE_STRING) {
		char **text = field;

		free(*text);
		*text = NULL;
	} else if (key->type == CONF_TYPE_STRINGS) {
		conf_strings_fini(field);
	}
}

static void
format_text(const char *text, struct buf *out)
{
	buf_append_octet(out, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, *text);
	}
	buf_append_octet(out, '"');
}

static void
format_strings(const struct conf_strings *list, struct buf *out)
{
	buf_append(out, SPAN("{"));
	for (size_t i = 0; i < list->len; i++) {
		buf_append_str(out, i > 0 ? ", " : " ");
		format_text(list->items[i], out);
	}
	buf_append(out, SPAN(" }"));
}

void
conf_value_format(
    const struct conf_key *key, const void *values, struct buf *out)
{
	const void *field = conf_field_const(key, values);
	char number[24];

	buf_append_fmt(out, "%s = ", key->name);
	switch (key->type) {
	case CONF_TYPE_STRING:
		format_text(
		    *(char *const *)field == NULL ? "" : *(char *const *)field,
		    out);
		break;
	case CONF_TYPE_STRINGS:
		format_strings(field, out);
		break;
	case CONF_TYPE_BOOL:
		buf_append_str(out, *(const bool *)field ? "yes" : "no");
		break;
	case CONF_TYPE_COUNT:
	case CONF_TYPE_OCTETS:
	case CONF_TYPE_SECONDS:
		format_number(numbers[key->type].units,
		    *(const uint64_t *)field, number, sizeof(number));
		buf_append_str(out, number);
		break;
	case CONF_TYPE_ENUM:
		buf_append_str(out, key->choices[*(const unsigned *)field]);
		break;
	}
	buf_append(out, SPAN("\n"));
}

int
conf_strings_add(struct conf_strings *list, const char *text, struct err *err)
{
	char **items = realloc(list->items, (list->len + 1) * sizeof(*items));

	if (items == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	list->items = items;
	items[list->len] = strdup(text);
	if (items[list->len] == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	list->len++;
	return 0;
}

void
conf_strings_fini(struct conf_strings *list)
{
	for (size_t i = 0; i < list->len; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct conf_strings){ NULL, 0 };
}
