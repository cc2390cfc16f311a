/* SPDX-License-Identifier: BSD-2-Clause */
/* RETR.						RFC 1939 section 5 */
#include "common/counters.h"
#include "pop3d/content_send.h"
#include "pop3d/host_private.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/surrogate.h"
#include "pop3d/transaction.h"

bool
transaction_content(struct transaction *t, struct conn *c, uint32_t number,
    struct content **content_out, struct surrogate *surrogate)
{
	CLEANUP(content_free) struct content *content = NULL;
	struct err err = ERR_INIT;

	*surrogate = (struct surrogate){ .from = 0 };
	if (t->ready != NULL && t->ready_number == number)
		content = STEAL(t->ready);
	else if (maildrop_content(t->maildrop, number, &content, &err) == -1) {
		if (err.kind == ERR_POLICY)
			pop3_err(c, t->language, NULL,
			    "message was removed by another session");
		else
			transaction_failed(
			    t, c, "message cannot be read now", &err);
		return false;
	}
	if (!t->utf8 &&
	    surrogate_make(content_span(content), surrogate, &err) == -1) {
		log_warning(&t->log, "header not told in ASCII", log_err(&err));
		pop3_err(c, t->language, "UTF8", "this message needs UTF8");
		return false;
	}
	*content_out = STEAL(content);
	return true;
}

static void
retr_send(struct transaction *t, struct conn *c, uint32_t number,
    const struct content *content, const struct surrogate *surrogate)
{
	size_t end = content_span(content).len;
	size_t octets = surrogate->header.len + end - surrogate->from;
	struct err err = ERR_INIT;

	conn_write_fmt(
	    c, "+OK %zu %s\r\n", octets, text_in(t->language, "octets"));
	if (content_send(c, buf_span(&surrogate->header), content,
		surrogate->from, end, &err) == -1) {
		log_error(&t->log, "message not sent", log_err(&err));
		t->over = true;
		return;
	}
	t->retrieved++;
	t->octets += octets;
	counter_add(t->host->counters, COUNTER_MESSAGES_READ, 1);
	if (maildrop_retrieved(t->maildrop, number, &err) == -1)
		log_warning(
		    &t->log, "seen flag will be missing", log_err(&err));
}

void
pop3_retr(struct transaction *t, struct conn *c, struct span argument)
{
	CLEANUP(content_free) struct content *content = NULL;
	CLEANUP(surrogate_fini) struct surrogate surrogate = { .from = 0 };
	uint32_t number;

	if (transaction_number(t, c, &argument, &number) &&
	    transaction_content(t, c, number, &content, &surrogate))
		retr_send(t, c, number, content, &surrogate);
}
