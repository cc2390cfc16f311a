/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The settings that hold for an account: its own, else its tenant's, else
 * the platform's (settings_spec.c), within the limits of the classes of
 * service.  hikyaku-directory(7) explains each attribute.
 *
 * What stands in the directory and is bad (a rule that cannot be read, a word
 * that is no action, the eleventh of ten) is left out of the settings and
 * stands among the faults, to be shown to its owner.
 */
#ifndef HK_TENANTS_SETTINGS_H
#define HK_TENANTS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "tenants/client.h"
#include "tenants/rule.h"

enum spam_level {
	SPAM_LOW, /* little is held back */
	SPAM_MEDIUM,
	SPAM_HIGH,
};

/* What becomes of a message that a filter has found. */
enum mail_action {
	MAIL_NONE,
	MAIL_TAG, /* a text before the subject */
	MAIL_JUNK,
	MAIL_QUARANTINE,
	MAIL_DISCARD,
};

/* What becomes of an infected message. */
enum virus_action {
	VIRUS_REFUSE,
	VIRUS_REMOVE,     /* a notice comes in its place */
	VIRUS_QUARANTINE, /* for the tenant's owners */
};

/* What becomes of a message that cannot be searched for viruses. */
enum unscannable_action {
	UNSCANNABLE_PASS,
	UNSCANNABLE_DEFER,
	UNSCANNABLE_REFUSE,
};

/* A value of an attribute that has many. */
struct settings_value {
	struct span text; /* as it stands in the directory */
	union {
		struct rule *rule;    /* of rules */
		struct span compiled; /* of senders: rule_sender_match */
	};
};
struct settings_list {
	struct settings_value *items;
	size_t len;
};

/* Terms of the tenant, that open a function once they are accepted. */
struct settings_term {
	struct span function, version, url;
	/* As in hkConsent; empty: this version was not accepted. */
	struct span accepted_at, accepted_by;
};

/* A value that is left out. */
struct settings_fault {
	const char *attribute;
	struct span text; /* its beginning, when it is very long */
	size_t column;    /* in characters from 1; 0: the value as a whole */
	struct span reason;
};

struct settings_limits {
	uint64_t forwards, forward_rules, quarantine_rules, list_entries;
	uint64_t rule_octets, rule_text, rule_conditions, rule_targets;
	uint64_t rule_size_min, rule_size_max; /* octets */
	uint64_t auto_reply_characters;
	uint64_t retention_days; /* 0: none */
	uint64_t undelete_days;  /* 0: deleted mail is not kept */
};

struct settings {
	/* id "": these are a tenant's, and only account.tenant is filled. */
	struct account_info account;
	struct settings_limits limits;

	bool virus_scan, spam_filter;
	enum virus_action virus_action;
	enum unscannable_action unscannable; /* the tenant's */
	enum spam_level spam_level;
	enum mail_action spam_action; /* not MAIL_NONE */
	struct span spam_tag;
	enum mail_action spoof_action;
	struct settings_list allow_senders, deny_senders;
	enum mail_action deny_action; /* MAIL_JUNK and beyond */

	/* What the brand says for all its accounts; what an account allows or
	 * denies itself goes before it.  In a tenant's own settings these are
	 * empty, as its lists are those without "tenant". */
	struct settings_list tenant_allow_senders, tenant_deny_senders;
	struct settings_list
	    tenant_quarantine_rules; /* whatever quarantine_on */

	/* Of rules: in the order in which they are tried, paused ones too. */
	bool quarantine_on;
	struct settings_list quarantine_rules;
	bool forward_keep;
	struct settings_list forward_to;
	struct settings_list forward_rules;

	bool auto_reply; /* there is a text then */
	struct span auto_reply_subject, auto_reply_text;
	int64_t auto_reply_start, auto_reply_end; /* Unix time; 0: open */
	unsigned auto_reply_days;
	struct span time_zone;
	bool notice;
	struct settings_list notice_to;

	unsigned junk_days, trash_days, quarantine_days; /* 0: for ever */
	unsigned inbox_days; /* the tenant's; likewise */

	struct settings_term *terms;
	size_t terms_len;
	struct settings_fault *faults;
	size_t faults_len;

	struct arena arena; /* all of the above stands in it */
};

void settings_fini(struct settings *s);
CLEANUP_DEFINE_VALUE(struct settings, settings_fini)

/*
 * By account_info.id; by a login name or address of the account (not those
 * of groups); a tenant's, by its name: what its accounts have that set
 * nothing themselves.
 * *out need not be initialised, and is empty unless LOOKUP_FOUND.
 */
enum lookup tenants_settings(
    struct tenants *t, const char *id, struct settings *out, struct err *err);
enum lookup tenants_settings_of(struct tenants *t, struct span login,
    struct settings *out, struct err *err);
enum lookup tenants_tenant_settings(
    struct tenants *t, const char *name, struct settings *out, struct err *err);

/* For rule_parse, of a rule that is about to be entered. */
struct rule_limits settings_rule_limits(const struct settings_limits *l);

/* Of what a brand says for all its accounts: no class of service counts. */
struct rule_limits settings_rule_limits_tenant(void);

/*
 * From what tenantd says: fields TAG_SETTING (protocol.h), limits first.
 * *out is empty before, but for account, and to be finished in any case.
 * Errors: ERR_SYNTAX, a broken field; ERR_LIMIT, ERR_TEMP.
 */
int settings_decode(struct span items, struct settings *out, struct err *err);

#endif
