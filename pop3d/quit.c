/* SPDX-License-Identifier: BSD-2-Clause */
/* QUIT and the UPDATE state.				RFC 1939 section 6 */
#include "common/counters.h"
#include "pop3d/host_private.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

void
pop3_quit(struct transaction *t, struct conn *c, struct span argument)
{
	struct err err = ERR_INIT;
	int updated =
	    maildrop_update(t->maildrop, t->mark_seen, &t->expunged, &err);

	(void)argument;
	counter_add(t->host->counters, COUNTER_MESSAGES_EXPUNGED, t->expunged);
	/* The lock goes before the reply: the client may log in again at once.
	 */
	maildrop_close(t->maildrop);
	t->maildrop = NULL;
	if (updated == -1)
		transaction_failed(
		    t, c, "some deleted messages were not removed", &err);
	else
		pop3_ok(c, t->language, "Goodbye");
	t->over = true;
}
