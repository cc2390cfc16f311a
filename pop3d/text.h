/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The words of replies in the languages that LANG offers.  RFC 6856 section 3
 *
 * Code says what it says in English; text_in looks for the same in another
 * language.
 */
#ifndef HK_POP3D_TEXT_H
#define HK_POP3D_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/span.h"

enum language {
	LANGUAGE_EN,
	LANGUAGE_JA,
	LANGUAGE_COUNT,
};

/* "en", "ja"; and what it calls itself, in UTF-8. */
const char *language_tag(enum language language);
const char *language_name(enum language language);

/*
 * The language that a range asks for, cut short from its end until one fits
 * ("ja-JP": ja).  False: none does.			RFC 4647 section 3.4
 */
bool language_find(struct span range, enum language *language_out);

/* In UTF-8; the English text itself where there is no other. */
const char *text_in(enum language language, const char *english);

#endif
