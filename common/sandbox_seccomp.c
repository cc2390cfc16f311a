/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The system calls of each profile.  Names that this architecture or libseccomp
 * lacks are skipped, so the lists hold old and new calls side by side.
 */
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/cleanup.h"
#include "common/sandbox.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

#ifndef HK_SANITIZERS
/* What runs a reactor on descriptors that were given. */
static const char *const gate_calls[] = { "accept", "accept4", "brk",
	"clock_getres", "clock_gettime", "clock_nanosleep", "close",
	"close_range", "dup", "dup2", "dup3", "epoll_create1", "epoll_ctl",
	"epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd2", "exit",
	"exit_group", "fallocate", "fcntl", "fstat", "ftruncate", "futex",
	"futex_waitv", "getcpu", "getegid", "geteuid", "getgid", "getpeername",
	"getpid", "getppid", "getrandom", "getrusage", "getsockname",
	"getsockopt", "gettid", "gettimeofday", "getuid", "lseek", "madvise",
	"membarrier", "memfd_create", "mincore", "mremap", "munmap",
	"nanosleep", "newfstatat", "pipe2", "poll", "ppoll", "pread64",
	"preadv", "prlimit64", "pselect6", "pwrite64", "pwritev", "read",
	"readv", "recvfrom", "recvmmsg", "recvmsg", "restart_syscall", "rseq",
	"rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn",
	"rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity", "sched_yield",
	"select", "sendfile", "sendmmsg", "sendmsg", "sendto",
	"set_robust_list", "set_tid_address", "setsockopt", "shutdown",
	"sigaltstack", "splice", "sysinfo", "tee", "tgkill", "time",
	"timerfd_create", "timerfd_gettime", "timerfd_settime", "times",
	"uname", "write", "writev", NULL };

/* Files; which ones is for the uid, Landlock and RESOLVE_BENEATH to say. */
static const char *const file_calls[] = { "access", "chmod", "copy_file_range",
	"creat", "faccessat", "faccessat2", "fadvise64", "fchdir", "fchmod",
	"fchmodat", "fdatasync", "fgetxattr", "flock", "fstatfs", "fsync",
	"futimesat", "getcwd", "getdents", "getdents64", "inotify_add_watch",
	"inotify_init1", "inotify_rm_watch", "link", "linkat", "lstat", "mkdir",
	"mkdirat", "mlock", "msync", "munlock", "open", "openat", "openat2",
	"preadv2", "pwritev2", "readahead", "readlink", "readlinkat", "rename",
	"renameat", "renameat2", "rmdir", "stat", "statfs", "statx",
	"sync_file_range", "syncfs", "truncate", "umask", "unlink", "unlinkat",
	"utime", "utimensat", "utimes", NULL };

/* Sockets of its own, and acting for a tenant on files (deliveryd). */
static const char *const network_calls[] = { "bind", "chown", "connect",
	"fchown", "fchownat", "getpriority", "listen", "setfsgid", "setfsuid",
	"setpriority", NULL };

#endif

/* Nobody calls these by mistake. */
static const char *const attack_calls[] = { "acct", "add_key", "bpf",
	"delete_module", "execve", "execveat", "finit_module", "fsconfig",
	"fsmount", "fsopen", "init_module", "io_uring_setup", "ioperm", "iopl",
	"kcmp", "kexec_file_load", "kexec_load", "keyctl", "mount",
	"mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at",
	"open_tree", "perf_event_open", "personality", "pidfd_getfd",
	"pivot_root", "process_madvise", "process_vm_readv",
	"process_vm_writev", "quotactl", "reboot", "request_key",
	"setdomainname", "setgid", "setgroups", "sethostname", "setns",
	"setregid", "setresgid", "setresuid", "setreuid", "setuid", "swapoff",
	"swapon", "umount2", "unshare", "userfaultfd", "vmsplice", NULL };

static void
filter_free(void *filter)
{
	if (filter != NULL)
		seccomp_release(filter);
}
CLEANUP_DEFINE_PTR(void, filter_free)

static int
rules_add(
    void *filter, uint32_t action, const char *const *names, struct err *err)
{
	for (; *names != NULL; names++) {
		int call = seccomp_syscall_resolve_name(*names), result;

		if (call == __NR_SCMP_ERROR || call < 0)
			continue;
		result = seccomp_rule_add_array(filter, action, call, 0, NULL);
		if (result < 0) {
			errno = -result;
			return err_sys(err, "seccomp rule %s", *names);
		}
	}
	return 0;
}

