/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/milter_edits.h"

#include <stdlib.h>
#include <string.h>

void
milter_edits_init(struct milter_edits *e, uint64_t octets_max)
{
	*e = (struct milter_edits){ .octets_max = octets_max };
}

void
milter_edits_fini(struct milter_edits *e)
{
	for (size_t i = 0; i < e->len; i++)
		free(e->items[i].octets);
	free(e->items);
	*e = (struct milter_edits){ .octets_max = e->octets_max };
}

static int
edits_grow(struct milter_edits *e, struct err *err)
{
	size_t room = e->room == 0 ? 16 : e->room * 2;
	struct milter_edit *items;

	if (e->len == MILTER_EDITS_MAX)
		return err_set(err, ERR_LIMIT, "over %d edits of a message",
		    MILTER_EDITS_MAX);
	if (e->len < e->room)
		return 0;
	items = reallocarray(e->items, room, sizeof(*items));
	if (items == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	e->items = items;
	e->room = room;
	return 0;
}

static struct span
span_copy(struct span from, char **at)
{
	struct span copy = span_of(*at, from.len);

	if (from.p == NULL)
		return from;
	memcpy(*at, from.p, from.len);
	*at += from.len;
	return copy;
}

int
milter_edits_add(
    struct milter_edits *e, const struct milter_reply *reply, struct err *err)
{
	size_t len = reply->name.len + reply->text.len + reply->parameters.len;
	struct milter_edit edit = { .kind = reply->kind,
		.index = reply->index };
	char *at;

	if (e->octets + len > e->octets_max)
		return err_set(err, ERR_LIMIT,
		    "over %llu octets of edits of a message",
		    (unsigned long long)e->octets_max);
	if (edits_grow(e, err) == -1)
		return -1;
	edit.octets = at = malloc(len + 1);
	if (at == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	edit.name = span_copy(reply->name, &at);
	edit.text = span_copy(reply->text, &at);
	edit.parameters = span_copy(reply->parameters, &at);
	e->octets += len;
	e->items[e->len++] = edit;
	return 0;
}
