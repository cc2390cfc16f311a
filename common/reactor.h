/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reactor: one epoll descriptor, one thread that waits on it and on the
 * timers, and a pool of workers that run sessions.
 *
 * A conn (conn.h) is either parked in epoll, where it costs no thread, or
 * owned by one worker.  EPOLLONESHOT makes the handover, and re-arming is the
 * worker's last touch.  What a worker does when a parked conn becomes ready:
 *
 *	1. drain pending output without blocking; still pending: park again;
 *	2. read what is there without blocking, into what the session asked
 *	   conn to gather (a line, so many octets, mail data up to the dot);
 *	3. when the gathering is complete, failed, or timed out, or somebody
 *	   called conn_wake: call serve(), which is straight-line code.
 *
 * So a client that sends an octet a second never holds a worker.
 *
 * Tenants share the pool fairly: a conn that belongs to a tenant (conn_tenant)
 * runs only while fewer than tenant_workers conns of that tenant are running;
 * the rest of that tenant's ready conns queue behind each other.
 */
#ifndef HK_COMMON_REACTOR_H
#define HK_COMMON_REACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/cleanup.h"

struct reactor;
struct conn;

struct reactor_options {
	unsigned workers;        /* threads that run sessions, 1..256 */
	unsigned tenant_workers; /* of them, at most so many for one tenant */
	size_t conns_max;        /* accepted connections at a time */
};

int reactor_new(const struct reactor_options *options,
    struct reactor **reactor_out, struct err *err);
void reactor_free(struct reactor *r);
CLEANUP_DEFINE_PTR(struct reactor, reactor_free)

/*
 * A listening socket.  accepted() runs on the reactor thread for each new
 * descriptor, must not block, and takes ownership: it makes a conn (or closes
 * fd).  Over conns_max, busy() is called instead, if set, with the fresh
 * descriptor, before it is closed: it may send one short line.
 * The listening descriptor stays the caller's; EMFILE pauses accepting for
 * 100 ms and is logged once a minute.
 */
struct reactor_listener {
	int fd;
	void (*accepted)(struct reactor *r, int fd, void *arg);
	void (*busy)(int fd, void *arg);
	void *arg;
};
int reactor_listen(
    struct reactor *r, const struct reactor_listener *l, struct err *err);
/* Accepts on fd too, handled as the listener on like is.  From any thread. */
int reactor_listen_like(struct reactor *r, int like, int fd, struct err *err);
/*
 * Ends accepting on this one, which its owner then may close.  From any
 * thread, but not from accepted().
 */
void reactor_unlisten(struct reactor *r, int fd);
/* Stops accepting on all listeners (drain); parked conns go on. */
void reactor_listen_stop(struct reactor *r);

/*
 * Watches a descriptor of another kind (inotify, a control socket) for input;
 * ready() runs on the reactor thread and must not block.
 */
int reactor_watch(struct reactor *r, int fd,
    void (*ready)(struct reactor *r, int fd, void *arg), void *arg,
    struct err *err);
void reactor_unwatch(struct reactor *r, int fd);

/* Runs run(arg) on a worker, outside any conn. */
int reactor_defer(
    struct reactor *r, void (*run)(void *arg), void *arg, struct err *err);

/* Calls tick(arg) on the reactor thread every interval_ms. */
int reactor_every(struct reactor *r, unsigned interval_ms,
    void (*tick)(struct reactor *r, void *arg), void *arg, struct err *err);

/*
 * Runs until reactor_stop, or, after reactor_drain, until the last conn is
 * gone.  The calling thread becomes the reactor thread.
 */
int reactor_run(struct reactor *r, struct err *err);
void reactor_stop(struct reactor *r); /* any thread, async-signal-safe */

/*
 * Begins an orderly end: listeners stop, each parked conn whose session is
 * idle is served once with conn_draining() true (the session says 421 or
 * * BYE), and reactor_run returns when all are gone or after wait_ms.
 */
void reactor_drain(struct reactor *r, unsigned wait_ms);

/*
 * Calls drain(arg) on the reactor thread once a drain has begun, before
 * reactor_run looks whether the last conn is gone: a last chance to take
 * clients that are on their way.  One for a reactor; set it before it runs.
 */
void reactor_on_drain(struct reactor *r, void (*drain)(void *arg), void *arg);

size_t reactor_conns(const struct reactor *r);

/* Makes malloc give memory back that idle sessions need not hold.  reactor_new
 * calls it; a daemon that allocates much before may do so earlier. */
void reactor_tune_memory(void);

/* Milliseconds of CLOCK_MONOTONIC. */
uint64_t clock_ms(void);

#endif
