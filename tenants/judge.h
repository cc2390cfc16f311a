/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a value may stand in an attribute that has one. */
#ifndef HK_TENANTS_JUDGE_H
#define HK_TENANTS_JUDGE_H

#include "common/err.h"
#include "common/span.h"
#include "tenants/settings_spec.h"

/* text p NULL: it is the number. */
struct setting_value {
	struct span text; /* borrowed from what was judged */
	uint64_t number;
};

/*
 * For the types from SETTING_FLAG to SETTING_TEXT.  max: characters of a
 * text.  On failure *column_out is where, in characters from 1, or stays as
 * it was when the value as a whole is bad; the reason is for its owner.
 * Errors: ERR_SYNTAX, ERR_LIMIT.
 */
int setting_judge(const struct setting_spec *spec, uint64_t max,
    struct span text, struct setting_value *out, size_t *column_out,
    struct err *err);

#endif
