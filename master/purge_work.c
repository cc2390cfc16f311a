/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/purge_work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sandbox.h"

/* ---- in the process ---- */

struct pacing {
	uint64_t rate;
	int64_t until_s;
	uint64_t due_ns; /* of the next message */
};

static uint64_t
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static bool
pace(void *arg)
{
	struct pacing *p = arg;
	uint64_t now = now_ns();

	if ((int64_t)(now / 1000000000U) >= p->until_s)
		return false;
	if (p->due_ns < now)
		p->due_ns = now;
	p->due_ns += 1000000000U / p->rate;
	/* A short sleep costs more than it is long. */
	if (p->due_ns > now + 5000000U) {
		uint64_t left = p->due_ns - now;

		(void)nanosleep(
		    &(struct timespec){ .tv_sec = (time_t)(left / 1000000000U),
			.tv_nsec = (long)(left % 1000000000U) },
		    NULL);
	}
	return true;
}

static void
work(struct store *s, const struct purge_spec *spec, struct pacing *p,
    const struct purge_task *task, struct purge_report *report)
{
	CLEANUP(account_unref) struct account *a = NULL;
	struct err err = ERR_INIT;

	*report = (struct purge_report){ .failed = false };
	if (account_open(s, span_str(spec->tenant), span_str(task->account),
		ACCOUNT_EXISTING, &a, &err) == -1) {
		/* No Maildir yet. */
		if (err.kind == ERR_POLICY)
			return;
	} else if (account_purge(a, &task->days, time(NULL), pace, p,
		       &report->result, &err) == 0) {
		return;
	}
	report->failed = true;
	(void)snprintf(report->trouble, sizeof(report->trouble), "%s%s%s",
	    err.text, err.os == 0 ? "" : ": ",
	    err.os == 0 ? "" : strerror(err.os));
}

static int
confine(const struct purge_spec *spec, struct err *err)
{
	const struct sandbox_path path = { spec->store_path, true };
	bool landlock;

	if (spec->drop &&
	    sandbox_drop(spec->uid, spec->gid, NULL, 0, err) == -1)
		return -1;
	/* Without whoever tells it what to do it ends; and the kernel forgets
	 * this when the uid changes. */
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) == -1)
		return err_sys(err, "prctl");
	return sandbox_paths(&path, 1, &landlock, err);
}

static void __attribute__((noreturn))
worker_main(const struct purge_spec *spec, int fd)
{
	const struct store_options options = { .path = spec->store_path };
	struct pacing p = { .rate = spec->rate, .until_s = spec->until_s };
	struct purge_report report;
	struct purge_task task;
	struct store *s = NULL;
	struct err err = ERR_INIT;

	if (confine(spec, &err) == -1 || store_new(&options, &s, &err) == -1) {
		(void)fprintf(
		    stderr, "hikyaku: %s: %s\n", spec->tenant, err.text);
		_exit(1);
	}
	while (recv(fd, &task, sizeof(task), 0) == (ssize_t)sizeof(task)) {
		work(s, spec, &p, &task, &report);
		if (send(fd, &report, sizeof(report), MSG_NOSIGNAL) !=
		    (ssize_t)sizeof(report))
			break;
	}
	store_free(s);
	_exit(0);
}

/* ---- outside ---- */

int
purge_worker_start(const struct purge_spec *spec,
    struct purge_worker *worker_out, struct err *err)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == -1)
		return err_sys(err, "socketpair");
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		(void)close(fds[0]);
		worker_main(spec, fds[1]);
	}
	(void)close(fds[1]);
	if (pid == -1) {
		(void)err_sys(err, "fork");
		(void)close(fds[0]);
		return -1;
	}
	*worker_out = (struct purge_worker){ pid, fds[0] };
	return 0;
}

int
purge_worker_do(struct purge_worker *w, const struct purge_task *task,
    struct purge_report *report_out, struct err *err)
{
	ssize_t len = -1;

	if (send(w->fd, task, sizeof(*task), MSG_NOSIGNAL) ==
	    (ssize_t)sizeof(*task))
		do
			len = recv(w->fd, report_out, sizeof(*report_out), 0);
		while (len == -1 && errno == EINTR);
	if (len == (ssize_t)sizeof(*report_out))
		return 0;
	return err_set(err, ERR_CLOSED, "the process that purges ended");
}

void
purge_worker_end(struct purge_worker *w)
{
	if (w->fd == -1)
		return;
	(void)close(w->fd);
	while (waitpid(w->pid, NULL, 0) == -1 && errno == EINTR)
		;
	w->fd = -1;
}
