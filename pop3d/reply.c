/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/reply.h"

#include <stddef.h>

void
pop3_ok(struct conn *c, const char *text)
{
	conn_write_fmt(c, "+OK %s\r\n", text);
}

void
pop3_err(struct conn *c, const char *code, const char *text)
{
	if (code == NULL)
		conn_write_fmt(c, "-ERR %s\r\n", text);
	else
		conn_write_fmt(c, "-ERR [%s] %s\r\n", code, text);
}

const char *
pop3_err_code(const struct err *err)
{
	return err->kind == ERR_TEMP || err->kind == ERR_CLOSED ? "SYS/TEMP"
								: NULL;
}
