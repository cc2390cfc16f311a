/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/settings_spec.h"

#include <stddef.h>

#include "tenants/settings.h"

static const char *const levels[] = { "low", "medium", "high", NULL };
static const char *const actions[] = { "none", "tag", "junk", "quarantine",
	"discard", NULL };

static const char *const virus_actions[] = { "refuse", "remove", "quarantine",
	NULL };
static const char *const unscannable_actions[] = { "pass", "defer", "refuse",
	NULL };

#define AT(field) offsetof(struct settings, field)
#define DAYS_MAX 36500

#define LIMIT(what, field, most, otherwise)                                    \
	{                                                                      \
		.attr = (what), .type = SETTING_LIMIT,                         \
		.offset = AT(limits.field), .max = (most),                     \
		.number = (otherwise)                                          \
	}
#define FLAG(what, tenant, field, otherwise)                                   \
	{                                                                      \
		.attr = (what), .type = SETTING_FLAG, .of_tenant = (tenant),   \
		.offset = AT(field), .max = 1, .number = (otherwise)           \
	}
#define ACTION(what, field, least, otherwise)                                  \
	{                                                                      \
		.attr = (what), .type = SETTING_WORD, .of_tenant = true,       \
		.offset = AT(field), .min = (least), .max = MAIL_DISCARD,      \
		.words = actions, .number = (otherwise)                        \
	}
#define DAYS(what, field, otherwise)                                           \
	{                                                                      \
		.attr = (what), .type = SETTING_NUMBER, .of_tenant = true,     \
		.offset = AT(field), .max = DAYS_MAX, .number = (otherwise),   \
		.limit = ATTR_MAX_RETENTION_DAYS                               \
	}
#define TIME(what, field)                                                      \
	{                                                                      \
		.attr = (what), .type = SETTING_TIME, .offset = AT(field)      \
	}
#define LINE(what, tenant, field, most, otherwise)                             \
	{                                                                      \
		.attr = (what), .type = SETTING_LINE, .of_tenant = (tenant),   \
		.offset = AT(field), .max = (most), .text = (otherwise)        \
	}
#define LIST(what, kind, field, most)                                          \
	{                                                                      \
		.attr = (what), .type = (kind), .offset = AT(field),           \
		.limit = (most)                                                \
	}

