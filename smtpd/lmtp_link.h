/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections to deliveryd: octets, replies, the pool.  For lmtp_client.c. */
#ifndef HK_SMTPD_LMTP_LINK_H
#define HK_SMTPD_LMTP_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "smtpd/lmtp_client.h"

#define LMTP_CHUNK ((size_t)64 * 1024)

struct lmtp_conn {
	int fd;
	bool used; /* came from the pool: deliveryd may have closed it */
	bool room; /* HKROOM was offered, so that room can be asked for */
	uint64_t deadline_ms;
	struct buf in, out; /* out: small pieces on their way, one write */
	struct lmtp_conn *next;
};

struct lmtp_client {
	struct lmtp_options options;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t freed;
	struct lmtp_conn *idle;
	size_t open;
};

struct lmtp_reply {
	unsigned code;
	char enhanced[12];
	char text[200];
};

int lmtp_send(struct lmtp_conn *l, struct span octets, struct err *err);
/* Small pieces wait for each other; a large one goes as it is. */
int lmtp_queue(struct lmtp_conn *l, struct span octets, struct err *err);
/* What was queued, in one write. */
int lmtp_flush(struct lmtp_conn *l, struct err *err);
/* Reads one reply; *lines (may be NULL) gathers its texts, for LHLO. */
int lmtp_reply_take(struct lmtp_conn *l, struct lmtp_reply *r,
    struct buf *lines, struct err *err);

/* With LHLO said.  The caller frees. */
int lmtp_conn_new(struct lmtp_client *c, uint64_t deadline_ms,
    struct lmtp_conn **l_out, struct err *err);
void lmtp_conn_free(struct lmtp_conn *l);

/* An idle connection, or NULL with leave to make one; or the wait for one. */
int lmtp_take(struct lmtp_client *c, uint64_t deadline_ms,
    struct lmtp_conn **l_out, struct err *err);
/* NULL: the connection is gone. */
void lmtp_put(struct lmtp_client *c, struct lmtp_conn *l);

#endif
