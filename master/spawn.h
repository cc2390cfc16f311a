/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting programs under other users. */
#ifndef HK_MASTER_SPAWN_H
#define HK_MASTER_SPAWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct spawn {
	const char *path;
	char *const *argv;
	uid_t uid;
	gid_t gid;
	const int *keep; /* capabilities that survive */
	size_t keep_len;
	bool as_we_are; /* instead: the hikyaku command, as whoever runs us */
	int in;         /* becomes standard input; -1: /dev/null */
	int out;     /* standard output and error; -1: standard error stays */
	int control; /* becomes descriptor 3; -1: none */
};

/*
 * Starts it in a session of its own with a clean environment, no other
 * descriptors, and without root.  pidfd_out becomes readable when it ends.
 */
int spawn_start(
    const struct spawn *s, pid_t *pid_out, int *pidfd_out, struct err *err);

/* Clock ticks from boot to the process's start; 0: there is no such one. */
uint64_t spawn_start_time(pid_t pid);

/*
 * Opens a pidfd of a process that runs since start_time; -1 when it is gone
 * or its pid is another's by now.
 */
int spawn_adopt(pid_t pid, uint64_t start_time);

/* "exit status 1", "signal 9 (Killed)". */
void spawn_status_text(int status, char *out, size_t size);

#endif
