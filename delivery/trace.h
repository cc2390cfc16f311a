/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands above a delivered message, and what it tells about loops.
 *
 *	Return-Path: <...>		RFC 5321 section 4.4
 *	Delivered-To: hanako@aozora.example
 *	Delivered-To: taro@aozora.example	who forwards to hanako, if so
 *	Received: from ... with LMTP ...
 *	...					what filters did, if smtpd says
 *
 * Everything behind it is the message as it was received, octet for octet.
 */
#ifndef HK_DELIVERY_TRACE_H
#define HK_DELIVERY_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/span.h"
#include "mime/address.h"

#define TRACE_MAX ((size_t)16 * 1024)

struct trace {
	struct span reverse_path; /* local-part@domain, or empty */
	struct span helo, client, hostname, id;
	bool utf8;
	int64_t time;
};

/* What is a recipient's own. */
struct trace_recipient {
	struct span delivered_to, forwarded_by; /* addresses; or empty */
	struct span fields; /* of smtpd's filters, each with its CRLF */
};

/* Appends the fields for one recipient. */
void trace_format(
    const struct trace *t, const struct trace_recipient *r, struct buf *out);

/* Whether text is one header field on one line, without its end. */
bool trace_is_field(struct span text);

/* How many Received fields the message's header has, up to max. */
uint64_t trace_hops(struct span message, uint64_t max);

/* Whether it was delivered to this address before: a Delivered-To says so. */
bool trace_was_delivered_to(struct span message, struct span address);

#endif
