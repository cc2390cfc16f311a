/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any line as an LMTP command: what is taken lies inside the line, and what
 * goes into a header has no control character.
 */
#include <stdlib.h>

#include "common/ascii.h"
#include "delivery/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
inside(struct span part, struct span line)
{
	if (part.len > 0 &&
	    (part.p < line.p || part.p + part.len > line.p + line.len))
		abort();
	for (size_t i = 0; i < part.len; i++)
		if (ascii_is(part.p[i], ASCII_CTL))
			abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_of((const char *)data, size), argument;
	struct mailaddr address;
	struct lmtp_mail mail;

	(void)lmtp_verb_parse(line, &argument);
	for (int trusted = 0; trusted < 2; trusted++) {
		if (lmtp_mail_parse(argument, trusted != 0, &mail, NULL) == -1)
			continue;
		inside(mail.reverse_path.local_part, line);
		inside(mail.reverse_path.domain, line);
		inside(mail.id, line);
		if (mail.id.len > 0 && trusted == 0)
			abort();
	}
	if (lmtp_rcpt_parse(argument, true, &address, NULL) == 0) {
		inside(address.local_part, line);
		inside(address.domain, line);
	}
	return 0;
}
