/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Borrowed octets: any value, no terminator.  A span is passed by value; a
 * parser takes octets off the front of a copy and stores the copy back only
 * when it has succeeded.
 */
#ifndef HK_COMMON_SPAN_H
#define HK_COMMON_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const char *p;
	size_t len;
};

/* A span of a string literal. */
#define SPAN(s) ((struct span){ "" s, sizeof(s) - 1 })
#define SPAN_NONE ((struct span){ NULL, 0 })

/* For printf-like calls with text of ours: "%.*s". */
#define SPAN_FMT(s) ((int)((s).len > 512 ? 512 : (s).len)), ((s).p)

static inline struct span
span_of(const char *p, size_t len)
{
	return (struct span){ p, len };
}

static inline struct span
span_str(const char *s)
{
	return (struct span){ s, s == NULL ? 0 : strlen(s) };
}

static inline struct span
span_from(struct span s, size_t at)
{
	return at >= s.len ? span_of(s.p + s.len, 0)
			   : span_of(s.p + at, s.len - at);
}

static inline struct span
span_first(struct span s, size_t len)
{
	return span_of(s.p, len < s.len ? len : s.len);
}

/* Octet for octet. */
bool span_eq(struct span a, struct span b);

/* ASCII letters compare without case; every other octet as it is. */
bool span_eq_nocase(struct span a, struct span b);
int span_cmp_nocase(struct span a, struct span b);

bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends(struct span s, struct span suffix);

/* Index of the first octet c, or -1. */
ptrdiff_t span_index(struct span s, char c);

/* Index of the last octet c, or -1. */
ptrdiff_t span_rindex(struct span s, char c);

/* Index of the first occurrence of needle, or -1.  An empty needle is at 0. */
ptrdiff_t span_find(struct span s, struct span needle);

/* Without SP and HTAB at either end. */
struct span span_trim(struct span s);

/*
 * Takes one decimal digit off the front.  False, and *s unchanged, when the
 * next octet is none.
 */
bool span_take_digit(struct span *s, unsigned *digit_out);

/* Takes one given octet off the front, or leaves *s and answers false. */
bool span_take_octet(struct span *s, char c);

/* Takes a prefix, compared without ASCII case. */
bool span_take_nocase(struct span *s, struct span prefix);

/*
 * Takes octets up to and not including c, which is taken and dropped.  False,
 * and nothing taken, when there is no c.
 */
bool span_take_until(struct span *s, char c, struct span *out);

/*
 * Takes 1*20DIGIT as an unsigned number.  False, and nothing taken, without a
 * digit or when the number needs more than 64 bits.
 */
bool span_take_u64(struct span *s, uint64_t *out);

/* The whole span is 1*20DIGIT that fits. */
bool span_to_u64(struct span s, uint64_t *out);

#endif
