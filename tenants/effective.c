/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/effective.h"

#include "common/arena.h"
#include "common/log.h"
#include "common/packet.h"
#include "tenants/judge.h"
#include "tenants/layers.h"
#include "tenants/protocol.h"
#include "tenants/settings.h"
#include "tenants/settings_spec.h"
#include "tenants/told.h"

enum {
	ARENA_OCTETS_MAX = 32 * 1024 * 1024,
	FAULT_OCTETS_MAX = RULE_OCTETS_MAX, /* of its text that are shown */
	FAULTS_LOGGED_MAX = 20              /* of one entry at a time */
};

struct bad_value {
	struct bad_value *next;
	const struct entry *entry;
	enum entry_attr attr;
	struct span text, reason;
	size_t column;
};

struct build {
	struct directory *d;
	struct layers layers;
	struct entry *own;
	struct entry *tenant; /* NULL: own is one */
	struct settings_limits limits;
	struct rule_limits rule_limits;
	struct buf *items;
	struct bad_value *bad, **bad_end;
	struct arena arena;
	struct err *err;
};

static void
build_fini(struct build *b)
{
	layers_fini(&b->layers);
	arena_fini(&b->arena);
}
CLEANUP_DEFINE_VALUE(struct build, build_fini)

/* ---- what is written ------------------------------------------------------
 */

static void
put_number(struct build *b, enum entry_attr attr, uint64_t number)
{
	size_t start = packet_start(b->items, TAG_SETTING);

	packet_put_u64(b->items, ITEM_ATTR, attr);
	packet_put_u64(b->items, ITEM_NUMBER, number);
	packet_end(b->items, start);
}

static void
put_text(struct build *b, enum entry_attr attr, struct span text)
{
	size_t start = packet_start(b->items, TAG_SETTING);

	packet_put_u64(b->items, ITEM_ATTR, attr);
	packet_put(b->items, ITEM_TEXT, text);
	packet_end(b->items, start);
}

/* Whole characters of UTF-8 at the front. */
static struct span
beginning(struct span text, size_t octets)
{
	if (text.len <= octets)
		return text;
	while (octets > 0 && ((unsigned char)text.p[octets] & 0xc0) == 0x80)
		octets--;
	return span_first(text, octets);
}

static void
put_bad(struct build *b, const struct bad_value *bad)
{
	size_t start = packet_start(b->items, TAG_SETTING);

	packet_put_u64(b->items, ITEM_ATTR, bad->attr);
	packet_put(b->items, ITEM_TEXT, beginning(bad->text, FAULT_OCTETS_MAX));
	packet_put_u64(b->items, ITEM_COLUMN, bad->column);
	packet_put(b->items, ITEM_REASON, bad->reason);
	packet_end(b->items, start);
}

/* ---- what is bad ----------------------------------------------------------
 */

/* Keeps a value whose reason is in why; -1 with b->err: no memory. */
static int
bad_add(struct build *b, const struct entry *e, enum entry_attr attr,
    struct span text, size_t column, const struct err *why)
{
	struct bad_value *bad = arena_take(&b->arena, sizeof(*bad), b->err);

	if (bad == NULL)
		return -1;
	*bad = (struct bad_value){ .entry = e,
		.attr = attr,
		.text = text,
		.column = column,
		.reason = arena_copy(&b->arena, span_str(why->text), b->err) };
	if (bad->reason.p == NULL)
		return -1;
	*b->bad_end = bad;
	b->bad_end = &bad->next;
	return 0;
}

