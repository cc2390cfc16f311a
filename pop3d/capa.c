/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/capa.h"

void
capa_format(const struct capa *capa, struct buf *out)
{
	buf_append(out, SPAN("TOP\r\n"
			     "UIDL\r\n"
			     "RESP-CODES\r\n"
			     "AUTH-RESP-CODE\r\n"
			     "PIPELINING\r\n"
			     "UTF8\r\n"
			     "LANG\r\n"));
	if (capa->user)
		buf_append(out, SPAN("USER\r\n"));
	if (capa->mechanisms.len > 0) {
		buf_append(out, SPAN("SASL"));
		buf_append(out, capa->mechanisms);
		buf_append(out, SPAN("\r\n"));
	}
	if (capa->stls)
		buf_append(out, SPAN("STLS\r\n"));
	buf_append(out, SPAN("IMPLEMENTATION Hikyaku\r\n"));
}

void
capa_end(const struct capa_user *user, struct buf *out)
{
	if (user == NULL)
		/* The least that any brand may say.  RFC 2449 section 6.7 */
		buf_append(out, SPAN("EXPIRE 1 USER\r\n"));
	else if (user->expire_days == 0)
		buf_append(out, SPAN("EXPIRE NEVER\r\n"));
	else
		buf_append_fmt(out, "EXPIRE %u\r\n", user->expire_days);
	if (user != NULL && user->login_delay > 0)
		buf_append_fmt(out, "LOGIN-DELAY %u\r\n", user->login_delay);
	buf_append(out, SPAN(".\r\n"));
}
