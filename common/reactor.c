/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/reactor.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>

#include "common/conn_private.h"
#include "common/log.h"
#include "common/reactor_private.h"

#define EVENTS_MAX 64
/* Conns of a batch that the reactor thread runs itself. */
#define LIGHT_MAX 16
/* Accepted in one go before parked conns get their turn. */
#define ACCEPT_BATCH 16
/* Without free descriptors: how long nothing is accepted. */
#define ACCEPT_PAUSE_MS 100
#define EMFILE_LOG_MS 60000
/*
 * A handshake needs some 50 KB and leaves 15; malloc keeps the holes.  After
 * so many, and as often at most, the pages in them go back to the kernel:
 * measured with 1,000 idle connections, 25 KB each become 16.
 */
#define TRIM_CHURN 32
#define TRIM_INTERVAL_MS 10000

uint64_t
clock_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
reactor_tune_memory(void)
{
	/* Workers share two arenas; one a thread would keep what each peaked
	 * at.  Freed memory above 64 KB goes back to the kernel. */
	(void)mallopt(M_ARENA_MAX, 2);
	(void)mallopt(M_TRIM_THRESHOLD, 64 * 1024);
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static void
trim_memory(void *arg)
{
	(void)arg;
	(void)malloc_trim(0);
}

void
reactor_churn(struct reactor *r)
{
	if (atomic_fetch_add(&r->churn, 1) != TRIM_CHURN - 1)
		return;
	/* The reactor thread looks when to trim, and sleeps until then. */
	(void)pthread_mutex_lock(&r->lock);
	reactor_wake_before(r, clock_ms());
	reactor_unlock(r);
}

static bool
trim_wanted(const struct reactor *r)
{
	return atomic_load(&r->churn) >= TRIM_CHURN;
}

/* ---- slots ----------------------------------------------------------------
 */

static int
slots_grow(struct reactor *r, struct err *err)
{
	uint32_t cap = r->slots_cap == 0 ? 32 : r->slots_cap * 2;
	struct slot *slots = reallocarray(r->slots, cap, sizeof(*slots));

	if (slots == NULL)
		return err_sys(err, "%u slots", cap);
	memset(slots + r->slots_cap, 0, (cap - r->slots_cap) * sizeof(*slots));
	r->slots = slots;
	r->slots_cap = cap;
	return 0;
}

int
reactor_slot_new(struct reactor *r, enum slot_kind kind, void *object,
    uint32_t *slot_out, struct err *err)
{
	struct slot *slot;
	uint32_t at;

	if (r->slots_free != 0) {
		at = r->slots_free - 1;
		r->slots_free = r->slots[at].u.next_free;
	} else {
		if (r->slots_len == r->slots_cap && slots_grow(r, err) == -1)
			return -1;
		at = r->slots_len++;
	}
	slot = &r->slots[at];
	slot->kind = kind;
	switch (kind) {
	case SLOT_LISTENER:
		slot->u.listener = object;
		break;
	case SLOT_WATCH:
		slot->u.watch = object;
		break;
	case SLOT_CONN:
		slot->u.conn = object;
		break;
	case SLOT_FREE:
	case SLOT_SELF:
		break;
	}
	*slot_out = at;
	return 0;
}

void
reactor_slot_free(struct reactor *r, uint32_t slot)
{
	r->slots[slot].kind = SLOT_FREE;
	r->slots[slot].serial++;
	r->slots[slot].u.next_free = r->slots_free;
	r->slots_free = slot + 1;
}

uint64_t
reactor_slot_data(const struct reactor *r, uint32_t slot, unsigned which)
{
	return (uint64_t)r->slots[slot].serial << 32 | (uint64_t)slot << 1 |
	       which;
}

/* ---- waking the reactor thread ---------------------------------------------
 */

void
reactor_wake(struct reactor *r)
{
	uint64_t one = 1;

	/* Full only when it is readable anyway. */
	if (write(r->wakefd, &one, sizeof(one)) == -1)
		return;
}

void
reactor_wake_before(struct reactor *r, uint64_t at_ms)
{
	if (at_ms >= r->sleep_until_ms)
		return;
	r->sleep_until_ms = 0; /* wake once */
	reactor_wake(r);
}

void
reactor_stop(struct reactor *r)
{
	int saved = errno;

	atomic_store(&r->stop, true);
	reactor_wake(r);
	errno = saved;
}

size_t
reactor_conns(const struct reactor *r)
{
	return atomic_load(&r->conns);
}

/* ---- life -------------------------------------------------------------------
 */

static int
epoll_add(
    struct reactor *r, int fd, uint32_t events, uint32_t slot, struct err *err)
{
	struct epoll_event event = { .events = events,
		.data.u64 = reactor_slot_data(r, slot, 0) };

	if (epoll_ctl(r->epfd, EPOLL_CTL_ADD, fd, &event) == -1)
		return err_sys(err, "epoll_ctl");
	return 0;
}

static int
open_descriptors(struct reactor *r, struct err *err)
{
	uint32_t slot;

	r->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (r->epfd == -1)
		return err_sys(err, "epoll_create1");
	r->wakefd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (r->wakefd == -1)
		return err_sys(err, "eventfd");
	if (reactor_slot_new(r, SLOT_SELF, NULL, &slot, err) == -1)
		return -1;
	return epoll_add(r, r->wakefd, EPOLLIN, slot, err);
}

static void
cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

int
reactor_new(const struct reactor_options *options, struct reactor **reactor_out,
    struct err *err)
{
	CLEANUP(reactor_free) struct reactor *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return err_sys(err, "reactor");
	reactor_tune_memory();
	r->epfd = r->wakefd = -1;
	(void)pthread_mutex_init(&r->lock, NULL);
	cond_init(&r->accept_over);
	r->accepting_fd = -1;
	r->trim_ms = clock_ms() + TRIM_INTERVAL_MS;
	r->options = *options;
	if (r->options.workers == 0 || r->options.workers > 256)
		return err_set(
		    err, ERR_LIMIT, "%u workers: 1 to 256", r->options.workers);
	if (r->options.tenant_workers == 0 ||
	    r->options.tenant_workers > r->options.workers)
		r->options.tenant_workers = r->options.workers;
	r->workers = calloc(r->options.workers, sizeof(*r->workers));
	if (r->workers == NULL)
		return err_sys(err, "%u workers", r->options.workers);
	for (unsigned i = 0; i < r->options.workers; i++)
		(void)sem_init(&r->workers[i].call, 0, 0);
	if (open_descriptors(r, err) == -1)
		return -1;

	/* A peer that went away is an error of write, not the end of us. */
	(void)signal(SIGPIPE, SIG_IGN);
	*reactor_out = STEAL(r);
	return 0;
}

/* Ends all conns; no worker is left. */
static void
end_conns(struct reactor *r)
{
	uint32_t i;

	for (i = 0; i < r->slots_len; i++)
		if (r->slots[i].kind == SLOT_CONN)
			conn_abort(r->slots[i].u.conn);
}

void
reactor_free(struct reactor *r)
{
	uint32_t i;

	if (r == NULL)
		return;
	if (r->workers != NULL)
		work_end(r);
	end_conns(r);
	for (i = 0; i < r->slots_len; i++) {
		if (r->slots[i].kind == SLOT_LISTENER)
			free(r->slots[i].u.listener);
		else if (r->slots[i].kind == SLOT_WATCH)
			free(r->slots[i].u.watch);
	}
	while (r->ticks != NULL) {
		struct tick *tick = r->ticks;

		r->ticks = tick->next;
		free(tick);
	}
	timers_fini(&r->timers);
	free(r->slots);
	free(r->workers);
	fd_close(r->epfd);
	fd_close(r->wakefd);
	(void)pthread_cond_destroy(&r->accept_over);
	(void)pthread_mutex_destroy(&r->lock);
	free(r);
}

/* ---- listening ------------------------------------------------------ */

int
reactor_listen(
    struct reactor *r, const struct reactor_listener *l, struct err *err)
{
	CLEANUP(mem_free) struct reactor_listener *copy = malloc(sizeof(*copy));
	uint32_t slot;
	int result;

	if (copy == NULL)
		return err_sys(err, "listener");
	*copy = *l;
	conn_socket_options(l->fd);
	(void)pthread_mutex_lock(&r->lock);
	result = reactor_slot_new(r, SLOT_LISTENER, copy, &slot, err);
	if (result == 0) {
		/* Processes of ours may share the socket: one wakes. */
		result =
		    epoll_add(r, l->fd, EPOLLIN | EPOLLEXCLUSIVE, slot, err);
		if (result == -1)
			reactor_slot_free(r, slot);
		else
			copy = NULL;
	}
	reactor_unlock(r);
	return result;
}

/* The listener's slot, with the lock held; r->slots_len: there is none. */
static uint32_t
listener_slot(const struct reactor *r, int fd)
{
	uint32_t i;

	for (i = 0; i < r->slots_len; i++)
		if (r->slots[i].kind == SLOT_LISTENER &&
		    r->slots[i].u.listener->fd == fd)
			break;
	return i;
}

int
reactor_listen_like(struct reactor *r, int like, int fd, struct err *err)
{
	struct reactor_listener l;
	uint32_t slot;
	bool found;

	(void)pthread_mutex_lock(&r->lock);
	slot = listener_slot(r, like);
	found = slot < r->slots_len;
	if (found)
		l = *r->slots[slot].u.listener;
	reactor_unlock(r);
	if (!found)
		return err_set(err, ERR_POLICY, "no such listener");
	if (atomic_load(&r->accept_stop))
		return 0; /* on the way out nothing new begins */
	l.fd = fd;
	return reactor_listen(r, &l, err);
}

void
reactor_unlisten(struct reactor *r, int fd)
{
	uint32_t slot;

	(void)pthread_mutex_lock(&r->lock);
	slot = listener_slot(r, fd);
	if (slot < r->slots_len) {
		(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, fd, NULL);
		free(r->slots[slot].u.listener);
		reactor_slot_free(r, slot);
	}
	while (r->accepting_fd == fd)
		(void)pthread_cond_wait(&r->accept_over, &r->lock);
	reactor_unlock(r);
}

/* Takes the listeners out of epoll, or puts them back. */
static void
listeners_arm(struct reactor *r, bool on)
{
	uint32_t i;

	(void)pthread_mutex_lock(&r->lock);
	for (i = 0; i < r->slots_len; i++) {
		struct reactor_listener *l = r->slots[i].u.listener;

		if (r->slots[i].kind != SLOT_LISTENER)
			continue;
		if (on)
			(void)epoll_add(
			    r, l->fd, EPOLLIN | EPOLLEXCLUSIVE, i, NULL);
		else
			(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, l->fd, NULL);
	}
	reactor_unlock(r);
}

void
reactor_listen_stop(struct reactor *r)
{
	atomic_store(&r->accept_stop, true);
	reactor_wake(r);
}

static void
accept_failed(struct reactor *r, int error)
{
	uint64_t now = clock_ms();

	if (error != EMFILE && error != ENFILE && error != ENOBUFS &&
	    error != ENOMEM)
		return; /* EAGAIN, or a client that has left already */
	if (r->emfile_logged_ms == 0 ||
	    now - r->emfile_logged_ms > EMFILE_LOG_MS) {
		struct err err = ERR_INIT;

		errno = error;
		(void)err_sys(&err, "accept");
		log_error(&log_process, "cannot accept connections for now",
		    log_err(&err), log_u64("connections", reactor_conns(r)));
		r->emfile_logged_ms = now;
	}
	listeners_arm(r, false);
	r->accept_paused = true;
	r->accept_resume_ms = now + ACCEPT_PAUSE_MS;
}

/* The listener is a copy, and its descriptor ours while accepting_fd says so.
 */
static void
accept_some(struct reactor *r, const struct reactor_listener *l)
{
	unsigned i;

	for (i = 0; i < ACCEPT_BATCH; i++) {
		int fd =
		    accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd == -1) {
			if (errno == ECONNABORTED || errno == EINTR)
				continue;
			accept_failed(r, errno);
			return;
		}
		if (r->options.conns_max != 0 &&
		    reactor_conns(r) >= r->options.conns_max) {
			if (l->busy != NULL)
				l->busy(fd, l->arg);
			(void)shutdown(fd, SHUT_WR);
			(void)close(fd);
			continue;
		}
		l->accepted(r, fd, l->arg);
	}
}

