/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules: one line of text that says which messages are meant, and for
 * forwarding where they go.  hikyaku-rules(7) is the same for people.
 *
 *	rule       = [ number ":" ] [ "paused" ] condition *( "and" condition )
 *		     [ "->" "forward" "to" "=" target *( "," target ) ]
 *	number     = 1*DIGIT			; 1 to 999: its place in order
 *	condition  = [ "not" ] ( text-test / size-test / count-test )
 *	text-test  = ( "from" / "to" / "subject" ) "=" pattern
 *	size-test  = "size" compare 1*DIGIT [ "KB" / "MB" ]
 *	count-test = "attachments" compare 1*DIGIT
 *	compare    = "=" / "<" / "<=" / ">" / ">="
 *	pattern    = DQUOTE *( "*" / "?" / escape / plain ) DQUOTE
 *	escape     = "\" ( DQUOTE / "\" / "*" / "?" )
 *	plain      = any character but those four
 *	target     = DQUOTE address DQUOTE	; with \" and \\ only
 *
 * UTF-8.  Blanks may stand between any two tokens.  Words and units have no
 * case.  Every rule has one canonical spelling, which rule_format gives and
 * rule_parse reads back as the same rule.
 */
#ifndef HK_TENANTS_RULE_H
#define HK_TENANTS_RULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

enum rule_kind {
	RULE_ANY,        /* with or without a target */
	RULE_FORWARD,    /* must have one */
	RULE_QUARANTINE, /* has none */
};

enum {
	RULE_NUMBER_MAX = 999,
	RULE_ATTACHMENTS_MAX = 9999,
	/* No class of service allows more, so that buffers have a size. */
	RULE_OCTETS_MAX = 8192,
	RULE_CONDITIONS_MAX = 100,
	RULE_TARGETS_MAX = 100,
	RULE_SENDER_MAX = 320, /* characters of an entry in a list */
};

/* What a class of service allows.  All of them hold inclusively. */
struct rule_limits {
	size_t octets_max; /* of the line */
	unsigned conditions_max;
	unsigned pattern_max; /* characters of one text */
	unsigned targets_max;
	uint64_t size_min, size_max; /* octets that "size" may be compared to */
};
extern const struct rule_limits rule_limits_default;

enum rule_field {
	RULE_FROM,    /* each address of From: */
	RULE_TO,      /* each address of To: and Cc: */
	RULE_SUBJECT, /* the whole subject */
	RULE_SIZE,
	RULE_ATTACHMENTS,
};
/* Those that are compared with a pattern come first. */
#define RULE_TEXT_FIELDS (RULE_SUBJECT + 1)

enum rule_compare {
	RULE_EQ,
	RULE_LT,
	RULE_LE,
	RULE_GT,
	RULE_GE,
};

struct rule_condition {
	enum rule_field field;
	bool negated;
	enum rule_compare compare; /* RULE_EQ for a text */
	uint64_t number;           /* octets, or attachments */
	struct span pattern;       /* what stands between the quotes */
	struct span compiled;      /* the same for rule_match */
};

struct rule {
	unsigned number; /* 0: it has none and comes after those that have */
	bool paused;
	struct rule_condition *conditions; /* 1 or more */
	size_t conditions_len;
	struct span *targets; /* addresses */
	size_t targets_len;   /* 0: none is named */
};

/*
 * Reads a rule; everything in it is in the arena, nothing points into text.
 * On failure *column_out is where the reason in err was seen, in characters
 * from 1, or 0 when it has no place; it may be one behind the end.
 *
 * Errors: ERR_SYNTAX, ERR_POLICY (kind), ERR_LIMIT (limits): the rule is bad
 *         and the reason is for its owner to read;
 *         ERR_TEMP, no memory; ERR_LIMIT too when the arena is too small.
 */
int rule_parse(struct span text, enum rule_kind kind,
    const struct rule_limits *limits, struct arena *arena,
    struct rule **rule_out, size_t *column_out, struct err *err);

/* Appends the canonical spelling. */
void rule_format(const struct rule *r, struct buf *out);

/* The order in which rules are tried, for qsort's kind of answer. */
int rule_order(const struct rule *a, const struct rule *b);

/*
 * An entry of a list of senders: a pattern without quotes around it.
 * *column_out as above.  Errors: ERR_SYNTAX, ERR_LIMIT; ERR_TEMP.
 */
int rule_sender_parse(struct span text, struct arena *arena,
    struct span *compiled_out, size_t *column_out, struct err *err);

/* What mail can be forwarded to.  Errors: ERR_SYNTAX. */
int rule_address_check(struct span text, struct err *err);

/* ---- matching ------------------------------------------------------------ */

/* What is known of a message, ready to be compared with any rule. */
struct rule_facts {
	uint64_t size_octets;
	unsigned attachments;
	struct rule_text *texts[RULE_TEXT_FIELDS]; /* folded */
	struct arena arena;
};

void rule_facts_init(
    struct rule_facts *f, uint64_t size_octets, unsigned attachments);
void rule_facts_fini(struct rule_facts *f);
CLEANUP_DEFINE_VALUE(struct rule_facts, rule_facts_fini)

/*
 * Adds a text, decoded, UTF-8: an address, or the subject.  Upper and lower
 * case, full-width and half-width forms are the same.  A field without any
 * counts as one empty text.
 * Errors: ERR_LIMIT, texts of over 16 MB together; ERR_TEMP.
 */
int rule_facts_add(struct rule_facts *f, enum rule_field field,
    struct span text, struct err *err);

/*
 * All conditions hold, and the rule is not paused.  A text condition holds
 * if any text of its field matches.  Takes time in proportion to the texts,
 * times the length of the pattern at worst.
 */
bool rule_match(const struct rule *r, const struct rule_facts *f);

/* One of the senders is what rule_sender_parse has compiled. */
bool rule_sender_match(struct span compiled, const struct rule_facts *f);

#endif
