/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The nursery, and engines: processes that hold signatures.  Neither ever
 * sees a message.  What they have to say goes to the milter, which logs it.
 */
#include <clamav.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/sandbox.h"
#include "common/span.h"
#include "milters/scan.h"

/* A scanner is not started more often than this, should all of them die. */
#define RESTART_MS 100

/* Everything but standard descriptors and the control socket, which becomes
 * descriptor 3. */
static int
keep_control(int control)
{
	if (control != 3 && dup3(control, 3, O_CLOEXEC) == -1)
		_exit(1);
	(void)close_range(4, ~0U, 0);
	return 3;
}

/* ---- the nursery ----------------------------------------------------------
 */

static void
engine_start(int control, const struct scan_options *options)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		_exit(1);
	pid = fork();
	if (pid == 0) {
		(void)signal(SIGCHLD, SIG_DFL);
		scan_engine(keep_control(ends[1]), options);
	}
	fd_close(ends[1]);
	/* Without a process the other end is closed, which says enough. */
	if (scan_send(control, SCAN_ENGINE, 0, NULL, ends[0], NULL) == -1)
		_exit(1);
	fd_close(ends[0]);
}

void
scan_nursery(int control, const struct scan_options *options)
{
	struct scan_packet p;
	int passed;

	control = keep_control(control);
	(void)prctl(PR_SET_NAME, "nursery", 0, 0, 0);
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	while (scan_recv(control, &p, &passed, -1, NULL) == 0) {
		fd_close(passed);
		if (p.word == SCAN_LOAD)
			engine_start(control, options);
	}
	_exit(0);
}

/* ---- the signatures -------------------------------------------------------
 */

static uint64_t
mix(uint64_t hash, const void *octets, size_t len)
{
	const unsigned char *p = octets;

	while (len-- > 0)
		hash = (hash ^ *p++) * 0x100000001b3;
	return hash;
}

int
scan_fingerprint(
    const char *directory, uint64_t *fingerprint_out, struct err *err)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry;
	uint64_t sum = 0;

	if (dir == NULL)
		return err_sys(err, "open %s", directory);
	while ((entry = readdir(dir)) != NULL) {
		struct stat st;
		uint64_t hash = 0xcbf29ce484222325;

		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == -1 ||
		    !S_ISREG(st.st_mode))
			continue;
		hash = mix(hash, entry->d_name, strlen(entry->d_name));
		hash = mix(hash, &st.st_ino, sizeof(st.st_ino));
		hash = mix(hash, &st.st_size, sizeof(st.st_size));
		hash = mix(hash, &st.st_mtim, sizeof(st.st_mtim));
		sum += hash; /* in whichever order they are read */
	}
	(void)closedir(dir);
	*fingerprint_out = sum;
	return 0;
}

struct engine {
	int control, signals;
	int statm; /* /proc/self/statm, opened before files are shut off */
	uint64_t space;
	const struct scan_options *options;
	struct cl_engine *cl;
	uint64_t fingerprint, seen;
	uint64_t number; /* of the last scanner */
	struct {
		pid_t pid; /* 0: none */
		uint64_t number;
	} * scanners;
};

static void
quiet(enum cl_msg severity, const char *full, const char *text, void *context)
{
	(void)severity;
	(void)full;
	(void)text;
	(void)context;
}

static int
limits_set(struct cl_engine *cl, const struct scan_limits *l, struct err *err)
{
	const struct {
		enum cl_engine_field field;
		uint64_t value;
	} numbers[] = {
		{ CL_ENGINE_MAX_SCANSIZE, l->total_max },
		{ CL_ENGINE_MAX_FILESIZE, l->file_max },
		{ CL_ENGINE_MAX_RECURSION, l->depth_max },
		{ CL_ENGINE_MAX_FILES, l->files_max },
		{ CL_ENGINE_MAX_SCANTIME, l->time_ms },
		{ CL_ENGINE_BYTECODE_SECURITY, CL_BYTECODE_TRUST_SIGNED },
	};

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		cl_error_t code = cl_engine_set_num(
		    cl, numbers[i].field, (long long)numbers[i].value);

		if (code != CL_SUCCESS)
			return err_set(err, ERR_TEMP, "limit %d: %s",
			    (int)numbers[i].field, cl_strerror(code));
	}
	return 0;
}

