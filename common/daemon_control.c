/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control: until daemon_attach whoever asks hikyakud reads the socket
 * itself; afterwards a thread does, so that a worker which waits for an
 * answer never waits for the reactor.
 */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon_private.h"
#include "common/log.h"

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- the connection
 * ------------------------------------------------------------ */

static uid_t
peer_uid(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return (uid_t)-1;
	return peer.uid;
}

/* Puts fd (-1: none) in the connection's place. */
static void
control_replace(struct daemon *d, int fd)
{
	(void)pthread_mutex_lock(&d->lock);
	fd_close(d->control_fd);
	d->control_fd = fd;
	/* Whoever waits for an answer of the old one waits in vain. */
	for (struct daemon_question *q = d->questions; q != NULL; q = q->next)
		q->lost = true;
	(void)pthread_cond_broadcast(&d->changed);
	(void)pthread_mutex_unlock(&d->lock);
}

static void
control_accept(struct daemon *d)
{
	int fd =
	    accept4(d->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd == -1)
		return;
	if (peer_uid(fd) != d->master) {
		log_warning(&log_process, "control connection refused",
		    log_u64("uid", peer_uid(fd)));
		fd_close(fd);
		return;
	}
	control_replace(d, fd);
}

/* Sends an answer if hikyakud is still there. */
static void
control_answer(struct daemon *d, struct control_draft *draft)
{
	struct err err = ERR_INIT;
	int sent = 0;

	(void)pthread_mutex_lock(&d->lock);
	if (d->control_fd != -1)
		sent = control_send(draft, d->control_fd, 0, &err);
	(void)pthread_mutex_unlock(&d->lock);
	if (sent == -1)
		log_warning(
		    &log_process, "hikyakud takes no answer", log_err(&err));
}

static void
control_answer_plain(struct daemon *d, uint32_t serial, const struct err *err)
{
	CLEANUP(control_draft_fini)
	struct control_draft draft = { .fds_len = 0 };

	control_begin(&draft, err == NULL ? CONTROL_OK : CONTROL_ERROR, serial);
	if (err != NULL) {
		packet_put_u64(&draft.text, CONTROL_KIND, (uint64_t)err->kind);
		packet_put_str(&draft.text, CONTROL_TEXT, err->text);
	}
	control_answer(d, &draft);
}

/* ---- what hikyakud asks
 * ---------------------------------------------------------- */

static void
handle_start(struct daemon *d, struct control_packet *p)
{
	struct err err = ERR_INIT;

	if (atomic_load(&d->settings) != NULL) {
		(void)err_set(&err, ERR_POLICY, "started already");
	} else {
		d->counters_fd = control_packet_take_fd(p, "counters");
		if (d->counters_fd != -1 &&
		    counters_map(d->counters_fd, &d->counters, &err) == -1)
			goto failed;
		if (daemon_listeners_take(d, p, &err) == -1 ||
		    daemon_settings_take(d, p, &err) == -1)
			goto failed;
		control_answer_plain(d, p->head.serial, NULL);
		return;
	}
failed:
	control_answer_plain(d, p->head.serial, &err);
}

static void
handle_adopt(struct daemon *d, struct control_packet *p)
{
	CLEANUP(control_draft_fini)
	struct control_draft draft = { .fds_len = 0 };

	control_begin(&draft, CONTROL_OK, p->head.serial);
	packet_put_u64(&draft.text, CONTROL_STATE,
	    d->ready ? CONTROL_STATE_READY : CONTROL_STATE_STARTING);
	if (d->counters_fd != -1)
		control_put_fd(&draft, "counters", d->counters_fd);
	for (size_t i = 0; i < d->listeners_len; i++) {
		char name[48] = "listen:";

		strcat(name, d->listeners[i].name);
		control_put_fd(&draft, name, d->listeners[i].fd);
	}
	control_answer(d, &draft);
}

struct reload_task {
	struct daemon *d;
	uint32_t serial;
};

/* On a worker. */
static void
reload_run(void *arg)
{
	struct reload_task *task = arg;
	struct daemon *d = task->d;

	if (d->reload != NULL)
		d->reload(d, d->reload_arg);
	log_info(&log_process, "configuration reloaded");
	control_answer_plain(d, task->serial, NULL);
	free(task);
}