/* One line for each, if they are not those of last time. */
static void
bad_tell(struct build *b, const struct entry *e)
{
	uint64_t digest = TOLD_DIGEST, count = 0, told = 0;

	for (const struct bad_value *v = b->bad; v != NULL; v = v->next) {
		if (v->entry != e)
			continue;
		count++;
		digest =
		    told_digest(digest, span_str(entry_attr_name(v->attr)));
		digest = told_digest(digest, v->text);
		digest = told_digest(digest, v->reason);
	}
	if (!told_changed(
		b->d->told, entry_get(e, ATTR_UUID), count == 0 ? 0 : digest))
		return;
	for (const struct bad_value *v = b->bad; v != NULL; v = v->next) {
		if (v->entry != e || told++ >= FAULTS_LOGGED_MAX)
			continue;
		log_warning(&log_process, "setting left out",
		    log_str("tenant", e->tenant),
		    log_span("account", entry_get(e, ATTR_MAIL)),
		    log_str("attribute", entry_attr_name(v->attr)),
		    log_u64("column", v->column),
		    log_span("reason", v->reason));
	}
	if (told > FAULTS_LOGGED_MAX)
		log_warning(&log_process, "more settings left out",
		    log_str("tenant", e->tenant),
		    log_span("account", entry_get(e, ATTR_MAIL)),
		    log_u64("count", count - FAULTS_LOGGED_MAX));
}

/* ---- single values --------------------------------------------------------
 */

/* *have_out: the entry has a good value. */
static int
value_of(struct build *b, const struct setting_spec *spec,
    const struct entry *e, struct setting_value *out, bool *have_out)
{
	struct span text = entry_get(e, spec->attr);
	struct err why = ERR_INIT;
	uint64_t max = spec->max;
	size_t column = 0;

	*out = (struct setting_value){ .text = SPAN_NONE };
	*have_out = false;
	if (text.p == NULL)
		return 0;
	if (spec->limit == ATTR_MAX_AUTO_REPLY_LENGTH)
		max = b->limits.auto_reply_characters;
	if (setting_judge(spec, max, text, out, &column, &why) == -1)
		return bad_add(b, e, spec->attr, text, column, &why);
	*have_out = true;
	return 0;
}

/* Days for ever are as many as the class of service allows. */
static void
apply_ceiling(const struct build *b, const struct setting_spec *spec,
    struct setting_value *v, bool *have)
{
	uint64_t ceiling = b->limits.retention_days;

	if (spec->limit != ATTR_MAX_RETENTION_DAYS || ceiling == 0)
		return;
	if (!*have)
		v->number = spec->number;
	if (v->number == 0 || v->number > ceiling)
		v->number = ceiling;
	*have = true;
}

static int
put_value(struct build *b, const struct setting_spec *spec)
{
	struct setting_value v, theirs;
	bool have, they_have = false;

	if (value_of(b, spec, b->own, &v, &have) == -1)
		return -1;
	if (spec->of_tenant && b->tenant != NULL) {
		if (value_of(b, spec, b->tenant, &theirs, &they_have) == -1)
			return -1;
		if (!have && they_have) {
			v = theirs;
			have = true;
		}
	}
	apply_ceiling(b, spec, &v, &have);
	if (have && v.text.p != NULL)
		put_text(b, spec->attr, v.text);
	else if (have)
		put_number(b, spec->attr, v.number);
	return 0;
}

/* ---- limits ---------------------------------------------------------------
 */

static void
put_limits(struct build *b)
{
	for (size_t i = 0; i < setting_specs_len; i++) {
		const struct setting_spec *spec = &setting_specs[i];
		uint64_t number;

		if (spec->type == SETTING_LIMIT)
			number = layers_ceiling(
			    &b->layers, spec->attr, spec->number);
		else if (spec->type == SETTING_FLOOR)
			number =
			    layers_floor(&b->layers, spec->attr, spec->number);
		else
			continue;
		if (number > spec->max)
			number = spec->max;
		memcpy((char *)&b->limits + spec->offset -
			   offsetof(struct settings, limits),
		    &number, sizeof(number));
		put_number(b, spec->attr, number);
	}
	b->rule_limits = settings_rule_limits(&b->limits);
}

static uint64_t
limit_of(const struct build *b, enum entry_attr limit)
{
	const struct setting_spec *spec = setting_spec_find(limit);
	uint64_t number;

	memcpy(&number,
	    (const char *)&b->limits + spec->offset -
		offsetof(struct settings, limits),
	    sizeof(number));
	return number;
}

/* ---- lists ----------------------------------------------------------------
 */

struct member {
	struct span text;
	struct rule *rule; /* of rules */
};

