/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The trace field that a server puts above a message.  RFC 5321 section 4.4
 *
 *	Received: from client.example ([192.0.2.7])
 *		(TLSv1.3 TLS_AES_256_GCM_SHA384)
 *		by mx.isp.example with ESMTPS id 4bQm2z7k1C
 *		for <hanako@aozora.example>; Tue, 24 Nov 2026 08:36:47 +0900
 *
 * (one tab in front of each further line).  What the client said about itself
 * is written as a domain or an address literal if it is one; else its
 * unsuitable octets become "?" and a comment says that it is not valid, so
 * that no client can write a field, a comment or a line of ours.
 */
#ifndef HK_MIME_RECEIVED_H
#define HK_MIME_RECEIVED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"

struct received {
	struct span helo;   /* what it called itself */
	struct span client; /* its address, "192.0.2.7"; "unix" */
	struct span by;     /* our host name */
	bool extended;      /* EHLO: ESMTP, else SMTP */
	bool utf8;          /* SMTPUTF8 was used */
	bool lmtp;          /* LMTP instead of (E)SMTP */
	bool authenticated;
	struct span tls_version; /* empty: in clear */
	struct span tls_cipher;
	struct span id;        /* the message's */
	struct span recipient; /* if there is only one; else empty */
	int64_t time;
	int offset; /* minutes east of UTC */
};

/* Appends the field with its line ends. */
void received_format(const struct received *r, struct buf *out);

/*
 * The protocol type: "SMTP", "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA",
 * "UTF8SMTPSA", "LMTP" …                        RFC 3848; RFC 6531 3.7.3
 */
const char *received_with(const struct received *r);

#endif
