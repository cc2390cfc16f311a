/* SPDX-License-Identifier: BSD-2-Clause */
/* One value of the configuration: text to field and back. */
#ifndef HK_COMMON_CONF_VALUE_H
#define HK_COMMON_CONF_VALUE_H

#include "common/conf.h"

/* Where the key's field is in the section's struct. */
void *conf_field(const struct conf_key *key, void *values);

/*
 * Stores the text's value in the key's field.  A value of the wrong shape or
 * out of range: -1 and *why tells what stood there and what was expected.
 * Out of memory: -1 and err.
 */
int conf_value_parse(const struct conf_key *key, const char *text, void *values,
    char *why, size_t why_size, struct err *err);
void conf_value_fini(const struct conf_key *key, void *values);

/* Appends "key = value" and a newline, as a file would say it. */
void conf_value_format(
    const struct conf_key *key, const void *values, struct buf *out);

/* Appends a copy of text. */
int conf_strings_add(
    struct conf_strings *list, const char *text, struct err *err);
void conf_strings_fini(struct conf_strings *list);

#endif
