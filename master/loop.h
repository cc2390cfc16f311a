/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef HK_MASTER_LOOP_H
#define HK_MASTER_LOOP_H

#include "master/master.h"

/* Runs until the end of a stop. */
int master_loop(struct master *m, struct err *err);

#endif
