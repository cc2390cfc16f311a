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

/* "TO:" Forward-path; no parameter is known.  Errors likewise. */
int lmtp_rcpt_parse(struct span argument, bool utf8,
    struct mailaddr *forward_path_out, struct err *err);

#endif
