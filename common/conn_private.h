/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside a conn.  Only conn*.c and reactor*.c include this.
 *
 * The scheduling half belongs to the reactor's lock.  Everything else belongs
 * to the worker that runs the conn; the lock, taken at each hand-over, orders
 * what one worker wrote before what the next one reads.
 *
 * A conn is freed by the thread that runs it, or by conn_abort when no worker
 * is left; never by a waker.  So conn_wake is safe as long as closed(session)
 * has not returned: a session that others can wake
 * takes itself out of their lists, under the lists' lock, in closed().
 */
#ifndef HK_COMMON_CONN_PRIVATE_H
#define HK_COMMON_CONN_PRIVATE_H

#include <openssl/types.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/conn.h"
#include "common/maildata.h"

/* With the NUL behind them these fill blocks of a power of two. */
#define CONN_READ_CHUNK 4095          /* gathering lines */
#define CONN_READ_BULK 16383          /* gathering data: about a TLS record */
#define CONN_READ_TURN (1024 * 1024)  /* then others get their turn */
#define CONN_LIGHT_TURN (64 * 1024)   /* the same on the reactor thread */
#define CONN_READ_LEAST 256           /* what a read counts for, at least */
#define CONN_WRITE_TURN (4096 * 1024) /* likewise */
#define CONN_LINES_TURN 256           /* pipelined commands in one serve() */
#define CONN_LINES_LIGHT 8            /* the same on the reactor thread */
#define CONN_OUTPUT_LIGHT (16 * 1024) /* queued there, then a worker */
#define CONN_PIECES_MAX 256           /* queued pieces of output */
#define CONN_HANDSHAKE_MS 30000
#define CONN_CLOSE_MS 15000 /* to take the last reply */
#define CONN_LINGER_MS 2000 /* to see our end before we forget theirs */
#define CONN_RELAY_END_MS                                                      \
	30000 /* one side closed: for the rest of the other                    \
	       */

enum conn_state {
	CONN_RUNNING,
	CONN_PARKED,
	CONN_QUEUED
};

enum conn_mode {
	MODE_HANDSHAKE,
	MODE_SESSION,
	MODE_CLOSING, /* the session is over, output drains */
	MODE_LINGER,  /* everything is said, the peer's close is awaited */
	MODE_RELAY,
};

enum conn_want {
	WANT_NONE,
	WANT_LINE,
	WANT_OCTETS,
	WANT_DATA
};

/* Why nothing more can be written. */
enum conn_broken {
	BROKEN_NO,
	BROKEN_CLOSED,
	BROKEN_TIMEOUT
};

struct piece {
	struct piece *next;
	int fd;          /* a range of a file; -1: memory, in data */
	uint64_t offset; /* of what is next, in the file or in data */
	uint64_t len;    /* still to send */
	size_t cap;
	char data[];
};

struct output {
	struct piece *head, *tail;
	size_t pieces, memory;   /* queued pieces; octets in memory */
	uint64_t pending, taken; /* octets queued; taken since it was empty */
	uint64_t began_ms, progress_ms;
};

/* One direction of a relay: what was read and not yet taken. */
struct relay_side {
	char *left;
	size_t len, at;
	bool ended; /* the source has closed */
};

struct relay {
	int fd;                     /* our end of the pair */
	bool readable;              /* reading it may bring something */
	struct relay_side up, down; /* client to session, session to client */
	uint64_t progress_ms, end_ms;
};

struct conn {
	/* ---- scheduling: the reactor's lock ---------------------------------
	 */
	enum conn_state state;
	struct conn *queue_next;
	struct tenant_queue *tenant;
	uint32_t slot;
	uint32_t armed[2]; /* what epoll waits for */
	bool registered[2];
	uint8_t fired; /* epoll reported of descriptor n since the last run */
	bool wakeable; /* parked where a wake has something to do */
	bool drain_told;
	size_t timer_at; /* reactor_timer.c */
	uint64_t timer_ms, due_ms;

	/* ---- the worker's ---------------------------------------------------
	 */
	struct reactor *r;
	int fd;
	int got_fd; /* came over the socket, and nobody has taken it; or -1 */
	enum conn_mode mode;
	struct conn_options options;
	atomic_bool wake;
	bool was_woken;
	bool readable; /* reading may bring something */
	bool here;     /* it runs on the reactor thread */
	bool must_serve;
	bool eof;         /* the peer will send no more */
	bool is_unix;     /* closing it loses nothing that was sent */
	bool closed_told; /* closed(session) was called */
	enum conn_broken broken;

	/* What the next park waits for. */
	struct {
		uint32_t events[2];
		uint64_t until_ms;
		bool wakeable, idle;
	} park;

