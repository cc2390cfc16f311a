/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a process gives up once it has started: privileges, the file system
 * (Landlock) and system calls (seccomp).  Where the kernel lacks Landlock the
 * call succeeds and says so in *landlock_out, and the daemon logs a warning.
 */
#ifndef HK_COMMON_SANDBOX_H
#define HK_COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

/*
 * Drops root to uid and gid with no supplementary groups, keeping only the
 * capabilities in keep (CAP_... numbers), which a program that it executes then
 * has too; sets no_new_privs.  As another user already: checks that it is the
 * right one, keeps those of keep that it has for itself alone, and sets
 * no_new_privs.
 */
int sandbox_drop(
    uid_t uid, gid_t gid, const int *keep, size_t keep_len, struct err *err);

struct sandbox_path {
	const char *path;
	bool write;
};
/*
 * From here on only these trees (or files) can be opened; none: no file at
 * all.  The calling thread and those it starts later.
 */
int sandbox_paths(const struct sandbox_path *paths, size_t len,
    bool *landlock_out, struct err *err);

enum sandbox_profile {
	SANDBOX_GATE,    /* sockets given to it, memory, time, threads */
	SANDBOX_SESSION, /* and files beneath the descriptors it has */
	SANDBOX_NETWORK, /* and its own sockets: tenantd, smtpd, deliveryd */
};
/*
 * System calls outside the profile: EPERM for those a library may try
 * harmlessly, killing the process (logged by the kernel) for those that mean
 * an attack (execve, ptrace, process_vm_*, bpf, kexec, mount, setuid family
 * …).  setfsuid is in SANDBOX_NETWORK, for who kept CAP_SETUID.  All threads
 * are held to it.  execve is refused, so daemons start no programs.  Builds
 * with sanitizers refuse the attacks only: their runtime needs the rest.
 */
int sandbox_seccomp(enum sandbox_profile profile, struct err *err);

#endif
