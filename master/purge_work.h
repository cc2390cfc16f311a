/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that removes a tenant's old mail: it has the tenant's uid, can
 * open the store and nothing else, and is told account by account what to do
 * by one that asks tenantd and opens no mailbox.  Between them is a
 * SOCK_SEQPACKET pair with one struct a packet.
 */
#ifndef HK_MASTER_PURGE_WORK_H
#define HK_MASTER_PURGE_WORK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"
#include "store/account.h"
#include "store/retention.h"

struct purge_task {
	char account[STORE_ACCOUNT_MAX + 1];
	struct retention days;
};

struct purge_report {
	struct retention_result result;
	bool failed;
	char trouble[400];
};

struct purge_worker {
	pid_t pid;
	int fd;
};

struct purge_spec {
	const char *store_path, *tenant;
	bool drop; /* to these ids */
	uid_t uid;
	gid_t gid;
	uint64_t rate;   /* messages a second */
	int64_t until_s; /* CLOCK_MONOTONIC; then it does no more */
};

int purge_worker_start(const struct purge_spec *spec,
    struct purge_worker *worker_out, struct err *err);
/* Errors: ERR_CLOSED, the process is gone. */
int purge_worker_do(struct purge_worker *w, const struct purge_task *task,
    struct purge_report *report_out, struct err *err);
void purge_worker_end(struct purge_worker *w);

#endif