static void
handle_reload(struct daemon *d, struct control_packet *p)
{
	struct reload_task *task = malloc(sizeof(*task));
	struct err err = ERR_INIT;

	if (task == NULL)
		(void)err_set(&err, ERR_TEMP, "out of memory");
	else if (!d->ready)
		(void)err_set(&err, ERR_TEMP, "still starting");
	else if (daemon_settings_take(d, p, &err) == 0 &&
		 daemon_listeners_take(d, p, &err) == 0) {
		*task = (struct reload_task){ d, p->head.serial };
		if (reactor_defer(d->reactor, reload_run, task, &err) == 0)
			return;
	}
	free(task);
	log_error(&log_process, "reload refused", log_err(&err));
	control_answer_plain(d, p->head.serial, &err);
}

static void
handle_drain(struct daemon *d, struct control_packet *p)
{
	control_answer_plain(d, p->head.serial, NULL);
	log_info(&log_process, "draining", log_u64("wait_ms", p->wait_ms));
	if (d->reactor == NULL) /* nobody is served yet */
		exit(0);
	reactor_drain(d->reactor,
	    p->wait_ms > UINT32_MAX ? UINT32_MAX : (unsigned)p->wait_ms);
}

static void
handle_answer(struct daemon *d, struct control_packet *p)
{
	struct daemon_question *q;

	(void)pthread_mutex_lock(&d->lock);
	for (q = d->questions; q != NULL; q = q->next)
		if (q->serial == p->head.serial && !q->answered)
			break;
	if (q != NULL) {
		q->answered = true;
		if (p->head.type == CONTROL_ERROR)
			(void)control_err(p, &q->err);
		else
			q->fd = control_packet_take_fd(p, "peer");
		(void)pthread_cond_broadcast(&d->changed);
	}
	(void)pthread_mutex_unlock(&d->lock);
}

static void
control_handle(struct daemon *d, struct control_packet *p)
{
	switch (p->head.type) {
	case CONTROL_START:
		handle_start(d, p);
		break;
	case CONTROL_ADOPT:
		handle_adopt(d, p);
		break;
	case CONTROL_RELOAD:
		handle_reload(d, p);
		break;
	case CONTROL_DRAIN:
		handle_drain(d, p);
		break;
	case CONTROL_OK:
	case CONTROL_ERROR:
		handle_answer(d, p);
		break;
	default:
		log_warning(&log_process, "control packet of unknown type",
		    log_u64("type", p->head.type));
	}
}

static void
control_read(struct daemon *d)
{
	CLEANUP(control_packet_fini) struct control_packet p;
	struct err err = ERR_INIT;

	if (control_recv(d->control_fd, &d->room, &p, 0, &err) == 0) {
		control_handle(d, &p);
	} else if (err.os != ETIMEDOUT) {
		if (err.kind != ERR_CLOSED)
			log_warning(&log_process, "control connection broke",
			    log_err(&err));
		control_replace(d, -1);
	}
}

/*
 * Waits for one event of control and handles it.  For whoever reads control;
 * nobody else changes control_fd, so it may be read here without the lock.
 */
static void
control_step(struct daemon *d, int timeout_ms)
{
	struct pollfd p[3] = {
		{ .fd = d->control_fd, .events = POLLIN }, /* -1: ignored */
		{ .fd = d->listen_fd, .events = POLLIN },
		{ .fd = d->wake_fd, .events = POLLIN },
	};

	if (poll(p, 3, timeout_ms) <= 0)
		return;
	if (p[0].revents != 0)
		control_read(d);
	if (p[1].revents != 0)
		control_accept(d);
}

/* ---- start and end
 * --------------------------------------------------------------- */

int
daemon_control_start(struct daemon *d, struct err *err)
{
	uint64_t deadline = now_ms() + DAEMON_START_WAIT_MS, now;

	/* A listening socket's credentials are those of who called listen. */
	d->master = peer_uid(d->listen_fd);
	if (d->master == (uid_t)-1)
		return err_set(err, ERR_POLICY,
		    "no control socket: %s is started by hikyakud",
		    d->spec.name);
	while (atomic_load(&d->settings) == NULL) {
		now = now_ms();
		if (now >= deadline)
			return err_set(
			    err, ERR_TEMP, "hikyakud sends no START");
		control_step(d, (int)(deadline - now));
	}
	return 0;
}

static void *
control_run(void *arg)
{
	struct daemon *d = arg;
	bool ending;

	do {
		control_step(d, -1);
		(void)pthread_mutex_lock(&d->lock);
		ending = d->ending;
		(void)pthread_mutex_unlock(&d->lock);
	} while (!ending);
	return NULL;
}

