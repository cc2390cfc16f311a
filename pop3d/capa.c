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
			     "EXPIRE NEVER\r\n"
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
capa_end(uint32_t login_delay, struct buf *out)
{
	if (login_delay > 0)
		buf_append_fmt(out, "LOGIN-DELAY %u\r\n", login_delay);
	buf_append(out, SPAN(".\r\n"));
}