#ifndef HK_SANITIZERS
/* Calls that are right with some arguments only. */
static const struct argument_rule {
	const char *call;
	struct scmp_arg_cmp compare;
} argument_rules[] = {
	/* Threads, no processes.  (clone3 hides its flags: ENOSYS below makes
	 * the C library take clone.) */
	{ "clone", { 0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | CLONE_VM,
		       CLONE_THREAD | CLONE_VM } },
	/* Nothing that was written is ever executed. */
	{ "mmap", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "mprotect", { 2, SCMP_CMP_MASKED_EQ, PROT_EXEC, 0 } },
	{ "prctl", { 0, SCMP_CMP_EQ, PR_SET_NAME, 0 } },
	{ "prctl", { 0, SCMP_CMP_EQ, PR_GET_NAME, 0 } },
	{ "prctl", { 0, SCMP_CMP_EQ, PR_SET_VMA, 0 } },
	{ "ioctl", { 1, SCMP_CMP_EQ, FIONREAD, 0 } },
	{ "ioctl", { 1, SCMP_CMP_EQ, FIONBIO, 0 } },
	/* The gate's relay. */
	{ "socketpair", { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
};
static const struct argument_rule file_rules[] = {
	/* Whether the holder of a lock file still lives. */
	{ "kill", { 1, SCMP_CMP_EQ, 0, 0 } },
};
static const struct argument_rule network_rules[] = {
	{ "socket", { 0, SCMP_CMP_EQ, AF_UNIX, 0 } },
	{ "socket", { 0, SCMP_CMP_EQ, AF_INET, 0 } },
	{ "socket", { 0, SCMP_CMP_EQ, AF_INET6, 0 } },
	/* The resolver asks it for the machine's addresses. */
	{ "socket", { 0, SCMP_CMP_EQ, AF_NETLINK, 0 } },
};

static int
argument_rules_add(void *filter, const struct argument_rule *rules, size_t len,
    struct err *err)
{
	for (size_t i = 0; i < len; i++) {
		int call = seccomp_syscall_resolve_name(rules[i].call);
		int result = seccomp_rule_add_array(
		    filter, SCMP_ACT_ALLOW, call, 1, &rules[i].compare);

		if (result < 0) {
			errno = -result;
			return err_sys(err, "seccomp rule %s", rules[i].call);
		}
	}
	return 0;
}

static int
profile_add(void *filter, enum sandbox_profile profile, struct err *err)
{
	static const char *const absent[] = { "clone3", NULL };

	if (rules_add(filter, SCMP_ACT_ERRNO(ENOSYS), absent, err) == -1 ||
	    rules_add(filter, SCMP_ACT_ALLOW, gate_calls, err) == -1 ||
	    argument_rules_add(filter, argument_rules,
		sizeof(argument_rules) / sizeof(argument_rules[0]), err) == -1)
		return -1;
	if (profile != SANDBOX_GATE &&
	    (rules_add(filter, SCMP_ACT_ALLOW, file_calls, err) == -1 ||
		argument_rules_add(filter, file_rules,
		    sizeof(file_rules) / sizeof(file_rules[0]), err) == -1))
		return -1;
	if (profile == SANDBOX_NETWORK &&
	    (rules_add(filter, SCMP_ACT_ALLOW, network_calls, err) == -1 ||
		argument_rules_add(filter, network_rules,
		    sizeof(network_rules) / sizeof(network_rules[0]),
		    err) == -1))
		return -1;
	return 0;
}
#define DEFAULT_ACTION SCMP_ACT_ERRNO(EPERM)
#else
/*
 * The sanitizers' runtime reads /proc, maps code and, for leaks, forks and
 * traces: such a build, which serves tests only, refuses the attacks alone.
 */
static int
profile_add(void *filter, enum sandbox_profile profile, struct err *err)
{
	(void)filter;
	(void)profile;
	(void)err;
	return 0;
}
#define DEFAULT_ACTION SCMP_ACT_ALLOW
#endif

int
sandbox_seccomp(enum sandbox_profile profile, struct err *err)
{
	CLEANUP(filter_free) void *filter = seccomp_init(DEFAULT_ACTION);
	int result;

	if (filter == NULL)
		return err_set(err, ERR_TEMP, "seccomp_init");
	/* Threads that libraries have begun are held to it too. */
	result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	if (result < 0) {
		errno = -result;
		return err_sys(err, "seccomp for all threads");
	}
	if (rules_add(filter, SCMP_ACT_KILL_PROCESS, attack_calls, err) == -1 ||
	    profile_add(filter, profile, err) == -1)
		return -1;
#ifndef HK_SANITIZERS
	{
		static const char *const ptrace_call[] = { "ptrace", NULL };

		if (rules_add(
			filter, SCMP_ACT_KILL_PROCESS, ptrace_call, err) == -1)
			return -1;
	}
#endif
	result = seccomp_load(filter);
	if (result < 0) {
		errno = -result;
		return err_sys(err, "seccomp_load");
	}
	return 0;
}
