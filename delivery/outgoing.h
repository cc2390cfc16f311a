/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The client's side of SMTP (RFC 5321) and LMTP (RFC 2033): a session, and
 * one transaction after the other in it.
 */
#ifndef HK_DELIVERY_OUTGOING_H
#define HK_DELIVERY_OUTGOING_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/outbound.h"
#include "delivery/peer.h"

enum { /* what the host offers */
	OUTGOING_PIPELINING = 1 << 0,
	OUTGOING_SIZE = 1 << 1,
	OUTGOING_8BIT = 1 << 2,
	OUTGOING_UTF8 = 1 << 3,
	OUTGOING_STARTTLS = 1 << 4,
	OUTGOING_DSN = 1 << 5,
	OUTGOING_ENHANCED = 1 << 6,
	OUTGOING_REQUIRETLS = 1 << 7,
};

/* Recipients of one transaction, at most. */
#define OUTGOING_RECIPIENTS_MAX 1000

struct outgoing_waits { /* milliseconds; RFC 5321 section 4.5.3.2 */
	unsigned connect, greeting, helo, tls, mail, rcpt, data, block, dot;
};

struct outgoing_options {
	const char *helo;
	bool lmtp;
	bool trusted;            /* LMTP to our deliveryd: HKID= is said */
	SSL_CTX *tls;            /* or NULL: never */
	const char *server_name; /* for SNI */
	bool require_tls;
	/* Checks the host's certificate once the handshake is done; or NULL.
	 * -1: the session ends. */
	int (*verify)(void *arg, SSL *ssl, struct err *err);
	void *arg;
	struct outgoing_waits waits;
};

struct outgoing {
	struct peer peer;
	const struct outgoing_options *options; /* borrowed for its life */
	unsigned offers;
	uint64_t size_max; /* 0: not said */
	unsigned messages; /* transactions that were begun */
	bool tls;
	bool tls_tried;   /* and failed: another try may do without */
	bool transaction; /* one was left halfway */
};

/*
 * Greeting, EHLO (HELO when that is not known), STARTTLS and EHLO again where
 * it is offered.  Takes fd over in any case.
 *
 * -1: there is no session.  reply_out has what the host said, or its code is
 * 0: err has what happened.
 */
int outgoing_open(struct outgoing *o, int fd,
    const struct outgoing_options *options, struct peer_reply *reply_out,
    struct err *err);
/* QUIT, without waiting for its answer, and the end. */
void outgoing_close(struct outgoing *o);

struct outgoing_recipient {
	struct span address, orcpt;
	unsigned notify;
	/* What became of it; code 0: nothing, see outgoing_send. */
	struct peer_reply reply;
	const char *command; /* that reply answers; static */
};

struct outgoing_message {
	const struct outbound *message;
	struct outgoing_recipient *recipients;
	size_t count;
};

/*
 * One transaction.  0: each recipient has its reply.  -1: the session is over;
 * recipients with code 0 have none, *unknown_out: the message may have
 * arrived for them all the same.
 */
int outgoing_send(struct outgoing *o, struct outgoing_message *m,
    bool *unknown_out, struct err *err);

/* What the host would have to offer and does not: code 0 if all is well. */
void outgoing_unfit(const struct outgoing *o, const struct outbound *m,
    struct span address, struct peer_reply *reply_out);

#endif
