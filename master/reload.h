/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reload without dropping a session: the new configuration is checked as a
 * whole first, by every daemon; then sockets are opened, and each daemon gets
 * what is new.  Until all have answered, whoever asked waits.
 */
#ifndef HK_MASTER_RELOAD_H
#define HK_MASTER_RELOAD_H

#include "master/master.h"

/* SIGHUP, or `hikyaku reload`.  A refused file leaves everything as it is. */
void reload_begin(struct master *m);
/* Ends it when every daemon has answered, or when it takes too long. */
void reload_step(struct master *m);

#endif
