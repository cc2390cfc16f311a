/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyakud's state.  One thread runs everything here (lookup.c has a second
 * one, which shares nothing but its queue).  The loop waits on one epoll
 * descriptor; nothing it calls may wait for a daemon.
 */
#ifndef HK_MASTER_MASTER_H
#define HK_MASTER_MASTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/counters.h"
#include "common/daemon.h"
#include "common/err.h"
#include "master/conf.h"
#include "master/service.h"
#include "master/sockets.h"

struct tenant_lookup;
struct admin;
struct notify;

/* What an epoll event is about.  Part of the object it belongs to. */
enum watch_kind {
	WATCH_SIGNALS,
	WATCH_PROCESS, /* a unit's pidfd */
	WATCH_CONTROL, /* a unit's control connection */
	WATCH_LOOKUP,
	WATCH_ADMIN,
	WATCH_ADMIN_CLIENT,
};
struct watch {
	enum watch_kind kind;
	void *object;
};

enum unit_state {
	UNIT_DOWN,     /* not running; starts at due_ms (0: when asked for) */
	UNIT_LOOKUP,   /* a session process whose tenant is being asked for */
	UNIT_STARTING, /* runs, not ready; killed at due_ms */
	UNIT_READY,
	UNIT_DRAINING, /* asked to end; killed at due_ms */
};

/* A daemon's request that waits for a session process. */
struct waiter {
	struct waiter *next;
	uint64_t unit; /* id of the unit that asked */
	uint32_t serial;
};

/* The same, for a tenant's directory in the store. */
struct directory_waiter {
	struct directory_waiter *next;
	uint64_t unit;
	uint32_t serial;
	char tenant[64];
};

/* One process that hikyakud starts and watches: a daemon, a gate, a session. */
struct unit {
	struct unit *next;
	uint64_t id;
	const struct service *service;
	enum daemon_role role;
	char tenant[64];
	unsigned shard;
	char name[128]; /* "smtpd", "imapd-gate", "imapd-session-aozora-0" */

	enum unit_state state;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	int pidfd;
	bool child; /* ours, or adopted */
	uint64_t start_time;
	int64_t since; /* seconds since the epoch */
	uint64_t ready_ms, due_ms, idle_ms;
	unsigned backoff_ms, restarts;

	int control;
	uint32_t serial; /* of our last question */
	uint32_t start_serial, adopt_serial, reload_serial; /* 0: none */
	bool adopted;
	bool stale;    /* the configuration changed while it started */
	bool unwanted; /* goes when it has ended */
	struct watch process_watch, control_watch;

	int counters_fd;
	struct counters *counters;
	int session_fd; /* the listener of a session process */
	struct waiter *waiters;
	size_t waiters_len;
};

enum master_phase { /* of the end: who serves others ends after them */
	PHASE_RUN,
	PHASE_SERVERS,
	PHASE_DELIVERY,
	PHASE_DIRECTORY,
	PHASE_DONE,
};

struct master {
	struct master_conf *conf;
	char programs[4096]; /* directory of the daemons */
	int epfd, signal_fd, pid_file;
	int run_dir, control_dir, internal_dir;
	struct watch signal_watch;
	struct sockets *sockets;
	struct buf ticket_secret;
	struct unit *units;
	uint64_t last_id;
	bool state_dirty;
	ino_t syslog_inode;
	struct tenant_lookup *lookup;
	struct watch lookup_watch;
	struct directory_waiter *directories;
	size_t directories_len;
	struct admin *admin;
	struct notify *notify;
	enum master_phase phase;
	bool adopting; /* sockets are not complete yet */
	bool started;  /* READY was told */
	int ready_fd;  /* of `hikyaku start`, or -1 */
	uint64_t started_ms;
	int64_t since;

	struct nightly {   /* nightly.h */
		pid_t pid; /* 0: it does not run */
		int out;   /* what it says */
		bool done_today;
		char text[1024];
		size_t len;
	} nightly;

	/* A reload that is under way. */
	bool reloading, reload_again;
	uint64_t reload_due_ms;
	char reload_trouble[512];
	unsigned reloads;
};

uint64_t master_now_ms(void);
int master_watch(struct master *m, int fd, struct watch *w, struct err *err);

/* What the loop calls; each returns soon. */
void master_check_started(struct master *m);
void master_stop(struct master *m);
void master_stop_step(struct master *m);

#endif
