/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/settings.h"

#include "common/packet.h"
#include "tenants/protocol.h"
#include "tenants/settings_spec.h"

enum {
	SETTINGS_OCTETS_MAX = 32 * 1024 * 1024
};

/* One TAG_SETTING. */
struct item {
	const struct setting_spec *spec; /* NULL: a newer tenantd's */
	uint64_t number, column;
	struct span text, reason, time, by;
};

void
settings_fini(struct settings *s)
{
	arena_fini(&s->arena);
	*s = (struct settings){ .account = { .id = "" } };
}

struct rule_limits
settings_rule_limits(const struct settings_limits *l)
{
	return (struct rule_limits){ .octets_max = l->rule_octets,
		.conditions_max = (unsigned)l->rule_conditions,
		.pattern_max = (unsigned)l->rule_text,
		.targets_max = (unsigned)l->rule_targets,
		.size_min = l->rule_size_min,
		.size_max = l->rule_size_max };
}

struct rule_limits
settings_rule_limits_tenant(void)
{
	return (struct rule_limits){ .octets_max = RULE_OCTETS_MAX,
		.conditions_max = RULE_CONDITIONS_MAX,
		.pattern_max = RULE_OCTETS_MAX,
		.targets_max = RULE_TARGETS_MAX,
		.size_min = 0,
		.size_max = UINT64_MAX };
}

/* ---- one item -------------------------------------------------------------
 */

static bool
item_field(struct item *item, uint8_t tag, struct span value)
{
	uint64_t number;

	switch (tag) {
	case ITEM_ATTR:
		if (!packet_u64(value, &number))
			return false;
		item->spec = setting_spec_find(number);
		return true;
	case ITEM_NUMBER:
		return packet_u64(value, &item->number);
	case ITEM_COLUMN:
		return packet_u64(value, &item->column);
	case ITEM_TEXT:
		item->text = value;
		return true;
	case ITEM_REASON:
		item->reason = value;
		return true;
	case ITEM_TIME:
		item->time = value;
		return true;
	case ITEM_BY:
		item->by = value;
		return true;
	default:
		return true;
	}
}

/* Takes the next one off; 1, or 0 at the end, or -1 with err. */
static int
item_next(struct span *items, struct item *item, struct err *err)
{
	struct span fields, value;
	enum packet_next next;
	uint8_t tag;

	do {
		next = packet_next(items, &tag, &fields);
		if (next == PACKET_END)
			return 0;
	} while (next == PACKET_FIELD && tag != TAG_SETTING);
	*item = (struct item){ .spec = NULL };
	while (next == PACKET_FIELD) {
		next = packet_next(&fields, &tag, &value);
		if (next == PACKET_END)
			return 1;
		if (next == PACKET_FIELD && !item_field(item, tag, value))
			next = PACKET_BROKEN;
	}
	return err_set(err, ERR_SYNTAX, "settings: broken field");
}

static struct settings_list *
list_of(struct settings *s, const struct setting_spec *spec)
{
	return (struct settings_list *)(void *)((char *)s + spec->offset);
}

static bool
is_list(const struct setting_spec *spec)
{
	return spec->type >= SETTING_SENDERS && spec->type < SETTING_TERMS;
}

/* ---- values ---------------------------------------------------------------
 */

static void
store_number(
    struct settings *s, const struct setting_spec *spec, uint64_t number)
{
	void *to = (char *)s + spec->offset;
	unsigned narrow = number > UINT32_MAX ? UINT32_MAX : (unsigned)number;
	bool flag = number != 0;

	switch (spec->type) {
	case SETTING_LIMIT:
	case SETTING_FLOOR:
		if (number > spec->max)
			number = spec->max;
		memcpy(to, &number, sizeof(number));
		return;
	case SETTING_TIME:
		memcpy(to, &number, sizeof(number));
		return;
	case SETTING_FLAG:
		memcpy(to, &flag, sizeof(flag));
		return;
	case SETTING_WORD:
	case SETTING_NUMBER:
		/* A word of a newer tenantd: what stood there holds. */
		if (number < spec->min || number > spec->max)
			return;
		memcpy(to, &narrow, sizeof(narrow));
		return;
	default:
		return;
	}
}

static void
set_defaults(struct settings *s)
{
	for (size_t i = 0; i < setting_specs_len; i++) {
		const struct setting_spec *spec = &setting_specs[i];

		if (spec->type == SETTING_LINE || spec->type == SETTING_TEXT)
			*(struct span *)(void *)((char *)s + spec->offset) =
			    span_str(spec->text);
		else
			store_number(s, spec, spec->number);
	}
}

static int
store_text(struct settings *s, const struct setting_spec *spec,
    struct span text, struct err *err)
{
	struct span copy = arena_copy(&s->arena, text, err);

	if (copy.p == NULL)
		return -1;
	*(struct span *)(void *)((char *)s + spec->offset) = copy;
	return 0;
}

