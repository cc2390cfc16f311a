/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HK_MASTER_START_H
#define HK_MASTER_START_H

#include "master/master.h"

/*
 * From nothing to a running loop's state: log, directories, the lock that
 * only one holds, adoption, sockets, control socket.
 * m->conf and m->programs are set by the caller.
 */
int master_start(struct master *m, struct err *err);
void master_fini(struct master *m);

/* The directory that this program was started from, and our daemons with it. */
int master_programs(char *out, size_t size, struct err *err);

#endif
