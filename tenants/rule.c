/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/rule.h"

#include "common/ascii.h"
#include "mime/address.h"
#include "tenants/plain_text.h"
#include "tenants/rule_private.h"

/* The reference service's, 255 characters and 1 KB to 10 MB, and room. */
const struct rule_limits rule_limits_default = {
	.octets_max = 4096,
	.conditions_max = 10,
	.pattern_max = 255,
	.targets_max = 5,
	.size_min = RULE_KB,
	.size_max = 10 * RULE_MB,
};

struct parser {
	struct span rest;
	const char *fault; /* where the reason in err was seen, or NULL */
	enum rule_kind kind;
	const struct rule_limits *limits;
	struct arena *arena;
	struct err *err;
};

/* Behind "\" in a pattern. */
#define ESCAPES "\"\\*?"
#define BAD_ESCAPE "\\ may stand before \" \\ * and ? only; for a \\ type \\\\"

#define FAULT(p, at, error_kind, ...)                                          \
	((p)->fault = (at), err_set((p)->err, (error_kind), __VA_ARGS__))

/* ---- characters -----------------------------------------------------------
 */

static int
check_characters(struct parser *p)
{
	struct span s = p->rest;

	if (s.len > p->limits->octets_max || s.len > RULE_OCTETS_MAX) {
		size_t max = p->limits->octets_max < RULE_OCTETS_MAX
				 ? p->limits->octets_max
				 : RULE_OCTETS_MAX;

		return FAULT(p, s.p + max, ERR_LIMIT,
		    "the rule has %zu octets; %zu are allowed", s.len, max);
	}
	return text_check(s, false, &p->fault, p->err);
}

/* What somebody meant who typed this with an input method; NULL: unknown. */
static const char *
half_width(uint32_t code, char room[2])
{
	static const struct {
		uint32_t code;
		const char *meant;
	} marks[] = { { 0x3000, " " }, { 0x201c, "\"" }, { 0x201d, "\"" },
		{ 0x201e, "\"" }, { 0x301d, "\"" }, { 0x301e, "\"" },
		{ 0x301f, "\"" }, { 0x2192, "->" }, { 0x21d2, "->" },
		{ 0x2264, "<=" }, { 0x2266, "<=" }, { 0x2265, ">=" },
		{ 0x2267, ">=" }, { 0x2212, "-" } };

	if (code >= 0xff01 && code <= 0xff5e) {
		room[0] = (char)(code - 0xfee0);
		room[1] = '\0';
		return room;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(*marks); i++)
		if (marks[i].code == code)
			return marks[i].meant;
	return NULL;
}

/* ---- tokens ---------------------------------------------------------------
 */

static void
skip_blanks(struct parser *p)
{
	while (span_take_octet(&p->rest, ' '))
		;
}

/* Something else stands here than the grammar wants. */
static int
expected(struct parser *p, const char *what)
{
	const char *meant;
	char room[2];

	skip_blanks(p);
	if (p->rest.len == 0)
		return FAULT(p, p->rest.p, ERR_SYNTAX,
		    "the rule ends here; expected %s", what);
	meant = half_width(text_code_point(p->rest), room);
	if (meant != NULL)
		return FAULT(p, p->rest.p, ERR_SYNTAX,
		    "this is a full-width character; type %s in half width",
		    meant[0] == ' ' ? "a blank" : meant);
	return FAULT(p, p->rest.p, ERR_SYNTAX, "expected %s", what);
}

/* Letters, with the blanks in front; empty when there are none. */
static struct span
look_word(struct parser *p)
{
	size_t len = 0;

	skip_blanks(p);
	while (len < p->rest.len && ascii_is(p->rest.p[len], ASCII_ALPHA))
		len++;
	return span_first(p->rest, len);
}

static bool
take_word(struct parser *p, const char *word)
{
	struct span found = look_word(p);

	if (!span_eq_nocase(found, span_str(word)))
		return false;
	p->rest = span_from(p->rest, found.len);
	return true;
}

static bool
take_mark(struct parser *p, const char *mark)
{
	skip_blanks(p);
	return span_take_nocase(&p->rest, span_str(mark));
}

static int
take_number(struct parser *p, uint64_t *number_out)
{
	const char *at;

	skip_blanks(p);
	at = p->rest.p;
	if (p->rest.len == 0 || !ascii_is(*at, ASCII_DIGIT))
		return expected(p, "a number");
	if (!span_take_u64(&p->rest, number_out) ||
	    (p->rest.len > 0 && ascii_is(p->rest.p[0], ASCII_DIGIT)))
		return FAULT(p, at, ERR_LIMIT, "this number is too large");
	return 0;
}

