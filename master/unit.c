/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/unit.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/log.h"
#include "master/feed.h"
#include "master/request.h"
#include "master/spawn.h"

const char *
unit_role_name(enum daemon_role role)
{
	static const char *const names[] = { [DAEMON_ONLY] = "daemon",
		[DAEMON_GATE] = "gate",
		[DAEMON_SESSION] = "session" };

	return names[role];
}

/* ---- the list
 * ------------------------------------------------------------------ */

enum daemon_role
unit_main_role(const struct service *service)
{
	return service->gated ? DAEMON_GATE : DAEMON_ONLY;
}

static void
unit_name(struct unit *u)
{
	const char *name = u->service->name;

	if (u->role == DAEMON_ONLY)
		(void)snprintf(u->name, sizeof(u->name), "%s", name);
	else if (u->role == DAEMON_GATE)
		(void)snprintf(u->name, sizeof(u->name), "%s-gate", name);
	else
		(void)snprintf(u->name, sizeof(u->name), "%s-session-%s-%u",
		    name, u->tenant, u->shard);
}

void
unit_title(const struct unit *u, char *out, size_t size)
{
	if (u->role == DAEMON_SESSION)
		(void)snprintf(out, size, "%s session %s %u", u->service->name,
		    u->tenant, u->shard);
	else
		(void)snprintf(out, size, "%s%s", u->service->name,
		    u->role == DAEMON_GATE ? " gate" : "");
}

struct unit *
unit_new(struct master *m, const struct service *service, enum daemon_role role,
    const char *tenant, unsigned shard)
{
	struct unit *u = calloc(1, sizeof(*u)), **at;

	if (u == NULL)
		return NULL;
	u->id = ++m->last_id;
	u->service = service;
	u->role = role;
	u->shard = shard;
	(void)snprintf(u->tenant, sizeof(u->tenant), "%s", tenant);
	u->pidfd = u->control = u->counters_fd = u->session_fd = -1;
	u->process_watch = (struct watch){ WATCH_PROCESS, u };
	u->control_watch = (struct watch){ WATCH_CONTROL, u };
	unit_name(u);
	for (at = &m->units; *at != NULL; at = &(*at)->next)
		;
	*at = u;
	return u;
}

struct unit *
unit_find(struct master *m, const struct service *service,
    enum daemon_role role, const char *tenant, unsigned shard)
{
	struct unit *u;

	for (u = m->units; u != NULL; u = u->next)
		if (u->service == service && u->role == role &&
		    u->shard == shard && strcmp(u->tenant, tenant) == 0)
			break;
	return u;
}

struct unit *
unit_by_id(struct master *m, uint64_t id)
{
	struct unit *u;

	for (u = m->units; u != NULL && u->id != id; u = u->next)
		;
	return u;
}

/* Closing a descriptor takes it out of epoll, as no copy of it is left. */
static void
unit_hang_up(struct unit *u)
{
	fd_close(u->control);
	u->control = -1;
	u->start_serial = u->adopt_serial = u->reload_serial = 0;
}

void
unit_free(struct master *m, struct unit *u)
{
	struct unit **at;

	for (at = &m->units; *at != NULL && *at != u; at = &(*at)->next)
		;
	if (*at == u)
		*at = u->next;
	unit_hang_up(u);
	fd_close(u->pidfd);
	counters_unmap(u->counters);
	fd_close(u->counters_fd);
	fd_close(u->session_fd);
	while (u->waiters != NULL) {
		struct waiter *w = u->waiters;

		u->waiters = w->next;
		free(w);
	}
	free(u);
	m->state_dirty = true;
}

int
units_wanted(struct master *m, struct err *err)
{
	for (size_t i = 0; i < services_len; i++) {
		const struct service *s = &services[i];
		enum daemon_role role = unit_main_role(s);
		struct unit *u = unit_find(m, s, role, "", 0);

		if (!master_conf_wants(m->conf, s)) {
			for (u = m->units; u != NULL; u = u->next)
				u->unwanted |= u->service == s;
			continue;
		}
		if (u == NULL)
			u = unit_new(m, s, role, "", 0);
		if (u == NULL)
			return err_set(err, ERR_TEMP, "out of memory");
		u->unwanted = false;
		if (master_conf_user(m->conf, s, &u->uid, &u->gid, err) == -1)
			return -1;
		if (u->state == UNIT_DOWN && u->due_ms == 0)
			u->due_ms = 1;
	}
	return 0;
}

/* ---- start
 * ----------------------------------------------------------------------- */

