/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POP3 command lines.					RFC 2449 section 3
 *
 *	command = keyword *(SP param) CRLF	; 255 octets at most
 *	keyword = 3*4VCHAR
 *	param   = 1*VCHAR
 *
 * Keywords compare without case.  Lines come without their CRLF.
 */
#ifndef HK_POP3D_COMMAND_H
#define HK_POP3D_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

/* Octets of a command with its CRLF.			RFC 2449 section 4 */
#define POP3_LINE_MAX 255

enum pop3_verb {
	POP3_APOP,
	POP3_AUTH,
	POP3_CAPA,
	POP3_DELE,
	POP3_LANG,
	POP3_LIST,
	POP3_NOOP,
	POP3_PASS,
	POP3_QUIT,
	POP3_RETR,
	POP3_RSET,
	POP3_STAT,
	POP3_STLS,
	POP3_TOP,
	POP3_UIDL,
	POP3_USER,
	POP3_UTF8,
};

struct pop3_command {
	enum pop3_verb verb;
	/*
	 * What stands behind the keyword and its SP; borrowed from the line.
	 * Without blanks at either end, except for PASS, whose octets all
	 * count (RFC 1939 section 7).
	 */
	struct span argument;
};

/*
 * Errors: ERR_SYNTAX, no such keyword, a control character, an argument where
 * none belongs or none where one does.
 */
int pop3_command_parse(
    struct span line, struct pop3_command *command_out, struct err *err);

/*
 * Takes a number off the front, and the SP behind it if there is one.
 * Failure leaves *in as it was.
 *
 * Errors: ERR_SYNTAX, no digit; ERR_LIMIT, over 32 bits.
 */
int pop3_number_take(struct span *in, uint32_t *number_out, struct err *err);

/* The whole argument is one number. */
int pop3_number_parse(struct span in, uint32_t *number_out, struct err *err);

#endif
