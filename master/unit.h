/* SPDX-License-Identifier: BSD-2-Clause */
/* One process that hikyakud starts and watches, from start to end. */
#ifndef HK_MASTER_UNIT_H
#define HK_MASTER_UNIT_H

#include "common/control.h"
#include "master/master.h"

/* A daemon that is not ready by then is killed and started again. */
#define UNIT_START_WAIT_MS 30000
#define UNIT_BACKOFF_MIN_MS 100
#define UNIT_BACKOFF_MAX_MS 30000
/* Who ran so long begins again with the least backoff. */
#define UNIT_STEADY_MS 10000

/* NULL: out of memory. */
struct unit *unit_new(struct master *m, const struct service *service,
    enum daemon_role role, const char *tenant, unsigned shard);
struct unit *unit_find(struct master *m, const struct service *service,
    enum daemon_role role, const char *tenant, unsigned shard);
struct unit *unit_by_id(struct master *m, uint64_t id);
/* Ends its process's watching and frees it. */
void unit_free(struct master *m, struct unit *u);

/* A unit for each daemon and gate that the configuration wants. */
int units_wanted(struct master *m, struct err *err);
/* The main unit of a service: its daemon or gate. */
enum daemon_role unit_main_role(const struct service *service);

/* Starts the process.  A failure is logged, and it is tried again later. */
void unit_start(struct master *m, struct unit *u);
/* Its process ended. */
void unit_ended(struct master *m, struct unit *u);
/* Its control connection has something to say. */
void unit_control(struct master *m, struct unit *u);
/* What is due by now. */
void unit_tick(struct master *m, struct unit *u, uint64_t now);

/* Asks for an orderly end within wait_ms. */
void unit_drain(struct master *m, struct unit *u, uint64_t wait_ms);
/* Sends what is in force now. */
void unit_reload(struct master *m, struct unit *u);

/* Takes over a process of a predecessor; false: it is not there any more. */
bool unit_adopt(struct master *m, struct unit *u, pid_t pid,
    uint64_t start_time, int64_t since, unsigned restarts);

/* The unit is ready or has failed: answers who waits for it. */
void unit_answer_waiters(
    struct master *m, struct unit *u, const struct err *trouble);

/* "daemon", "gate", "session". */
const char *unit_role_name(enum daemon_role role);
/* "imapd gate", "imapd session aozora 0": for people. */
void unit_title(const struct unit *u, char *out, size_t size);

#endif
