/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Texts that people type: UTF-8 in which nothing is hidden.
 */
#ifndef HK_TENANTS_PLAIN_TEXT_H
#define HK_TENANTS_PLAIN_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/* Of the well-formed character at the front. */
uint32_t text_code_point(struct span s);
/* How many there are; a malformed octet counts as one. */
size_t text_characters(struct span s);

/*
 * No malformed UTF-8, no control character and none that turns the direction
 * of writing; with lines, ends of lines and tabs are allowed.
 * On failure *bad_out is where the first such character begins.
 * Errors: ERR_SYNTAX.
 */
int text_check(
    struct span s, bool lines, const char **bad_out, struct err *err);

#endif
