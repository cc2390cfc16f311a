/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the reactor.  Only reactor*.c and conn*.c include this.
 *
 * One mutex guards everything here: slots, timers, the run queue, and the
 * scheduling half of each conn.  It is held for a few instructions and an
 * epoll_ctl at most, never across a session's code.
 *
 * Epoll events name a slot and its serial number, never a pointer, so that an
 * event which was fetched before its conn was freed hits nothing.
 */
#ifndef HK_COMMON_REACTOR_PRIVATE_H
#define HK_COMMON_REACTOR_PRIVATE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "common/reactor.h"

enum slot_kind {
	SLOT_FREE,
	SLOT_SELF,
	SLOT_LISTENER,
	SLOT_WATCH,
	SLOT_CONN
};

struct watch {
	int fd;
	void (*ready)(struct reactor *r, int fd, void *arg);
	void *arg;
};

struct slot {
	enum slot_kind kind;
	uint32_t serial; /* of this use */
	union {
		struct reactor_listener *listener;
		struct watch *watch;
		struct conn *conn;
		uint32_t next_free; /* slot number + 1, 0: none */
	} u;
};

/* A deferred call. */
struct task {
	struct task *next;
	void (*run)(void *arg);
	void *arg;
};

struct tick {
	struct tick *next;
	void (*run)(struct reactor *r, void *arg);
	void *arg;
	unsigned interval_ms;
	uint64_t due_ms;
};

/*
 * Conns of one tenant that are ready, in order.  A tenant stands in the
 * queue's ring while it has a ready conn and a worker to spare; tenants take
 * turns.
 */
struct tenant_queue {
	char *name; /* NULL: conns of no tenant */
	struct tenant_queue *bucket_next, *ring_next;
	struct conn *head, *tail;
	size_t refs;      /* conns that belong to it */
	unsigned running; /* of them, owned by a worker */
	bool in_ring;
};

#define TENANT_BUCKETS 64

struct run_queue {
	struct tenant_queue nobody;
	struct tenant_queue *buckets[TENANT_BUCKETS];
	struct tenant_queue *ring_head, *ring_tail;
	struct task *task_head, *task_tail;
};

struct worker {
	pthread_t thread;
	/*
	 * An idle worker waits here, and stands in the stack of idle ones:
	 * who went idle last is called first, so that its stack and caches
	 * are warm and the others can go home.
	 */
	sem_t call;
	struct reactor *reactor;
	struct worker *idle_next, *called_next;
	bool idle;
	enum {
		WORKER_NONE,
		WORKER_LIVE,
		WORKER_EXITED
	} state;
};

struct timers {
	struct conn **heap; /* heap[0] is due first */
	size_t len, cap;
};

struct reactor {
	struct reactor_options options;
	int epfd, wakefd;
	atomic_bool stop;
	atomic_bool draining, accept_stop;
	atomic_size_t conns;
	atomic_uint churn; /* handshakes and ends since memory was given back */

	pthread_mutex_t lock;       /* guards all below */
	pthread_cond_t accept_over; /* accepting_fd has changed */
	int accepting_fd;           /* in use by the reactor thread, or -1 */
	struct slot *slots;
	uint32_t slots_len, slots_cap, slots_free;
	struct timers timers;
	struct tick *_Atomic ticks; /* changed with the lock held */
	uint64_t sleep_until_ms;    /* 0: the reactor thread is awake */
	uint64_t drain_until_ms;
	struct run_queue queue;
	struct worker *workers;
	struct worker *idle;   /* the stack of idle workers */
	struct worker *called; /* no longer idle, woken by reactor_unlock */
	unsigned workers_live;
	bool ending; /* workers go home */

	/* The reactor thread's own. */
	bool accept_paused, accept_stopped;
	uint64_t accept_resume_ms, emfile_logged_ms, trim_ms;
	void (*on_drain)(void *arg); /* NULL once it was called */
	void *on_drain_arg;
};

/*
 * Ends what began with locking r->lock, and wakes whom there is work for: only
 * now, since who wakes wants the lock first of all.
 */
void reactor_unlock(struct reactor *r);

/* ---- reactor.c ------------------------------------------------------ */
/* All with the lock held. */
int reactor_slot_new(struct reactor *r, enum slot_kind kind, void *object,
    uint32_t *slot_out, struct err *err);
void reactor_slot_free(struct reactor *r, uint32_t slot);
/* What epoll tells about this slot; which: 0, or 1 for a second descriptor. */
uint64_t reactor_slot_data(
    const struct reactor *r, uint32_t slot, unsigned which);
/* Ends the reactor thread's sleep if it would last beyond at_ms. */
void reactor_wake_before(struct reactor *r, uint64_t at_ms);
void reactor_wake(struct reactor *r); /* with or without the lock */

/* Something left free memory behind.  The lock is not held. */
void reactor_churn(struct reactor *r);

/* ---- reactor_timer.c --------------------------------------------------------
 */
/* Makes room for one conn more; the lock is held, here and below. */
int timers_reserve(struct timers *t, size_t conns, struct err *err);
void timers_fini(struct timers *t);
/*
 * Sets when c is due.  A later time than before leaves the heap alone: the
 * entry is moved when it comes up, so that parking costs nothing.
 */
void timers_set(struct timers *t, struct conn *c, uint64_t due_ms);
void timers_remove(struct timers *t, struct conn *c);
/* The next conn due by now_ms, no longer in the heap; NULL: none. */
struct conn *timers_take(struct timers *t, uint64_t now_ms);
/* When to look again; UINT64_MAX: never. */
uint64_t timers_next(const struct timers *t);

/* ---- reactor_work.c ------------------------------------------------- */
/* The lock is held unless said otherwise. */
struct tenant_queue *queue_tenant_ref(struct run_queue *q, const char *name);
void queue_tenant_unref(struct run_queue *q, struct tenant_queue *t);
/* A parked or queued conn becomes the calling thread's. */
void work_own(struct conn *c);
/* Puts a conn that no worker owns in the queue and finds it a worker. */
void work_add(struct reactor *r, struct conn *c);
/* A worker gives c up: another conn of its tenant may run. */
void work_release(struct reactor *r, struct conn *c);
/* Moves a running conn to another tenant's account. */
int work_move(struct reactor *r, struct conn *c, const char *tenant);
/* Ends and joins all workers, runs what was deferred.  Lock not held. */
void work_end(struct reactor *r);

#endif