/* ---- watching and ticking ------------------------------------------- */

int
reactor_watch(struct reactor *r, int fd,
    void (*ready)(struct reactor *r, int fd, void *arg), void *arg,
    struct err *err)
{
	CLEANUP(mem_free) struct watch *watch = malloc(sizeof(*watch));
	uint32_t slot;
	int result;

	if (watch == NULL)
		return err_sys(err, "watch");
	*watch = (struct watch){ .fd = fd, .ready = ready, .arg = arg };
	(void)pthread_mutex_lock(&r->lock);
	result = reactor_slot_new(r, SLOT_WATCH, watch, &slot, err);
	if (result == 0) {
		result = epoll_add(r, fd, EPOLLIN, slot, err);
		if (result == -1)
			reactor_slot_free(r, slot);
		else
			watch = NULL;
	}
	reactor_unlock(r);
	return result;
}

void
reactor_unwatch(struct reactor *r, int fd)
{
	uint32_t i;

	(void)pthread_mutex_lock(&r->lock);
	for (i = 0; i < r->slots_len; i++) {
		if (r->slots[i].kind != SLOT_WATCH ||
		    r->slots[i].u.watch->fd != fd)
			continue;
		(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, fd, NULL);
		free(r->slots[i].u.watch);
		reactor_slot_free(r, i);
		break;
	}
	reactor_unlock(r);
}

