/* SPDX-License-Identifier: BSD-2-Clause */
/* What hikyakud gives its daemons: packets of control.h with descriptors. */
#ifndef HK_MASTER_FEED_H
#define HK_MASTER_FEED_H

#include "common/control.h"
#include "master/master.h"

int feed_start(struct master *m, struct unit *u, struct err *err);
int feed_reload(struct master *m, struct unit *u, struct err *err);
int feed_drain(struct unit *u, uint64_t wait_ms, struct err *err);
int feed_adopt(struct unit *u, struct err *err);
/* Takes counters and listeners out of the answer to ADOPT. */
void feed_adopted(struct master *m, struct unit *u, struct control_packet *p);

/* Where a daemon's standard error goes: the log file, or -1 for ours. */
int feed_output(const struct master *m);

/* Makes what the unit needs beneath state-directory and store-directory. */
int feed_directories(struct master *m, const struct unit *u, struct err *err);
/* <store>/<tenant>, 0700, of the tenant's uid. */
int feed_tenant_directory(struct master *m, const char *tenant, uid_t uid,
    gid_t gid, struct err *err);

/* The platform's ticket secret: from its file, or a new one. */
int feed_ticket_secret(struct master *m, struct err *err);

/* Opens hikyakud's own log as the configuration says. */
int feed_log(const struct master_conf *conf, struct err *err);

#endif
