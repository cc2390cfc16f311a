/* SPDX-License-Identifier: BSD-2-Clause */
/* Inside the daemon runtime.  Only daemon*.c include this. */
#ifndef HK_COMMON_DAEMON_PRIVATE_H
#define HK_COMMON_DAEMON_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "common/control.h"
#include "common/daemon.h"
#include "common/tls.h"

/* Descriptor on which hikyakud gives a daemon its control socket. */
#define DAEMON_CONTROL_FD 3
/* A daemon that is not fed within this time was not started by hikyakud. */
#define DAEMON_START_WAIT_MS 30000
/* How long a request waits for hikyakud, also for a new one to come up. */
#define DAEMON_ASK_WAIT_MS 10000
/* PEM text of all brands together, and the ticket secret. */
#define DAEMON_TLS_MAX (64 * 1024 * 1024)

/* What one START or RELOAD brought; never changed afterwards. */
struct daemon_settings {
	struct daemon_settings *older;
	struct daemon_conf top;
	struct daemon_tls_conf tls;
	void *section;
	struct conf_titled_list titled; /* empty: the daemon has none */
	struct buf tls_material; /* emptied once a newer one is in force */
};

/* A request that waits for hikyakud's answer. */
struct daemon_question {
	struct daemon_question *next;
	uint32_t serial;
	bool answered;
	bool lost; /* hikyakud went away: ask the next one */
	int fd;    /* of the answer, or -1 */
	struct err err;
};

struct daemon {
	struct daemon_spec spec;
	enum daemon_role role;
	char tenant[64];
	unsigned shard;

	int listen_fd, wake_fd;
	uid_t master; /* uid of hikyakud */
	struct reactor *reactor;
	void (*reload)(struct daemon *d, void *arg);
	void *reload_arg;
	pthread_t thread;
	bool threaded;
	struct buf room; /* for receiving; of whoever reads control */

	int counters_fd;
	struct counters *counters;
	_Atomic(struct daemon_settings *) settings;
	uint64_t shards; /* of the start */

	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t changed;
	int control_fd; /* -1: hikyakud is away */
	uint32_t serial;
	struct daemon_question *questions;
	struct daemon_listener listeners[CONTROL_FDS_MAX];
	size_t listeners_len;
	/* Shut down, but perhaps still in an accept: closed next time. */
	int retired[CONTROL_FDS_MAX];
	size_t retired_len;
	bool ready, ending;
};

/* Parses what START or RELOAD brought and puts it into force. */
int daemon_settings_take(
    struct daemon *d, struct control_packet *p, struct err *err);
void daemon_settings_free(struct daemon *d);
/* What the tables cannot say. */
int daemon_check(const struct daemon_spec *spec, const void *section,
    const struct conf_titled_list *titled, struct err *err);

/* Takes the packet's listeners in place of the present ones. */
int daemon_listeners_take(
    struct daemon *d, struct control_packet *p, struct err *err);

void daemon_listeners_free(struct daemon *d);

/* Waits for hikyakud and START.  Before the thread exists. */
int daemon_control_start(struct daemon *d, struct err *err);
/* Begins the thread that reads control. */
int daemon_control_thread(struct daemon *d, struct err *err);
void daemon_control_end(struct daemon *d);

#endif
