/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counters in shared memory: written by one daemon process with relaxed
 * atomics, read by hikyakud for `hikyaku status` and the metrics.  The memory
 * (a memfd) belongs to hikyakud and outlives the daemon, so restarts do not
 * reset it.
 */
#ifndef HK_COMMON_COUNTERS_H
#define HK_COMMON_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* New names go to the end: the layout is shared between versions. */
enum counter {
	COUNTER_SESSIONS,       /* gauge: open connections or sessions */
	COUNTER_CONNECTIONS,    /* total accepted */
	COUNTER_REFUSED,        /* connections over a limit */
	COUNTER_TLS_HANDSHAKES, /* total done */
	COUNTER_TLS_FAILURES,
	COUNTER_LOGINS, /* total successful */
	COUNTER_LOGIN_FAILURES,
	COUNTER_MESSAGES_ACCEPTED, /* smtpd: 250 after DATA */
	COUNTER_MESSAGES_REFUSED,  /* smtpd: 4xx or 5xx after DATA */
	COUNTER_RECIPIENTS_REFUSED,
	COUNTER_DELIVERIES, /* deliveryd: recipients answered 250 */
	COUNTER_DELIVERIES_DEFERRED,
	COUNTER_OCTETS_IN,
	COUNTER_OCTETS_OUT,
	COUNTER_COMMANDS,
	COUNTER_TIMEOUTS,
	COUNTER_DIRECTORY_HITS, /* tenantd */
	COUNTER_DIRECTORY_LOOKUPS,
	COUNTER_DIRECTORY_ERRORS,
	COUNTER_MESSAGES_READ, /* RETR, BODY[] */
	COUNTER_MESSAGES_EXPUNGED,
	COUNTER_BACKLOG_MESSAGES, /* gauge: deliveryd's journal */
	COUNTER_BACKLOG_OCTETS,
	COUNTER_BACKLOG_OLDEST_MS, /* since the epoch; 0: none waits */
	COUNTER_FILTER_MESSAGES,   /* filters: messages judged */
	COUNTER_FILTER_HITS,       /* in which something was found */
	COUNTER_FILTER_UNJUDGED,   /* that could not be examined */
	COUNTER_FILTER_DEFERRED,   /* answered 4xx */
	COUNTER_SIGNATURES,        /* gauge: antivirus; 0: none are loaded */
	COUNTER_SIGNATURES_TIME,   /* since the epoch: when it became that */
	COUNTER_SCANNERS_LOST,
	COUNTER_QUEUE_MESSAGES,   /* gauge: relayd's queue */
	COUNTER_QUEUE_RECIPIENTS, /* gauge */
	COUNTER_RELAYED,          /* recipients, total */
	COUNTER_RELAY_DEFERRED,
	COUNTER_RELAY_FAILED,
	COUNTER_END,
};
#define COUNTERS_ROOM 128

struct counters {
	uint32_t version; /* 1 */
	uint32_t count;   /* COUNTER_END of the writer */
	_Atomic uint64_t value[COUNTERS_ROOM];
};

/* "sessions", "connections_total", …: the metric's name. */
const char *counter_name(enum counter c);
const char *counter_help(enum counter c);
bool counter_is_gauge(enum counter c);

/* A new memfd of the right size, or a mapping of one that was received. */
int counters_create(int *fd_out, struct err *err);
int counters_map(int fd, struct counters **counters_out, struct err *err);
void counters_unmap(struct counters *c);

/* NULL is accepted: a daemon run by hand counts nowhere. */
static inline void
counter_add(struct counters *c, enum counter which, uint64_t n)
{
	if (c != NULL)
		atomic_fetch_add_explicit(
		    &c->value[which], n, memory_order_relaxed);
}

static inline void
counter_set(struct counters *c, enum counter which, uint64_t n)
{
	if (c != NULL)
		atomic_store_explicit(
		    &c->value[which], n, memory_order_relaxed);
}

static inline void
counter_sub(struct counters *c, enum counter which, uint64_t n)
{
	if (c != NULL)
		atomic_fetch_sub_explicit(
		    &c->value[which], n, memory_order_relaxed);
}

#endif
