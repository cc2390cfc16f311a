/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * smtpd's way into mailboxes: LMTP to deliveryd (RFC 2033), before the 250.
 *
 * Connections come from hikyakud, are kept in a pool and used by one worker
 * at a time, which waits for deliveryd with a deadline.  While deliveryd hangs
 * one message at a time finds out whether it still does; others are told at
 * once.
 */
#ifndef HK_SMTPD_LMTP_CLIENT_H
#define HK_SMTPD_LMTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct lmtp_client;

struct lmtp_options {
	/* Answers a connected stream socket to deliveryd, or -1. */
	int (*connect)(void *arg, int *fd_out, struct err *err);
	void *arg;
	const char *hostname; /* said in LHLO; borrowed for its life */
	size_t sockets_max;   /* connections at a time; 0: 32 */
	/* For deliveryd's answers to the envelope, and then to the data, where
	 * a large message has longer; 0: 20 seconds. */
	unsigned wait_ms;
};

int lmtp_client_new(const struct lmtp_options *options,
    struct lmtp_client **client_out, struct err *err);
void lmtp_client_free(struct lmtp_client *c);
CLEANUP_DEFINE_PTR(struct lmtp_client, lmtp_client_free)

struct lmtp_message {
	const char *id;           /* log id, said as HKID= */
	struct span reverse_path; /* without <>, may be empty */
	bool body_8bit, smtputf8;
	struct span prefix;  /* header fields of ours, lines ending in CRLF */
	struct span content; /* as received, lines ending in CRLF */
	/* A file that has the content, from that octet on, which then need not
	 * be sent; or -1. */
	int fd;
	uint64_t fd_offset;
};

struct lmtp_recipient {
	const char *forward_path; /* without <> */
	/* Our own parameters of RCPT, each behind a space; NULL: none. */
	const char *parameters;
	/* What deliveryd said for this recipient. */
	unsigned code;     /* 250; 450..; 550.. */
	char enhanced[12]; /* "2.1.5", or "" */
	char text[200];    /* printable ASCII */
};

/*
 * Delivers one message.  0: every recipient has its code.  A 2xx code is
 * deliveryd's promise that the message is durable there.
 *
 * -1 with ERR_TEMP: deliveryd could not be asked, or went away before it had
 * answered for everyone; codes that are 0 are unknown, so that message may
 * or may not have arrived for these recipients.
 */
int lmtp_deliver(struct lmtp_client *c, const struct lmtp_message *m,
    struct lmtp_recipient *recipients, size_t count, struct err *err);

/*
 * Asks whether deliveryd would take a message of so many octets (0: not known)
 * for a mailbox now: to has its answer to RCPT.  lmtp_deliver then says that
 * this was asked, so that what RCPT let in is not kept out later.
 *
 * -1 with ERR_TEMP: deliveryd could not be asked.
 */
int lmtp_ask_room(struct lmtp_client *c, const char *id, uint64_t octets,
    struct lmtp_recipient *to, struct err *err);

#endif
