/* SPDX-License-Identifier: BSD-2-Clause */
/* The control socket of the hikyaku command. */
#ifndef HK_MASTER_ADMIN_H
#define HK_MASTER_ADMIN_H

#include "master/master.h"

struct admin_client;

int admin_new(struct master *m, struct admin **admin_out, struct err *err);
void admin_free(struct admin *a);
CLEANUP_DEFINE_PTR(struct admin, admin_free)

void admin_accept(struct master *m);
void admin_ready(struct master *m, struct admin_client *c);
/* Whoever waits for a reload is told; trouble "": it went well. */
void admin_reload_done(struct master *m, const char *trouble);
/* Frees clients that have gone; between two batches of events. */
void admin_sweep(struct master *m);

#endif
