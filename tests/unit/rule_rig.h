/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether two rules are the same, for tests of their round trip. */
#ifndef HK_TESTS_RULE_RIG_H
#define HK_TESTS_RULE_RIG_H

#include "tenants/rule.h"

static inline bool
condition_same(const struct rule_condition *a, const struct rule_condition *b)
{
	return a->field == b->field && a->negated == b->negated &&
	       a->compare == b->compare && a->number == b->number &&
	       span_eq(a->pattern, b->pattern) &&
	       span_eq(a->compiled, b->compiled);
}

static inline bool
rule_same(const struct rule *a, const struct rule *b)
{
	if (a->number != b->number || a->paused != b->paused ||
	    a->conditions_len != b->conditions_len ||
	    a->targets_len != b->targets_len)
		return false;
	for (size_t i = 0; i < a->conditions_len; i++)
		if (!condition_same(&a->conditions[i], &b->conditions[i]))
			return false;
	for (size_t i = 0; i < a->targets_len; i++)
		if (!span_eq(a->targets[i], b->targets[i]))
			return false;
	return true;
}

#endif