/* Later, and each time later still. */
static void
unit_back_off(struct master *m, struct unit *u)
{
	unsigned wait =
	    u->backoff_ms == 0 ? UNIT_BACKOFF_MIN_MS : u->backoff_ms * 2;

	u->backoff_ms = wait > UNIT_BACKOFF_MAX_MS ? UNIT_BACKOFF_MAX_MS : wait;
	u->state = UNIT_DOWN;
	/* Session processes start when somebody asks. */
	u->due_ms = u->role == DAEMON_SESSION && u->waiters == NULL
			? 0
			: master_now_ms() + u->backoff_ms;
	m->state_dirty = true;
}

static void
unit_start_failed(struct master *m, struct unit *u, const struct err *why)
{
	log_error(&log_process, "daemon does not start",
	    log_str("daemon", u->name), log_err(why));
	unit_hang_up(u);
	unit_answer_waiters(m, u, why);
	unit_back_off(m, u);
}

static int
unit_counters(struct unit *u, struct err *err)
{
	if (u->counters != NULL)
		return 0;
	if (counters_create(&u->counters_fd, err) == -1)
		return -1;
	return counters_map(u->counters_fd, &u->counters, err);
}

static int
unit_connect(struct master *m, struct unit *u, struct err *err)
{
	if (socket_connect_beneath(m->control_dir, u->name, SOCK_SEQPACKET,
		&u->control, err) == -1)
		return -1;
	return master_watch(m, u->control, &u->control_watch, err);
}

static int
unit_spawn(struct master *m, struct unit *u, int control, struct err *err)
{
	char path[4200], role[32], tenant[80], shard[32];
	char *argv[] = { path, role, tenant, shard, NULL };
	struct spawn s = { .path = path,
		.argv = argv,
		.uid = u->uid,
		.gid = u->gid,
		.keep = u->role == DAEMON_ONLY ? u->service->keep : NULL,
		.keep_len = u->role == DAEMON_ONLY ? u->service->keep_len : 0,
		.in = -1,
		.control = control };
	CLEANUP(fd_close) int output = feed_output(m);

	s.out = output;
	(void)snprintf(
	    path, sizeof(path), "%s/%s", m->programs, u->service->name);
	(void)snprintf(role, sizeof(role), "--role=%s",
	    u->role == DAEMON_GATE ? "gate" : "session");
	(void)snprintf(tenant, sizeof(tenant), "--tenant=%s", u->tenant);
	(void)snprintf(shard, sizeof(shard), "--shard=%u", u->shard);
	if (u->role == DAEMON_ONLY)
		argv[1] = NULL;
	else if (u->role == DAEMON_GATE)
		argv[2] = NULL;
	if (spawn_start(&s, &u->pid, &u->pidfd, err) == -1)
		return -1;
	u->child = true;
	u->start_time = spawn_start_time(u->pid);
	u->since = (int64_t)time(NULL);
	return master_watch(m, u->pidfd, &u->process_watch, err);
}

static int
unit_start_try(struct master *m, struct unit *u, struct err *err)
{
	CLEANUP(fd_close) int control = -1;

	if (unit_counters(u, err) == -1 || feed_directories(m, u, err) == -1 ||
	    socket_bind_beneath(
		m->control_dir, u->name, SOCK_SEQPACKET, &control, err) == -1)
		return -1;
	if (u->role == DAEMON_SESSION) {
		fd_close(u->session_fd);
		u->session_fd = -1;
		if (socket_bind_beneath(m->internal_dir, u->name,
			SOCK_SEQPACKET, &u->session_fd, err) == -1)
			return -1;
	}
	if (unit_connect(m, u, err) == -1 || feed_start(m, u, err) == -1 ||
	    unit_spawn(m, u, control, err) == -1)
		return -1;
	return 0;
}

void
unit_start(struct master *m, struct unit *u)
{
	struct err err = ERR_INIT;

	u->stale = false;
	if (unit_start_try(m, u, &err) == -1) {
		if (u->pidfd != -1) {
			(void)kill(u->pid, SIGKILL);
			(void)waitpid(u->pid, NULL, 0);
			fd_close(u->pidfd);
			u->pidfd = -1;
		}
		unit_start_failed(m, u, &err);
		return;
	}
	u->state = UNIT_STARTING;
	u->due_ms = master_now_ms() + UNIT_START_WAIT_MS;
	m->state_dirty = true;
	log_info(&log_process, "daemon started", log_str("daemon", u->name),
	    log_i64("pid", u->pid), log_u64("uid", u->uid));
}

/* ---- adoption
 * ------------------------------------------------------------------------ */

