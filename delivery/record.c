/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/record.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "store/account.h"
#include "store/placing.h"

#define VERSION 1
#define MESSAGE_HEAD 28
#define TARGET_HEAD 16
#define MARK_LEN 12

static void
put(struct buf *out, uint64_t number, size_t octets)
{
	number = htole64(number);
	buf_append(out, span_of((const char *)&number, octets));
}

static uint64_t
get(const char *at, size_t octets)
{
	uint64_t number = 0;

	memcpy(&number, at, octets);
	return le64toh(number);
}

static int
check_version(struct span payload, size_t least, struct err *err)
{
	if (payload.len < 1)
		return err_set(err, ERR_SYNTAX, "record cut off");
	if (payload.p[0] != VERSION)
		return err_set(err, ERR_POLICY,
		    "record of version %d is not known", payload.p[0]);
	if (payload.len < least)
		return err_set(err, ERR_SYNTAX, "record cut off");
	return 0;
}

/* ---- messages ---- */

void
record_message_format(const struct record_message *m, struct buf *out)
{
	char id[LOG_ID_MAX + 1] = "";
	size_t octets = 0;

	for (size_t i = 0; i < m->count; i++) {
		const struct record_target *t = &m->targets[i];

		octets += TARGET_HEAD + t->tenant.len + t->account.len +
			  t->base.len + t->mailbox.len + t->trace.len;
	}
	if (m->id.len > 0 && m->id.len <= LOG_ID_MAX)
		memcpy(id, m->id.p, m->id.len);
	put(out, VERSION, 2);
	put(out, m->count, 2);
	put(out, octets, 4);
	put(out, m->replaces, 8);
	buf_append(out, span_of(id, sizeof(id)));
	for (size_t i = 0; i < m->count; i++) {
		const struct record_target *t = &m->targets[i];

		put(out, t->marked, 1);
		put(out, t->tenant.len, 1);
		put(out, t->account.len, 1);
		put(out, t->base.len, 1);
		put(out, t->mailbox.len, 2);
		put(out, t->trace.len, 2);
		put(out, t->uid, 4);
		put(out, t->gid, 4);
		buf_append(out, t->tenant);
		buf_append(out, t->account);
		buf_append(out, t->base);
		buf_append(out, t->mailbox);
		buf_append(out, t->trace);
	}
}

static bool
take(struct span *in, size_t len, struct span *out)
{
	if (in->len < len)
		return false;
	*out = span_first(*in, len);
	*in = span_from(*in, len);
	return true;
}

static int
target_take(struct span *in, struct record_target *t, struct err *err)
{
	struct span rest = *in, head;

	if (!take(&rest, TARGET_HEAD, &head))
		return err_set(err, ERR_SYNTAX, "target cut off");
	*t = (struct record_target){
		.marked = head.p[0] == 1,
		.uid = (uint32_t)get(head.p + 8, 4),
		.gid = (uint32_t)get(head.p + 12, 4),
	};
	if (!take(&rest, (size_t)get(head.p + 1, 1), &t->tenant) ||
	    !take(&rest, (size_t)get(head.p + 2, 1), &t->account) ||
	    !take(&rest, (size_t)get(head.p + 3, 1), &t->base) ||
	    !take(&rest, (size_t)get(head.p + 4, 2), &t->mailbox) ||
	    !take(&rest, (size_t)get(head.p + 6, 2), &t->trace))
		return err_set(err, ERR_SYNTAX, "target cut off");
	if ((unsigned char)head.p[0] > 1)
		return err_set(err, ERR_SYNTAX, "target's flags");
	if (!store_tenant_valid(t->tenant))
		return err_set(err, ERR_SYNTAX, "target: no name of a tenant");
	if (!store_account_valid(t->account))
		return err_set(err, ERR_SYNTAX, "target: no account id");
	if (!store_base_valid(t->base))
		return err_set(err, ERR_SYNTAX, "target: no base of a name");
	*in = rest;
	return 0;
}

int
record_message_parse(
    struct span payload, struct record_message *m_out, struct err *err)
{
	CLEANUP(record_message_fini) struct record_message m = { 0 };
	struct span targets, id;
	size_t count, octets;

	if (check_version(payload, MESSAGE_HEAD, err) == -1)
		return -1;
	count = (size_t)get(payload.p + 2, 2);
	octets = (size_t)get(payload.p + 4, 4);
	m.replaces = get(payload.p + 8, 8);
	id = span_of(payload.p + 16, LOG_ID_MAX);
	m.id = memchr(id.p, '\0', id.len) == NULL ? id : SPAN_NONE;
	payload = span_from(payload, MESSAGE_HEAD);
	if (count == 0 || count > RECORD_TARGETS_MAX)
		return err_set(err, ERR_SYNTAX, "record of %zu targets", count);
	if (!take(&payload, octets, &targets))
		return err_set(err, ERR_SYNTAX, "targets cut off");
	m.text = payload;
	m.targets = calloc(count, sizeof(*m.targets));
	if (m.targets == NULL)
		return err_set(err, ERR_TEMP, "record: out of memory");
	for (; m.count < count; m.count++)
		if (target_take(&targets, &m.targets[m.count], err) == -1)
			return -1;
	if (targets.len > 0)
		return err_set(err, ERR_SYNTAX, "octets behind the targets");
	*m_out = m;
	m.targets = NULL;
	return 0;
}

void
record_message_fini(struct record_message *m)
{
	free(m->targets);
	m->targets = NULL;
	m->count = 0;
}

/* ---- marks ---- */

void
record_marks_begin(struct buf *out)
{
	put(out, VERSION, 4);
}

void
record_marks_put(struct buf *out, struct record_mark mark)
{
	put(out, mark.number, 8);
	put(out, mark.target, 4);
}

int
record_marks_open(struct span *payload, struct err *err)
{
	if (check_version(*payload, 4, err) == -1)
		return -1;
	if ((payload->len - 4) % MARK_LEN != 0)
		return err_set(err, ERR_SYNTAX, "marks cut off");
	*payload = span_from(*payload, 4);
	return 0;
}

bool
record_marks_next(struct span *rest, struct record_mark *mark_out)
{
	struct span mark;

	if (!take(rest, MARK_LEN, &mark))
		return false;
	*mark_out = (struct record_mark){
		.number = get(mark.p, 8),
		.target = (uint32_t)get(mark.p + 8, 4),
	};
	return true;
}
