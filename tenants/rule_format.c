/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/rule_private.h"

#include <inttypes.h>
#include <stdio.h>

const char *const rule_field_names[] = { "from", "to", "subject", "size",
	"attachments" };
const char *const rule_compare_names[] = { "=", "<", "<=", ">", ">=" };

const char *
rule_size_text(uint64_t octets, char room[32])
{
	const char *unit = "";

	if (octets > 0 && octets % RULE_MB == 0) {
		octets /= RULE_MB;
		unit = "MB";
	} else if (octets > 0 && octets % RULE_KB == 0) {
		octets /= RULE_KB;
		unit = "KB";
	}
	(void)snprintf(room, 32, "%" PRIu64 "%s", octets, unit);
	return room;
}

static void
format_condition(const struct rule_condition *c, struct buf *out)
{
	char room[32];

	if (c->negated)
		buf_append_str(out, "not ");
	buf_append_str(out, rule_field_names[c->field]);
	buf_append_str(out, rule_compare_names[c->compare]);
	if (c->field == RULE_SIZE)
		buf_append_str(out, rule_size_text(c->number, room));
	else if (c->field == RULE_ATTACHMENTS)
		buf_append_u64(out, c->number);
	else
		buf_append_fmt(
		    out, "\"%.*s\"", (int)c->pattern.len, c->pattern.p);
}

static void
format_target(struct span address, struct buf *out)
{
	buf_append_octet(out, '"');
	for (size_t i = 0; i < address.len; i++) {
		if (address.p[i] == '"' || address.p[i] == '\\')
			buf_append_octet(out, '\\');
		buf_append_octet(out, address.p[i]);
	}
	buf_append_octet(out, '"');
}

void
rule_format(const struct rule *r, struct buf *out)
{
	if (r->number != 0)
		buf_append_fmt(out, "%u: ", r->number);
	if (r->paused)
		buf_append_str(out, "paused ");
	for (size_t i = 0; i < r->conditions_len; i++) {
		buf_append_str(out, i == 0 ? "" : " and ");
		format_condition(&r->conditions[i], out);
	}
	for (size_t i = 0; i < r->targets_len; i++) {
		buf_append_str(out, i == 0 ? " -> forward to=" : ",");
		format_target(r->targets[i], out);
	}
}

/* Without numbers, or with the same one: by their texts. */
static int
order_by_text(const struct rule *a, const struct rule *b)
{
	CLEANUP(buf_fini) struct buf text_a, text_b;

	buf_init(&text_a, (size_t)RULE_OCTETS_MAX * 2);
	buf_init(&text_b, (size_t)RULE_OCTETS_MAX * 2);
	rule_format(a, &text_a);
	rule_format(b, &text_b);
	return strcmp(buf_str(&text_a), buf_str(&text_b));
}

int
rule_order(const struct rule *a, const struct rule *b)
{
	/* 0 becomes the last. */
	unsigned number_a = a->number - 1, number_b = b->number - 1;

	if (number_a != number_b)
		return number_a < number_b ? -1 : 1;
	return order_by_text(a, b);
}
