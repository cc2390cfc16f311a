/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection to a milter: packets out and in, with a deadline for each
 * wait.  Packets gather in out until an answer is due.
 */
#ifndef HK_SMTPD_MILTER_CONN_H
#define HK_SMTPD_MILTER_CONN_H

#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "smtpd/milter_codec.h"

/* Packets are written when so many octets have gathered, at the latest. */
#define MILTER_GATHER (256 * 1024)

struct milter_conn {
	int fd;
	struct buf out, in;
	size_t taken;                  /* of in: the last packet's */
	struct milter_options options; /* as negotiated */
	uint64_t made_ms;
	uint64_t octets_out, octets_in;
};

/*
 * Connects and negotiates.  Errors: ERR_TEMP, nobody listens, too slow or
 * refused; ERR_SYNTAX, who answers is no milter; ERR_POLICY, it wants what
 * we do not offer.
 */
int milter_conn_new(const struct sockaddr_storage *address, socklen_t len,
    unsigned version, unsigned wait_ms, struct milter_conn **conn_out,
    struct err *err);
/* Says QUIT, if that can be said at once, and closes. */
void milter_conn_quit(struct milter_conn *c);
void milter_conn_free(struct milter_conn *c);
CLEANUP_DEFINE_PTR(struct milter_conn, milter_conn_free)

/* Writes what has gathered. */
int milter_conn_flush(struct milter_conn *c, unsigned wait_ms, struct err *err);

/* The next packet, waited for; borrowed until the next call. */
int milter_conn_reply(struct milter_conn *c, unsigned wait_ms,
    struct milter_reply *reply_out, struct err *err);

/*
 * Nothing has come and the milter has not closed: true.  Asked before a
 * message begins, since a milter may have been restarted meanwhile.
 */
bool milter_conn_quiet(const struct milter_conn *c);

#endif
