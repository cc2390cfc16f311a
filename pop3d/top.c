/* SPDX-License-Identifier: BSD-2-Clause */
/* TOP.							RFC 1939 section 7 */
#include <string.h>

#include "mime/header.h"
#include "pop3d/command.h"
#include "pop3d/content_send.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/transaction.h"

/* Octets of the header, the empty line, and so many lines of the body. */
static size_t
top_octets(struct span message, uint32_t lines)
{
	size_t at = header_end(message).body;

	for (; lines > 0 && at < message.len; lines--) {
		const char *end =
		    memchr(message.p + at, '\n', message.len - at);

		at = end == NULL ? message.len : (size_t)(end - message.p) + 1;
	}
	return at;
}

static void
top_send(struct transaction *t, struct conn *c, const struct content *content,
    uint32_t lines)
{
	struct err err = ERR_INIT;

	pop3_ok(c, "Top of message follows");
	if (content_send(c, content, top_octets(content_span(content), lines),
		&err) == -1) {
		log_error(&t->log, "message not sent", log_err(&err));
		t->over = true;
	}
}

void
pop3_top(struct transaction *t, struct conn *c, struct span argument)
{
	CLEANUP(content_free) struct content *content = NULL;
	struct err err = ERR_INIT;
	uint32_t number, lines;

	if (!transaction_number(t, c, &argument, &number))
		return;
	if (pop3_number_parse(argument, &lines, &err) == -1)
		pop3_err(c, NULL, "the count of lines is missing or wrong");
	else if (maildrop_content(t->maildrop, number, &content, &err) == 0)
		top_send(t, c, content, lines);
	else if (err.kind == ERR_POLICY)
		pop3_err(c, NULL, "message was removed by another session");
	else
		transaction_failed(t, c, "message cannot be read now", &err);
}