bool
unit_adopt(struct master *m, struct unit *u, pid_t pid, uint64_t start_time,
    int64_t since, unsigned restarts)
{
	struct err err = ERR_INIT;

	u->pidfd = spawn_adopt(pid, start_time);
	if (u->pidfd == -1)
		return false;
	u->pid = pid;
	u->start_time = start_time;
	u->since = since;
	u->restarts = restarts;
	u->state = UNIT_STARTING;
	u->due_ms = master_now_ms() + UNIT_START_WAIT_MS;
	if (master_watch(m, u->pidfd, &u->process_watch, &err) == 0 &&
	    unit_connect(m, u, &err) == 0 && feed_adopt(u, &err) == 0)
		return true;
	log_warning(&log_process, "daemon not adopted; it is ended",
	    log_str("daemon", u->name), log_err(&err));
	(void)kill(pid, SIGKILL);
	return true; /* until its pidfd tells that it is gone */
}

/* ---- the end
 * -------------------------------------------------------------------------- */

static void
unit_log_end(const struct unit *u)
{
	char ended[64] = "gone";
	bool wanted = u->state == UNIT_DRAINING;
	int status;

	if (u->child && waitpid(u->pid, &status, WNOHANG) == u->pid)
		spawn_status_text(status, ended, sizeof(ended));
	log_event(&log_process, wanted ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR,
	    wanted ? "daemon ended" : "daemon died",
	    (const struct log_field[]){ log_str("daemon", u->name),
		log_i64("pid", u->pid), log_str("how", ended), log_end });
}

void
unit_ended(struct master *m, struct unit *u)
{
	bool wanted = u->state == UNIT_DRAINING;
	bool was_starting = u->state == UNIT_STARTING;
	uint64_t now = master_now_ms();
	struct err why = ERR_INIT;

	unit_log_end(u);
	unit_hang_up(u);
	fd_close(u->pidfd);
	u->pidfd = -1;
	u->pid = 0;
	fd_close(u->session_fd);
	u->session_fd = -1;
	m->state_dirty = true;
	/* Who would have counted its sessions down is dead. */
	if (u->counters != NULL)
		atomic_store(&u->counters->value[COUNTER_SESSIONS], 0);
	if (wanted) {
		u->state = UNIT_DOWN;
		/* Somebody asked for it while it ended. */
		u->due_ms = u->waiters != NULL && !u->unwanted ? 1 : 0;
		return;
	}
	if (was_starting) {
		(void)err_set(&why, ERR_TEMP, "%s does not start", u->name);
		unit_answer_waiters(m, u, &why);
	} else if (now - u->ready_ms > UNIT_STEADY_MS) {
		u->backoff_ms = 0;
	}
	u->restarts++;
	unit_back_off(m, u);
	if (u->due_ms != 0)
		log_info(&log_process, "daemon restarts",
		    log_str("daemon", u->name),
		    log_u64("wait_ms", u->backoff_ms));
}

void
unit_drain(struct master *m, struct unit *u, uint64_t wait_ms)
{
	struct err err = ERR_INIT;

	if (u->pidfd == -1) {
		u->state = UNIT_DOWN;
		u->due_ms = 0;
		return;
	}
	/* One that is still starting has nobody to be kind to. */
	if (u->state != UNIT_READY || feed_drain(u, wait_ms, &err) == -1)
		(void)kill(u->pid, SIGKILL);
	u->state = UNIT_DRAINING;
	u->due_ms = master_now_ms() + wait_ms + 2000;
	m->state_dirty = true;
}

void
unit_reload(struct master *m, struct unit *u)
{
	struct err err = ERR_INIT;

	if (u->state != UNIT_READY) {
		u->stale = true;
		return;
	}
	u->stale = false;
	if (feed_reload(m, u, &err) == -1)
		log_error(&log_process, "daemon does not take its reload",
		    log_str("daemon", u->name), log_err(&err));
}

/* ---- what it says
 * --------------------------------------------------------------------- */

static void
unit_is_ready(struct master *m, struct unit *u)
{
	if (u->state != UNIT_STARTING)
		return;
	u->state = UNIT_READY;
	u->ready_ms = u->idle_ms = master_now_ms();
	u->due_ms = 0;
	m->state_dirty = true;
	log_info(&log_process, "daemon ready", log_str("daemon", u->name),
	    log_i64("pid", u->pid));
	unit_answer_waiters(m, u, NULL);
	if (u->stale && !m->adopting)
		unit_reload(m, u);
}

