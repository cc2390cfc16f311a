/* SPDX-License-Identifier: BSD-2-Clause */
/* What host.c (the process) and transaction.c (a session) share. */
#ifndef HK_POP3D_HOST_PRIVATE_H
#define HK_POP3D_HOST_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "common/buf.h"
#include "common/counters.h"
#include "common/session_host.h"
#include "common/tally.h"
#include "pop3d/host.h"
#include "pop3d/maildrop.h"
#include "store/account.h"

struct host {
	struct daemon *daemon;
	struct reactor *reactor;
	struct store *store;
	struct maildrop_locks *locks;
	struct tally *sessions; /* of each account */
	struct session_host *clients;
	struct counters *counters;
	const char *tenant;
	atomic_uint wait_ms;
	atomic_bool mark_seen;
	pthread_mutex_t mutex; /* guards capa */
	struct buf capa[2];    /* the reply, in clear and under TLS */
};

#endif