int
reactor_every(struct reactor *r, unsigned interval_ms,
    void (*run)(struct reactor *r, void *arg), void *arg, struct err *err)
{
	struct tick *tick = malloc(sizeof(*tick));

	if (tick == NULL)
		return err_sys(err, "tick");
	*tick = (struct tick){ .run = run,
		.arg = arg,
		.interval_ms = interval_ms == 0 ? 1 : interval_ms };
	tick->due_ms = clock_ms() + tick->interval_ms;
	(void)pthread_mutex_lock(&r->lock);
	tick->next = r->ticks;
	r->ticks = tick;
	reactor_wake_before(r, tick->due_ms);
	reactor_unlock(r);
	return 0;
}

/* Ticks are only added, in front, so the list can be walked unlocked. */
static void
run_ticks(struct reactor *r, uint64_t now)
{
	struct tick *tick = atomic_load(&r->ticks);

	for (; tick != NULL; tick = tick->next) {
		if (tick->due_ms > now)
			continue;
		tick->run(r, tick->arg);
		tick->due_ms = now + tick->interval_ms;
	}
}

/* ---- draining ------------------------------------------------------- */

void
reactor_drain(struct reactor *r, unsigned wait_ms)
{
	uint64_t until = clock_ms() + wait_ms;
	uint32_t i;

	(void)pthread_mutex_lock(&r->lock);
	if (!atomic_load(&r->draining) || until < r->drain_until_ms)
		r->drain_until_ms = until;
	atomic_store(&r->draining, true);
	for (i = 0; i < r->slots_len; i++)
		if (r->slots[i].kind == SLOT_CONN)
			conn_drain(r->slots[i].u.conn);
	reactor_unlock(r);
	reactor_listen_stop(r);
}

