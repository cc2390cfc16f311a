/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SMTP's command line.  Properties: a failure stores nothing; what parses is
 * made of pieces of the line; an address written out parses to the same.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "smtpd/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_address(struct mailaddr path)
{
	CLEANUP(buf_fini) struct buf text;
	struct mailaddr again;

	buf_init(&text, 1024);
	if (path.domain.len == 0)
		return;
	mailaddr_format(path, &text);
	if (mailaddr_parse(
		buf_span(&text), MAILADDR_LONG_LOCAL, &again, NULL) == -1 ||
	    !mailaddr_same(path, again))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_of((const char *)data, size), argument;
	struct smtp_mail mail = { .size = 12345 };
	struct smtp_rcpt rcpt = { .orcpt = SPAN("before") };
	struct err err = ERR_INIT;

	(void)smtp_verb_parse(line, &argument);
	(void)smtp_line_clean(line);
	(void)smtp_helo_valid(argument, size % 2 == 0);
	if (smtp_mail_parse(argument, &mail, &err) == 0)
		check_address(mail.reverse_path);
	else if (mail.size != 12345 || err.kind == ERR_NONE)
		abort();
	err_clear(&err);
	if (smtp_rcpt_parse(argument, &rcpt, &err) == 0)
		check_address(rcpt.forward_path);
	else if (!span_eq(rcpt.orcpt, SPAN("before")) || err.kind == ERR_NONE)
		abort();
	return 0;
}
