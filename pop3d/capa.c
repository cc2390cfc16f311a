/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/capa.h"

void
capa_format(const struct capa *capa, struct buf *out)
{
	buf_append(out, SPAN("+OK Capability list follows\r\n"
			     "TOP\r\n"
			     "UIDL\r\n"
			     "RESP-CODES\r\n"
			     "AUTH-RESP-CODE\r\n"
			     "PIPELINING\r\n"
			     "EXPIRE NEVER\r\n"));
	if (capa->user)
		buf_append(out, SPAN("USER\r\n"));
	if (capa->mechanisms.len > 0) {
		buf_append(out, SPAN("SASL"));
		buf_append(out, capa->mechanisms);
		buf_append(out, SPAN("\r\n"));
	}
	if (capa->stls)
		buf_append(out, SPAN("STLS\r\n"));
	buf_append(out, SPAN("IMPLEMENTATION Hikyaku\r\n.\r\n"));
}