static int
engine_load(struct engine *e, unsigned *count_out, struct err *err)
{
	const char *directory = e->options->signatures;
	cl_error_t code;

	*count_out = 0;
	if (scan_fingerprint(directory, &e->fingerprint, err) == -1)
		return -1;
	e->seen = e->fingerprint;
	e->cl = cl_engine_new();
	if (e->cl == NULL)
		return err_set(err, ERR_TEMP, "cl_engine_new");
	if (limits_set(e->cl, &e->options->limits, err) == -1)
		return -1;
	code = cl_load(directory, e->cl, count_out, CL_DB_STDOPT);
	if (code == CL_SUCCESS)
		code = cl_engine_compile(e->cl);
	if (code != CL_SUCCESS)
		return err_set(
		    err, ERR_TEMP, "%s: %s", directory, cl_strerror(code));
	if (*count_out == 0)
		return err_set(
		    err, ERR_TEMP, "%s: no signature in it", directory);
	return 0;
}

/* Octets of address space: the signatures, mostly. */
static int
engine_measure(struct engine *e, struct err *err)
{
	char text[64];
	ssize_t len = pread(e->statm, text, sizeof(text), 0);
	struct span rest = span_of(text, len < 0 ? 0 : (size_t)len);
	uint64_t pages;

	if (!span_take_u64(&rest, &pages))
		return err_sys(err, "/proc/self/statm");
	e->space = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* It reads signatures and writes into the scratch directory: no more. */
static int
engine_confine(const struct scan_options *options, struct err *err)
{
	const struct sandbox_path paths[] = {
		{ .path = options->signatures },
		{ .path = options->scratch, .write = true },
	};
	bool landlock;

	return sandbox_paths(
	    paths, sizeof(paths) / sizeof(paths[0]), &landlock, err);
}

/* ---- scanners -------------------------------------------------------------
 */

static void
scratch_path(const struct engine *e, size_t slot, char *out, size_t size)
{
	(void)snprintf(
	    out, size, "%s/%ld-%zu", e->options->scratch, (long)getpid(), slot);
}

/* What a scanner that was killed has left; it made no deeper trees itself,
 * but libclamav does. */
static void
scratch_empty(int parent, const char *name, unsigned depth)
{
	int fd = openat(
	    parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *dir = fd == -1 ? NULL : fdopendir(fd);
	const struct dirent *entry;

	if (dir == NULL) {
		fd_close(fd);
		return;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
		    strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(fd, entry->d_name, 0) == -1 && depth < 32) {
			scratch_empty(fd, entry->d_name, depth + 1);
			(void)unlinkat(fd, entry->d_name, AT_REMOVEDIR);
		}
	}
	(void)closedir(dir);
}

static void
scanner_child(struct engine *e, int control, const char *scratch)
{
	pid_t parent = getppid();
	sigset_t none;

	control = keep_control(control);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != parent)
		_exit(1);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	scan_worker(control, e->cl, scratch, &e->options->limits, e->space);
}

static void
scanner_start(struct engine *e, size_t slot)
{
	char scratch[4096];
	int ends[2];
	pid_t pid;

	scratch_path(e, slot, scratch, sizeof(scratch));
	scratch_empty(AT_FDCWD, scratch, 0);
	if (mkdir(scratch, 0700) == -1 && errno != EEXIST)
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == -1)
		return;
	pid = fork();
	if (pid == 0)
		scanner_child(e, ends[1], scratch);
	fd_close(ends[1]);
	e->scanners[slot].pid = pid == -1 ? 0 : pid;
	e->scanners[slot].number = ++e->number;
	if (pid != -1 && scan_send(e->control, SCAN_SCANNER, e->number, NULL,
			     ends[0], NULL) == -1)
		_exit(0);
	fd_close(ends[0]);
}