/*
 * A text in double quotes; escapes are those that "\" may stand before.
 * *inside_out is what stands between the quotes, *len_out how many characters
 * it means.
 */
static int
take_quoted(struct parser *p, const char *escapes, struct span *inside_out,
    size_t *len_out)
{
	const char *begin;
	struct span s;

	if (!take_mark(p, "\""))
		return expected(p, "a text in double quotes");
	begin = p->rest.p;
	s = p->rest;
	*len_out = 0;
	while (s.len > 0 && s.p[0] != '"') {
		if (s.p[0] == '\\' &&
		    (s.len == 1 || strchr(escapes, s.p[1]) == NULL))
			return FAULT(p, s.p, ERR_SYNTAX,
			    escapes[2] == '\0'
				? "\\ may stand before \" and \\ only"
				: BAD_ESCAPE);
		s = span_from(s, s.p[0] == '\\' ? 2 : utf8_sequence(s));
		++*len_out;
	}
	if (s.len == 0)
		return FAULT(p, begin - 1, ERR_SYNTAX,
		    "the text that begins here has no closing \"");
	*inside_out = span_first(p->rest, (size_t)(s.p - begin));
	p->rest = span_from(s, 1);
	return 0;
}

/* ---- conditions -----------------------------------------------------------
 */

static int
parse_compare(struct parser *p, enum rule_compare *compare_out)
{
	/* The longer ones first. */
	static const enum rule_compare tries[] = { RULE_LE, RULE_GE, RULE_LT,
		RULE_GT, RULE_EQ };

	for (size_t i = 0; i < sizeof(tries) / sizeof(*tries); i++)
		if (take_mark(p, rule_compare_names[tries[i]])) {
			*compare_out = tries[i];
			return 0;
		}
	return expected(p, "one of = < <= > >=");
}

static int
parse_size(struct parser *p, struct rule_condition *c)
{
	const struct rule_limits *l = p->limits;
	const char *at;
	uint64_t unit = 1;
	char min[32], max[32];
	struct span word;

	skip_blanks(p);
	at = p->rest.p;
	if (take_number(p, &c->number) == -1)
		return -1;
	word = look_word(p);
	if (span_eq_nocase(word, SPAN("KB")))
		unit = RULE_KB;
	else if (span_eq_nocase(word, SPAN("MB")))
		unit = RULE_MB;
	else if (word.len > 0 && !span_eq_nocase(word, SPAN("and")))
		return expected(p, "KB, MB, \"and\", or the end");
	if (unit != 1)
		p->rest = span_from(p->rest, word.len);
	if (__builtin_mul_overflow(c->number, unit, &c->number) ||
	    c->number < l->size_min || c->number > l->size_max)
		return FAULT(p, at, ERR_LIMIT, "a size may be from %s to %s",
		    rule_size_text(l->size_min, min),
		    rule_size_text(l->size_max, max));
	return 0;
}

static int
parse_count(struct parser *p, struct rule_condition *c)
{
	const char *at;

	skip_blanks(p);
	at = p->rest.p;
	if (take_number(p, &c->number) == -1)
		return -1;
	if (c->number > RULE_ATTACHMENTS_MAX)
		return FAULT(p, at, ERR_LIMIT,
		    "a number of attachments may be up to %d",
		    RULE_ATTACHMENTS_MAX);
	return 0;
}

static int
parse_pattern(struct parser *p, struct rule_condition *c)
{
	const char *at;
	struct span inside;
	size_t len = 0;

	if (!take_mark(p, "="))
		return expected(p, "= (a text is compared with = only)");
	skip_blanks(p);
	at = p->rest.p;
	if (take_quoted(p, ESCAPES, &inside, &len) == -1)
		return -1;
	if (len > p->limits->pattern_max)
		return FAULT(p, at, ERR_LIMIT,
		    "this text has %zu characters; %u are allowed", len,
		    p->limits->pattern_max);
	c->pattern = arena_copy(p->arena, inside, p->err);
	if (c->pattern.p == NULL)
		return -1;
	return rule_compile(c->pattern, p->arena, &c->compiled, p->err);
}

