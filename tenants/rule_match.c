/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/rule_private.h"

#include "mime/address.h"
#include "mime/charset.h"

enum {
	FACTS_OCTETS_MAX = 16 * 1024 * 1024
};

struct rule_text {
	struct rule_text *next;
	struct span folded;
};

/* ---- patterns -------------------------------------------------------------
 */

int
rule_compile(struct span pattern, struct arena *arena,
    struct span *compiled_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf run, out;

	/* Folding makes 18 characters of one at most (U+FDFA). */
	buf_init(&run, RULE_OCTETS_MAX);
	buf_init(&out, (size_t)RULE_OCTETS_MAX * 18);
	for (size_t i = 0; i <= pattern.len; i++) {
		char c = i < pattern.len ? pattern.p[i] : '*';

		if (c != '*' && c != '?') {
			if (c == '\\')
				c = pattern.p[++i];
			buf_append_octet(&run, c);
			continue;
		}
		if (run.len > 0 && text_fold(buf_span(&run), &out, err) == -1)
			return -1;
		buf_clear(&run);
		if (i < pattern.len)
			buf_append_octet(
			    &out, c == '*' ? RULE_ANY_RUN : RULE_ANY_ONE);
	}
	if (buf_check(&out, err) == -1)
		return -1;
	*compiled_out = arena_copy(arena, buf_span(&out), err);
	return compiled_out->p == NULL ? -1 : 0;
}

/* Octets of the character at the front of a folded text that is not empty. */
static size_t
character_len(struct span text)
{
	size_t len = utf8_sequence(text);

	return len == 0 ? 1 : len;
}

/*
 * As far as the pattern goes before its next "*", takes it off both; false
 * where they differ, and both stay.
 */
static bool
take_run(struct span *pattern, struct span *text)
{
	struct span p = *pattern, t = *text;

	while (p.len > 0 && p.p[0] != RULE_ANY_RUN) {
		size_t len = 1;

		if (t.len == 0)
			return false;
		if (p.p[0] == RULE_ANY_ONE)
			len = character_len(t);
		else if (p.p[0] != t.p[0])
			return false;
		p = span_from(p, 1);
		t = span_from(t, len);
	}
	*pattern = p;
	*text = t;
	return true;
}

/*
 * The first place where the run behind a "*" fits is as good as any later
 * one, so nothing is tried twice.  The last run must reach the end.
 */
static bool
pattern_match(struct span pattern, struct span text)
{
	if (!take_run(&pattern, &text))
		return false;
	if (pattern.len == 0)
		return text.len == 0;
	while (pattern.len > 0) {
		struct span run = span_from(pattern, 1);
		bool fits;

		if (run.len == 0)
			return true;
		for (;;) {
			struct span p = run, t = text;

			fits = take_run(&p, &t);
			if (fits && (p.len > 0 || t.len == 0)) {
				pattern = p;
				text = t;
				break;
			}
			if (text.len == 0)
				return false;
			text = span_from(text, character_len(text));
		}
	}
	return true;
}

/* ---- facts ----------------------------------------------------------------
 */

void
rule_facts_init(
    struct rule_facts *f, uint64_t size_octets, unsigned attachments)
{
	*f = (struct rule_facts){ .size_octets = size_octets,
		.attachments = attachments };
	arena_init(&f->arena, FACTS_OCTETS_MAX);
}

void
rule_facts_fini(struct rule_facts *f)
{
	arena_fini(&f->arena);
	*f = (struct rule_facts){ .size_octets = 0 };
}

int
rule_facts_add(struct rule_facts *f, enum rule_field field, struct span text,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf folded;
	struct rule_text *new = arena_take(&f->arena, sizeof(*new), err);

	buf_init(&folded, FACTS_OCTETS_MAX);
	if (new == NULL || text_fold(text, &folded, err) == -1)
		return -1;
	new->folded = arena_copy(&f->arena, buf_span(&folded), err);
	if (new->folded.p == NULL)
		return -1;
	new->next = f->texts[field];
	f->texts[field] = new;
	return 0;
}

/* ---- rules ----------------------------------------------------------------
 */

static bool
text_holds(
    struct span compiled, enum rule_field field, const struct rule_facts *f)
{
	const struct rule_text *t = f->texts[field];

	if (t == NULL)
		return pattern_match(compiled, SPAN(""));
	for (; t != NULL; t = t->next)
		if (pattern_match(compiled, t->folded))
			return true;
	return false;
}

bool
rule_sender_match(struct span compiled, const struct rule_facts *f)
{
	return text_holds(compiled, RULE_FROM, f);
}

static bool
number_holds(uint64_t a, enum rule_compare compare, uint64_t b)
{
	switch (compare) {
	case RULE_EQ:
		return a == b;
	case RULE_LT:
		return a < b;
	case RULE_LE:
		return a <= b;
	case RULE_GT:
		return a > b;
	case RULE_GE:
		break;
	}
	return a >= b;
}

static bool
condition_holds(const struct rule_condition *c, const struct rule_facts *f)
{
	if (c->field == RULE_SIZE)
		return number_holds(f->size_octets, c->compare, c->number);
	if (c->field == RULE_ATTACHMENTS)
		return number_holds(f->attachments, c->compare, c->number);
	return text_holds(c->compiled, c->field, f);
}

bool
rule_match(const struct rule *r, const struct rule_facts *f)
{
	if (r->paused)
		return false;
	for (size_t i = 0; i < r->conditions_len; i++)
		if (condition_holds(&r->conditions[i], f) ==
		    r->conditions[i].negated)
			return false;
	return true;
}
