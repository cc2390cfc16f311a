/* SPDX-License-Identifier: BSD-2-Clause */
/* RETR.						RFC 1939 section 5 */
#include "common/counters.h"
#include "pop3d/content_send.h"
#include "pop3d/host_private.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

static void
retr_send(struct transaction *t, struct conn *c, uint32_t number,
    const struct content *content)
{
	struct err err = ERR_INIT;
	size_t octets = content_span(content).len;

	conn_write_fmt(c, "+OK %zu octets\r\n", octets);
	if (content_send(c, content, octets, &err) == -1) {
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
	struct err err = ERR_INIT;
	uint32_t number;

	if (!transaction_number(t, c, &argument, &number))
		return;
	if (maildrop_content(t->maildrop, number, &content, &err) == 0)
		retr_send(t, c, number, content);
	else if (err.kind == ERR_POLICY)
		pop3_err(c, NULL, "message was removed by another session");
	else
		transaction_failed(t, c, "message cannot be read now", &err);
}