int
daemon_control_thread(struct daemon *d, struct err *err)
{
	CLEANUP(control_draft_fini)
	struct control_draft draft = { .fds_len = 0 };

	d->ready = true;
	errno = pthread_create(&d->thread, NULL, control_run, d);
	if (errno != 0)
		return err_sys(err, "control thread");
	d->threaded = true;
	control_begin(&draft, CONTROL_READY, 0);
	control_answer(d, &draft);
	return 0;
}

void
daemon_control_end(struct daemon *d)
{
	uint64_t one = 1;

	if (d->threaded) {
		(void)pthread_mutex_lock(&d->lock);
		d->ending = true;
		(void)pthread_mutex_unlock(&d->lock);
		(void)!write(d->wake_fd, &one, sizeof(one));
		(void)pthread_join(d->thread, NULL);
	}
	fd_close(d->control_fd);
	d->control_fd = -1;
}

/* ---- what a daemon asks
 * ------------------------------------------------------------ */

static void
wait_changed(struct daemon *d, uint64_t deadline)
{
	uint64_t now = now_ms(), left = deadline > now ? deadline - now : 0;
	struct timespec until;

	if (!d->threaded) {
		/* This thread is the one that reads control. */
		(void)pthread_mutex_unlock(&d->lock);
		control_step(d, (int)left);
		(void)pthread_mutex_lock(&d->lock);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)(left / 1000);
	until.tv_nsec += (long)(left % 1000) * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	(void)pthread_cond_clockwait(
	    &d->changed, &d->lock, CLOCK_MONOTONIC, &until);
}

/*
 * With the lock held.  Both requests may be repeated: a hikyakud that died
 * and its successor together do no more than once is needed.
 */
static int
ask_locked(struct daemon *d, struct control_draft *draft,
    struct daemon_question *q, struct err *err)
{
	uint64_t deadline = now_ms() + DAEMON_ASK_WAIT_MS;

	while (!q->answered) {
		while (d->control_fd == -1 && now_ms() < deadline)
			wait_changed(d, deadline);
		if (d->control_fd == -1)
			return err_set(err, ERR_TEMP, "hikyakud is not there");
		q->lost = false;
		if (control_send(draft, d->control_fd, 0, err) == -1 &&
		    err->kind != ERR_CLOSED)
			return -1;
		while (!q->answered && !q->lost && now_ms() < deadline)
			wait_changed(d, deadline);
		if (!q->answered && now_ms() >= deadline)
			return err_set(
			    err, ERR_TEMP, "hikyakud does not answer");
	}
	if (q->err.kind != ERR_NONE)
		*err = q->err;
	return q->err.kind != ERR_NONE ? -1 : 0;
}

static int
daemon_ask(struct daemon *d, enum control_type type, const char *name,
    const char *tenant, unsigned shard, int *fd_out, struct err *err)
{
	CLEANUP(control_draft_fini)
	struct control_draft draft = { .fds_len = 0 };
	struct daemon_question q = { .fd = -1, .err = ERR_INIT }, **at;
	int result;

	struct err own = ERR_INIT;

	if (err == NULL)
		err = &own;
	(void)pthread_mutex_lock(&d->lock);
	/* Never 0, which READY bears. */
	q.serial = ++d->serial == 0 ? ++d->serial : d->serial;
	control_begin(&draft, type, q.serial);
	if (name != NULL)
		packet_put_str(&draft.text, CONTROL_NAME, name);
	if (tenant != NULL)
		packet_put_str(&draft.text, CONTROL_TENANT, tenant);
	packet_put_u64(&draft.text, CONTROL_SHARD, shard);
	q.next = d->questions;
	d->questions = &q;
	result = ask_locked(d, &draft, &q, err);
	for (at = &d->questions; *at != &q; at = &(*at)->next)
		;
	*at = q.next;
	(void)pthread_mutex_unlock(&d->lock);
	if (result == 0 && fd_out != NULL) {
		if (q.fd == -1)
			return err_set(
			    err, ERR_TEMP, "%s: no descriptor came", name);
		*fd_out = fd_steal(&q.fd);
	}
	fd_close(q.fd);
	return result;
}

uid_t
daemon_master_uid(const struct daemon *d)
{
	return d->master;
}

int
daemon_connect(struct daemon *d, const char *name, const char *tenant,
    unsigned shard, int *fd_out, struct err *err)
{
	*fd_out = -1;
	return daemon_ask(d, CONTROL_CONNECT, name, tenant, shard, fd_out, err);
}

int
daemon_tenant_directory(struct daemon *d, const char *tenant, struct err *err)
{
	return daemon_ask(d, CONTROL_DIRECTORY, NULL, tenant, 0, NULL, err);
}