static void
scanners_start(struct engine *e)
{
	for (size_t i = 0; i < e->options->limits.scanners; i++)
		if (e->scanners[i].pid == 0)
			scanner_start(e, i);
}

static void
scanners_reap(struct engine *e)
{
	struct timespec nap = { .tv_nsec = RESTART_MS * 1000 * 1000 };
	bool any = false;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (size_t i = 0; i < e->options->limits.scanners; i++)
			if (e->scanners[i].pid == pid) {
				e->scanners[i].pid = 0;
				any = true;
			}
	if (!any)
		return;
	(void)nanosleep(&nap, NULL);
	scanners_start(e);
}

/* ---- the engine's life ----------------------------------------------------
 */

/* Told once a change has stayed for one look: files are still being written
 * at the first. */
static void
look_for_change(struct engine *e)
{
	uint64_t now;

	if (scan_fingerprint(e->options->signatures, &now, NULL) == -1)
		return;
	if (now != e->fingerprint && now == e->seen) {
		e->fingerprint = now;
		if (scan_send(e->control, SCAN_CHANGED, 0, NULL, -1, NULL) ==
		    -1)
			_exit(0);
	}
	e->seen = now;
}

static void
engine_order(struct engine *e)
{
	struct scan_packet p;
	int passed;

	if (scan_recv(e->control, &p, &passed, -1, NULL) == -1)
		_exit(0); /* the milter is gone, or wants no more of it */
	fd_close(passed);
	for (size_t i = 0; i < e->options->limits.scanners; i++)
		if (p.word == SCAN_KILL && e->scanners[i].pid > 0 &&
		    e->scanners[i].number == p.number)
			(void)kill(e->scanners[i].pid, SIGKILL);
}

static void __attribute__((noreturn)) engine_run(struct engine *e)
{
	for (;;) {
		struct pollfd p[2] = {
			{ .fd = e->control, .events = POLLIN },
			{ .fd = e->signals, .events = POLLIN },
		};
		struct signalfd_siginfo info;
		int n = poll(p, 2, (int)e->options->limits.check_s * 1000);

		if (n == 0)
			look_for_change(e);
		if (n > 0 && p[1].revents != 0) {
			(void)!read(e->signals, &info, sizeof(info));
			scanners_reap(e);
		}
		if (n > 0 && p[0].revents != 0)
			engine_order(e);
	}
}

void
scan_engine(int control, const struct scan_options *options)
{
	struct engine e = { .control = control, .options = options };
	struct err err = ERR_INIT;
	sigset_t set;
	unsigned count;

	(void)prctl(PR_SET_NAME, "engine", 0, 0, 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	e.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	e.scanners = calloc(options->limits.scanners, sizeof(*e.scanners));
	e.statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	cl_set_clcb_msg(quiet);
	if (e.signals == -1 || e.scanners == NULL || e.statm == -1 ||
	    cl_init(CL_INIT_DEFAULT) != CL_SUCCESS ||
	    engine_confine(options, &err) == -1 ||
	    engine_load(&e, &count, &err) == -1 ||
	    engine_measure(&e, &err) == -1) {
		char text[256];

		(void)snprintf(text, sizeof(text), "%.200s%s%.50s",
		    err.kind == ERR_NONE ? "cl_init" : err.text,
		    err.os == 0 ? "" : ": ",
		    err.os == 0 ? "" : strerror(err.os));
		(void)scan_send(control, SCAN_BROKEN, 0, text, -1, NULL);
		_exit(0);
	}
	scanners_start(&e);
	if (scan_send(control, SCAN_READY, count, NULL, -1, NULL) == -1)
		_exit(0);
	engine_run(&e);
}
