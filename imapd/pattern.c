/* SPDX-License-Identifier: BSD-2-Clause */
#include "imapd/pattern.h"

#include <string.h>

#include "store/list.h"

/* Wildcards match nothing: a place in front of one is also one behind it. */
static void
closure(struct span pattern, bool *at)
{
	for (size_t i = 0; i < pattern.len; i++) {
		if (at[i] && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			at[i + 1] = true;
	}
}

static bool
match(struct span pattern, struct span name, bool fold)
{
	/* at[i]: the name so far is matched by the pattern up to i. */
	bool at[PATTERN_MAX + 1] = { true }, next[PATTERN_MAX + 1];

	closure(pattern, at);
	for (size_t n = 0; n < name.len; n++) {
		struct span c = span_of(name.p + n, 1);

		memset(next, 0, pattern.len + 1);
		for (size_t i = 0; i < pattern.len; i++) {
			struct span p = span_of(pattern.p + i, 1);

			if (!at[i])
				continue;
			if (p.p[0] == '*' || (p.p[0] == '%' && c.p[0] != '/'))
				next[i] = true;
			else if (p.p[0] != '%' &&
				 (fold ? span_eq_nocase(p, c) : span_eq(p, c)))
				next[i + 1] = true;
		}
		closure(pattern, next);
		memcpy(at, next, pattern.len + 1);
	}
	return at[pattern.len];
}

bool
pattern_match(struct span pattern, struct span name)
{
	if (pattern.len > PATTERN_MAX)
		return false;
	return match(pattern, name, mailbox_name_is_inbox(name));
}