static int
by_order(const void *va, const void *vb)
{
	const struct member *a = va, *b = vb;
	int order;

	if (a->rule != NULL && b->rule != NULL)
		return rule_order(a->rule, b->rule);
	order = memcmp(a->text.p, b->text.p,
	    a->text.len < b->text.len ? a->text.len : b->text.len);
	return order != 0                  ? order
	       : a->text.len < b->text.len ? -1
					   : a->text.len > b->text.len;
}

/* The entry that a list stands in; NULL: in none here. */
static struct entry *
list_entry(const struct build *b, const struct setting_spec *spec)
{
	return spec->attr > ATTR_OF_TENANT ? b->tenant : b->own;
}

static enum entry_attr
list_attr(const struct setting_spec *spec)
{
	return spec->attr > ATTR_OF_TENANT ? spec->attr - ATTR_OF_TENANT
					   : spec->attr;
}

static int
judge_member(struct build *b, const struct setting_spec *spec, struct member *m,
    size_t *column, struct err *why)
{
	struct rule_limits limits = list_entry(b, spec)->kind == ENTRY_TENANT
					? settings_rule_limits_tenant()
					: b->rule_limits;
	struct span ignored;

	switch (spec->type) {
	case SETTING_SENDERS:
		return rule_sender_parse(
		    m->text, &b->arena, &ignored, column, why);
	case SETTING_ADDRESSES:
		return rule_address_check(m->text, why);
	default:
		return rule_parse(m->text,
		    spec->type == SETTING_FORWARD_RULES ? RULE_FORWARD
							: RULE_QUARANTINE,
		    &limits, &b->arena, &m->rule, column, why);
	}
}

static size_t
count_values(const struct entry *e, enum entry_attr attr)
{
	struct span rest = entry_fields(e), value;
	size_t count = 0;

	while (entry_next(&rest, attr, &value))
		count++;
	return count;
}

/* The good ones; -1: no memory. */
static int
gather(struct build *b, const struct setting_spec *spec, struct member *members,
    size_t *len_out)
{
	struct entry *e = list_entry(b, spec);
	struct span rest = entry_fields(e), value;

	*len_out = 0;
	while (entry_next(&rest, list_attr(spec), &value)) {
		struct member m = { .text = value };
		struct err why = ERR_INIT;
		size_t column = 0;

		if (judge_member(b, spec, &m, &column, &why) == 0)
			members[(*len_out)++] = m;
		else if (why.kind == ERR_TEMP)
			return err_set(b->err, ERR_TEMP, "%s", why.text);
		else if (bad_add(b, e, list_attr(spec), value, column, &why) ==
			 -1)
			return -1;
	}
	return 0;
}

/* What a brand says for all is not cut to what its accounts may have. */
static uint64_t
list_limit(const struct build *b, const struct setting_spec *spec)
{
	return list_entry(b, spec)->kind == ENTRY_TENANT
		   ? UINT64_MAX
		   : limit_of(b, spec->limit);
}

static int
put_list(struct build *b, const struct setting_spec *spec)
{
	struct entry *e = list_entry(b, spec);
	size_t count = e == NULL ? 0 : count_values(e, list_attr(spec));
	struct member *members;
	uint64_t max;
	struct err why = ERR_INIT;

	if (count == 0)
		return 0;
	max = list_limit(b, spec);
	members = arena_array(&b->arena, count, sizeof(*members), b->err);
	if (members == NULL || gather(b, spec, members, &count) == -1)
		return -1;
	qsort(members, count, sizeof(*members), by_order);
	(void)err_set(&why, ERR_LIMIT, "there are %zu; %llu are allowed", count,
	    (unsigned long long)max);
	for (size_t i = 0; i < count; i++) {
		if (i < max)
			put_text(b, spec->attr, members[i].text);
		else if (bad_add(b, e, list_attr(spec), members[i].text, 0,
			     &why) == -1)
			return -1;
	}
	return 0;
}

/* ---- terms ----------------------------------------------------------------
 */

/* hkConsent: FUNCTION VERSION TIME BY. */
static bool
find_consent(const struct build *b, struct span function, struct span version,
    struct span *time, struct span *by)
{
	struct span rest = entry_fields(b->own), value;

	while (entry_next(&rest, ATTR_CONSENT, &value)) {
		if (!span_eq_nocase(setting_take_word(&value), function) ||
		    !span_eq(setting_take_word(&value), version))
			continue;
		*time = setting_take_word(&value);
		*by = setting_take_word(&value);
		if (by->len > 0)
			return true;
	}
	return false;
}

