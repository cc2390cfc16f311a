/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One command from the client: its lines and literals.
 *
 * What was gathered stands in s->command exactly as it came, without the
 * last CRLF.  The message of an APPEND goes to its draft instead, so that
 * memory is bounded by IMAP_COMMAND_MAX whatever a client sends.  A literal
 * that is refused is answered at once when the client waits for "+", else it
 * is read and thrown away (RFC 7888 section 4), and s->refused says so.
 */
#ifndef HK_IMAPD_GATHER_H
#define HK_IMAPD_GATHER_H

#include "imapd/session.h"

enum gathered {
	GATHERED_COMMAND, /* s->command is complete */
	GATHERED_IDLE,    /* a line during IDLE is in s->command */
	GATHERED_REFUSED, /* answer s->refusal under the command's tag */
	GATHERED_LONG,    /* a line over the limit was skipped */
	GATHERED_MORE,    /* park */
	GATHERED_TIMEOUT,
	GATHERED_CLOSED,
};
enum gathered gather(struct imap_session *s);

/* Ready for the next command; memory is given back. */
void gather_reset(struct imap_session *s);

#endif
