/* SPDX-License-Identifier: BSD-2-Clause */
/* The life of a conn, and when its session is served. */
#include "common/conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "common/conn_private.h"
#include "common/counters.h"
#include "common/reactor_private.h"
#include "common/tls.h"

/* ---- birth -----------------------------------------------------------------
 */

void
conn_address_text(const struct sockaddr_storage *address,
    char text[CONN_ADDRESS_SIZE], uint16_t *port_out)
{
	const struct sockaddr_in *in4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;

	*port_out = 0;
	if (address->ss_family == AF_INET) {
		(void)inet_ntop(
		    AF_INET, &in4->sin_addr, text, CONN_ADDRESS_SIZE);
		*port_out = ntohs(in4->sin_port);
	} else if (address->ss_family == AF_INET6) {
		/* One client, one text, whichever socket accepted it. */
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
			(void)inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12],
			    text, CONN_ADDRESS_SIZE);
		else
			(void)inet_ntop(
			    AF_INET6, &in6->sin6_addr, text, CONN_ADDRESS_SIZE);
		*port_out = ntohs(in6->sin6_port);
	} else {
		(void)strcpy(text, "unix");
	}
}

static void
peer_init(struct conn_peer *peer, int fd)
{
	socklen_t len = sizeof(peer->address);
	struct ucred cred;

	peer->uid = (uid_t)-1;
	if (getpeername(fd, (struct sockaddr *)&peer->address, &len) == -1)
		peer->address.ss_family = AF_UNSPEC;
	len = sizeof(peer->local);
	if (getsockname(fd, (struct sockaddr *)&peer->local, &len) == -1)
		peer->local.ss_family = AF_UNSPEC;
	if (peer->local.ss_family == AF_UNIX) {
		len = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0)
			peer->uid = cred.uid;
		peer->address.ss_family = AF_UNSPEC;
		peer->local.ss_family = AF_UNSPEC;
	}
	conn_address_text(&peer->address, peer->address_text, &peer->port);
	conn_address_text(&peer->local, peer->local_text, &peer->local_port);
}

