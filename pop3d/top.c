/* SPDX-License-Identifier: BSD-2-Clause */
/* TOP.							RFC 1939 section 7 */
#include <string.h>

#include "mime/header.h"
#include "pop3d/command.h"
#include "pop3d/content_send.h"
#include "pop3d/maildrop.h"
#include "pop3d/reply.h"
#include "pop3d/surrogate.h"
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
    const struct surrogate *surrogate, uint32_t lines)
{
	struct err err = ERR_INIT;

	pop3_ok(c, t->language, "Top of message follows");
	if (content_send(c, buf_span(&surrogate->header), content,
		surrogate->from, top_octets(content_span(content), lines),
		&err) == -1) {
		log_error(&t->log, "message not sent", log_err(&err));
		t->over = true;
	}
}

void
pop3_top(struct transaction *t, struct conn *c, struct span argument)
{
	CLEANUP(content_free) struct content *content = NULL;
	CLEANUP(surrogate_fini) struct surrogate surrogate = { .from = 0 };
	uint32_t number, lines;

	if (!transaction_number(t, c, &argument, &number))
		return;
	if (pop3_number_parse(argument, &lines, NULL) == -1)
		pop3_err(c, t->language, NULL,
		    "the count of lines is missing or wrong");
	else if (transaction_content(t, c, number, &content, &surrogate))
		top_send(t, c, content, &surrogate, lines);
}
