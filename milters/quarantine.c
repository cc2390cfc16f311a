/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * quarantine: each recipient's lists of senders, then the rules of quarantine.
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
rule_find(const struct settings *s, const struct rule_facts *facts)
{
	if (!s->quarantine_on)
		return NULL;
	for (size_t i = 0; i < s->quarantine_rules.len; i++)
		if (rule_match(s->quarantine_rules.items[i].rule, facts))
			return s->quarantine_rules.items[i].rule;
	return NULL;
}

static void
deny(struct judged *j, struct target *t, struct span entry)
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
	t->change.trace =
	    judged_text(j, "lists=denied (%.*s) %s", SPAN_FMT(entry), where);
	log_notice(&j->log, "sender denied", log_span("recipient", t->address),
	    log_span("entry", entry), log_str("fate", where));
}

static void catch (struct judged *j, struct target *t, const struct rule *rule)
{
	t->change.trace =
	    judged_text(j, "quarantine=rule %u quarantined", rule->number);
	move(t, SPAN("Quarantine"));
	log_notice(&j->log, "caught by rule", log_span("recipient", t->address),
	    log_u64("rule", rule->number), log_str("fate", "quarantined"));
}

/* Whether the target was held back. */
static bool
target_judge(struct judged *j, struct target *t, const struct rule_facts *facts)
{
	const struct settings_value *entry;
	const struct rule *rule;

	if (!t->local)
		return false;
	entry = list_find(&t->settings->allow_senders, facts);
	if (entry != NULL) {
		t->change.trace = judged_text(
		    j, "lists=allowed (%.*s)", SPAN_FMT(entry->text));
		return false;
	}
	entry = list_find(&t->settings->deny_senders, facts);
	if (entry != NULL) {
		deny(j, t, entry->text);
		return true;
	}
	rule = rule_find(t->settings, facts);
	if (rule != NULL) {
		catch (j, t, rule);
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

		if (s != NULL &&
		    (s->allow_senders.len > 0 || s->deny_senders.len > 0 ||
			s->quarantine_rules.len > 0))
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
