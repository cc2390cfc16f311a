/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/keywords.h"

#include <stdlib.h>

#include "common/ascii.h"
#include "store/message.h"

/* Other programs may have longer ones than we make. */
#define KEYWORD_NAME_FOREIGN_MAX 1000

struct keywords {
	_Atomic unsigned refs;
	/* Where each name is in text; len 0: free. */
	struct {
		uint32_t at, len;
	} names[KEYWORDS_MAX];
	char text[];
};

/* Lays the names out in one piece of memory. */
static struct keywords *
keywords_make(const struct span names[KEYWORDS_MAX])
{
	struct keywords *k;
	size_t octets = 0, at = 0;

	for (unsigned n = 0; n < KEYWORDS_MAX; n++)
		octets += names[n].len;
	k = calloc(1, sizeof(*k) + octets);
	if (k == NULL)
		return NULL;
	k->refs = 1;
	for (unsigned n = 0; n < KEYWORDS_MAX; n++) {
		if (names[n].len == 0)
			continue;
		k->names[n].at = (uint32_t)at;
		k->names[n].len = (uint32_t)names[n].len;
		memcpy(k->text + at, names[n].p, names[n].len);
		at += names[n].len;
	}
	return k;
}

struct keywords *
keywords_parse(struct span text)
{
	struct span names[KEYWORDS_MAX] = { 0 };
	struct span line;

	while (span_take_until(&text, '\n', &line)) {
		uint64_t n;

		if (!span_take_u64(&line, &n) || n >= KEYWORDS_MAX ||
		    !span_take_octet(&line, ' ') || line.len == 0 ||
		    line.len > KEYWORD_NAME_FOREIGN_MAX || names[n].len != 0)
			continue;
		names[n] = line;
	}
	return keywords_make(names);
}

struct keywords *
keywords_with(const struct keywords *k, unsigned n, struct span name)
{
	struct span names[KEYWORDS_MAX];

	for (unsigned i = 0; i < KEYWORDS_MAX; i++)
		names[i] = i == n ? name : keywords_name(k, i);
	return keywords_make(names);
}

struct keywords *
keywords_ref(struct keywords *k)
{
	if (k != NULL)
		k->refs++;
	return k;
}

void
keywords_unref(struct keywords *k)
{
	if (k != NULL && --k->refs == 0)
		free(k);
}

struct span
keywords_name(const struct keywords *k, unsigned n)
{
	if (k == NULL || n >= KEYWORDS_MAX)
		return SPAN_NONE;
	return span_of(k->text + k->names[n].at, k->names[n].len);
}

int
keywords_find(const struct keywords *k, struct span name)
{
	for (unsigned n = 0; name.len > 0 && n < KEYWORDS_MAX; n++)
		if (span_eq_nocase(keywords_name(k, n), name))
			return (int)n;
	return -1;
}

int
keywords_lowest_free(const struct keywords *k, uint64_t letters)
{
	for (unsigned n = 0; n < KEYWORDS_MAX; n++)
		if (keywords_name(k, n).len == 0 &&
		    (letters & MESSAGE_KEYWORD(n)) == 0)
			return (int)n;
	return -1;
}

bool
keywords_equal(const struct keywords *a, const struct keywords *b)
{
	for (unsigned n = 0; a != b && n < KEYWORDS_MAX; n++)
		if (!span_eq(keywords_name(a, n), keywords_name(b, n)))
			return false;
	return true;
}

void
keywords_format(const struct keywords *k, struct buf *out)
{
	for (unsigned n = 0; n < KEYWORDS_MAX; n++) {
		struct span name = keywords_name(k, n);

		if (name.len == 0)
			continue;
		buf_append_u64(out, n);
		buf_append_octet(out, ' ');
		buf_append(out, name);
		buf_append_octet(out, '\n');
	}
}

bool
keyword_valid(struct span name)
{
	if (name.len == 0 || name.len > KEYWORD_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is(name.p[i], ASCII_VCHAR) ||
		    strchr("(){%*\"\\]", name.p[i]) != NULL)
			return false;
	return true;
}
