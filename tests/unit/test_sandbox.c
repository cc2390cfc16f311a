/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * common/sandbox: what each profile refuses, tried in a child process, and
 * that the libraries we use go on working inside.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <linux/capability.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/file.h"
#include "common/log.h"
#include "common/sandbox.h"

/* Runs attempt in a child; answers its wait status. */
static int
in_child(int (*attempt)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_int_not_equal(pid, -1);
	if (pid == 0)
		_exit(attempt(arg));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

#define EXITED(status, code)                                                   \
	do {                                                                   \
		assert_true(WIFEXITED(status));                                \
		assert_int_equal(WEXITSTATUS(status), code);                   \
	} while (0)

/* 0: it worked; else errno. */
static int
outcome(long result)
{
	return result == -1 ? errno : 0;
}

/* ---- what a gate may not -------------------------------------------- */

static int
try_open(void)
{
	return outcome(open("/etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int
try_openat(void)
{
	return outcome(
	    syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY, 0));
}

static int
try_socket(void)
{
	return outcome(socket(AF_INET, SOCK_STREAM, 0));
}

static int
try_connect(void)
{
	struct sockaddr a = { .sa_family = AF_UNIX };

	return outcome(connect(0, &a, sizeof(a)));
}

static int
try_fork(void)
{
	return outcome(syscall(SYS_fork));
}

static int
try_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? errno : 0;
}

static int
try_unlink(void)
{
	return outcome(unlink("/nonexistent/file"));
}

/* Whether a process is there: who holds a lock file. */
static int
try_probe(void)
{
	return outcome(kill(getppid(), 0));
}

static int
try_kill(void)
{
	return outcome(kill(getppid(), SIGURG)); /* ignored by default */
}

static int
try_execve(void)
{
	char name[] = "/bin/true";
	char *argv[] = { name, NULL };

	return outcome(execve(name, argv, NULL));
}

static int
try_ptrace(void)
{
	return outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int
try_setuid(void)
{
	return outcome(syscall(SYS_setuid, 0));
}

static int
try_setfsuid(void)
{
	(void)setfsuid(getuid());
	return outcome(syscall(SYS_setfsuid, getuid()));
}

#define KILLED (-1)

static const struct attempt {
	const char *name;
	int (*try)(void);
	int gate, session, network; /* errno, 0 or KILLED */
} attempts[] = {
	{ "open", try_open, EPERM, 0, 0 },
	{ "openat", try_openat, EPERM, 0, 0 },
	{ "socket", try_socket, EPERM, EPERM, 0 },
	{ "connect", try_connect, EPERM, EPERM, ENOTSOCK },
	{ "fork", try_fork, EPERM, EPERM, EPERM },
	{ "code", try_code, EPERM, EPERM, EPERM },
	{ "unlink", try_unlink, EPERM, ENOENT, ENOENT },
	{ "probe", try_probe, EPERM, 0, 0 },
	{ "kill", try_kill, EPERM, EPERM, EPERM },
	{ "execve", try_execve, KILLED, KILLED, KILLED },
	{ "ptrace", try_ptrace, KILLED, KILLED, KILLED },
	{ "setuid", try_setuid, KILLED, KILLED, KILLED },
	{ "setfsuid", try_setfsuid, EPERM, EPERM, 0 },
};

struct trial {
	const struct attempt *attempt;
	enum sandbox_profile profile;
};

static int
run_trial(void *arg)
{
	const struct trial *t = arg;
	int devnull = open("/dev/null", O_RDWR | O_CLOEXEC);

	(void)dup2(devnull, 0);
	if (sandbox_seccomp(t->profile, NULL) == -1)
		return 200;
	return t->attempt->try();
}

static void
test_profiles_refuse(void **state)
{
	(void)state;
#ifdef HK_SANITIZERS
	skip(); /* the sanitizers' runtime needs what is refused */
#endif
	for (size_t i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		const struct attempt *a = &attempts[i];
		const int wanted[] = { [SANDBOX_GATE] = a->gate,
			[SANDBOX_SESSION] = a->session,
			[SANDBOX_NETWORK] = a->network };

		for (unsigned p = SANDBOX_GATE; p <= SANDBOX_NETWORK; p++) {
			struct trial t = { a, (enum sandbox_profile)p };
			int status = in_child(run_trial, &t);
			int got =
			    WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
				? KILLED
				: WEXITSTATUS(status);

			if (got != wanted[p])
				fail_msg(
				    "%s under profile %u: %d", a->name, p, got);
		}
	}
}

/* ---- what must go on working --- */

static void *
thread_work(void *arg)
{
	char *p = malloc(300000); /* an arena and a mapping of its own */
	struct timespec t = { 0, 1000000 };

	if (p == NULL)
		return NULL;
	memset(p, 1, 300000);
	(void)nanosleep(&t, NULL);
	free(p);
	return arg;
}

static int
run_work(void *arg)
{
	enum sandbox_profile *profile = arg;
	CLEANUP(fd_close) int fd = -1;
	unsigned char random[16], digest[32];
	unsigned digest_len;
	pthread_t threads[4];
	void *result;

	if (sandbox_seccomp(*profile, NULL) == -1)
		return 1;
	for (int i = 0; i < 4; i++)
		if (pthread_create(&threads[i], NULL, thread_work, arg) != 0)
			return 2;
	for (int i = 0; i < 4; i++)
		if (pthread_join(threads[i], &result) != 0 || result != arg)
			return 3;
	if (RAND_bytes(random, sizeof(random)) != 1 ||
	    getrandom(random, sizeof(random), 0) != sizeof(random))
		return 4;
	if (EVP_Digest("x", 1, digest, &digest_len, EVP_sha256(), NULL) != 1)
		return 5;
	if (file_memfd("x", SPAN("content"), &fd, NULL) == -1)
		return 6;
	log_debug(&log_process, "inside");
	return 0;
}

static void
test_libraries_work_inside(void **state)
{
	(void)state;
	for (unsigned p = SANDBOX_GATE; p <= SANDBOX_NETWORK; p++) {
		enum sandbox_profile profile = (enum sandbox_profile)p;

		EXITED(in_child(run_work, &profile), 0);
	}
}

/* ---- Landlock ------------------------------------------------------- */

struct tree {
	char root[64], mine[80], other[80];
	bool landlock;
};

static int
write_file(const char *directory, const char *name)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	return open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
}

static int
run_landlock(void *arg)
{
	struct tree *t = arg;
	struct sandbox_path path = { .path = t->mine, .write = true };
	char up[200], other[200];
	bool landlock;

	if (sandbox_paths(&path, 1, &landlock, NULL) == -1)
		return 1;
	if (!landlock)
		return 77;
	(void)snprintf(up, sizeof(up), "%s/../other/f", t->mine);
	(void)snprintf(other, sizeof(other), "%s/link", t->mine);
	if (write_file(t->mine, "f") == -1)
		return 2;
	if (write_file(t->other, "g") != -1 || errno != EACCES)
		return 3;
	if (open(up, O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 4;
	if (open(other, O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 5;
	if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) != -1)
		return 6;
	(void)snprintf(up, sizeof(up), "%s/f", t->other);
	if (rename(up, other) != -1)
		return 7;
	return 0;
}

static int
run_landlock_none(void *arg)
{
	struct tree *t = arg;
	bool landlock;

	if (sandbox_paths(NULL, 0, &landlock, NULL) == -1)
		return 1;
	if (!landlock)
		return 77;
	if (open(t->root, O_RDONLY | O_CLOEXEC) != -1 || errno != EACCES)
		return 2;
	return 0;
}

static void
test_session_stays_in_its_tree(void **state)
{
	struct tree t = { .root = "/tmp/hk-unit-XXXXXX" };
	char command[100], link[200];
	int status, none;

	(void)state;
	assert_non_null(mkdtemp(t.root));
	(void)snprintf(t.mine, sizeof(t.mine), "%s/mine", t.root);
	(void)snprintf(t.other, sizeof(t.other), "%s/other", t.root);
	assert_int_equal(mkdir(t.mine, 0700), 0);
	assert_int_equal(mkdir(t.other, 0700), 0);
	fd_close(write_file(t.other, "f"));
	(void)snprintf(link, sizeof(link), "%s/link", t.mine);
	assert_int_equal(symlink("../other/f", link), 0);
	status = in_child(run_landlock, &t);
	none = in_child(run_landlock_none, &t);
	(void)snprintf(command, sizeof(command), "rm -r %s", t.root);
	assert_int_equal(system(command), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* this kernel has no Landlock */
	EXITED(status, 0);
	EXITED(none, 0);
}

/* ---- privileges ----------------------------------------------------- */

static int
run_drop(void *arg)
{
	static const int keep[] = { CAP_SETUID };
	struct err err = ERR_INIT;

	(void)arg;
	if (sandbox_drop(65501, 65502, keep, 1, &err) == -1)
		return 1;
	if (getuid() != 65501 || geteuid() != 65501 || getegid() != 65502 ||
	    getgroups(0, NULL) != 0)
		return 2;
	/* setfsuid answers the former id: twice tells whether it worked. */
	(void)setfsuid(65503);
	if (setfsuid(65501) != 65503)
		return 3;
	if (open("/etc/shadow", O_RDONLY | O_CLOEXEC) != -1)
		return 4;
	/* Once more, keeping nothing. */
	if (sandbox_drop(65501, 65502, NULL, 0, &err) == -1)
		return 5;
	(void)setfsuid(65503);
	if (setfsuid(65501) != 65501)
		return 6;
	if (sandbox_drop(65504, 65502, NULL, 0, &err) != -1 ||
	    err.kind != ERR_POLICY)
		return 7;
	return 0;
}

static void
test_drop(void **state)
{
	struct err err = ERR_INIT;

	(void)state;
	if (geteuid() != 0) {
		assert_int_equal(
		    sandbox_drop(geteuid() + 1, 0, NULL, 0, &err), -1);
		assert_int_equal(err.kind, ERR_POLICY);
		return;
	}
	assert_int_equal(sandbox_drop(0, 0, NULL, 0, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	EXITED(in_child(run_drop, NULL), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_profiles_refuse),
		cmocka_unit_test(test_libraries_work_inside),
		cmocka_unit_test(test_session_stays_in_its_tree),
		cmocka_unit_test(test_drop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