static int
put_terms(struct build *b)
{
	struct entry *e = b->tenant == NULL ? b->own : b->tenant;
	struct span rest = entry_fields(e), value;

	while (entry_next(&rest, ATTR_TERMS, &value)) {
		struct span words = value, time = SPAN_NONE, by = SPAN_NONE;
		struct span function = setting_take_word(&words);
		struct span version = setting_take_word(&words);
		struct err why = ERR_INIT;
		size_t start;

		if (setting_take_word(&words).len == 0) {
			(void)err_set(
			    &why, ERR_SYNTAX, "expected FUNCTION VERSION URL");
			if (bad_add(b, e, ATTR_TERMS, value, 0, &why) == -1)
				return -1;
			continue;
		}
		start = packet_start(b->items, TAG_SETTING);
		packet_put_u64(b->items, ITEM_ATTR, ATTR_TERMS);
		packet_put(b->items, ITEM_TEXT, value);
		if (find_consent(b, function, version, &time, &by)) {
			packet_put(b->items, ITEM_TIME, time);
			packet_put(b->items, ITEM_BY, by);
		}
		packet_end(b->items, start);
	}
	return 0;
}

/* ---- all of them ----------------------------------------------------------
 */

static int
put_settings(struct build *b)
{
	put_limits(b);
	for (size_t i = 0; i < setting_specs_len; i++) {
		const struct setting_spec *spec = &setting_specs[i];
		int rc = 0;

		if (spec->type >= SETTING_FLAG && spec->type <= SETTING_TEXT)
			rc = put_value(b, spec);
		else if (spec->type >= SETTING_SENDERS &&
			 spec->type < SETTING_TERMS)
			rc = put_list(b, spec);
		if (rc == -1)
			return -1;
	}
	return put_terms(b);
}

/* It is on, and there is nothing to say. */
static int
check_auto_reply(struct build *b)
{
	struct span on = entry_get(b->own, ATTR_AUTO_REPLY);
	struct err why = ERR_INIT;

	if (!span_eq_nocase(on, SPAN("TRUE")) ||
	    entry_get(b->own, ATTR_AUTO_REPLY_TEXT).p != NULL)
		return 0;
	(void)err_set(&why, ERR_POLICY, "there is no hkAutoReplyText");
	return bad_add(b, b->own, ATTR_AUTO_REPLY, on, 0, &why);
}

/*
 * An entry that was kept on disk by a former version has not got what that
 * version did not ask for.
 */
static enum lookup
layers_complete(const struct layers *l, struct err *err)
{
	for (size_t i = 0; i < l->len; i++)
		if (entry_get(l->entries[i], ATTR_FORMAT).p == NULL) {
			(void)err_set(err, ERR_TEMP,
			    "the entry was kept by a former version, without "
			    "settings");
			return LOOKUP_FAILED;
		}
	return LOOKUP_FOUND;
}

enum lookup
effective_settings(
    struct directory *d, struct entry *own, struct buf *items, struct err *err)
{
	CLEANUP(build_fini)
	struct build b = { .d = d, .own = own, .items = items, .err = err };
	enum lookup found;

	arena_init(&b.arena, ARENA_OCTETS_MAX);
	b.bad_end = &b.bad;
	found = own->kind == ENTRY_TENANT
		    ? layers_of_tenant(d, own, &b.layers, err)
		    : layers_of_account(d, own, &b.layers, &b.tenant, err);
	if (found == LOOKUP_FOUND)
		found = layers_complete(&b.layers, err);
	if (found != LOOKUP_FOUND)
		return found;
	if (put_settings(&b) == -1 || check_auto_reply(&b) == -1)
		return LOOKUP_FAILED;
	for (const struct bad_value *v = b.bad; v != NULL; v = v->next)
		if (v->entry == own)
			put_bad(&b, v);
	bad_tell(&b, own);
	if (b.tenant != NULL)
		bad_tell(&b, b.tenant);
	return buf_check(items, err) == -1 ? LOOKUP_FAILED : LOOKUP_FOUND;
}