static int
parse_field(struct parser *p, struct rule_condition *c)
{
	struct span word = look_word(p);

	for (size_t i = 0; i <= RULE_ATTACHMENTS; i++) {
		if (!span_eq_nocase(word, span_str(rule_field_names[i])))
			continue;
		c->field = (enum rule_field)i;
		p->rest = span_from(p->rest, word.len);
		return 0;
	}
	if (word.len == 0)
		return expected(p, "from, to, subject, size or attachments");
	if (span_eq_nocase(word, SPAN("not")))
		return FAULT(
		    p, word.p, ERR_SYNTAX, "\"not\" stands here a second time");
	return FAULT(p, word.p, ERR_SYNTAX,
	    "unknown word \"%.*s\"; expected from, to, subject, size or "
	    "attachments",
	    (int)(word.len > 40 ? 40 : word.len), word.p);
}

static int
parse_condition(struct parser *p, struct rule_condition *c)
{
	*c = (struct rule_condition){ .negated = take_word(p, "not") };
	if (parse_field(p, c) == -1)
		return -1;
	skip_blanks(p);
	if (span_starts(p->rest, SPAN("!=")) ||
	    span_starts(p->rest, SPAN("<>")) ||
	    span_starts(p->rest, SPAN("\xe2\x89\xa0")))
		return FAULT(p, p->rest.p, ERR_SYNTAX,
		    "for \"is not\" type: not %s=...",
		    rule_field_names[c->field]);
	if (c->field < RULE_TEXT_FIELDS)
		return parse_pattern(p, c);
	if (parse_compare(p, &c->compare) == -1)
		return -1;
	return c->field == RULE_SIZE ? parse_size(p, c) : parse_count(p, c);
}

static int
parse_conditions(struct parser *p, struct rule *r)
{
	struct rule_condition found[RULE_CONDITIONS_MAX];
	unsigned max = p->limits->conditions_max;

	if (max > RULE_CONDITIONS_MAX)
		max = RULE_CONDITIONS_MAX;
	do {
		skip_blanks(p);
		if (r->conditions_len >= max)
			return FAULT(p, p->rest.p, ERR_LIMIT,
			    "over %u conditions in one rule", max);
		if (parse_condition(p, &found[r->conditions_len]) == -1)
			return -1;
		r->conditions_len++;
	} while (take_word(p, "and"));
	r->conditions =
	    arena_array(p->arena, r->conditions_len, sizeof(*found), p->err);
	if (r->conditions == NULL)
		return -1;
	memcpy(r->conditions, found, r->conditions_len * sizeof(*found));
	return 0;
}

/* ---- targets --------------------------------------------------------------
 */

/* The address that stands in quotes, in the arena. */
static int
target_copy(struct parser *p, struct span inside, struct span *target_out)
{
	char *to = arena_take(p->arena, inside.len + 1, p->err);
	size_t len = 0;

	if (to == NULL)
		return -1;
	for (size_t i = 0; i < inside.len; i++) {
		if (inside.p[i] == '\\')
			i++;
		to[len++] = inside.p[i];
	}
	*target_out = span_of(to, len);
	return 0;
}

int
rule_address_check(struct span text, struct err *err)
{
	struct err why = ERR_INIT;
	struct mailaddr address;

	if (mailaddr_parse(text, 0, &address, &why) == -1)
		return err_set(err, ERR_SYNTAX,
		    "this is no mail address (such as taro@mail.example): %s",
		    why.text);
	if (mailaddr_is_literal(address) ||
	    span_index(address.domain, '.') == -1)
		return err_set(err, ERR_SYNTAX,
		    "the address needs a whole domain, such as mail.example");
	return 0;
}

/* Checks it, and gives its domain its one spelling. */
static int
target_check(struct parser *p, const char *at, struct span target)
{
	if (rule_address_check(target, p->err) == -1) {
		p->fault = at;
		return -1;
	}
	for (char *c = strrchr(target.p, '@'); *c != '\0'; c++)
		*c = ascii_lower(*c);
	return 0;
}

static int
parse_target(struct parser *p, struct span *targets, size_t len)
{
	const char *at;
	struct span inside;
	size_t ignored;

	skip_blanks(p);
	at = p->rest.p;
	if (len >= RULE_TARGETS_MAX || len >= p->limits->targets_max)
		return FAULT(
		    p, at, ERR_LIMIT, "over %zu addresses in one rule", len);
	if (take_quoted(p, "\"\\", &inside, &ignored) == -1 ||
	    target_copy(p, inside, &targets[len]) == -1 ||
	    target_check(p, at, targets[len]) == -1)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (span_eq(targets[i], targets[len]))
			return FAULT(p, at, ERR_SYNTAX,
			    "this address stands here twice");
	return 0;
}

