/* SPDX-License-Identifier: BSD-2-Clause */
/* The inside of an LMTP session, for delivery/lmtp*.c and delivery/data.c. */
#ifndef HK_DELIVERY_LMTP_PRIVATE_H
#define HK_DELIVERY_LMTP_PRIVATE_H

#include "common/conn.h"
#include "common/log.h"
#include "delivery/command.h"
#include "delivery/conf.h"
#include "delivery/lmtp.h"

/* RFC 5321 section 4.5.3.1.4 asks for 512; paths and parameters in UTF-8 and
 * our own parameters need more. */
#define LMTP_LINE_MAX 4096
/* Up to this size a message waits in memory, larger ones in a memfd. */
#define LMTP_MEMORY_MAX BACKLOG_MESSAGE_MAX

struct lmtp {
	struct daemon *daemon;
	struct tenants *tenants;
	struct placer *placer;
	struct backlog *backlog; /* or NULL */
	struct reactor *reactor;
	struct counters *counters;
};

/* One RCPT that was accepted. */
struct lmtp_recipient {
	char address[TENANT_ADDRESS_MAX + 1]; /* as the client said it */
	struct recipient *targets; /* accounts it leads to, at least one */
	size_t count;
	/* What smtpd says of its mail; NULL: nothing. */
	char *folder;       /* instead of INBOX */
	char *forwarded_by; /* an address */
	char *fields;       /* header fields, each with its CRLF */
	/* Once the message was tried: */
	char reply[160];
};

struct lmtp_session {
	struct lmtp *lmtp;
	struct conn *conn;
	struct log log;
	const struct deliveryd_conf *conf;
	bool greeted;
	bool trusted; /* hikyakud made it for one of our own processes */
	bool in_data; /* between 354 and the dot */
	bool in_said; /* of a message by descriptor: what comes before it */
	bool quit;
	char helo[256];
	unsigned errors; /* refused commands in a row */
	/* The transaction: */
	bool mail;
	bool utf8;
	bool room_asked;      /* by the sender, before */
	uint64_t size_octets; /* announced; 0: not said */
	struct log_id id; /* the sender's for this message, or the session's */
	char reverse_path[512];
	struct lmtp_recipient *recipients;
	size_t recipient_count, recipient_room;
	struct spool spool;
	struct lmtp_fd fd;
};

void lmtp_recipient_fini(struct lmtp_recipient *r);

/* RSET, LHLO, the end of DATA: one way to forget a transaction. */
void lmtp_transaction_reset(struct lmtp_session *s);

void lmtp_reply(struct lmtp_session *s, unsigned code, const char *enhanced,
    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* ---- rcpt.c ---- */
void lmtp_rcpt(struct lmtp_session *s, struct span argument);

/* ---- data.c ---- */
/* One reply for each recipient, this one or its own; the transaction ends. */
void lmtp_reply_all(struct lmtp_session *s, const char *reply);
/* Delivers what the spool has, and replies. */
void lmtp_data_whole(struct lmtp_session *s);
void lmtp_data(struct lmtp_session *s, struct span argument);
/* Goes on taking mail data; VERDICT_PARK until it is whole. */
enum verdict lmtp_data_take(struct lmtp_session *s, bool *done_out);

/* ---- data_fd.c ---- */
void lmtp_fd(struct lmtp_session *s, struct span argument);
enum verdict lmtp_fd_take(struct lmtp_session *s, bool *done_out);

#endif
