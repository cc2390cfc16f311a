/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quarantine: each recipient's lists of senders, then the brand's, then the
 * rules of quarantine, the recipient's own before the brand's.
 *
 * An allowed sender passes both; else a denied one goes where hkDenyAction
 * says; else the first rule that fits puts the mail into the folder
 * Quarantine.  What an earlier filter has put there, or into Junk, is never
 * put back to a better place.
 */
#include "milters/facts.h"
#include "milters/filter.h"
#include "milters/quarantine_conf.h"
#include "milters/target.h"

/* How far away a place is from INBOX. */
static int
distance(struct span folder)
{
	if (folder.p == NULL)
		return 0;
	return span_eq_nocase(folder, SPAN("Quarantine")) ? 2 : 1;
}

static void
move(struct target *t, struct span folder)
{
	if (distance(folder) > distance(t->before->folder))
		t->change.folder = folder;
}

/* The entry of a list that one of the senders fits, or NULL. */
static const struct settings_value *
list_find(const struct settings_list *list, const struct rule_facts *facts)
{
	for (size_t i = 0; i < list->len; i++)
		if (rule_sender_match(list->items[i].compiled, facts))
			return &list->items[i];
	return NULL;
}

static const struct rule *
rule_find(const struct settings_list *rules, const struct rule_facts *facts)
{
	for (size_t i = 0; i < rules->len; i++)
		if (rule_match(rules->items[i].rule, facts))
			return rules->items[i].rule;
	return NULL;
}

static void
deny(struct judged *j, struct target *t, struct span entry, const char *whose)
{
	const char *where = "junk";

	switch (t->settings->deny_action) {
	case MAIL_DISCARD:
		where = "discarded";
		t->change.remove = true;
		break;
	case MAIL_QUARANTINE:
		where = "quarantined";
		move(t, SPAN("Quarantine"));
		break;
	case MAIL_NONE:
	case MAIL_TAG:
	case MAIL_JUNK:
		move(t, SPAN("Junk"));
		break;
	}
	t->change.trace = judged_text(
	    j, "lists=denied %s(%.*s) %s", whose, SPAN_FMT(entry), where);
	log_notice(&j->log, "sender denied", log_span("recipient", t->address),
	    log_span("entry", entry), log_str("fate", where));
}

static void
hold(struct judged *j, struct target *t, const struct rule *rule,
    const char *whose)
{
	t->change.trace = judged_text(
	    j, "quarantine=%srule %u quarantined", whose, rule->number);
	move(t, SPAN("Quarantine"));
	log_notice(&j->log, "caught by rule", log_span("recipient", t->address),
	    log_u64("rule", rule->number), log_str("fate", "quarantined"),
	    log_str("whose", whose[0] == '\0' ? "account" : "tenant"));
}

enum listed {
	LISTED_NOT,
	LISTED_ALLOWED,
	LISTED_DENIED,
};

/* A pair of lists, the account's or the brand's; who is in both is allowed. */
static enum listed
lists_judge(struct judged *j, struct target *t,
    const struct settings_list *allowed, const struct settings_list *denied,
    const char *whose, const struct rule_facts *facts)
{
	const struct settings_value *entry = list_find(allowed, facts);

	if (entry != NULL) {
		t->change.trace = judged_text(
		    j, "lists=allowed %s(%.*s)", whose, SPAN_FMT(entry->text));
		return LISTED_ALLOWED;
	}
	entry = list_find(denied, facts);
	if (entry == NULL)
		return LISTED_NOT;
	deny(j, t, entry->text, whose);
	return LISTED_DENIED;
}

/* Whether the target was held back. */
static bool
target_judge(struct judged *j, struct target *t, const struct rule_facts *facts)
{
	const struct settings *s = t->settings;
	const struct rule *rule = NULL;
	enum listed listed;

	if (!t->local)
		return false;
	listed =
	    lists_judge(j, t, &s->allow_senders, &s->deny_senders, "", facts);
	if (listed == LISTED_NOT)
		listed = lists_judge(j, t, &s->tenant_allow_senders,
		    &s->tenant_deny_senders, "by the brand ", facts);
	if (listed != LISTED_NOT)
		return listed == LISTED_DENIED;
	if (s->quarantine_on)
		rule = rule_find(&s->quarantine_rules, facts);
	if (rule != NULL) {
		hold(j, t, rule, "");
		return true;
	}
	rule = rule_find(&s->tenant_quarantine_rules, facts);
	if (rule != NULL) {
		hold(j, t, rule, "the brand's ");
		return true;
	}
	t->change.trace = SPAN("quarantine=none");
	return false;
}

static bool
anybody_has_rules(const struct judged *j)
{
	for (size_t i = 0; i < j->targets_len; i++) {
		const struct settings *s = j->targets[i].settings;

		if (s != NULL && s->allow_senders.len + s->deny_senders.len +
					 s->quarantine_rules.len +
					 s->tenant_allow_senders.len +
					 s->tenant_deny_senders.len +
					 s->tenant_quarantine_rules.len >
				     0)
			return true;
	}
	return false;
}

static int
judge(void *state, struct judged *j, struct err *err)
{
	CLEANUP(rule_facts_fini) struct rule_facts facts;
	struct span text = SPAN("");
	bool held = false;

	const struct quarantine_conf *conf = daemon_section(j->daemon);

	(void)state;
	rule_facts_init(&facts, 0, 0);
	if (targets_find(j, err) == -1)
		return -1;
	/* A message of which nobody asks anything need not be read. */
	if (anybody_has_rules(j)) {
		if (message_span(j->message, &text, err) == -1)
			return -1;
		text = span_first(text, (size_t)conf->read_max);
		if (message_facts(text, j->message->octets, &facts, err) == -1)
			return -1;
	}
	for (size_t i = 0; i < j->targets_len; i++)
		held |= target_judge(j, &j->targets[i], &facts);
	if (held)
		counter_add(daemon_counters(j->daemon), COUNTER_FILTER_HITS, 1);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct filter filter = {
		.name = "quarantine",
		.conf = &quarantine_section,
		.body = true,
		.prepare = filter_without_files,
		.judge = judge,
	};

	return filter_main(argc, argv, &filter);
}