static int
add_fault(struct settings *s, const struct item *item, struct err *err)
{
	struct settings_fault *f = &s->faults[s->faults_len];

	f->attribute = entry_attr_name(item->spec->attr);
	f->column = item->column;
	f->text = arena_copy(&s->arena, item->text, err);
	f->reason = arena_copy(&s->arena, item->reason, err);
	if (f->text.p == NULL || f->reason.p == NULL)
		return -1;
	s->faults_len++;
	return 0;
}

static int
add_term(struct settings *s, const struct item *item, struct err *err)
{
	struct settings_term *t = &s->terms[s->terms_len];
	struct span rest = arena_copy(&s->arena, item->text, err);

	if (rest.p == NULL)
		return -1;
	t->function = setting_take_word(&rest);
	t->version = setting_take_word(&rest);
	t->url = setting_take_word(&rest);
	t->accepted_at = arena_copy(&s->arena, item->time, err);
	t->accepted_by = arena_copy(&s->arena, item->by, err);
	if (t->accepted_at.p == NULL || t->accepted_by.p == NULL)
		return -1;
	s->terms_len++;
	return 0;
}

/* 0, or -1 with err; a bad one has column and reason in item then. */
static int
value_read(struct settings *s, struct settings_value *v, struct item *item,
    struct err *err)
{
	struct rule_limits limits = item->spec->attr > ATTR_OF_TENANT
					? settings_rule_limits_tenant()
					: settings_rule_limits(&s->limits);
	size_t column = 0;
	int rc = 0;

	if (item->spec->type == SETTING_SENDERS)
		rc = rule_sender_parse(
		    v->text, &s->arena, &v->compiled, &column, err);
	else if (item->spec->type == SETTING_ADDRESSES)
		rc = rule_address_check(v->text, err);
	else
		rc = rule_parse(v->text,
		    item->spec->type == SETTING_FORWARD_RULES ? RULE_FORWARD
							      : RULE_QUARANTINE,
		    &limits, &s->arena, &v->rule, &column, err);
	item->column = column;
	return rc;
}

static int
add_value(struct settings *s, struct item *item, struct err *err)
{
	struct settings_list *l = list_of(s, item->spec);
	struct settings_value *v = &l->items[l->len];
	struct err why = ERR_INIT;

	v->text = arena_copy(&s->arena, item->text, err);
	if (v->text.p == NULL)
		return -1;
	if (value_read(s, v, item, &why) == 0) {
		l->len++;
		return 0;
	}
	if (why.kind == ERR_TEMP)
		return err_set(err, ERR_TEMP, "%s", why.text);
	/* A tenantd that knows more than we do. */
	item->reason = span_str(why.text);
	return add_fault(s, item, err);
}

/* ---- all of them ----------------------------------------------------------
 */

/* How many there will be at most: faults, terms, values of each list. */
static int
make_room(struct span items, struct settings *s, struct err *err)
{
	size_t all = 0, terms = 0;
	struct item item;
	int more;

	while ((more = item_next(&items, &item, err)) == 1) {
		all++;
		if (item.spec != NULL && item.spec->type == SETTING_TERMS)
			terms++;
		else if (item.spec != NULL && is_list(item.spec))
			list_of(s, item.spec)->len++;
	}
	if (more == -1)
		return -1;
	s->faults = arena_array(&s->arena, all + 1, sizeof(*s->faults), err);
	s->terms = arena_array(&s->arena, terms + 1, sizeof(*s->terms), err);
	if (s->faults == NULL || s->terms == NULL)
		return -1;
	for (size_t i = 0; i < setting_specs_len; i++) {
		struct settings_list *l;

		if (!is_list(&setting_specs[i]))
			continue;
		l = list_of(s, &setting_specs[i]);
		l->items =
		    arena_array(&s->arena, l->len + 1, sizeof(*l->items), err);
		if (l->items == NULL)
			return -1;
		l->len = 0;
	}
	return 0;
}

static int
add_item(struct settings *s, struct item *item, struct err *err)
{
	if (item->spec == NULL)
		return 0;
	if (item->reason.p != NULL)
		return add_fault(s, item, err);
	if (item->spec->type == SETTING_TERMS)
		return add_term(s, item, err);
	if (is_list(item->spec))
		return add_value(s, item, err);
	if (item->spec->type == SETTING_LINE ||
	    item->spec->type == SETTING_TEXT)
		return store_text(s, item->spec, item->text, err);
	store_number(s, item->spec, item->number);
	return 0;
}

int
settings_decode(struct span items, struct settings *out, struct err *err)
{
	struct item item;
	int more;

	arena_init(&out->arena, SETTINGS_OCTETS_MAX);
	set_defaults(out);
	if (make_room(items, out, err) == -1)
		return -1;
	while ((more = item_next(&items, &item, err)) == 1)
		if (add_item(out, &item, err) == -1)
			return -1;
	if (out->auto_reply_text.len == 0)
		out->auto_reply = false;
	return more;
}
