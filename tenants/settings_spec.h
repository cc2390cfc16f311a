/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every setting in one table: where it stands in the directory and in struct
 * settings, what it may be, and what holds when nobody has said anything.
 * tenantd judges values by it, clients read its answers with it, and
 * hikyaku(1) prints by it.
 */
#ifndef HK_TENANTS_SETTINGS_SPEC_H
#define HK_TENANTS_SETTINGS_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tenants/attrs.h"

enum setting_type {
	SETTING_LIMIT,  /* uint64_t; the least of all layers */
	SETTING_FLOOR,  /* uint64_t; the greatest */
	SETTING_FLAG,   /* bool */
	SETTING_WORD,   /* an enum, by words */
	SETTING_NUMBER, /* unsigned */
	SETTING_TIME,   /* int64_t */
	SETTING_LINE,   /* struct span, one line */
	SETTING_TEXT,   /* struct span, lines */
	/* struct settings_list: */
	SETTING_SENDERS,
	SETTING_ADDRESSES,
	SETTING_FORWARD_RULES,
	SETTING_QUARANTINE_RULES,
	SETTING_TERMS, /* terms; nothing but its name is here */
};

struct setting_spec {
	enum entry_attr attr;
	enum setting_type type;
	bool of_tenant; /* the tenant's value holds where there is none */
	size_t offset;  /* in struct settings */
	/*
	 * What it may be: numbers, numbers of words, characters of a text.  A
	 * limit that is beyond max is max.
	 */
	uint64_t min, max;
	const char *const *words; /* NULL at the end */
	/* What holds when nobody has said anything. */
	uint64_t number;
	const char *text;
	/* The limit of a list's values or a text's characters; 0: none but
	 * slapd's, as of what the brand says for all. */
	enum entry_attr limit;
};

extern const struct setting_spec setting_specs[];
extern const size_t setting_specs_len;

/* NULL: that attribute is none. */
const struct setting_spec *setting_spec_find(uint64_t attr);

/* Fields inside a TAG_SETTING. */
enum setting_tag {
	ITEM_ATTR = 1, /* enum entry_attr */
	ITEM_NUMBER,   /* of a flag, word, number, time or limit */
	ITEM_TEXT,     /* of everything else */
	ITEM_REASON,   /* the value is bad, and why */
	ITEM_COLUMN,   /* and where */
	ITEM_TIME,     /* terms were accepted then, */
	ITEM_BY,       /* by this account */
};

/* Of terms and consents: takes a word off the front, "" at the end. */
struct span setting_take_word(struct span *text);

#endif
