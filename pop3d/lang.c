/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/lang.h"

#include "pop3d/reply.h"

static void
lang_list(struct conn *c, enum language language)
{
	pop3_ok(c, language, "Languages follow");
	for (int i = 0; i < LANGUAGE_COUNT; i++)
		conn_write_fmt(c, "%s %s\r\n", language_tag((enum language)i),
		    language_name((enum language)i));
	conn_write(c, SPAN(".\r\n"));
}

void
pop3_lang(struct conn *c, struct span argument, enum language preferred,
    enum language *language)
{
	if (argument.len == 0) {
		lang_list(c, *language);
		return;
	}
	if (span_eq(argument, SPAN("*"))) {
		*language = preferred;
	} else if (!language_find(argument, language)) {
		pop3_err(c, *language, NULL, "no such language");
		return;
	}
	conn_write_fmt(c, "+OK %s %s\r\n", language_tag(*language),
	    text_in(*language, "Language changed"));
}
