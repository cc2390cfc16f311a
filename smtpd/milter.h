/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The milters of a process: where they listen, how they fare, and a few
 * connections that are negotiated ahead of need.  For any thread.
 *
 * A connection is taken by one SMTP session and ends with it: a milter that
 * has seen CONNECT cannot be given to another client (libmilter leaves the
 * MTA waiting for ever after QUIT_NC in most states).
 *
 * A milter that failed five times in a row is not asked for five seconds;
 * then one session tries, and the others go on without it until that one has
 * got through.
 */
#ifndef HK_SMTPD_MILTER_H
#define HK_SMTPD_MILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/conf.h"
#include "common/err.h"
#include "common/reactor.h"
#include "smtpd/milter_conf.h"
#include "smtpd/milter_conn.h"

struct milter;
struct milters;

/* One of each section; counted, since sessions outlive a reload. */
int milters_new(const struct conf_titled_list *list,
    struct milters **milters_out, struct err *err);
struct milters *milters_ref(struct milters *m);
void milters_unref(struct milters *m);
CLEANUP_DEFINE_PTR(struct milters, milters_unref)
/* Spare connections are made on its workers. */
void milters_attach(struct milters *m, struct reactor *r);
/* Closes spare connections that are too old. */
void milters_tick(struct milters *m);

struct milter *milters_find(struct milters *m, const char *name);

const char *milter_name(const struct milter *m);
const struct milter_conf *milter_settings(const struct milter *m);

/* Recipients of this tenant are shown to it. */
bool milter_is_for(const struct milter *m, const char *tenant);

/*
 * What it said of events the last time; false: nobody has talked to it yet.
 * For deciding whether it must be asked at once when a client connects.
 */
bool milter_known(struct milter *m, uint32_t *protocol_out);

/* A negotiated connection.  ERR_TEMP: there is none now. */
int milter_take(
    struct milter *m, struct milter_conn **conn_out, struct err *err);
/* Closes it; good: with a QUIT, as between packets it may be said. */
void milter_leave(struct milter *m, struct milter_conn *conn, bool good);
/* How the last exchange went, for the count of failures. */
void milter_report(struct milter *m, bool good);

#endif
