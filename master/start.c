/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/start.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "common/log.h"
#include "master/admin.h"
#include "master/feed.h"
#include "master/lookup.h"
#include "master/notify.h"
#include "master/state.h"
#include "master/unit.h"
#include "store/account.h"

int
master_programs(char *out, size_t size, struct err *err)
{
	ssize_t len = readlink("/proc/self/exe", out, size - 1);
	char *slash;

	if (len == -1)
		return err_sys(err, "readlink /proc/self/exe");
	out[len] = '\0';
	slash = strrchr(out, '/');
	if (slash == NULL)
		return err_set(err, ERR_TEMP, "where is hikyakud?");
	*slash = '\0';
	return 0;
}

/* ---- directories and the lock
 * --------------------------------------------------- */

/* Makes a missing one; others pass through, and cannot list it. */
static int
base_directory(const char *key, const char *path, int *fd_out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (mkdir(path, 0711) == -1 && errno != EEXIST)
		return err_sys(err, "%s %s", key, path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, "%s %s", key, path);
	if (fd_out != NULL)
		*fd_out = fd_steal(&fd);
	return 0;
}

static int
own_directory(int parent, const char *name, int *fd_out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (mkdirat(parent, name, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", name);
	fd = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 || fchmod(fd, 0700) == -1)
		return err_sys(err, "directory %s", name);
	*fd_out = fd_steal(&fd);
	return 0;
}

static int
start_directories(struct master *m, struct err *err)
{
	const struct daemon_conf *top = &m->conf->top;
	CLEANUP(fd_close) int state = -1;
	mode_t before = umask(022);
	int result = -1;

	if (base_directory(
		"run-directory", top->run_directory, &m->run_dir, err) == 0 &&
	    base_directory(
		"state-directory", top->state_directory, &state, err) == 0 &&
	    store_settle(top->store_directory, state, err) == 0)
		result = 0;
	(void)umask(before);
	if (result == -1)
		return -1;
	if (own_directory(m->run_dir, "control", &m->control_dir, err) == -1)
		return -1;
	return own_directory(m->run_dir, "internal", &m->internal_dir, err);
}

static int
start_lock(struct master *m, struct err *err)
{
	char text[32];
	int len;

	m->pid_file = openat(
	    m->run_dir, "hikyakud.pid", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (m->pid_file == -1)
		return err_sys(err, "hikyakud.pid");
	if (flock(m->pid_file, LOCK_EX | LOCK_NB) == -1)
		return errno == EWOULDBLOCK
			   ? err_set(err, ERR_POLICY,
				 "hikyakud runs already on %s",
				 m->conf->top.run_directory)
			   : err_sys(err, "flock hikyakud.pid");
	len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (ftruncate(m->pid_file, 0) == -1)
		return err_sys(err, "hikyakud.pid");
	return file_write_fd(m->pid_file, span_of(text, (size_t)len), err);
}

/* ---- the loop's descriptors
 * ---------------------------------------------------------- */

static int
start_signals(struct master *m, struct err *err)
{
	static const int numbers[] = { SIGHUP, SIGTERM, SIGINT, SIGCHLD };
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		(void)sigaddset(&set, numbers[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1)
		return err_sys(err, "sigprocmask");
	m->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd == -1)
		return err_sys(err, "signalfd");
	m->signal_watch = (struct watch){ WATCH_SIGNALS, m };
	return master_watch(m, m->signal_fd, &m->signal_watch, err);
}

/* Three descriptors a process, and each listening socket. */
static void
start_limits(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static int
start_services(struct master *m, struct err *err)
{
	if (feed_ticket_secret(m, err) == -1)
		return -1;
	m->sockets = sockets_new(err);
	if (m->sockets == NULL ||
	    lookup_new(m->internal_dir, &m->lookup, err) == -1)
		return -1;
	m->lookup_watch = (struct watch){ WATCH_LOOKUP, m };
	if (master_watch(m, lookup_fd(m->lookup), &m->lookup_watch, err) == -1)
		return -1;
	return admin_new(m, &m->admin, err);
}

/* ---- adoption
 * ------------------------------------------------------------------------- */

#define ADOPT_WAIT_MS 5000

/* A process that does not answer keeps its sockets, so it has to go. */
static void
adoption_kill(struct master *m, struct unit *u)
{
	struct pollfd p = { .fd = u->pidfd, .events = POLLIN };

	log_error(&log_process,
	    "daemon does not answer its new hikyakud; killed",
	    log_str("daemon", u->name), log_i64("pid", u->pid));
	(void)kill(u->pid, SIGKILL);
	(void)poll(&p, 1, ADOPT_WAIT_MS);
	unit_ended(m, u);
}

/*
 * The living give their sockets back before any is opened: an address that
 * one of them holds is not free.
 */
static void
start_adoption(struct master *m)
{
	uint64_t deadline = master_now_ms() + ADOPT_WAIT_MS;

	m->adopting = true;
	state_adopt(m);
	for (struct unit *u = m->units; u != NULL; u = u->next) {
		while (u->pidfd != -1 && !u->adopted) {
			struct pollfd p[2] = {
				{ .fd = u->control, .events = POLLIN },
				{ .fd = u->pidfd, .events = POLLIN },
			};

			(void)poll(p, 2, 100);
			if (p[0].revents != 0)
				unit_control(m, u);
			if (p[1].revents != 0)
				unit_ended(m, u);
			else if (master_now_ms() >= deadline ||
				 (u->control == -1 && !u->adopted))
				adoption_kill(m, u);
		}
	}
}

int
master_start(struct master *m, struct err *err)
{
	m->epfd = m->signal_fd = m->pid_file = -1;
	m->run_dir = m->control_dir = m->internal_dir = -1;
	m->started_ms = master_now_ms();
	m->since = (int64_t)time(NULL);
	m->state_dirty = true;
	(void)umask(077);
	start_limits();
	m->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (m->epfd == -1)
		return err_sys(err, "epoll_create1");
	if (start_directories(m, err) == -1 || start_lock(m, err) == -1 ||
	    feed_log(m->conf, err) == -1 || start_signals(m, err) == -1 ||
	    start_services(m, err) == -1)
		return -1;
	start_adoption(m);
	if (sockets_open(m->sockets, m->conf, m->internal_dir, err) == -1)
		return -1;
	if (units_wanted(m, err) == -1)
		return -1;
	m->adopting = false;
	for (struct unit *u = m->units; u != NULL; u = u->next)
		if (u->unwanted && u->pidfd != -1)
			unit_drain(m, u, m->conf->top.drain_wait * 1000);
		else if (u->stale)
			unit_reload(m, u);
	sockets_commit(m->sockets);
	m->notify = notify_new();
	log_info(&log_process, "hikyakud runs",
	    log_str("version", PACKAGE_VERSION), log_str("file", m->conf->file),
	    log_i64("pid", getpid()));
	return 0;
}

void
master_fini(struct master *m)
{
	while (m->units != NULL)
		unit_free(m, m->units);
	while (m->directories != NULL) {
		struct directory_waiter *w = m->directories;

		m->directories = w->next;
		free(w);
	}
	admin_free(m->admin);
	lookup_free(m->lookup);
	sockets_free(m->sockets);
	notify_free(m->notify);
	master_conf_free(m->conf);
	if (m->ticket_secret.data != NULL)
		explicit_bzero(m->ticket_secret.data, m->ticket_secret.cap);
	buf_fini(&m->ticket_secret);
	fd_close(m->ready_fd);
	fd_close(m->internal_dir);
	fd_close(m->control_dir);
	fd_close(m->run_dir);
	fd_close(m->pid_file);
	fd_close(m->signal_fd);
	fd_close(m->epfd);
}
