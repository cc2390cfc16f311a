/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of users, and texts of messages to match them with.
 *
 * The first octet chooses the kind; up to a NUL stands the rule, behind it a
 * text.  A rule that is accepted is within its limits, its canonical spelling
 * is accepted as the same rule and is its own canonical spelling, and "not"
 * before a lone condition turns the answer round.  One that is refused says
 * why and where, within the line or right behind it.
 */
#include <assert.h>
#include <stdint.h>

#include "mime/address.h"
#include "tests/unit/rule_rig.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_refusal(struct span text, size_t column, const struct err *err)
{
	assert(err->kind == ERR_SYNTAX || err->kind == ERR_POLICY ||
	       err->kind == ERR_LIMIT);
	assert(err->text[0] != '\0');
	assert(utf8_valid(span_str(err->text)));
	assert(column >= 1 && column <= text.len + 1);
}

static void
check_limits(const struct rule *r, const struct rule_limits *l)
{
	assert(r->number <= RULE_NUMBER_MAX);
	assert(r->conditions_len >= 1);
	assert(r->conditions_len <= l->conditions_max);
	assert(r->targets_len <= l->targets_max);
	for (size_t i = 0; i < r->conditions_len; i++) {
		const struct rule_condition *c = &r->conditions[i];

		assert(c->field != RULE_SIZE ||
		       (c->number >= l->size_min && c->number <= l->size_max));
		assert(c->field >= RULE_TEXT_FIELDS || c->compare == RULE_EQ);
	}
	for (size_t i = 0; i < r->targets_len; i++) {
		struct mailaddr a;

		assert(mailaddr_parse(r->targets[i], 0, &a, NULL) == 0);
	}
}

static void
check_round_trip(const struct rule *r, enum rule_kind kind)
{
	/* A line without blanks is shorter than its canonical spelling. */
	struct rule_limits wide = rule_limits_default;
	CLEANUP(buf_fini) struct buf line, again;
	CLEANUP(arena_fini) struct arena arena;
	struct rule *two;
	size_t column;

	wide.octets_max = RULE_OCTETS_MAX;
	buf_init(&line, RULE_OCTETS_MAX);
	buf_init(&again, RULE_OCTETS_MAX);
	arena_init(&arena, (size_t)1 << 20);
	rule_format(r, &line);
	assert(buf_check(&line, NULL) == 0);
	assert(rule_parse(buf_span(&line), kind, &wide, &arena, &two, &column,
		   NULL) == 0);
	assert(rule_same(r, two));
	assert(rule_order(r, two) == 0);
	rule_format(two, &again);
	assert(span_eq(buf_span(&line), buf_span(&again)));
}

static void
check_match(struct rule *r, struct span text)
{
	CLEANUP(rule_facts_fini) struct rule_facts f;
	bool matched;

	rule_facts_init(&f, text.len * 1000, (unsigned)text.len);
	for (int field = RULE_FROM; field < RULE_TEXT_FIELDS; field++)
		assert(rule_facts_add(&f, (enum rule_field)field, text, NULL) ==
		       0);
	matched = rule_match(r, &f);
	assert(!matched || !r->paused);
	if (r->conditions_len == 1 && !r->paused) {
		r->conditions[0].negated = !r->conditions[0].negated;
		assert(rule_match(r, &f) == !matched);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = { (const char *)data, size }, text = SPAN("");
	CLEANUP(arena_fini) struct arena arena;
	struct err err = ERR_INIT;
	enum rule_kind kind;
	struct rule *r = NULL;
	size_t column;

	arena_init(&arena, (size_t)1 << 20);
	if (size == 0)
		return 0;
	kind = (enum rule_kind)(data[0] % (RULE_QUARANTINE + 1));
	line = span_from(line, 1);
	if (span_index(line, '\0') != -1) {
		text = line;
		(void)span_take_until(&text, '\0', &line);
	}
	if (rule_parse(line, kind, &rule_limits_default, &arena, &r, &column,
		&err) == -1) {
		check_refusal(line, column, &err);
		return 0;
	}
	check_limits(r, &rule_limits_default);
	check_round_trip(r, kind);
	check_match(r, text);
	return 0;
}