/* The packet that answers our START, ADOPT or RELOAD. */
static void
unit_answer(struct master *m, struct unit *u, struct control_packet *p)
{
	uint32_t serial = p->head.serial;
	bool failed = p->head.type == CONTROL_ERROR;

	if (serial == 0)
		return;
	if (serial == u->start_serial || serial == u->adopt_serial) {
		if (failed) {
			log_error(&log_process, "daemon refuses to start",
			    log_str("daemon", u->name),
			    log_str("why", p->text));
			(void)kill(u->pid, SIGKILL);
		} else if (serial == u->adopt_serial) {
			feed_adopted(m, u, p);
			u->adopted = true;
			log_info(&log_process, "daemon adopted",
			    log_str("daemon", u->name), log_i64("pid", u->pid));
			/* What it runs on may be old. */
			u->stale = true;
			if (p->state == CONTROL_STATE_READY)
				unit_is_ready(m, u);
		}
	} else if (serial == u->reload_serial) {
		u->reload_serial = 0;
		if (failed) {
			log_error(&log_process, "daemon refuses its reload",
			    log_str("daemon", u->name),
			    log_str("why", p->text));
			(void)snprintf(m->reload_trouble,
			    sizeof(m->reload_trouble), "%s: %s", u->name,
			    p->text);
		}
	}
}

static void
unit_packet(struct master *m, struct unit *u, struct control_packet *p)
{
	switch (p->head.type) {
	case CONTROL_OK:
	case CONTROL_ERROR:
		unit_answer(m, u, p);
		break;
	case CONTROL_READY:
		unit_is_ready(m, u);
		break;
	case CONTROL_CONNECT:
		request_connect(m, u, p);
		break;
	case CONTROL_DIRECTORY:
		request_directory(m, u, p);
		break;
	default:
		log_warning(&log_process, "control packet of unknown type",
		    log_str("daemon", u->name), log_u64("type", p->head.type));
	}
}

void
unit_control(struct master *m, struct unit *u)
{
	CLEANUP(control_packet_fini) struct control_packet p;
	CLEANUP(buf_fini) struct buf room = { .max = 0 };
	struct err err = ERR_INIT;

	buf_init(&room, PACKET_MAX);
	if (control_recv(u->control, &room, &p, 0, &err) == 0) {
		unit_packet(m, u, &p);
		return;
	}
	if (err.os == ETIMEDOUT)
		return;
	/*
	 * A daemon never hangs up or breaks the protocol while it is well.
	 * If it does not end by itself, it is not trusted any further.
	 */
	unit_hang_up(u);
	if (err.kind == ERR_CLOSED && u->state == UNIT_DRAINING)
		return;
	if (err.kind != ERR_CLOSED) {
		log_error(&log_process, "daemon breaks the control protocol",
		    log_str("daemon", u->name), log_err(&err));
		(void)kill(u->pid, SIGKILL);
	} else {
		/* Its death is about to be told, if it is one. */
		u->due_ms = master_now_ms() + 1000;
	}
}

/* ---- time
 * -----------------------------------------------------------------------------
 */

static void
unit_reap_idle(struct master *m, struct unit *u, uint64_t now)
{
	if (atomic_load(&u->counters->value[COUNTER_SESSIONS]) != 0) {
		u->idle_ms = now;
		return;
	}
	if (now - u->idle_ms < m->conf->top.session_idle * 1000)
		return;
	log_info(&log_process, "session process without clients ends",
	    log_str("daemon", u->name), log_i64("pid", u->pid));
	unit_drain(m, u, m->conf->top.drain_wait * 1000);
}

void
unit_tick(struct master *m, struct unit *u, uint64_t now)
{
	if (u->role == DAEMON_SESSION && u->state == UNIT_READY &&
	    u->counters != NULL && m->phase == PHASE_RUN)
		unit_reap_idle(m, u, now);
	if (u->due_ms == 0 || now < u->due_ms)
		return;
	u->due_ms = 0;
	switch (u->state) {
	case UNIT_DOWN:
		if (m->phase == PHASE_RUN && !u->unwanted)
			unit_start(m, u);
		break;
	case UNIT_STARTING:
		log_error(&log_process, "daemon is not ready in time",
		    log_str("daemon", u->name), log_i64("pid", u->pid));
		(void)kill(u->pid, SIGKILL);
		break;
	case UNIT_DRAINING:
		log_warning(&log_process, "daemon does not end; killed",
		    log_str("daemon", u->name), log_i64("pid", u->pid));
		(void)kill(u->pid, SIGKILL);
		break;
	case UNIT_READY: /* its control is lost, and it did not end */
		(void)kill(u->pid, SIGKILL);
		break;
	case UNIT_LOOKUP:
		break;
	}
}
