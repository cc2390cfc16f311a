/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/reply.h"

#include <stddef.h>

void
pop3_ok(struct conn *c, enum language language, const char *text)
{
	conn_write_fmt(c, "+OK %s\r\n", text_in(language, text));
}

void
pop3_err(
    struct conn *c, enum language language, const char *code, const char *text)
{
	text = text_in(language, text);
	if (code == NULL)
		conn_write_fmt(c, "-ERR %s\r\n", text);
	else
		conn_write_fmt(c, "-ERR [%s] %s\r\n", code, text);
}

const char *
pop3_err_code(const struct err *err)
{
	switch (err->kind) {
	case ERR_TEMP:
		/* Somebody has to give the file back first. */
		return err->os == EACCES || err->os == EPERM ? "SYS/PERM"
							     : "SYS/TEMP";
	case ERR_CLOSED:
	case ERR_LIMIT: /* a full disk, above all */
		return "SYS/TEMP";
	case ERR_SYNTAX: /* a name in the directory that cannot be one here */
	case ERR_POLICY: /* somebody else's file or directory */
		return "SYS/PERM";
	case ERR_NONE:
		break;
	}
	return NULL;
}
