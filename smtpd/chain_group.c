/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Milters of one tenant: they are shown the message as the common ones left
 * it, with that tenant's recipients alone, and what they do reaches nobody
 * else.
 */
#include <stdlib.h>
#include <string.h>

#include "smtpd/chain.h"

void
smtp_groups_fini(struct smtp_groups *g)
{
	for (size_t i = 0; i < g->len; i++) {
		draft_fini(&g->items[i].own);
		milter_verdict_fini(&g->items[i].verdict);
		free(g->items[i].quarantine);
	}
	free(g->items);
	*g = (struct smtp_groups){ .len = 0 };
}

static int
group_add(struct smtp_groups *g, const char *tenant, const struct draft *draft,
    struct smtp_group **group_out, struct err *err)
{
	struct smtp_group *items =
	    reallocarray(g->items, g->len + 1, sizeof(*items));

	if (items == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	g->items = items;
	*group_out = &items[g->len++];
	**group_out = (struct smtp_group){ .draft = draft };
	memcpy((*group_out)->tenant, tenant, strlen(tenant) + 1);
	milter_verdict_init(&(*group_out)->verdict);
	return 0;
}

struct smtp_group *
smtp_groups_of(const struct smtp_groups *groups, const char *tenant)
{
	for (size_t i = 1; i < groups->len; i++) {
		if (strcmp(groups->items[i].tenant, tenant) == 0)
			return &groups->items[i];
	}
	return &groups->items[0];
}

static bool
is_tenants(const struct milter_talk *t, const char *tenant)
{
	return milter_settings(t->milter)->tenants.len > 0 &&
	       smtp_chain_shows(t, tenant);
}

static bool
has_milters(const struct smtp_chain *c, const char *tenant)
{
	for (size_t i = 0; i < c->len; i++) {
		if (is_tenants(&c->talks[i], tenant))
			return true;
	}
	return false;
}

/*
 * Recipients whom a common milter added are shown late: the tenant's own have
 * not been told of the data yet.
 */
static void
show_added(struct smtp_chain *c, size_t at, const char *tenant,
    struct milter_verdict *v)
{
	const struct smtp_transaction *t = c->session->transaction;

	for (size_t i = 0; i < t->recipients_len; i++) {
		struct smtp_recipient *r = &t->recipients[i];
		CLEANUP(buf_fini) struct buf argument;

		buf_init(&argument, MAILADDR_PATH_MAX + 8);
		if (r->deleted || strcmp(r->tenant, tenant) != 0 ||
		    (r->places != NULL && r->places[at] != 0) ||
		    v->ruling != MILTER_RULES_CONTINUE)
			continue;
		if (r->places == NULL)
			r->places = calloc(c->len, sizeof(*r->places));
		if (r->places == NULL)
			continue;
		buf_append_fmt(&argument, "TO:<%s>", r->forward_path);
		smtp_chain_mail_late(c, &c->talks[at], v);
		if (v->ruling == MILTER_RULES_CONTINUE)
			smtp_chain_rcpt_one(
			    c, &c->talks[at], buf_span(&argument), v);
		r->places[at] = c->talks[at].rcpts;
	}
}

static int
group_judge(struct smtp_chain *c, struct smtp_group *g,
    const struct draft *from, struct err *err)
{
	struct milter_verdict *v = &g->verdict;

	if (draft_copy(&g->own, from, err) == -1)
		return -1;
	for (size_t i = 0; i < c->len; i++) {
		struct milter_talk *t = &c->talks[i];

		if (!is_tenants(t, g->tenant) ||
		    v->ruling != MILTER_RULES_CONTINUE)
			continue;
		if (t->discards)
			v->ruling = MILTER_RULES_DISCARD;
		if (t->quarantines && g->quarantine == NULL)
			g->quarantine = strdup("a milter did not judge it");
		show_added(c, i, g->tenant, v);
		if (v->ruling == MILTER_RULES_CONTINUE)
			milter_talk_data(t, v);
		if (v->ruling == MILTER_RULES_CONTINUE &&
		    t->state == MILTER_TALK_MESSAGE)
			smtp_chain_turn(c, t, &g->own, v);
	}
	g->refused =
	    v->ruling == MILTER_RULES_REFUSE || v->ruling == MILTER_RULES_DROP;
	if (v->quarantined && g->quarantine == NULL)
		g->quarantine = strdup(v->reason);
	return 0;
}

/* A message of hundreds of brands' recipients waits for each brand's own. */
static int
group_make(struct smtp_chain *c, const char *tenant, const struct draft *draft,
    struct smtp_groups *groups, struct err *err)
{
	struct smtp_group *g;

	if (group_add(groups, tenant, draft, &g, err) == -1 ||
	    group_judge(c, g, draft, err) == -1)
		return -1;
	return 0;
}

int
smtp_chain_groups(struct smtp_session *s, const struct draft *draft,
    struct smtp_groups *groups, struct err *err)
{
	const struct smtp_transaction *t = s->transaction;
	struct smtp_chain *c = s->chain;
	struct smtp_group *everybody;

	*groups = (struct smtp_groups){ .len = 0 };
	if (group_add(groups, "", draft, &everybody, err) == -1)
		return -1;
	/* Milters of tenants may add recipients while this runs. */
	for (size_t i = 0; c != NULL && i < t->recipients_len; i++) {
		const struct smtp_recipient *r = &t->recipients[i];
		char tenant[TENANT_NAME_MAX + 1];

		memcpy(tenant, r->tenant, sizeof(tenant));
		if (r->deleted || !has_milters(c, tenant) ||
		    smtp_groups_of(groups, tenant) != &groups->items[0])
			continue;
		if (group_make(c, tenant, draft, groups, err) == -1)
			return -1;
	}
	/* Their address changes as groups are added. */
	for (size_t i = 1; i < groups->len; i++)
		groups->items[i].draft = &groups->items[i].own;
	return 0;
}