void
reactor_on_drain(struct reactor *r, void (*drain)(void *arg), void *arg)
{
	r->on_drain = drain;
	r->on_drain_arg = arg;
}

static bool
drained(struct reactor *r)
{
	void (*on_drain)(void *arg) = r->on_drain;

	if (!atomic_load(&r->draining))
		return false;
	/* Once, and first: it may bring new conns. */
	r->on_drain = NULL;
	if (on_drain != NULL)
		on_drain(r->on_drain_arg);
	return reactor_conns(r) == 0 || clock_ms() >= r->drain_until_ms;
}

/* ---- the loop ------------------------------------------------------- */

/* A listener, a watch or a wake; the lock is held, but not meanwhile. */
static void
handle_other(struct reactor *r, const struct slot *slot)
{
	struct reactor_listener listener;
	struct watch watch;
	enum slot_kind kind = slot->kind;
	uint64_t count;

	if (kind == SLOT_LISTENER) {
		listener = *slot->u.listener;
		r->accepting_fd = listener.fd;
	} else if (kind == SLOT_WATCH) {
		watch = *slot->u.watch;
	}
	reactor_unlock(r);
	if (kind == SLOT_LISTENER) {
		if (!r->accept_paused && !r->accept_stopped)
			accept_some(r, &listener);
	} else if (kind == SLOT_WATCH) {
		watch.ready(r, watch.fd, watch.arg);
	} else if (read(r->wakefd, &count, sizeof(count)) == -1) {
		/* Somebody's wake was taken already. */
	}
	(void)pthread_mutex_lock(&r->lock);
	if (kind == SLOT_LISTENER) {
		r->accepting_fd = -1;
		(void)pthread_cond_broadcast(&r->accept_over);
	}
}

