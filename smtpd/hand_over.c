/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/hand_over.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/outbound.h"
#include "smtpd/relay_client.h"

#define REPLY_MAX 256

int
smtp_hand_over_init(struct smtp_hand_over *x, struct smtp_session *s,
    const char *id, size_t room, struct err *err)
{
	*x = (struct smtp_hand_over){ .session = s, .id = id };
	x->here = calloc(room + 1, sizeof(*x->here));
	x->here_of = calloc(room + 1, sizeof(*x->here_of));
	x->there = calloc(room + 1, sizeof(*x->there));
	x->there_of = calloc(room + 1, sizeof(*x->there_of));
	return x->here == NULL || x->here_of == NULL || x->there == NULL ||
		       x->there_of == NULL
		   ? err_set(err, ERR_TEMP, "out of memory")
		   : 0;
}

void
smtp_hand_over_fini(struct smtp_hand_over *x)
{
	free(x->here);
	free(x->here_of);
	free(x->there);
	free(x->there_of);
}

void
smtp_hand_over_add(struct smtp_hand_over *x, const struct smtp_recipient *of,
    const struct lmtp_recipient *to, bool remote)
{
	if (remote) {
		x->there_of[x->there_len] = of;
		x->there[x->there_len++] = to->forward_path;
	} else {
		x->here_of[x->here_len] = of;
		x->here[x->here_len++] = *to;
	}
}

/* The envelope, with room for so many recipients; free it. */
static int
envelope(const struct smtp_hand_over *x, const struct lmtp_message *m,
    size_t room, struct outbound *out, struct err *err)
{
	const struct smtp_session *s = x->session;
	const struct smtp_transaction *t = s->transaction;
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	*out = (struct outbound){
		.id = span_str(x->id),
		.reverse_path = m->reverse_path,
		.tenant = span_str(t->tenant),
		.login = span_str(s->log.account),
		.client = span_str(conn_peer(s->conn)->address_text),
		.envid = span_str(t->envid),
		.flags = (m->body_8bit ? (unsigned)OUTBOUND_8BIT : 0U) |
			 (m->smtputf8 ? (unsigned)OUTBOUND_UTF8 : 0U) | t->ret,
		.arrival_ms = (uint64_t)now.tv_sec * 1000 +
			      (uint64_t)now.tv_nsec / 1000000,
	};
	out->recipients = calloc(room + 1, sizeof(*out->recipients));
	return out->recipients != NULL
		   ? 0
		   : err_set(err, ERR_TEMP, "out of memory");
}

int
smtp_hand_over_begin(
    struct smtp_hand_over *x, const struct lmtp_message *m, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound o = { .count = 0 };
	struct relay_message message = { &o, m->prefix, m->content };
	struct relay_client *relay = smtp_server_relay(x->session->server);

	if (x->there_len == 0)
		return 0;
	if (envelope(x, m, x->there_len, &o, err) == -1)
		return -1;
	for (; o.count < x->there_len; o.count++)
		o.recipients[o.count] = (struct outbound_recipient){
			.kind = OUTBOUND_SEND,
			.notify = x->there_of[o.count]->notify,
			.address = span_str(x->there[o.count]),
			.orcpt = span_str(x->there_of[o.count]->orcpt),
		};
	if (x->here_len == 0)
		return relay_put(relay, &message, err);
	if (relay_hold(relay, &message, err) == -1)
		return -1;
	x->held = true;
	return 0;
}

/* Unless nobody wants to hear of it. */
static void
add_here(const struct smtp_hand_over *x, size_t i, char reply[REPLY_MAX],
    struct outbound *out)
{
	const struct lmtp_recipient *to = &x->here[i];
	unsigned class = to->code / 100, notify = x->here_of[i]->notify;

	if (class == 2 && (notify & OUTBOUND_NOTIFY_SUCCESS) == 0)
		return;
	(void)snprintf(reply, REPLY_MAX, "%u %s%s%s", to->code, to->enhanced,
	    to->enhanced[0] == '\0' ? "" : " ", to->text);
	out->recipients[out->count++] = (struct outbound_recipient){
		.kind = class == 2   ? OUTBOUND_DONE
			: class == 5 ? OUTBOUND_FAILED
				     : OUTBOUND_LATER,
		.notify = notify,
		.address = span_str(to->forward_path),
		.orcpt = span_str(x->here_of[i]->orcpt),
		.reply = span_str(reply),
	};
}

/* Then the client's one answer says it all. */
static bool
nobody_has_it(const struct smtp_hand_over *x)
{
	for (size_t i = 0; i < x->here_len; i++)
		if (x->here[i].code / 100 == 2)
			return false;
	return !x->held && !x->others_have_it;
}

int
smtp_hand_over_end(
    struct smtp_hand_over *x, const struct lmtp_message *m, struct err *err)
{
	CLEANUP(outbound_fini) struct outbound o = { .count = 0 };
	CLEANUP(mem_free) char(*replies)[REPLY_MAX] = NULL;
	struct relay_message message = { &o, m->prefix, m->content };
	struct relay_client *relay = smtp_server_relay(x->session->server);

	if (x->here_len == 0 || nobody_has_it(x))
		return 0;
	replies = calloc(x->here_len, REPLY_MAX);
	if (replies == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	if (envelope(x, m, x->here_len, &o, err) == -1)
		return -1;
	for (size_t i = 0; i < x->here_len; i++)
		add_here(x, i, replies[i], &o);
	if (!x->held && o.count == 0)
		return 0;
	if (x->held ? relay_release(relay, &o, err) == -1
		    : relay_put(relay, &message, err) == -1)
		return -1;
	x->held = false;
	for (size_t i = 0; i < x->here_len; i++)
		x->here[i].code = 250;
	return 0;
}

void
smtp_hand_over_cancel(struct smtp_hand_over *x)
{
	struct outbound o = { .id = span_str(x->id) };
	struct err err = ERR_INIT;

	if (!x->held)
		return;
	x->held = false;
	if (relay_drop(smtp_server_relay(x->session->server), &o, &err) == -1)
		log_warning(&x->session->log, "message stays held for a while",
		    log_str("message", x->id), log_err(&err));
}
