/* SPDX-License-Identifier: BSD-2-Clause */
/* Privileges and Landlock; system calls are in sandbox_seccomp.c. */
#include "common/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/cleanup.h"

/* ---- privileges ---------------------------------------------------------- */

static int
capabilities_set(
    const int *keep, size_t keep_len, bool had_all, struct err *err)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3,
		0 };
	struct __user_cap_data_struct now[2], next[2] = { { 0 } };

	if (syscall(SYS_capget, &head, now) == -1)
		return err_sys(err, "capget");
	for (size_t i = 0; i < keep_len; i++) {
		unsigned at = (unsigned)keep[i] / 32;
		uint32_t bit = UINT32_C(1) << (keep[i] % 32);

		if (!had_all && (now[at].permitted & bit) == 0)
			continue; /* a demo without root has none to keep */
		next[at].effective |= bit;
		next[at].permitted |= bit;
		/* Only root is about to execute a daemon with them. */
		if (had_all)
			next[at].inheritable |= bit;
	}
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == -1)
		return err_sys(err, "clear ambient capabilities");
	if (syscall(SYS_capset, &head, next) == -1)
		return err_sys(err, "capset");
	for (size_t i = 0; i < keep_len; i++) {
		uint32_t bit = UINT32_C(1) << (keep[i] % 32);

		if ((next[keep[i] / 32].inheritable & bit) != 0 &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, keep[i], 0,
			0) == -1)
			return err_sys(err, "keep capability %d", keep[i]);
	}
	return 0;
}

static int
ids_set(uid_t uid, gid_t gid, struct err *err)
{
	if (setgroups(0, NULL) == -1)
		return err_sys(err, "setgroups");
	if (setresgid(gid, gid, gid) == -1)
		return err_sys(err, "setresgid %u", (unsigned)gid);
	/* Capabilities outlive the change of uid; capabilities_set takes
	 * all but the wanted ones. */
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == -1)
		return err_sys(err, "keep capabilities");
	if (setresuid(uid, uid, uid) == -1)
		return err_sys(err, "setresuid %u", (unsigned)uid);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) == -1)
		return err_sys(err, "keep capabilities");
	return 0;
}

int
sandbox_drop(
    uid_t uid, gid_t gid, const int *keep, size_t keep_len, struct err *err)
{
	bool root = geteuid() == 0;

	if (root && uid == 0)
		return err_set(err, ERR_POLICY, "a daemon as root");
	if (root && ids_set(uid, gid, err) == -1)
		return -1;
	if (geteuid() != uid || getuid() != uid)
		return err_set(err, ERR_POLICY, "runs as uid %u, not %u",
		    (unsigned)geteuid(), (unsigned)uid);
	if (capabilities_set(keep, keep_len, root, err) == -1)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_sys(err, "no_new_privs");
	return 0;
}

/* ---- Landlock ------------------------------------------------------------ */

/* Of newer kernels than the header at hand may know. */
#define LL_REFER (UINT64_C(1) << 13)     /* 2: link and rename across */
#define LL_TRUNCATE (UINT64_C(1) << 14)  /* 3 */
#define LL_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define LL_SCOPE_ABSTRACT_SOCKET UINT64_C(1)
#define LL_SCOPE_SIGNAL UINT64_C(2)

#define LL_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
/* No devices are made, and nothing is executed. */
#define LL_WRITE                                                               \
	(LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |       \
	    LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR |     \
	    LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |       \
	    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM |       \
	    LL_REFER | LL_TRUNCATE)
#define LL_OF_A_FILE                                                           \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |        \
	    LL_TRUNCATE)

/* linux/landlock.h's struct, with the member of version 6. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static uint64_t
rights_of_version(long version)
{
	uint64_t all = (UINT64_C(1) << 13) - 1;

	if (version >= 2)
		all |= LL_REFER;
	if (version >= 3)
		all |= LL_TRUNCATE;
	if (version >= 5)
		all |= LL_IOCTL_DEV;
	return all;
}

static int
ruleset_new(long version, struct err *err)
{
	struct ruleset r = { .fs = rights_of_version(version) };
	size_t size = sizeof(r.fs);
	long fd;

	if (version >= 6) {
		/* Neither signals nor abstract sockets of processes outside. */
		r.scoped = LL_SCOPE_ABSTRACT_SOCKET | LL_SCOPE_SIGNAL;
		size = sizeof(r);
	}
	fd = syscall(SYS_landlock_create_ruleset, &r, size, 0);
	if (fd == -1)
		return err_sys(err, "landlock_create_ruleset");
	return (int)fd;
}

static int
ruleset_add(
    int ruleset, long version, const struct sandbox_path *path, struct err *err)
{
	CLEANUP(fd_close) int fd = open(path->path, O_PATH | O_CLOEXEC);
	struct landlock_path_beneath_attr rule = { .parent_fd = fd };
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return err_sys(err, "open %s", path->path);
	rule.allowed_access = (LL_READ | (path->write ? LL_WRITE : 0)) &
			      rights_of_version(version);
	if (!S_ISDIR(st.st_mode))
		rule.allowed_access &= LL_OF_A_FILE;
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		&rule, 0) == -1)
		return err_sys(err, "landlock_add_rule %s", path->path);
	return 0;
}

int
sandbox_paths(const struct sandbox_path *paths, size_t len, bool *landlock_out,
    struct err *err)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0,
	    LANDLOCK_CREATE_RULESET_VERSION);
	CLEANUP(fd_close) int ruleset = -1;

	*landlock_out = false;
	/* Not built in, or not switched on. */
	if (version == -1 && (errno == ENOSYS || errno == EOPNOTSUPP))
		return 0;
	if (version == -1)
		return err_sys(err, "landlock version");
	ruleset = ruleset_new(version, err);
	if (ruleset == -1)
		return -1;
	for (size_t i = 0; i < len; i++)
		if (ruleset_add(ruleset, version, &paths[i], err) == -1)
			return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == -1)
		return err_sys(err, "no_new_privs");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) == -1)
		return err_sys(err, "landlock_restrict_self");
	*landlock_out = true;
	return 0;
}
