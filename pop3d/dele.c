/* SPDX-License-Identifier: BSD-2-Clause */
/* DELE and RSET.					RFC 1939 section 5 */
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

void
pop3_dele(struct transaction *t, struct conn *c, struct span argument)
{
	struct err err = ERR_INIT;
	uint32_t number;

	if (!transaction_number(t, c, &argument, &number))
		return;
	if (maildrop_delete(t->maildrop, number, &err) == -1)
		transaction_failed(t, c, "message cannot be marked now", &err);
	else
		pop3_ok(c, t->language, "Will be deleted at QUIT");
}

void
pop3_rset(struct transaction *t, struct conn *c, struct span argument)
{
	(void)argument;
	maildrop_reset(t->maildrop);
	pop3_ok(c, t->language, "No message is marked as deleted");
}
