/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any line as an LMTP command: what is taken lies inside the line, and what
 * goes into a header has no control character.
 */
#include <stdlib.h>

#include "common/ascii.h"
#include "delivery/command.h"
#include "delivery/trace.h"
#include "mime/xtext.h"

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

/* What it stands for has no control character either; and if it is taken for a
 * field it is just one. */
static void
parameter(struct span value, bool trusted)
{
	struct buf text;

	if (value.len > 0 && !trusted)
		abort();
	buf_init(&text, 65536);
	if (xtext_decode(value, &text, NULL) == 0) {
		(void)trace_is_field(buf_span(&text));
		for (size_t i = 0; i < text.len; i++)
			if (ascii_is(text.data[i], ASCII_CTL))
				abort();
	}
	buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_of((const char *)data, size), argument;
	struct lmtp_rcpt rcpt;
	struct lmtp_mail mail;
	struct lmtp_fd fd;

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
	(void)lmtp_fd_parse(argument, &fd, NULL);
	for (int trusted = 0; trusted < 2; trusted++) {
		if (lmtp_rcpt_parse(
			argument, true, trusted != 0, &rcpt, NULL) == -1)
			continue;
		inside(rcpt.forward_path.local_part, line);
		inside(rcpt.forward_path.domain, line);
		parameter(rcpt.folder, trusted != 0);
		parameter(rcpt.forwarded_by, trusted != 0);
		for (size_t i = 0; i < rcpt.trace_count; i++)
			parameter(rcpt.traces[i], trusted != 0);
	}
	return 0;
}