/*
 * A conn that epoll told of; the lock is held.  What only copies octets is
 * done here, which saves calling a worker for each command under TLS; when
 * there is much of it, workers take their part.
 */
static void
handle_conn(struct reactor *r, struct conn *c, unsigned which, unsigned *light)
{
	conn_fired(c, which);
	if (!conn_is_light(c) || *light == 0) {
		conn_ready(c);
		return;
	}
	--*light;
	work_own(c);
	reactor_unlock(r);
	conn_run_light(c);
	(void)pthread_mutex_lock(&r->lock);
}

/* What epoll told, and the conns whose wait is over. */
static void
handle_events(struct reactor *r, const struct epoll_event *events, int count)
{
	uint64_t now = clock_ms();
	unsigned light = LIGHT_MAX;
	struct conn *c;

	(void)pthread_mutex_lock(&r->lock);
	r->sleep_until_ms = 0;
	for (int i = 0; i < count; i++) {
		uint32_t at = (uint32_t)events[i].data.u64 >> 1;
		unsigned which = (unsigned)(events[i].data.u64 & 1);

		if (at >= r->slots_len ||
		    r->slots[at].serial !=
			(uint32_t)(events[i].data.u64 >> 32) ||
		    r->slots[at].kind == SLOT_FREE)
			continue;
		if (r->slots[at].kind == SLOT_CONN)
			handle_conn(r, r->slots[at].u.conn, which, &light);
		else
			handle_other(r, &r->slots[at]);
	}
	while ((c = timers_take(&r->timers, now)) != NULL)
		work_add(r, c);
	reactor_unlock(r);
}

/* Accepting again after a pause, trimming, ticks. */
static void
handle_times(struct reactor *r, uint64_t now)
{
	if (atomic_load(&r->accept_stop) && !r->accept_stopped) {
		if (!r->accept_paused)
			listeners_arm(r, false);
		r->accept_stopped = true;
	}
	if (r->accept_paused && now >= r->accept_resume_ms) {
		r->accept_paused = false;
		if (!r->accept_stopped)
			listeners_arm(r, true);
	}
	if (trim_wanted(r) && now >= r->trim_ms) {
		atomic_store(&r->churn, 0);
		r->trim_ms = now + TRIM_INTERVAL_MS;
		(void)reactor_defer(r, trim_memory, NULL, NULL);
	}
	run_ticks(r, now);
}

/* How long epoll_wait may sleep; recorded, so that others can cut it short. */
static int
sleep_ms(struct reactor *r)
{
	uint64_t now = clock_ms(), until;
	struct tick *tick;

	(void)pthread_mutex_lock(&r->lock);
	until = timers_next(&r->timers);
	for (tick = r->ticks; tick != NULL; tick = tick->next)
		if (tick->due_ms < until)
			until = tick->due_ms;
	if (r->accept_paused && r->accept_resume_ms < until)
		until = r->accept_resume_ms;
	if (atomic_load(&r->draining) && r->drain_until_ms < until)
		until = r->drain_until_ms;
	if (trim_wanted(r) && r->trim_ms < until)
		until = r->trim_ms;
	r->sleep_until_ms = until;
	reactor_unlock(r);

	if (until == UINT64_MAX)
		return -1;
	if (until <= now)
		return 0;
	return until - now > 3600000 ? 3600000 : (int)(until - now);
}

int
reactor_run(struct reactor *r, struct err *err)
{
	struct epoll_event events[EVENTS_MAX];
	int count;

	while (!atomic_load(&r->stop) && !drained(r)) {
		count = epoll_wait(r->epfd, events, EVENTS_MAX, sleep_ms(r));
		if (count == -1 && errno != EINTR)
			return err_sys(err, "epoll_wait");
		handle_events(r, events, count == -1 ? 0 : count);
		handle_times(r, clock_ms());
	}
	work_end(r);
	end_conns(r);
	return 0;
}
