/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Once a day, at purge-at of the section "store", hikyakud runs
 * "hikyaku store purge" and logs what it says.  A time that passes while
 * hikyakud does not run is not made up for: it would be in the day.
 */
#ifndef HK_MASTER_NIGHTLY_H
#define HK_MASTER_NIGHTLY_H

#include "master/master.h"

/* For each turn of the loop. */
void nightly_tick(struct master *m);
/* Ends what runs, and does not wait for it. */
void nightly_stop(struct master *m);

#endif
