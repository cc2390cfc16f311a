/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hand-off of a client's connection from a gate to the session process
 * that owns the account, after login.  One packet, one descriptor, one way:
 * when it is sent, the session process owns the client, and says the words
 * that end the login command (+OK, or the tagged OK).
 */
#ifndef HK_COMMON_HANDOFF_H
#define HK_COMMON_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/conn.h"
#include "common/err.h"
#include "common/log.h"

#define HANDOFF_VERSION 1

struct handoff {
	struct log_id id; /* the session's, kept over the border */
	char service[16]; /* "pop3", "imap" */
	char tenant[64];
	char account_id[65];
	char address[321];  /* primary address of the account */
	char login[321];    /* as the client gave it */
	char mechanism[32]; /* "PLAIN", "PASS", "LOGIN", … */
	char tag[129];      /* IMAP: tag of the login command */
	char title[128];    /* what the brand calls itself, UTF-8 */
	struct conn_peer peer;
	bool tls;              /* the client's side is encrypted */
	uint64_t quota_octets; /* 0: none */
	uint64_t quota_messages;
	uint64_t message_max;   /* octets; 0: the configured one */
	uint32_t undelete_days; /* deleted mail is kept so long; 0: not */
	uint32_t sessions_max;  /* of the account at a time; 0: any number */
	/* What the brand says about POP3. */
	char unique_ids[41];  /* form of unique-ids, or "" */
	char mark_seen;       /* 'y', 'n', or 0: as configured */
	uint32_t login_delay; /* seconds between logins; 0: any */
	uint32_t expire_days; /* mail is kept so long; 0: for ever */
	/* What the client has chosen before logging in, and what its user has
	 * in the directory: a language, or "". */
	bool utf8;
	char language[16], user_language[16];
};

/*
 * Sends it over a connected socket of daemon_connect.  client_fd stays the
 * caller's (close it after success and failure alike).  input: octets the
 * client has already sent after the login command.
 */
int handoff_send(int fd, const struct handoff *h, int client_fd,
    struct span input, struct err *err);

/*
 * Receives one.  *input is emptied first.  ERR_SYNTAX: not a hand-off of
 * this version; descriptors in it are closed.
 */
int handoff_recv(int fd, struct handoff *h, int *client_fd_out,
    struct buf *input, struct err *err);

#endif
