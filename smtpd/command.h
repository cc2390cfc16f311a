/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of SMTP commands.                   RFC 5321 section 4.1.1
 *
 * Everything here works on a line without its CRLF, borrows from it, and
 * knows no session.
 */
#ifndef HK_SMTPD_COMMAND_H
#define HK_SMTPD_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"
#include "mime/address.h"

/* 512 octets and what extensions add (RFC 5321 4.5.3.1.4, RFC 1870, 6152). */
#define SMTP_COMMAND_MAX 2048
/* With AUTH, and in its exchange.                        RFC 4954 section 4 */
#define SMTP_AUTH_LINE_MAX 12288

enum smtp_verb {
	SMTP_HELO,
	SMTP_EHLO,
	SMTP_MAIL,
	SMTP_RCPT,
	SMTP_DATA,
	SMTP_RSET,
	SMTP_NOOP,
	SMTP_QUIT,
	SMTP_VRFY,
	SMTP_EXPN,
	SMTP_HELP,
	SMTP_STARTTLS,
	SMTP_AUTH,
	SMTP_BDAT,
	SMTP_ETRN,
	SMTP_FOREIGN, /* GET, POST, ...: another protocol's client */
	SMTP_UNKNOWN,
};

/*
 * The verb, in any case, and what follows it after one space; trailing
 * blanks are dropped, as old clients send them.
 */
enum smtp_verb smtp_verb_parse(struct span line, struct span *argument_out);
const char *smtp_verb_name(enum smtp_verb verb);

/* No control character and no NUL: else the line is no command at all. */
bool smtp_line_clean(struct span line);

/*
 *	mail = "FROM:" Reverse-path [SP Mail-parameters]
 *
 * A space after the colon is taken, since real clients send it.
 */
struct smtp_mail {
	struct mailaddr reverse_path;
	bool has_size;
	uint64_t size; /* RFC 1870 */
	bool body_8bit;
	unsigned ret;      /* OUTBOUND_RET_... (RFC 3461 4.3), or 0 */
	struct span envid; /* RFC 3461 4.4, as given; or empty */
};

/*
 * Errors: ERR_SYNTAX, 501; ERR_LIMIT, a path or part too long, 501;
 *         ERR_POLICY, a parameter we do not know, 555.
 */
int smtp_mail_parse(
    struct span argument, struct smtp_mail *out, struct err *err);

struct smtp_rcpt {
	struct mailaddr forward_path;
	unsigned notify; /* OUTBOUND_NOTIFY_... (RFC 3461 4.1); 0: not given */
	struct span orcpt; /* RFC 3461 4.2, as given; or empty */
};

/* rcpt = "TO:" Forward-path [SP Rcpt-parameters].  Errors likewise. */
int smtp_rcpt_parse(
    struct span argument, struct smtp_rcpt *out, struct err *err);

/*
 * Domain or address literal of HELO and EHLO; with loose, any printable
 * text without spaces, as clients of subscribers say ("my_pc").
 */
bool smtp_helo_valid(struct span argument, bool loose);

#endif