/* Behind "->". */
static int
parse_targets(struct parser *p, struct rule *r)
{
	struct span found[RULE_TARGETS_MAX];

	if (!take_word(p, "forward"))
		return expected(p, "forward to=\"address\"");
	if (!take_word(p, "to"))
		return expected(p, "to=\"address\"");
	if (!take_mark(p, "="))
		return expected(p, "= and an address in double quotes");
	do {
		if (parse_target(p, found, r->targets_len) == -1)
			return -1;
		r->targets_len++;
	} while (take_mark(p, ","));
	r->targets =
	    arena_array(p->arena, r->targets_len, sizeof(*found), p->err);
	if (r->targets == NULL)
		return -1;
	memcpy(r->targets, found, r->targets_len * sizeof(*found));
	return 0;
}

/* ---- rules ----------------------------------------------------------------
 */

static int
parse_head(struct parser *p, struct rule *r)
{
	uint64_t number;
	const char *at;

	skip_blanks(p);
	at = p->rest.p;
	if (p->rest.len > 0 && ascii_is(*at, ASCII_DIGIT)) {
		if (take_number(p, &number) == -1)
			return -1;
		if (number < 1 || number > RULE_NUMBER_MAX)
			return FAULT(p, at, ERR_LIMIT,
			    "a rule's number may be from 1 to %d",
			    RULE_NUMBER_MAX);
		r->number = (unsigned)number;
		if (!take_mark(p, ":"))
			return expected(p, "\":\" behind the rule's number");
	}
	r->paused = take_word(p, "paused");
	return 0;
}

/* What may stand behind the last condition, seen from there. */
static int
parse_end(struct parser *p, const struct rule *r)
{
	struct span word = look_word(p);

	if (p->rest.len == 0)
		return 0;
	if (span_eq_nocase(word, SPAN("or")))
		return FAULT(p, word.p, ERR_SYNTAX,
		    "there is no \"or\"; make a second rule");
	if (r->targets_len > 0)
		return expected(p, "\",\" and an address, or the end");
	return expected(p, p->kind == RULE_QUARANTINE ? "\"and\" or the end"
						      : "\"and\" or \"->\"");
}

static int
parse_rule(struct parser *p, struct rule *r)
{
	const char *at;

	if (check_characters(p) == -1 || parse_head(p, r) == -1 ||
	    parse_conditions(p, r) == -1)
		return -1;
	skip_blanks(p);
	at = p->rest.p;
	if (take_mark(p, "->")) {
		if (p->kind == RULE_QUARANTINE)
			return FAULT(p, at, ERR_POLICY,
			    "a quarantine rule has no target");
		if (parse_targets(p, r) == -1)
			return -1;
	}
	if (parse_end(p, r) == -1)
		return -1;
	if (p->kind == RULE_FORWARD && r->targets_len == 0)
		return FAULT(p, at, ERR_POLICY,
		    "expected -> forward to=\"address\"; "
		    "a forwarding rule needs a target");
	return 0;
}

/* Counted in characters from 1. */
static size_t
column_of(struct span text, const char *at)
{
	return 1 + text_characters(span_first(text, (size_t)(at - text.p)));
}

int
rule_parse(struct span text, enum rule_kind kind,
    const struct rule_limits *limits, struct arena *arena,
    struct rule **rule_out, size_t *column_out, struct err *err)
{
	struct parser p = { text, NULL, kind, limits, arena, err };
	struct rule *r = arena_take(arena, sizeof(*r), err);

	*column_out = 0;
	if (text.p == NULL)
		p.rest = SPAN("");
	text = p.rest;
	if (r == NULL)
		return -1;
	if (parse_rule(&p, r) == -1) {
		if (p.fault != NULL)
			*column_out = column_of(text, p.fault);
		return -1;
	}
	*rule_out = r;
	return 0;
}

int
rule_sender_parse(struct span text, struct arena *arena,
    struct span *compiled_out, size_t *column_out, struct err *err)
{
	struct parser p = { .rest = text, .err = err };
	struct span s = text;

	*column_out = 0;
	if (text_check(text, false, &p.fault, err) == -1) {
		*column_out = column_of(text, p.fault);
		return -1;
	}
	if (text_characters(text) > RULE_SENDER_MAX)
		return err_set(err, ERR_LIMIT,
		    "the sender has over %d characters", RULE_SENDER_MAX);
	while (s.len > 0) {
		if (s.p[0] == '\\' &&
		    (s.len == 1 || strchr(ESCAPES, s.p[1]) == NULL)) {
			*column_out = column_of(text, s.p);
			return err_set(err, ERR_SYNTAX, BAD_ESCAPE);
		}
		s = span_from(s, s.p[0] == '\\' ? 2 : 1);
	}
	return rule_compile(text, arena, compiled_out, err);
}