void
conn_socket_options(int fd)
{
	int on = 1;

	/* Output leaves in as few pieces as can be; waiting for more of it
	 * only delays replies.  Neither option exists on Unix sockets. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
}

/* Refuses what was not decided on; sets what a mail connection wants. */
static int
socket_prepare(int fd, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags == -1 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return err_sys(err, "fcntl");
	conn_socket_options(fd);
	return 0;
}

static int
conn_register(struct conn *c, struct err *err)
{
	struct reactor *r = c->r;
	size_t conns = atomic_load(&r->conns) + 1;

	if (timers_reserve(&r->timers, conns, err) == -1 ||
	    reactor_slot_new(r, SLOT_CONN, c, &c->slot, err) == -1)
		return -1;
	atomic_store(&r->conns, conns);
	c->tenant = &r->queue.nobody;
	return 0;
}

int
conn_new(struct reactor *r, int fd, const struct conn_options *options,
    struct conn **conn_out, struct err *err)
{
	CLEANUP(fd_close) int owned = fd;
	CLEANUP(mem_free) struct conn *c = calloc(1, sizeof(*c));
	int result;

	if (c == NULL)
		return err_sys(err, "connection");
	if (!options->ready && socket_prepare(fd, err) == -1)
		return -1;
	c->r = r;
	c->fd = fd;
	c->got_fd = -1;
	c->options = *options;
	c->mode = options->tls == NULL ? MODE_SESSION : MODE_HANDSHAKE;
	if (options->tls != NULL)
		c->tls = tls_context_ref(options->tls);
	c->must_serve = true;
	c->read_events = EPOLLIN;
	c->write_events = EPOLLOUT;
	buf_init(&c->in, options->line_max + CONN_READ_BULK);
	c->options.peer = NULL; /* the caller's */
	if (options->peer != NULL)
		c->peer = *options->peer;
	else
		peer_init(&c->peer, fd);
	c->is_unix = options->relayed || c->peer.local.ss_family == AF_UNSPEC;

	(void)pthread_mutex_lock(&r->lock);
	result = conn_register(c, err);
	if (result == 0) {
		/* Before a worker can run it, let alone free it. */
		if (conn_out != NULL)
			*conn_out = c;
		if (options->light_start)
			work_own(c);
		else
			work_add(r, c);
		owned = -1;
	}
	reactor_unlock(r);
	if (result == -1)
		tls_context_unref(c->tls);
	else if (options->light_start)
		conn_run_light(STEAL(c));
	else
		(void)STEAL(c);
	return result;
}

/* ---- death -----------------------------------------------------------------
 */

static void
tell_closed(struct conn *c)
{
	if (c->closed_told)
		return;
	c->closed_told = true;
	if (c->options.service->closed != NULL)
		c->options.service->closed(c->options.session);
	c->options.session = NULL;
	c->options.log = &log_process;
}

static void
conn_unregister(struct conn *c, bool running)
{
	struct reactor *r = c->r;

	(void)pthread_mutex_lock(&r->lock);
	/* A descriptor that lives on elsewhere would stay in epoll. */
	if (c->registered[0])
		(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	if (c->registered[1])
		(void)epoll_ctl(r->epfd, EPOLL_CTL_DEL, c->relay->fd, NULL);
	timers_remove(&r->timers, c);
	reactor_slot_free(r, c->slot);
	if (running)
		work_release(r, c);
	queue_tenant_unref(&r->queue, c->tenant);
	if (atomic_fetch_sub(&r->conns, 1) == 1 && atomic_load(&r->draining))
		reactor_wake(r);
	reactor_unlock(r);
}

static void
conn_free(struct conn *c, bool running)
{
	tell_closed(c);
	reactor_churn(c->r);
	conn_unregister(c, running);
	conn_output_drop(c);
	conn_gather_fini(c);
	conn_relay_fini(c);
	conn_tls_fini(c);
	fd_close(c->fd);
	free(c->err);
	fd_close(c->got_fd);
	free(c);
}

void
conn_abort(struct conn *c)
{
	conn_free(c, false);
}

void
conn_forget_fd(struct conn *c)
{
	(void)pthread_mutex_lock(&c->r->lock);
	if (c->registered[0])
		(void)epoll_ctl(c->r->epfd, EPOLL_CTL_DEL, c->fd, NULL);
	c->registered[0] = false;
	c->armed[0] = 0;
	reactor_unlock(c->r);
}

/* ---- waking -----------------------------------------------------------------
 */

static void
conn_schedule(struct conn *c)
{
	if (c->state == CONN_PARKED)
		work_add(c->r, c);
}

void
conn_fired(struct conn *c, unsigned which)
{
	c->armed[which] = 0;
	c->fired |= (uint8_t)(1U << which);
}

void
conn_ready(struct conn *c)
{
	conn_schedule(c);
}

/* A session that waits for nothing but its client's next line. */
static bool
awaits_line(const struct conn *c)
{
	return c->mode == MODE_SESSION && c->options.service->light != NULL &&
	       c->want == WANT_LINE && c->out.pending == 0 &&
	       c->pause_until_ms == 0 && !c->must_serve && !c->deaf &&
	       c->broken == BROKEN_NO && !atomic_load(&c->wake);
}

bool
conn_is_light(const struct conn *c)
{
	if (c->state != CONN_PARKED)
		return false;
	/* In the first two the session is elsewhere, or was told of the end. */
	return c->mode == MODE_RELAY || c->mode == MODE_LINGER ||
	       awaits_line(c);
}

void
conn_wake(struct conn *c)
{
	struct reactor *r = c->r;

	(void)pthread_mutex_lock(&r->lock);
	atomic_store(&c->wake, true);
	if (c->wakeable)
		conn_schedule(c);
	reactor_unlock(r);
}

bool
conn_woken(struct conn *c)
{
	bool woken = c->was_woken;

	c->was_woken = false;
	return atomic_exchange(&c->wake, false) || woken;
}

/* A session with nothing on its hands hears of the drain once. */
static bool
drain_due(const struct conn *c)
{
	return atomic_load(&c->r->draining) && !c->drain_told && c->park.idle;
}

void
conn_drain(struct conn *c)
{
	if (c->state == CONN_PARKED && drain_due(c))
		work_add(c->r, c);
}

bool
conn_draining(const struct conn *c)
{
	return atomic_load(&c->r->draining);
}

void
conn_tenant(struct conn *c, const char *tenant)
{
	(void)pthread_mutex_lock(&c->r->lock);
	/* Without memory it goes on where it was. */
	(void)work_move(c->r, c, tenant);
	reactor_unlock(c->r);
}

/* ---- parking ----------------------------------------------------------------
 */

static int
arm(struct conn *c, unsigned which, int fd)
{
	uint32_t events = c->park.events[which];
	struct epoll_event event = { .events = events | EPOLLONESHOT };

	if (events == 0) {
		/* Even without events epoll would report a hang-up. */
		if (c->registered[which])
			(void)epoll_ctl(c->r->epfd, EPOLL_CTL_DEL, fd, NULL);
		c->registered[which] = false;
		c->armed[which] = 0;
		return 0;
	}
	if (c->armed[which] == events)
		return 0;
	event.data.u64 = reactor_slot_data(c->r, c->slot, which);
	if (epoll_ctl(c->r->epfd,
		c->registered[which] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd,
		&event) == -1)
		return -1;
	c->registered[which] = true;
	c->armed[which] = events;
	return 0;
}

/*
 * Gives the conn up.  After STEP_PARK it is no longer the caller's.  A wake
 * that came meanwhile: STEP_AGAIN.
 */
static enum step
park(struct conn *c)
{
	struct reactor *r = c->r;

	(void)pthread_mutex_lock(&r->lock);
	if ((c->park.wakeable && atomic_load(&c->wake)) || drain_due(c)) {
		reactor_unlock(r);
		return STEP_AGAIN;
	}
	if (arm(c, 0, c->fd) == -1 ||
	    (c->relay != NULL && arm(c, 1, c->relay->fd) == -1)) {
		reactor_unlock(r);
		conn_fail(c, ERR_TEMP, "epoll_ctl");
		return STEP_END;
	}
	timers_set(&r->timers, c, c->park.until_ms);
	reactor_wake_before(r, c->park.until_ms);
	c->wakeable = c->park.wakeable;
	c->state = CONN_PARKED;
	work_release(r, c);
	reactor_unlock(r);
	return STEP_PARK;
}

static void
yield_turn(struct conn *c)
{
	struct reactor *r = c->r;

	(void)pthread_mutex_lock(&r->lock);
	work_release(r, c);
	work_add(r, c);
	reactor_unlock(r);
}

enum step
conn_wait_for(struct conn *c, uint32_t events, uint64_t until_ms)
{
	c->park.events[0] = events;
	c->park.events[1] = 0;
	c->park.until_ms = until_ms;
	c->park.wakeable = false;
	c->park.idle = false;
	return STEP_PARK;
}

/* ---- the session ---------------------------------------------------- */

static enum step
serve(struct conn *c)
{
	c->must_serve = false;
	c->asked = c->deaf = false;
	c->lines = 0;
	c->gather_yield = false;
	if (atomic_exchange(&c->wake, false))
		c->was_woken = true;
	if (atomic_load(&c->r->draining))
		c->drain_told = true;

	switch (c->options.service->serve(c, c->options.session)) {
	case VERDICT_PARK:
		return STEP_AGAIN;
	case VERDICT_CLOSE:
		c->mode = MODE_CLOSING;
		c->out.began_ms = c->out.progress_ms = clock_ms();
		c->out.taken = 0;
		return STEP_AGAIN;
	case VERDICT_GONE:
		break;
	}
	return STEP_END;
}

/*
 * Serves a session because something came, or ended.  One that takes nothing
 * of it waits for our side and would be called again and again: until a wake
 * its client is not listened to.  One that was told of the end and stays has
 * forgotten to close.
 */
static enum step
serve_or_close(struct conn *c)
{
	enum step next = serve(c);

	if (next != STEP_AGAIN || c->mode != MODE_SESSION)
		return next;
	if (!c->asked) {
		/* The time that passes now is ours, not the client's. */
		c->deaf = true;
		c->timed_out = false;
	} else if (c->broken != BROKEN_NO) {
		c->mode = MODE_CLOSING;
	}
	return STEP_AGAIN;
}

static enum step
deaf_step(struct conn *c)
{
	uint64_t deadline = conn_gather_deadline(c);

	if (clock_ms() >= deadline) {
		c->timed_out = true;
		c->began_ms = c->progress_ms = 0;
		return serve_or_close(c);
	}
	(void)conn_wait_for(c, 0, deadline);
	c->park.wakeable = true;
	return STEP_PARK;
}

/* True when output keeps the session waiting; *step_out says how. */
static bool
output_first(struct conn *c, enum step *step_out)
{
	switch (conn_output_drain(c)) {
	case DRAIN_DONE:
		/* The client's time begins when it has all of ours. */
		c->began_ms = clock_ms();
		return false;
	case DRAIN_BROKEN:
		return false;
	case DRAIN_YIELD:
		*step_out = STEP_YIELD;
		return true;
	case DRAIN_WAIT:
		break;
	}
	if (clock_ms() >= conn_output_deadline(c)) {
		conn_output_break(c, BROKEN_TIMEOUT);
		return false;
	}
	*step_out = conn_wait_for(c, c->write_events, conn_output_deadline(c));
	return true;
}

static enum step
gather_step(struct conn *c)
{
	switch (conn_gather(c)) {
	case GATHER_DONE:
		if (c->here && !conn_gather_light(c))
			return STEP_YIELD;
		return serve_or_close(c);
	case GATHER_YIELD:
		return STEP_YIELD;
	case GATHER_WAIT:
		break;
	}
	if (clock_ms() >= conn_gather_deadline(c)) {
		if (c->here)
			return STEP_YIELD;
		c->timed_out = true;
		counter_add(c->options.counters, COUNTER_TIMEOUTS, 1);
		c->began_ms = c->progress_ms = 0;
		return serve_or_close(c);
	}
	conn_gather_release(c);
	(void)conn_wait_for(c, c->read_events, conn_gather_deadline(c));
	c->park.wakeable = true;
	c->park.idle = conn_gather_idle(c);
	return STEP_PARK;
}

static enum step
session_step(struct conn *c)
{
	enum step step;

	if (c->out.pending > 0 && output_first(c, &step))
		return step;
	if (c->pause_until_ms != 0) {
		if (clock_ms() < c->pause_until_ms) {
			conn_gather_release(c);
			return conn_wait_for(c, 0, c->pause_until_ms);
		}
		c->pause_until_ms = 0;
		c->began_ms = clock_ms();
		c->must_serve = true;
	}
	if (c->must_serve || atomic_load(&c->wake))
		return serve(c);
	if (c->deaf)
		return deaf_step(c);
	if (c->broken != BROKEN_NO)
		return serve_or_close(c);
	/* Told to drain while parked idle, nothing else having happened. */
	if (c->park.idle && drain_due(c) && !c->readable)
		return serve(c);
	return gather_step(c);
}

/* ---- the end of a session ------------------------------------------- */

static enum step
closing_step(struct conn *c)
{
	uint64_t deadline;

	if (c->out.pending > 0) {
		switch (conn_output_drain(c)) {
		case DRAIN_WAIT:
			deadline = conn_output_deadline(c);
			if (c->out.progress_ms + CONN_CLOSE_MS < deadline)
				deadline = c->out.progress_ms + CONN_CLOSE_MS;
			if (clock_ms() >= deadline)
				return STEP_END;
			return conn_wait_for(c, c->write_events, deadline);
		case DRAIN_YIELD:
			return STEP_YIELD;
		case DRAIN_BROKEN:
			return STEP_END;
		case DRAIN_DONE:
			break;
		}
	}
	tell_closed(c);
	if (c->broken != BROKEN_NO || c->eof)
		return STEP_END;
	conn_tls_shutdown(c);
	/*
	 * Closing with unread input makes the kernel answer RST, which may
	 * destroy our last reply before the client has read it.
	 */
	(void)shutdown(c->fd, SHUT_WR);
	if (c->is_unix)
		return STEP_END;
	conn_gather_fini(c);
	conn_tls_fini(c);
	c->mode = MODE_LINGER;
	c->pause_until_ms = clock_ms() + CONN_LINGER_MS;
	return STEP_AGAIN;
}

static enum step
linger_step(struct conn *c)
{
	char waste[4096];
	size_t got;
	unsigned i;

	for (i = 0; i < 64; i++) {
		switch (conn_io_read(c, waste, sizeof(waste), &got)) {
		case IO_OK:
			continue;
		case IO_CLOSED:
			return STEP_END;
		case IO_AGAIN:
			break;
		}
		break;
	}
	if (clock_ms() >= c->pause_until_ms)
		return STEP_END;
	return conn_wait_for(c, EPOLLIN, c->pause_until_ms);
}

/* ---- a worker's turn ------------------------------------------------ */

static enum step
step(struct conn *c)
{
	switch (c->mode) {
	case MODE_HANDSHAKE:
		return conn_tls_step(c);
	case MODE_SESSION:
		return session_step(c);
	case MODE_CLOSING:
		return closing_step(c);
	case MODE_LINGER:
		return linger_step(c);
	case MODE_RELAY:
		return conn_relay_step(c);
	}
	return STEP_END;
}

static void
run(struct conn *c, bool here)
{
	enum step next;

	c->turn = 0;
	c->turn_max = here ? CONN_LIGHT_TURN : CONN_READ_TURN;
	c->here = here;
	do {
		next = step(c);
		if (next == STEP_PARK)
			next = park(c);
	} while (next == STEP_AGAIN);
	if (next == STEP_YIELD)
		yield_turn(c);
	else if (next == STEP_END)
		conn_free(c, true);
}

void
conn_run(struct conn *c)
{
	run(c, false);
}

void
conn_run_light(struct conn *c)
{
	run(c, true);
}

/* ---- settings ------------------------------------------------------- */

void
conn_wait_ms(struct conn *c, unsigned wait_ms)
{
	c->options.wait_ms = wait_ms;
}

void
conn_pause(struct conn *c, unsigned ms)
{
	c->pause_until_ms = clock_ms() + ms;
}

const struct conn_peer *
conn_peer(const struct conn *c)
{
	return &c->peer;
}
