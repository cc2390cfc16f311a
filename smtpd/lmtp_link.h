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
	bool used;     /* came from the pool: deliveryd may have closed it */
	bool late;     /* the deadline has passed without an answer */
	bool room;     /* HKROOM was offered, so that room can be asked for */
	bool takes_fd; /* HKFD was */
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
	/*
	 * The last message had no answer in time.  From then on one at a time
	 * tries, and the others are told at once: a deliveryd that hangs must
	 * not hold every worker.
	 */
	bool stalled, trying;
};

struct lmtp_reply {
	unsigned code;
	char enhanced[12];
	char text[200];
};

int lmtp_send(struct lmtp_conn *l, struct span octets, struct err *err);
/* A descriptor goes along with the first octet. */
int lmtp_send_fd(
    struct lmtp_conn *l, struct span octets, int fd, struct err *err);
/* Small pieces wait for each other; a large one goes as it is. */
int lmtp_queue(struct lmtp_conn *l, struct span octets, struct err *err);
/* What was queued, in one write. */
int lmtp_flush(struct lmtp_conn *l, struct err *err);
/* Reads one reply; *lines (may be NULL) gathers its texts, for LHLO. */
int lmtp_reply_take(struct lmtp_conn *l, struct lmtp_reply *r,
    struct buf *lines, struct err *err);

/* Not connected yet; NULL: no memory. */
struct lmtp_conn *lmtp_conn_new(void);
void lmtp_conn_free(struct lmtp_conn *l);
/* Connects, and says LHLO, where that is still to be done. */
int lmtp_open(struct lmtp_client *c, struct lmtp_conn *l, struct err *err);

/*
 * An idle connection, or NULL with leave to make one; or the wait for one.
 * *tries_out: this message finds out whether deliveryd answers again.
 */
int lmtp_take(struct lmtp_client *c, uint64_t deadline_ms,
    struct lmtp_conn **l_out, bool *tries_out, struct err *err);
/* NULL: the connection is gone.  late: it had no answer in time. */
void lmtp_put(
    struct lmtp_client *c, struct lmtp_conn *l, bool tries, bool late);

#endif