	/* Gathering. */
	struct buf in;
	size_t in_at;      /* what is before this in it was taken */
	size_t in_scanned; /* no end of line before this */
	enum conn_want want;
	bool lf_ends, skipping, skip_cr;
	bool timed_out, gathered, gather_yield;
	bool asked; /* the session took something in this serve() */
	bool deaf;  /* it did not want what was there: only a wake helps */
	struct span line;  /* of a gathered line, in in */
	size_t line_total; /* with its end; 0: dropped already */
	size_t turn;       /* octets read in this turn */
	size_t turn_max;   /* then others get theirs */
	enum take result;  /* when gathered */
	unsigned lines;    /* taken in this serve() */
	uint64_t began_ms, progress_ms, took; /* 0: not begun */
	uint64_t octets_left;
	bool sink_failed, data_long;
	struct sink *sink;
	struct maildata *data;

	struct output out;
	uint64_t pause_until_ms;

	struct tls_context *tls;
	SSL *ssl;
	bool tls_dead; /* a fatal error: TLS says nothing more */
	uint64_t handshake_until_ms;
	/* What the last TLS read and write waited for. */
	uint32_t read_events, write_events;
	struct relay *relay;
	struct conn_peer peer;
	struct err *err;
};

/* ---- called by the reactor ------------------------------------------ */
void conn_run(struct conn *c); /* by a worker */
/* By the reactor thread: what is little is done, the rest is for a worker. */
void conn_run_light(struct conn *c);
/* The next step of a parked conn copies octets, or reads a line that may be
 * light.  Lock held. */
bool conn_is_light(const struct conn *c);
void conn_fired(struct conn *c, unsigned which); /* lock held */
void conn_ready(struct conn *c);                 /* lock held */
void conn_drain(struct conn *c);                 /* lock held */
void conn_abort(struct conn *c);                 /* no worker is left */

enum step {
	STEP_PARK,  /* as c->park says */
	STEP_YIELD, /* more to do, but others first */
	STEP_AGAIN, /* go on at once */
	STEP_END,   /* free it */
};

/* What one attempt at the socket brought. */
enum io {
	IO_OK,
	IO_AGAIN,
	IO_CLOSED
};

/* ---- conn.c --------------------------------------------------------- */
/* What a mail connection wants; of a listening socket all accepted have it. */
void conn_socket_options(int fd);
/* Parks until events on the socket, or until the time. */
enum step conn_wait_for(struct conn *c, uint32_t events, uint64_t until_ms);
/* Takes the socket out of epoll: it will be another's. */
void conn_forget_fd(struct conn *c);

/* ---- conn_io.c ------------------------------------------------------ */
enum io conn_io_read(struct conn *c, char *out, size_t len, size_t *got_out);
enum io conn_io_write(
    struct conn *c, struct span octets, bool more, size_t *taken_out);
/* Records why the conn broke. */
void conn_fail(struct conn *c, enum err_kind kind, const char *what);

/* ---- conn_read.c ---------------------------------------------------- */
enum gather {
	GATHER_DONE,
	GATHER_WAIT,
	GATHER_YIELD
};
enum gather conn_gather(struct conn *c);
/* A line is gathered that can be answered on the reactor thread. */
bool conn_gather_light(const struct conn *c);
/* When the client must have sent what is gathered. */
uint64_t conn_gather_deadline(struct conn *c);
/* Nothing of a command has arrived. */
bool conn_gather_idle(const struct conn *c);
/* Forgets a take half done. */
void conn_gather_forget(struct conn *c);
/* Gives memory back while nothing is buffered. */
void conn_gather_release(struct conn *c);
void conn_gather_fini(struct conn *c);

/* ---- conn_write.c --------------------------------------------------- */
enum drain {
	DRAIN_DONE,
	DRAIN_WAIT,
	DRAIN_YIELD,
	DRAIN_BROKEN
};
enum drain conn_output_drain(struct conn *c);
uint64_t conn_output_deadline(const struct conn *c);
/* Nothing more is sent; what is queued is dropped. */
void conn_output_break(struct conn *c, enum conn_broken why);
void conn_output_drop(struct conn *c);

/* ---- conn_tls.c ----------------------------------------------------- */
/* Begins or goes on with the handshake. */
enum step conn_tls_step(struct conn *c);
bool conn_tls_pending(const struct conn *c);
/* Says goodbye, if the connection still can. */
void conn_tls_shutdown(struct conn *c);
void conn_tls_fini(struct conn *c);
enum io conn_tls_read(struct conn *c, char *out, size_t len, size_t *got_out);
enum io conn_tls_write(struct conn *c, struct span octets, size_t *taken_out);

/* ---- conn_relay.c --------------------------------------------------- */
enum step conn_relay_step(struct conn *c);
void conn_relay_fini(struct conn *c);

#endif
