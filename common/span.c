/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/span.h"

#include "common/ascii.h"

bool
span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

int
span_cmp_nocase(struct span a, struct span b)
{
	size_t i, shorter = a.len < b.len ? a.len : b.len;

	for (i = 0; i < shorter; i++) {
		int diff = ascii_lower(a.p[i]) - ascii_lower(b.p[i]);

		if (diff != 0)
			return diff;
	}
	return (a.len > b.len) - (a.len < b.len);
}

bool
span_eq_nocase(struct span a, struct span b)
{
	return a.len == b.len && span_cmp_nocase(a, b) == 0;
}

bool
span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len &&
	       span_eq(span_first(s, prefix.len), prefix);
}

bool
span_starts_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len &&
	       span_eq_nocase(span_first(s, prefix.len), prefix);
}

bool
span_ends(struct span s, struct span suffix)
{
	return s.len >= suffix.len &&
	       span_eq(span_from(s, s.len - suffix.len), suffix);
}

ptrdiff_t
span_index(struct span s, char c)
{
	const char *at = s.len == 0 ? NULL : memchr(s.p, c, s.len);

	return at == NULL ? -1 : at - s.p;
}

ptrdiff_t
span_rindex(struct span s, char c)
{
	const char *at = s.len == 0 ? NULL : memrchr(s.p, c, s.len);

	return at == NULL ? -1 : at - s.p;
}

ptrdiff_t
span_find(struct span s, struct span needle)
{
	const char *at;

	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return -1;
	at = memmem(s.p, s.len, needle.p, needle.len);
	return at == NULL ? -1 : at - s.p;
}

struct span
span_trim(struct span s)
{
	while (s.len > 0 && ascii_is_wsp(s.p[0]))
		s = span_from(s, 1);
	while (s.len > 0 && ascii_is_wsp(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool
span_take_digit(struct span *s, unsigned *digit_out)
{
	if (s->len == 0 || s->p[0] < '0' || s->p[0] > '9')
		return false;
	*digit_out = (unsigned)(s->p[0] - '0');
	*s = span_from(*s, 1);
	return true;
}

bool
span_take_octet(struct span *s, char c)
{
	if (s->len == 0 || s->p[0] != c)
		return false;
	*s = span_from(*s, 1);
	return true;
}

bool
span_take_nocase(struct span *s, struct span prefix)
{
	if (!span_starts_nocase(*s, prefix))
		return false;
	*s = span_from(*s, prefix.len);
	return true;
}

bool
span_take_until(struct span *s, char c, struct span *out)
{
	ptrdiff_t at = span_index(*s, c);

	if (at < 0)
		return false;
	*out = span_first(*s, (size_t)at);
	*s = span_from(*s, (size_t)at + 1);
	return true;
}

bool
span_take_u64(struct span *s, uint64_t *out)
{
	struct span rest = *s;
	uint64_t number = 0;
	unsigned digit, count = 0;

	while (span_take_digit(&rest, &digit)) {
		if (++count > 20 ||
		    __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return false;
	}
	if (count == 0)
		return false;
	*s = rest;
	*out = number;
	return true;
}

bool
span_to_u64(struct span s, uint64_t *out)
{
	uint64_t number;

	if (!span_take_u64(&s, &number) || s.len != 0)
		return false;
	*out = number;
	return true;
}
