/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A reactor in a thread of its own, sessions that write down what they took,
 * and clients at the other end of socket pairs.
 */
#ifndef HK_TESTS_UNIT_RIG_H
#define HK_TESTS_UNIT_RIG_H

#include <pthread.h>
#include <stdatomic.h>

#include "common/buf.h"
#include "common/conn.h"
#include "common/reactor.h"

struct rig {
	struct reactor *reactor;
	pthread_t thread;
	struct conn_options options; /* of the conns it makes */
	uint64_t max;                /* of the probes it makes */
};

void rig_start(struct rig *rig, unsigned workers, unsigned tenant_workers);
void rig_start_max(struct rig *rig, unsigned workers, unsigned tenant_workers,
    size_t conns_max);
/* Stops it and checks that every session was closed exactly once. */
void rig_stop(struct rig *rig);

/* A session that a test looks at; lives until probe_free. */
struct probe {
	struct rig *rig;
	_Atomic(struct conn *) conn;
	int client; /* the test's end of the pair */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct buf seen; /* "line|LONG|..." */
	atomic_uint served, closed;
	enum verdict (*serve)(struct probe *p, struct conn *c);
	struct spool spool;
	uint64_t max;
	int fd; /* whatever a test wants to keep */
	atomic_int stage;
};

struct probe *probe_new(
    struct rig *rig, enum verdict (*serve)(struct probe *p, struct conn *c));
/* The same with descriptors that exist: the server's, the client's. */
struct probe *probe_on(struct rig *rig, int server, int client,
    enum verdict (*serve)(struct probe *p, struct conn *c));
/* Closes the client's end and waits for the session's end. */
void probe_free(struct probe *p);

/* From serve(): writes down. */
void probe_note(struct probe *p, const char *text);
void probe_note_span(struct probe *p, struct span text);

/* Waits until what was seen is this, and fails the test after 5 s. */
void probe_expect(struct probe *p, const char *seen);
void probe_expect_closed(struct probe *p);

/* Sends; probe_send_read also waits until the server has read all of it. */
void probe_send(struct probe *p, struct span octets);
void probe_send_read(struct probe *p, struct span octets);
/* Reads exactly this from the server, or fails. */
void probe_receive(struct probe *p, const char *expected);
/* The server has closed, after nothing more. */
void probe_receive_end(struct probe *p);

/* Takes lines, notes each and how it ended. */
enum verdict probe_serve_lines(struct probe *p, struct conn *c);

#endif
