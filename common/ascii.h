/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classes of ASCII octets, from one table; the C library's depend on the
 * locale and on the sign of char.                     RFC 5234 appendix B.1
 */
#ifndef HK_COMMON_ASCII_H
#define HK_COMMON_ASCII_H

#include <stdbool.h>
#include <stdint.h>

#include "common/span.h"

enum {
	ASCII_ALPHA = 1 << 0,
	ASCII_DIGIT = 1 << 1,
	ASCII_WSP = 1 << 2,
	ASCII_CTL = 1 << 3,    /* %x00-1F / %x7F */
	ASCII_ATEXT = 1 << 4,  /* RFC 5322 3.2.3 */
	ASCII_HEX = 1 << 5,    /* either case */
	ASCII_VCHAR = 1 << 6,  /* %x21-7E */
	ASCII_BASE64 = 1 << 7, /* RFC 4648 section 4, without "=" */
};

extern const uint8_t ascii_class[256];

static inline bool
ascii_is(char c, unsigned classes)
{
	return (ascii_class[(unsigned char)c] & classes) != 0;
}

static inline bool
ascii_is_wsp(char c)
{
	return ascii_is(c, ASCII_WSP);
}

static inline char
ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char
ascii_upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

/* Every octet is in one of the classes; true for an empty span. */
bool ascii_all(struct span s, unsigned classes);

#endif
