/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/spawn.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/sandbox.h"

/* One descriptor a connection, and some. */
#define SPAWN_FILES 1048576
/* Environment that is handed on: it configures our tools, not mail. */
static const char *const environment_kept[] = { "TZ", "ASAN_OPTIONS",
	"UBSAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS" };
#define KEPT_LEN (sizeof(environment_kept) / sizeof(environment_kept[0]))

/* ---- the child: only async-signal-safe calls
 * --------------------------------- */

static void __attribute__((noreturn)) child_fail(const char *words)
{
	size_t len = strlen(words);

	(void)!write(2, words, len);
	_exit(127);
}

static void
child_limits(void)
{
	struct rlimit l = { SPAWN_FILES, SPAWN_FILES };

	if (setrlimit(RLIMIT_NOFILE, &l) == 0)
		return;
	/* Without root: as many as are allowed. */
	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &l);
	}
}

static void
child_descriptors(const struct spawn *s)
{
	int null = open("/dev/null", O_RDWR);

	if (null == -1 || dup2(s->in == -1 ? null : s->in, 0) == -1 ||
	    dup2(s->out == -1 ? null : s->out, 1) == -1 ||
	    (s->out != -1 && dup2(s->out, 2) == -1))
		child_fail("hikyakud: descriptors of a new process\n");
	/* dup2 to itself would leave close-on-exec set. */
	if (s->control == 3 && fcntl(3, F_SETFD, 0) == -1)
		child_fail("hikyakud: control of a new process\n");
	if (s->control != -1 && s->control != 3 && dup2(s->control, 3) == -1)
		child_fail("hikyakud: control of a new process\n");
	if (syscall(SYS_close_range, s->control == -1 ? 3 : 4, ~0U, 0) == -1)
		child_fail("hikyakud: close_range\n");
}

static void
child_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn))
child_run(const struct spawn *s, char *const *environment)
{
	struct err err = ERR_INIT;

	(void)setsid();
	child_signals();
	child_limits();
	child_descriptors(s);
	(void)umask(077);
	if (chdir("/") == -1)
		child_fail("hikyakud: chdir /\n");
	if (!s->as_we_are &&
	    sandbox_drop(s->uid, s->gid, s->keep, s->keep_len, &err) == -1)
		child_fail("hikyakud: a new process keeps its privileges\n");
	(void)execve(s->path, s->argv, environment);
	child_fail("hikyakud: a program does not start\n");
}

/* ---- the parent
 * -------------------------------------------------------------- */

extern char **environ;

static void
keep_environment(const char **out)
{
	size_t len = 0;

	out[len++] = "PATH=/usr/bin:/bin";
	out[len++] = "LC_ALL=C.UTF-8";
	for (char **e = environ; e != NULL && *e != NULL; e++)
		for (size_t i = 0; i < KEPT_LEN && len < KEPT_LEN + 2; i++) {
			size_t name = strlen(environment_kept[i]);

			if (strncmp(*e, environment_kept[i], name) == 0 &&
			    (*e)[name] == '=')
				out[len++] = *e;
		}
	out[len] = NULL;
}

int
spawn_start(
    const struct spawn *s, pid_t *pid_out, int *pidfd_out, struct err *err)
{
	const char *environment[KEPT_LEN + 3];
	char *plain[KEPT_LEN + 3];
	pid_t pid;
	long pidfd;

	keep_environment(environment);
	memcpy(plain, environment, sizeof(plain));
	pid = fork();
	if (pid == -1)
		return err_sys(err, "fork");
	if (pid == 0)
		child_run(s, plain);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd == -1) {
		(void)err_sys(err, "pidfd_open");
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return -1;
	}
	(void)fcntl((int)pidfd, F_SETFD, FD_CLOEXEC);
	*pid_out = pid;
	*pidfd_out = (int)pidfd;
	return 0;
}

uint64_t
spawn_start_time(pid_t pid)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	char path[32];
	struct span rest;
	uint64_t ticks = 0;

	buf_init(&text, 4096);
	(void)snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	if (file_read(path, &text, NULL) == -1)
		return 0;
	/* pid (comm) state ...: comm may hold anything, ")" too. */
	rest = buf_span(&text);
	rest = span_from(rest, (size_t)(span_rindex(rest, ')') + 2));
	/* state is field 3 of proc(5); starttime is field 22. */
	for (int field = 3; field < 22; field++) {
		struct span skipped;

		if (!span_take_until(&rest, ' ', &skipped))
			return 0;
	}
	return span_take_u64(&rest, &ticks) ? ticks : 0;
}

int
spawn_adopt(pid_t pid, uint64_t start_time)
{
	CLEANUP(fd_close) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = { .events = POLLIN };

	if (pidfd == -1)
		return -1;
	/* Asked after opening: the pidfd is of the process that has the pid
	 * now, so its start time cannot be a former one's. */
	if (start_time == 0 || spawn_start_time(pid) != start_time)
		return -1;
	/* A zombie still has both. */
	p.fd = pidfd;
	if (poll(&p, 1, 0) != 0)
		return -1;
	return fd_steal(&pidfd);
}

void
spawn_status_text(int status, char *out, size_t size)
{
	if (WIFSIGNALED(status))
		(void)snprintf(out, size, "signal %d (%s)", WTERMSIG(status),
		    sigdescr_np(WTERMSIG(status)));
	else
		(void)snprintf(
		    out, size, "exit status %d", WEXITSTATUS(status));
}
