/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * forward: sends mail on, as each recipient has it: all of it (hkForwardTo),
 * and what the first rule that fits says (hkForwardRule).
 *
 * A target that has an account here may forward in turn; that is followed at
 * once, each account once, so that a circle within the platform ends where it
 * began.  A message that has been through this account before, by way of
 * other hosts, bears its address in a field Delivered-To, and is not
 * forwarded again.  When no target is left the mail stays, whatever
 * hkForwardKeep says: nothing gets lost in a circle.
 *
 * What an earlier filter held back, tagged or replaced is not forwarded.
 */
#include <stdio.h>
#include <string.h>

#include "milters/facts.h"
#include "milters/filter.h"
#include "milters/forward_conf.h"
#include "milters/target.h"
#include "mime/header.h"

/* Accounts of ours that one message is followed through, for one recipient. */
#define CHAIN_MAX 10

/* A recipient's forwarding, followed to its end. */
struct chain {
	struct judged *judged;
	const struct rule_facts *facts;
	struct span fields; /* of the message's header */
	uint64_t targets_max;
	char visited[CHAIN_MAX][TENANT_ID_MAX + 1];
	size_t visited_len;
	size_t reached, cut; /* targets, and those that closed a circle */
	unsigned rule;       /* number of the first recipient's rule, or 0 */
};

static int chain_follow(
    struct chain *c, const struct settings *s, bool is_first, struct err *err);

static bool
visited(const struct chain *c, const char *id)
{
	for (size_t i = 0; i < c->visited_len; i++)
		if (strcmp(c->visited[i], id) == 0)
			return true;
	return false;
}

/* Who gets it anyway gets it once. */
static bool
is_recipient(const struct judged *j, const char *id, struct span address)
{
	for (size_t i = 0; i < j->targets_len; i++) {
		const struct target *t = &j->targets[i];

		if (t->local ? strcmp(t->settings->account.id, id) == 0
			     : span_eq_nocase(t->address, address))
			return !t->change.remove;
	}
	for (const struct extra *e = j->extras; e != NULL; e = e->next)
		if (span_eq_nocase(e->address, address))
			return true;
	return false;
}

static int
reach(struct chain *c, const char *address, const char *id, const char *by,
    struct err *err)
{
	struct judged *j = c->judged;
	struct extra *e;

	c->reached++;
	if (is_recipient(j, id, span_str(address)))
		return 0;
	if (c->reached > c->targets_max)
		return err_set(err, ERR_LIMIT, "over %llu targets",
		    (unsigned long long)c->targets_max);
	e = arena_take(&j->arena, sizeof(*e), err);
	if (e == NULL)
		return -1;
	e->address = arena_copy(&j->arena, span_str(address), err);
	e->forwarded_by = arena_copy(&j->arena, span_str(by), err);
	if (e->address.p == NULL || e->forwarded_by.p == NULL)
		return -1;
	e->change.trace = judged_text(j, "forward=by <%s>", by);
	e->next = j->extras;
	j->extras = e;
	return 0;
}

/* An account of ours: it may forward in turn, and gets a copy unless it does
 * so without keeping one. */
static int
reach_account(struct chain *c, const struct account_info *account,
    const char *by, struct err *err)
{
	CLEANUP(settings_fini) struct settings s = { .faults_len = 0 };
	size_t before = c->reached;

	if (visited(c, account->id)) {
		c->cut++;
		return 0;
	}
	switch (tenants_settings(c->judged->tenants, account->id, &s, err)) {
	case LOOKUP_FAILED:
		return -1;
	case LOOKUP_NONE:
		return 0;
	case LOOKUP_FOUND:
		break;
	}
	if (chain_follow(c, &s, false, err) == -1)
		return -1;
	if (c->reached > before && !s.forward_keep)
		return 0;
	return reach(c, account->address, account->id, by, err);
}

static int
reach_address(
    struct chain *c, struct span address, const char *by, struct err *err)
{
	CLEANUP(resolution_fini) struct resolution found = { .count = 0 };
	char text[TENANT_ADDRESS_MAX + 1];

	if (address.len >= sizeof(text))
		return 0;
	memcpy(text, address.p, address.len);
	text[address.len] = '\0';
	if (tenants_resolve(c->judged->tenants, address, &found, err) == -1)
		return -1;
	if (found.outcome == RESOLVE_FOREIGN)
		return reach(c, text, "", by, err);
	if (found.count == 0)
		log_notice(&c->judged->log, "target is nobody's",
		    log_str("by", by), log_span("target", address));
	for (size_t i = 0; i < found.count; i++) {
		const struct recipient *r = &found.recipients[i];

		if ((r->local ? reach_account(c, &r->account, by, err)
			      : reach(c, r->address, "", by, err)) == -1)
			return -1;
	}
	return 0;
}

