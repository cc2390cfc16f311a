/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scanner: the one process that lets libclamav read what strangers sent.
 * Before the first message it has given up everything but its memory, its
 * scratch directory and the socket on which messages come.
 */
#include <clamav.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/packet.h"
#include "common/sandbox.h"
#include "common/span.h"
#include "milters/scan.h"

/* Of one scan beyond its limit of time, before the kernel ends the process. */
#define CPU_GRACE_S 5
#define FILES_OPEN 256

static void
limit(int what, rlim_t soft, rlim_t hard)
{
	struct rlimit l = { soft, hard };

	if (setrlimit((__rlimit_resource_t)what, &l) == -1)
		_exit(1);
}

static void
confine(const char *scratch, const struct scan_limits *l, uint64_t space)
{
	const struct sandbox_path own = { .path = scratch, .write = true };
	bool landlock;

#ifndef HK_SANITIZERS
	/* The message itself is mapped besides. */
	limit(RLIMIT_AS, space + l->memory_max + l->file_max,
	    space + l->memory_max + l->file_max);
#else
	(void)space; /* the sanitizers' shadow has no end */
#endif
	limit(RLIMIT_FSIZE, l->total_max, l->total_max);
	limit(RLIMIT_NOFILE, FILES_OPEN, FILES_OPEN);
	limit(RLIMIT_CORE, 0, 0);
	if (sandbox_paths(&own, 1, &landlock, NULL) == -1 ||
	    sandbox_seccomp(SANDBOX_SESSION, NULL) == -1)
		_exit(1);
}

/* CPU is counted over the process's life, so each scan gets its share. */
static void
limit_cpu(const struct scan_limits *l)
{
	struct rusage used;

	if (getrusage(RUSAGE_SELF, &used) == -1)
		_exit(1);
	limit(RLIMIT_CPU,
	    (rlim_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		l->time_ms / 1000 + 1 + CPU_GRACE_S,
	    RLIM_INFINITY);
}

static void
answer_of(cl_error_t code, const char *name, struct scan_answer *out)
{
	switch (code) {
	case CL_CLEAN:
		out->result = SCAN_CLEAN;
		return;
	case CL_VIRUS:
		/* A message over the limit of file sizes comes without one. */
		if (name == NULL)
			name = "Heuristics.Limits.Exceeded.MaxFileSize";
		scan_name(span_str(name), out);
		return;
	case CL_EMAXREC:
	case CL_EMAXSIZE:
	case CL_EMAXFILES:
	case CL_ETIMEOUT:
	case CL_EMEM:
		out->result = SCAN_UNSCANNABLE;
		break;
	default:
		out->result = SCAN_FAILED;
		break;
	}
	(void)snprintf(out->name, sizeof(out->name), "%s", cl_strerror(code));
}

static void
scan_octets(struct cl_engine *engine, const void *octets, size_t len,
    struct scan_answer *out)
{
	/* Macros are in half the offices of the world: no heuristic of them. */
	struct cl_scan_options options = {
		.general = CL_SCAN_GENERAL_HEURISTICS,
		.parse = ~(uint32_t)0,
		.heuristic = CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
			     CL_SCAN_HEURISTIC_ENCRYPTED_DOC |
			     CL_SCAN_HEURISTIC_EXCEEDS_MAX |
			     CL_SCAN_HEURISTIC_PHISHING_SSL_MISMATCH |
			     CL_SCAN_HEURISTIC_PHISHING_CLOAK,
	};
	const char *name = NULL;
	unsigned long scanned = 0;
	cl_error_t code;
	cl_fmap_t *map = cl_fmap_open_memory(octets, len);

	if (map == NULL) {
		out->result = SCAN_FAILED;
		(void)snprintf(out->name, sizeof(out->name), "out of memory");
		return;
	}
	code = cl_scanmap_callback(
	    map, "message", &name, &scanned, engine, &options, NULL);
	cl_fmap_close(map);
	answer_of(code, name, out);
}

static void
scan_task(
    struct cl_engine *engine, int fd, uint64_t octets, struct scan_answer *out)
{
	void *p;

	memset(out, 0, sizeof(*out));
	if (octets == 0)
		return; /* nothing, and that is clean */
	p = mmap(NULL, (size_t)octets, PROT_READ, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		out->result = SCAN_FAILED;
		(void)snprintf(out->name, sizeof(out->name), "mmap");
		return;
	}
	scan_octets(engine, p, (size_t)octets, out);
	(void)munmap(p, (size_t)octets);
}

void
scan_worker(int control, struct cl_engine *engine, const char *scratch,
    const struct scan_limits *limits, uint64_t space)
{
	struct scan_packet p;
	int fd;

	(void)prctl(PR_SET_NAME, "scanner", 0, 0, 0);
	if (cl_engine_set_str(engine, CL_ENGINE_TMPDIR, scratch) != CL_SUCCESS)
		_exit(1);
	confine(scratch, limits, space);
	while (scan_recv(control, &p, &fd, -1, NULL) == 0) {
		struct scan_answer answer;

		if (p.word != SCAN_TASK || fd == -1)
			_exit(1);
		limit_cpu(limits);
		scan_task(engine, fd, p.number, &answer);
		fd_close(fd);
		if (packet_send(control,
			span_of((const char *)&answer, sizeof(answer)), NULL, 0,
			-1, NULL) == -1)
			_exit(0);
	}
	_exit(0);
}
