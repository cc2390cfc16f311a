/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void
buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .max = max };
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf){ .max = b->max };
}

void
buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = ERR_NONE;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_shrink(struct buf *b)
{
	if (b->len == 0 && b->failed == ERR_NONE)
		buf_fini(b);
}

/* Room for len more octets and the NUL; false makes the failure sticky. */
static bool
buf_grow(struct buf *b, size_t len)
{
	size_t need, cap;
	char *data;

	if (b->failed != ERR_NONE)
		return false;
	if (len > b->max - b->len) {
		b->failed = ERR_LIMIT;
		return false;
	}
	need = b->len + len + 1;
	if (need <= b->cap)
		return true;
	for (cap = b->cap < 64 ? 64 : b->cap; cap < need; cap *= 2)
		;
	/* Doubling may not pass the maximum by much. */
	if (cap > b->max + 1)
		cap = b->max + 1;
	data = realloc(b->data, cap);
	if (data == NULL) {
		b->failed = ERR_TEMP;
		return false;
	}
	b->data = data;
	b->cap = cap;
	return true;
}

char *
buf_reserve(struct buf *b, size_t len)
{
	return buf_grow(b, len) ? b->data + b->len : NULL;
}

void
buf_commit(struct buf *b, size_t len)
{
	assert(b->len + len < b->cap);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_append(struct buf *b, struct span s)
{
	if (!buf_grow(b, s.len))
		return;
	if (s.len > 0)
		memcpy(b->data + b->len, s.p, s.len);
	buf_commit(b, s.len);
}

void
buf_append_octet(struct buf *b, char c)
{
	buf_append(b, span_of(&c, 1));
}

void
buf_append_str(struct buf *b, const char *s)
{
	buf_append(b, span_str(s));
}

void
buf_append_u64(struct buf *b, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number != 0);
	buf_append(b, span_of(digits + at, sizeof(digits) - at));
}

void
buf_append_fmt(struct buf *b, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || !buf_grow(b, (size_t)len))
		return;
	va_start(args, format);
	(void)vsnprintf(b->data + b->len, (size_t)len + 1, format, args);
	va_end(args);
	b->len += (size_t)len;
}

void
buf_consume(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (len == 0)
		return;
	memmove(b->data, b->data + len, b->len - len);
	b->len -= len;
	b->data[b->len] = '\0';
}

void
buf_truncate(struct buf *b, size_t len)
{
	assert(len <= b->len);
	if (b->data == NULL)
		return;
	b->len = len;
	b->data[len] = '\0';
}

struct span
buf_span(const struct buf *b)
{
	return span_of(b->data == NULL ? "" : b->data, b->len);
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

int
buf_check(const struct buf *b, struct err *err)
{
	switch (b->failed) {
	case ERR_NONE:
		return 0;
	case ERR_LIMIT:
		return err_set(err, ERR_LIMIT, "over %zu octets", b->max);
	default:
		return err_set(err, ERR_TEMP, "out of memory");
	}
}
