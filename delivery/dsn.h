/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sender is told: reports of delivery.   RFC 3461, 3464, 6522, 6533
 */
#ifndef HK_DELIVERY_DSN_H
#define HK_DELIVERY_DSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/outbound.h"

enum dsn_action {
	DSN_FAILED,
	DSN_DELAYED,
	DSN_RELAYED,   /* to a host that reports nothing */
	DSN_DELIVERED, /* into a mailbox here */
};

struct dsn_recipient {
	enum dsn_action action;
	const char *address;
	const char *orcpt; /* or NULL */
	/* "remote TAB 550 5.1.1 text", or without the remote: ours. */
	const char *reply;
	const char *status; /* instead of the reply's, or NULL */
	unsigned notify;
};

struct dsn {
	const char *hostname;
	const struct outbound *message; /* that the report is about */
	const char *id;                 /* of the report */
	uint64_t now_ms, retry_until_ms;
	const struct dsn_recipient *recipients;
	size_t count;
};

/* A record for queue_finish, to the message's sender from the null one. */
int dsn_build(const struct dsn *dsn, struct buf *record_out, struct err *err);

/* "5.1.1" of a reply, or what its code stands for. */
void dsn_status(const char *reply, char *out, size_t size);
/* The part behind the tab. */
const char *dsn_reply_text(const char *reply);

#endif
