/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parser, the formatter and the matcher of rules share. */
#ifndef HK_TENANTS_RULE_PRIVATE_H
#define HK_TENANTS_RULE_PRIVATE_H

#include "tenants/rule.h"

#define RULE_KB 1024U
#define RULE_MB (1024U * 1024U)

/* In a compiled pattern: octets that UTF-8 never has. */
#define RULE_ANY_RUN ((char)0xff)
#define RULE_ANY_ONE ((char)0xfe)

/* "100KB": the shortest exact text of a size. */
const char *rule_size_text(uint64_t octets, char room[32]);

/* Their words. */
extern const char *const rule_field_names[RULE_ATTACHMENTS + 1];
extern const char *const rule_compare_names[RULE_GE + 1];

/*
 * From what stands between the quotes, which is known to be well formed.
 * Errors: ERR_TEMP.
 */
int rule_compile(struct span pattern, struct arena *arena,
    struct span *compiled_out, struct err *err);

#endif
