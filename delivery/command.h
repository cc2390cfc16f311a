/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of LMTP: SMTP's, with LHLO for EHLO.                     RFC 2033
 */
#ifndef HK_DELIVERY_COMMAND_H
#define HK_DELIVERY_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/log.h"
#include "common/span.h"
#include "mime/address.h"

enum lmtp_verb {
	LMTP_LHLO,
	LMTP_MAIL,
	LMTP_RCPT,
	LMTP_DATA,
	LMTP_HKFD,
	LMTP_RSET,
	LMTP_NOOP,
	LMTP_VRFY,
	LMTP_QUIT,
	LMTP_HELO, /* or EHLO: RFC 2033 section 4.1 refuses them */
	LMTP_UNKNOWN,
};

/* The verb, without case, and what follows it without the space between. */
enum lmtp_verb lmtp_verb_parse(struct span line, struct span *argument_out);

/*
 * "FROM:" Reverse-path *( SP esmtp-param )         RFC 5321 section 4.1.1.2
 *
 * Parameters: SIZE (RFC 1870), BODY=7BIT or 8BITMIME (RFC 6152), SMTPUTF8
 * (RFC 6531), and, if trusted, those of ours:
 *
 *	HKID=11( ALPHA / DIGIT )
 *
 * the id under which the sender's log speaks of the message; and
 *
 *	HKROOM=ASKED
 *
 * the sender has asked before whether the mailboxes have room, and has told
 * its own client that they do.
 *
 * Errors: ERR_SYNTAX (501); ERR_POLICY, a parameter we do not know (555);
 *         ERR_LIMIT, a path too long (501).
 */
struct lmtp_mail {
	struct mailaddr reverse_path; /* borrowed from the argument */
	uint64_t size_octets;         /* 0: not said */
	bool utf8;
	bool room_asked;
	struct span id; /* HKID, or empty */
};
int lmtp_mail_parse(
    struct span argument, bool trusted, struct lmtp_mail *out, struct err *err);

#define LMTP_TRACES_MAX 8

/*
 * "TO:" Forward-path *( SP esmtp-param )
 *
 * Parameters, if trusted; each value is xtext (RFC 3461 section 4):
 *
 *	FOLDER=		the mailbox, in UTF-8, instead of INBOX
 *	FORWARDEDBY=	the address whose forwarding led here
 *	TRACE=		a header field, "Name: what a filter did"; up to
 *			LMTP_TRACES_MAX of them
 *
 * Errors likewise; ERR_LIMIT, too many of them.
 */
struct lmtp_rcpt {
	struct mailaddr forward_path;     /* borrowed from the argument */
	struct span folder, forwarded_by; /* xtext, or empty */
	struct span traces[LMTP_TRACES_MAX];
	size_t trace_count;
};
int lmtp_rcpt_parse(struct span argument, bool utf8, bool trusted,
    struct lmtp_rcpt *out, struct err *err);

/*
 * The argument of our command HKFD, in place of DATA: the message is so many
 * octets of what the client says next, and so many of the file that came along
 * as a descriptor, from an offset on.
 *
 *	said SP offset SP octets
 *
 * Errors: ERR_SYNTAX.
 */
struct lmtp_fd {
	uint64_t said, offset, octets;
};
int lmtp_fd_parse(struct span argument, struct lmtp_fd *out, struct err *err);

#endif