/* It has been through this account before. */
static bool
came_by_here(const struct chain *c, const struct account_info *account)
{
	struct span rest = c->fields;
	struct field f;

	while (field_next(&rest, &f))
		if (span_eq_nocase(f.name, SPAN("Delivered-To")) &&
		    span_eq_nocase(
			span_trim(f.value), span_str(account->address)))
			return true;
	return false;
}

static const struct rule *
rule_find(const struct settings *s, const struct rule_facts *facts)
{
	for (size_t i = 0; i < s->forward_rules.len; i++)
		if (rule_match(s->forward_rules.items[i].rule, facts))
			return s->forward_rules.items[i].rule;
	return NULL;
}

/* All targets of one account. */
static int
chain_follow(
    struct chain *c, const struct settings *s, bool is_first, struct err *err)
{
	const char *by = s->account.address;
	const struct rule *rule = rule_find(s, c->facts);

	if (s->forward_to.len == 0 && rule == NULL)
		return 0;
	if (came_by_here(c, &s->account) || c->visited_len == CHAIN_MAX) {
		c->cut++;
		return 0;
	}
	strcpy(c->visited[c->visited_len++], s->account.id);
	if (is_first && rule != NULL)
		c->rule = rule->number;
	for (size_t i = 0; i < s->forward_to.len; i++)
		if (reach_address(c, s->forward_to.items[i].text, by, err) ==
		    -1)
			return -1;
	for (size_t i = 0; rule != NULL && i < rule->targets_len; i++)
		if (reach_address(c, rule->targets[i], by, err) == -1)
			return -1;
	return 0;
}

/* ---- each recipient -------------------------------------------------------
 */

static bool
is_held_back(const struct target *t)
{
	return t->before->folder.p != NULL || t->before->tag.p != NULL ||
	       t->before->replace.p != NULL;
}

static void
tell(struct judged *j, struct target *t, const struct chain *c)
{
	char rule[32] = "";

	if (c->rule != 0)
		(void)snprintf(rule, sizeof(rule), " rule %u", c->rule);
	if (c->reached > 0)
		t->change.trace = judged_text(j, "forward=sent%s%s", rule,
		    t->change.remove ? "" : " kept");
	else
		t->change.trace = judged_text(j, "forward=loop%s kept", rule);
	log_notice(&j->log, c->reached > 0 ? "forwarded" : "loop cut",
	    log_span("recipient", t->address), log_u64("rule", c->rule),
	    log_u64("targets", c->reached), log_u64("loops", c->cut),
	    log_str("kept", t->change.remove ? "no" : "yes"));
}

static int
target_forward(struct judged *j, struct target *t,
    const struct rule_facts *facts, struct span fields, struct err *err)
{
	const struct forward_conf *conf = daemon_section(j->daemon);
	struct chain chain = { .judged = j,
		.facts = facts,
		.fields = fields,
		.targets_max = conf->targets_max };

	if (is_held_back(t)) {
		t->change.trace = SPAN("forward=held back");
		return 0;
	}
	if (chain_follow(&chain, t->settings, true, err) == -1)
		return -1;
	if (chain.reached == 0 && chain.cut == 0) {
		t->change.trace = SPAN("forward=none");
		return 0;
	}
	t->change.remove = chain.reached > 0 && !t->settings->forward_keep;
	tell(j, t, &chain);
	return 0;
}

static bool
forwards(const struct target *t)
{
	return t->local && (t->settings->forward_to.len > 0 ||
			       t->settings->forward_rules.len > 0);
}

static int
judge(void *state, struct judged *j, struct err *err)
{
	CLEANUP(rule_facts_fini) struct rule_facts facts;
	const struct forward_conf *conf = daemon_section(j->daemon);
	struct span text, fields;
	bool any = false;

	(void)state;
	rule_facts_init(&facts, 0, 0);
	if (targets_find(j, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		any |= forwards(&j->targets[i]);
	if (!any)
		return 0;
	if (message_span(j->message, &text, err) == -1)
		return -1;
	text = span_first(text, (size_t)conf->read_max);
	fields = span_first(text, header_end(text).fields);
	if (message_facts(text, j->message->octets, &facts, err) == -1)
		return -1;
	for (size_t i = 0; i < j->targets_len; i++)
		if (forwards(&j->targets[i]) &&
		    target_forward(j, &j->targets[i], &facts, fields, err) ==
			-1)
			return -1;
	if (j->extras != NULL)
		counter_add(daemon_counters(j->daemon), COUNTER_FILTER_HITS, 1);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct filter filter = {
		.name = "forward",
		.conf = &forward_section,
		.body = true,
		.prepare = filter_without_files,
		.judge = judge,
	};

	return filter_main(argc, argv, &filter);
}