/* Limits first, as readers need them for the rest. */
const struct setting_spec setting_specs[] = {
	LIMIT(ATTR_MAX_FORWARDS, forwards, 1000, 5),
	LIMIT(ATTR_MAX_FORWARD_RULES, forward_rules, 1000, 10),
	LIMIT(ATTR_MAX_QUARANTINE_RULES, quarantine_rules, 1000, 10),
	LIMIT(ATTR_MAX_LIST_ENTRIES, list_entries, 10000, 100),
	LIMIT(ATTR_MAX_RULE_LENGTH, rule_octets, RULE_OCTETS_MAX, 4096),
	LIMIT(ATTR_MAX_RULE_TEXT, rule_text, RULE_OCTETS_MAX, 255),
	LIMIT(
	    ATTR_MAX_RULE_CONDITIONS, rule_conditions, RULE_CONDITIONS_MAX, 10),
	LIMIT(ATTR_MAX_RULE_TARGETS, rule_targets, RULE_TARGETS_MAX, 5),
	{ .attr = ATTR_MIN_RULE_SIZE,
	    .type = SETTING_FLOOR,
	    .offset = AT(limits.rule_size_min),
	    .max = UINT64_MAX,
	    .number = 1024 },
	LIMIT(ATTR_MAX_RULE_SIZE, rule_size_max, UINT64_MAX, 10 * 1024 * 1024),
	LIMIT(ATTR_MAX_AUTO_REPLY_LENGTH, auto_reply_characters, 8192, 2000),
	LIMIT(ATTR_MAX_RETENTION_DAYS, retention_days, DAYS_MAX, 0),
	LIMIT(ATTR_UNDELETE_DAYS, undelete_days, DAYS_MAX, 0),

	FLAG(ATTR_VIRUS_SCAN, true, virus_scan, true),
	{ .attr = ATTR_VIRUS_ACTION,
	    .type = SETTING_WORD,
	    .of_tenant = true,
	    .offset = AT(virus_action),
	    .max = VIRUS_QUARANTINE,
	    .words = virus_actions,
	    .number = VIRUS_REFUSE },
	{ .attr = ATTR_UNSCANNABLE,
	    .type = SETTING_WORD,
	    .of_tenant = true,
	    .offset = AT(unscannable),
	    .max = UNSCANNABLE_REFUSE,
	    .words = unscannable_actions,
	    .number = UNSCANNABLE_PASS },
	FLAG(ATTR_SPAM_FILTER, true, spam_filter, true),
	{ .attr = ATTR_SPAM_LEVEL,
	    .type = SETTING_WORD,
	    .of_tenant = true,
	    .offset = AT(spam_level),
	    .max = SPAM_HIGH,
	    .words = levels,
	    .number = SPAM_MEDIUM },
	ACTION(ATTR_SPAM_ACTION, spam_action, MAIL_TAG, MAIL_JUNK),
	LINE(ATTR_SPAM_TAG, true, spam_tag, 64, "[SPAM]"),
	ACTION(ATTR_SPOOF_ACTION, spoof_action, MAIL_NONE, MAIL_NONE),
	LIST(ATTR_ALLOW_SENDER, SETTING_SENDERS, allow_senders,
	    ATTR_MAX_LIST_ENTRIES),
	LIST(ATTR_DENY_SENDER, SETTING_SENDERS, deny_senders,
	    ATTR_MAX_LIST_ENTRIES),
	ACTION(ATTR_DENY_ACTION, deny_action, MAIL_JUNK, MAIL_JUNK),
	FLAG(ATTR_QUARANTINE_ON, false, quarantine_on, true),
	LIST(ATTR_QUARANTINE_RULE, SETTING_QUARANTINE_RULES, quarantine_rules,
	    ATTR_MAX_QUARANTINE_RULES),
	LIST(
	    ATTR_TENANT_ALLOW_SENDER, SETTING_SENDERS, tenant_allow_senders, 0),
	LIST(ATTR_TENANT_DENY_SENDER, SETTING_SENDERS, tenant_deny_senders, 0),
	LIST(ATTR_TENANT_QUARANTINE_RULE, SETTING_QUARANTINE_RULES,
	    tenant_quarantine_rules, 0),
	LIST(ATTR_FORWARD_TO, SETTING_ADDRESSES, forward_to, ATTR_MAX_FORWARDS),
	FLAG(ATTR_FORWARD_KEEP, false, forward_keep, true),
	LIST(ATTR_FORWARD_RULE, SETTING_FORWARD_RULES, forward_rules,
	    ATTR_MAX_FORWARD_RULES),
	FLAG(ATTR_AUTO_REPLY, false, auto_reply, false),
	LINE(ATTR_AUTO_REPLY_SUBJECT, false, auto_reply_subject, 255, ""),
	{ .attr = ATTR_AUTO_REPLY_TEXT,
	    .type = SETTING_TEXT,
	    .offset = AT(auto_reply_text),
	    .max = 8192,
	    .text = "",
	    .limit = ATTR_MAX_AUTO_REPLY_LENGTH },
	TIME(ATTR_AUTO_REPLY_START, auto_reply_start),
	TIME(ATTR_AUTO_REPLY_END, auto_reply_end),
	{ .attr = ATTR_AUTO_REPLY_DAYS,
	    .type = SETTING_NUMBER,
	    .offset = AT(auto_reply_days),
	    .min = 1,
	    .max = 365,
	    .number = 7 },
	LINE(ATTR_TIME_ZONE, true, time_zone, 64, "UTC"),
	FLAG(ATTR_NOTICE, false, notice, false),
	LIST(ATTR_NOTICE_TO, SETTING_ADDRESSES, notice_to, ATTR_MAX_FORWARDS),
	DAYS(ATTR_JUNK_DAYS, junk_days, 30),
	DAYS(ATTR_TRASH_DAYS, trash_days, 0),
	DAYS(ATTR_QUARANTINE_DAYS, quarantine_days, 14),
	/* No ceiling: it is the brand that sets it. */
	{ .attr = ATTR_INBOX_DAYS,
	    .type = SETTING_NUMBER,
	    .of_tenant = true,
	    .offset = AT(inbox_days),
	    .max = DAYS_MAX },
	{ .attr = ATTR_TERMS, .type = SETTING_TERMS },
};
const size_t setting_specs_len =
    sizeof(setting_specs) / sizeof(setting_specs[0]);

/* A word is written as an unsigned. */
_Static_assert(sizeof(enum mail_action) == sizeof(unsigned) &&
		   sizeof(enum spam_level) == sizeof(unsigned) &&
		   sizeof(enum virus_action) == sizeof(unsigned) &&
		   sizeof(enum unscannable_action) == sizeof(unsigned),
    "enums are unsigned");

const struct setting_spec *
setting_spec_find(uint64_t attr)
{
	for (size_t i = 0; i < setting_specs_len; i++)
		if (setting_specs[i].attr == attr)
			return &setting_specs[i];
	return NULL;
}

struct span
setting_take_word(struct span *text)
{
	size_t len = 0;
	struct span word;

	while (span_take_octet(text, ' '))
		;
	while (len < text->len && text->p[len] != ' ')
		len++;
	word = span_first(*text, len);
	*text = span_from(*text, len);
	return word;
}
