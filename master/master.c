/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/master.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "master/admin.h"
#include "master/feed.h"
#include "master/lookup.h"
#include "master/loop.h"
#include "master/nightly.h"
#include "master/notify.h"
#include "master/reload.h"
#include "master/request.h"
#include "master/state.h"
#include "master/unit.h"

/* Idle session processes are looked at so often, at least. */
#define LOOP_WAIT_MS 1000
#define LOOP_EVENTS 64

uint64_t
master_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int
master_watch(struct master *m, int fd, struct watch *w, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = w };

	if (epoll_ctl(m->epfd, EPOLL_CTL_ADD, fd, &event) == -1)
		return err_sys(err, "epoll_ctl");
	return 0;
}

/* ---- the start is over when every daemon is ready
 * --------------------------------- */

static void
tell_starter(struct master *m, const char *text)
{
	if (m->ready_fd == -1)
		return;
	(void)!write(m->ready_fd, text, strlen(text));
	fd_close(m->ready_fd);
	m->ready_fd = -1;
}

void
master_check_started(struct master *m)
{
	if (m->started || m->phase != PHASE_RUN)
		return;
	for (const struct unit *u = m->units; u != NULL; u = u->next) {
		char text[160];

		if (u->role == DAEMON_SESSION || u->state == UNIT_READY)
			continue;
		if (u->backoff_ms != 0) {
			(void)snprintf(
			    text, sizeof(text), "failed %s\n", u->name);
			tell_starter(m, text);
		}
		return;
	}
	m->started = true;
	log_info(&log_process, "platform ready",
	    log_u64("wait_ms", master_now_ms() - m->started_ms));
	tell_starter(m, "ready\n");
	notify_send(m->notify, "READY=1");
}

/* ---- the end
 * ------------------------------------------------------------------------- */

/* Servers first, then who they hand mail to, then whom all ask. */
static enum master_phase
phase_of(const struct unit *u)
{
	if (strcmp(u->service->name, "tenantd") == 0)
		return PHASE_DIRECTORY;
	if (strcmp(u->service->name, "deliveryd") == 0)
		return PHASE_DELIVERY;
	return PHASE_SERVERS;
}

static void
stop_phase(struct master *m, enum master_phase phase)
{
	m->phase = phase;
	for (struct unit *u = m->units; u != NULL; u = u->next)
		if (phase_of(u) == phase && u->state != UNIT_DRAINING)
			unit_drain(m, u, m->conf->top.drain_wait * 1000);
}

void
master_stop(struct master *m)
{
	if (m->phase != PHASE_RUN) {
		/* Asked twice: whoever asks is in a hurry. */
		for (struct unit *u = m->units; u != NULL; u = u->next)
			if (u->pidfd != -1)
				(void)kill(u->pid, SIGKILL);
		return;
	}
	log_info(&log_process, "hikyakud stops",
	    log_u64("wait_s", m->conf->top.drain_wait));
	notify_send(m->notify, "STOPPING=1");
	tell_starter(m, "failed hikyakud\n");
	nightly_stop(m);
	stop_phase(m, PHASE_SERVERS);
	master_stop_step(m);
}

void
master_stop_step(struct master *m)
{
	while (m->phase != PHASE_RUN && m->phase != PHASE_DONE) {
		for (const struct unit *u = m->units; u != NULL; u = u->next)
			if (phase_of(u) == m->phase && u->pidfd != -1)
				return;
		stop_phase(m, m->phase + 1);
	}
}

/* ---- events
 * ----------------------------------------------------------------------------
 */

static void
handle_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (
	    read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			reload_begin(m);
		else if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			master_stop(m);
		/* SIGCHLD: each process's pidfd tells, and is waited for. */
	}
}

static void
handle_lookups(struct master *m)
{
	struct lookup_answer a;

	while (lookup_take(m->lookup, &a))
		request_tenant_known(m, a.tenant, a.uid, a.gid,
		    a.trouble.kind == ERR_NONE ? NULL : &a.trouble);
}

static void
handle(struct master *m, const struct watch *w)
{
	struct unit *u = w->object;

	switch (w->kind) {
	case WATCH_SIGNALS:
		handle_signals(m);
		break;
	case WATCH_PROCESS:
		if (u->pidfd != -1)
			unit_ended(m, u);
		break;
	case WATCH_CONTROL:
		if (u->control != -1)
			unit_control(m, u);
		break;
	case WATCH_LOOKUP:
		handle_lookups(m);
		break;
	case WATCH_ADMIN:
		admin_accept(m);
		break;
	case WATCH_ADMIN_CLIENT:
		admin_ready(m, w->object);
		break;
	}
}

/* The system's log has a new socket: everybody gets a new connection. */
static void
follow_syslog(struct master *m)
{
	struct stat st;

	if (m->conf->top.log_target != LOG_TO_SYSLOG ||
	    stat("/dev/log", &st) == -1)
		return;
	if (m->syslog_inode != 0 && m->syslog_inode != st.st_ino) {
		(void)feed_log(m->conf, NULL);
		for (struct unit *u = m->units; u != NULL; u = u->next)
			unit_reload(m, u);
	}
	m->syslog_inode = st.st_ino;
}

/* What is due; answers how long the loop may sleep. */
static int
tick(struct master *m)
{
	uint64_t now = master_now_ms(), next = now + LOOP_WAIT_MS, due;

	for (struct unit *u = m->units; u != NULL; u = u->next)
		unit_tick(m, u, now);
	reload_step(m);
	master_stop_step(m);
	master_check_started(m);
	follow_syslog(m);
	nightly_tick(m);
	due = notify_watchdog(m->notify, now);
	if (due != 0 && due < next)
		next = due;
	for (const struct unit *u = m->units; u != NULL; u = u->next)
		if (u->due_ms != 0 && u->due_ms < next)
			next = u->due_ms;
	now = master_now_ms();
	return next > now && m->phase != PHASE_DONE ? (int)(next - now) : 0;
}

/* Objects die here, where no event can still be about them. */
static void
sweep(struct master *m)
{
	struct unit *u, *next;

	for (u = m->units; u != NULL; u = next) {
		next = u->next;
		if (u->unwanted && u->pidfd == -1)
			unit_free(m, u);
	}
	admin_sweep(m);
	state_save(m);
}

int
master_loop(struct master *m, struct err *err)
{
	struct epoll_event events[LOOP_EVENTS];

	while (m->phase != PHASE_DONE) {
		int n = epoll_wait(m->epfd, events, LOOP_EVENTS, tick(m));

		if (n == -1 && errno != EINTR)
			return err_sys(err, "epoll_wait");
		for (int i = 0; i < n; i++)
			handle(m, events[i].data.ptr);
		sweep(m);
	}
	return 0;
}
