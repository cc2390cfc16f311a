/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A connection to another mail server: octets, lines and replies, in clear or
 * inside TLS, each wait with a deadline.  Whoever is at the other end may send
 * what it likes, as long and as slowly as it likes: a reply is bounded in
 * lines, in octets and in time.
 */
#ifndef HK_DELIVERY_PEER_H
#define HK_DELIVERY_PEER_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct peer_reply {
	unsigned code;     /* 200 to 599 */
	char enhanced[12]; /* "5.1.1", or "" */
	char text[400];    /* of its first lines, printable ASCII */
};

struct peer {
	int fd;
	SSL *ssl; /* or NULL */
	uint64_t deadline_ms;
	struct buf in, out;
	bool broken; /* nothing more is to be said */
};

void peer_init(struct peer *p, int fd);
void peer_fini(struct peer *p);
CLEANUP_DEFINE_VALUE(struct peer, peer_fini)

/* Errors: ERR_TEMP; ERR_CLOSED, refused or too slow. */
int peer_connect(const struct sockaddr_storage *address, socklen_t len,
    unsigned wait_ms, int *fd_out, struct err *err);

/* Everything until the next call of this must be over within so long. */
void peer_wait(struct peer *p, unsigned wait_ms);

/* Queued; sent when there is much of it, or by peer_flush. */
int peer_write(struct peer *p, struct span octets, struct err *err);
int peer_write_fmt(struct peer *p, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int peer_flush(struct peer *p, struct err *err);
/* Mail data: dots stuffed, the end of a line at the end, and the dot. */
int peer_write_data(struct peer *p, struct span content, struct err *err);

/*
 * The next reply; what was written is flushed first.  lines, if not NULL,
 * takes the texts of all lines, each with a newline.
 *
 * Errors: ERR_CLOSED, gone or too slow; ERR_SYNTAX, no reply of SMTP's or too
 * long; ERR_TEMP.
 */
int peer_reply(struct peer *p, struct peer_reply *reply_out, struct buf *lines,
    struct err *err);

/*
 * The client's side of the handshake.  What came before it is dropped: it may
 * be somebody else's.
 */
int peer_start_tls(struct peer *p, SSL *ssl, struct err *err);

/* One line of a reply.  ERR_SYNTAX. */
int peer_reply_line(struct span line, struct peer_reply *reply, bool first,
    bool *last_out, struct err *err);

#endif
