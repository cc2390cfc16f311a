/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message for relayd: its envelope and its content in one record, which
 * crosses the socket between smtpd and relayd, stands in the queue's journal
 * and begins each queue file (hikyaku-queue(5)).  Numbers are little-endian.
 *
 *	0	4	"HKQM"
 *	4	2	version (1)
 *	6	2	flags: OUTBOUND_...
 *	8	8	time of arrival, milliseconds since the epoch
 *	16	4	octets of fields
 *	20	4	recipients
 *	24	8	octets of content
 *	32		fields, then the content: lines ending in CRLF
 *
 *	field	= tag (1 octet) length (2 octets, big-endian) value
 *	of a recipient:	kind (1) notify (1) address 0 orcpt 0 reply
 *
 * A field of unknown tag is passed over.
 *
 * The socket (SOCK_SEQPACKET) speaks packets of packet.h, version 1.  Its
 * first packet says which of its two sides this one is for, once for all.
 *
 *	HANDOVER	-		no answer: smtpd's side, what follows
 *	HOLD		RECORD or FD	OK when durable; kept until RELEASE
 *	PUT		RECORD or FD	OK when durable: HOLD and RELEASE in one
 *	RELEASE		RECORD or FD	OK when durable; the record has the id,
 *					no content, and recipients to be added
 *	DROP		RECORD		OK; what was held is forgotten
 *
 * or ERROR with KIND (enum err_kind) and TEXT.  ERR_LIMIT: no room; ERR_POLICY
 * for RELEASE: no such id is held.  FD: a sealed memfd with the record comes
 * along, which is larger than a packet.  A HOLD or PUT whose id is known
 * already answers OK and changes nothing, and so does a RELEASE of what was
 * released: after a lost answer the question is simply asked again.
 */
#ifndef HK_COMMON_OUTBOUND_H
#define HK_COMMON_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

#define OUTBOUND_VERSION 1
#define OUTBOUND_HEAD 32
#define OUTBOUND_ID_LEN 11
/* As in smtpd's configuration. */
#define OUTBOUND_RECIPIENTS_MAX 50000
#define OUTBOUND_FIELDS_MAX ((size_t)64 * 1024 * 1024)
/* A larger record goes by descriptor. */
#define OUTBOUND_INLINE_MAX 60000
/* Octets of an address, a reply, and each other text. */
#define OUTBOUND_TEXT_MAX 1024

enum {                              /* flags */
	OUTBOUND_8BIT = 1 << 0,     /* BODY=8BITMIME */
	OUTBOUND_UTF8 = 1 << 1,     /* SMTPUTF8 */
	OUTBOUND_RET_FULL = 1 << 2, /* RFC 3461 section 4.3 */
	OUTBOUND_RET_HDRS = 1 << 3,
	OUTBOUND_REQUIRETLS = 1 << 4, /* RFC 8689 */
};

enum { /* notify, RFC 3461 section 4.1; 0: not given */
	OUTBOUND_NOTIFY_NEVER = 1 << 0,
	OUTBOUND_NOTIFY_SUCCESS = 1 << 1,
	OUTBOUND_NOTIFY_FAILURE = 1 << 2,
	OUTBOUND_NOTIFY_DELAY = 1 << 3,
};

enum outbound_kind {
	OUTBOUND_SEND,   /* to be delivered */
	OUTBOUND_LATER,  /* was tried just now: reply says why not */
	OUTBOUND_FAILED, /* will not be tried: reply says why */
	OUTBOUND_DONE,   /* is in its mailbox; the sender wants to know */
};

struct outbound_recipient {
	enum outbound_kind kind;
	unsigned notify;
	struct span address; /* without <> */
	struct span orcpt;   /* "rfc822;xtext" as given, or empty */
	struct span reply;   /* "450 4.2.1 text", printable, or empty */
};

struct outbound {
	struct span id;           /* OUTBOUND_ID_LEN octets of [0-9A-Za-z] */
	struct span reverse_path; /* without <>; empty: the null one */
	struct span tenant, login, client; /* whose it is; may be empty */
	struct span envid;                 /* as given, xtext, or empty */
	unsigned flags;
	uint64_t arrival_ms;
	struct outbound_recipient *recipients;
	size_t count;
	struct span content;
	uint64_t content_octets; /* also of a head that is parsed alone */
};

/* All but the content, whose octets are content_octets. */
void outbound_format(const struct outbound *m, struct buf *out);

/*
 * A whole record.  Everything but the array is borrowed from it.
 *
 * Errors: ERR_SYNTAX; ERR_POLICY, of a later version; ERR_TEMP, no memory.
 */
int outbound_parse(struct span record, struct outbound *out, struct err *err);
/* The front of one, fields at least; content is empty.  *octets_out: of head
 * and fields.  Errors likewise; ERR_LIMIT: the front is too short, and
 * *octets_out says how much is needed. */
int outbound_parse_head(struct span front, struct outbound *out,
    size_t *octets_out, struct err *err);
void outbound_fini(struct outbound *m);
CLEANUP_DEFINE_VALUE(struct outbound, outbound_fini)

bool outbound_id_valid(struct span id);

/* ---- the socket ---- */

enum outbound_type {
	OUTBOUND_HANDOVER = 1,
	OUTBOUND_HOLD = 2,
	OUTBOUND_PUT = 3,
	OUTBOUND_RELEASE = 4,
	OUTBOUND_DROP = 5,
	/* The command's side: see delivery/control.h. */
	OUTBOUND_LIST = 32,
	OUTBOUND_SHOW = 33,
	OUTBOUND_FLUSH = 34,
	OUTBOUND_QUEUE_HOLD = 35,
	OUTBOUND_QUEUE_RELEASE = 36,
	OUTBOUND_DELETE = 37,
	OUTBOUND_REQUEUE = 38,
	OUTBOUND_ROWS = 64,
	OUTBOUND_OK = 128,
	OUTBOUND_ERROR = 129,
};

enum outbound_tag {
	OUTBOUND_RECORD = 1,
	OUTBOUND_FD = 2,
	OUTBOUND_KIND = 3,
	OUTBOUND_TEXT = 4,
	/* What the command selects by; of several all must fit. */
	OUTBOUND_BY_ID = 16,
	OUTBOUND_BY_SENDER = 17,
	OUTBOUND_BY_DOMAIN = 18, /* the recipient's */
	OUTBOUND_BY_SITE = 19,
	OUTBOUND_BY_TENANT = 20,
	OUTBOUND_ALL = 21,
	OUTBOUND_COUNT = 22, /* of messages, in OK */
	OUTBOUND_LIMIT = 23, /* rows at most */
	OUTBOUND_REDIRECT = 24,
	OUTBOUND_SILENT = 25, /* DELETE without a notice to the sender */
};

#endif
