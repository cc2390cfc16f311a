/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a successor needs to find the processes again: run-directory's
 * hikyakud.state, text, replaced as a whole.
 *
 *	file = "hikyakud 1" LF *unit
 *	unit = service SP role SP tenant SP shard SP pid SP start SP since
 *	       SP restarts LF
 *	role = "daemon" / "gate" / "session"; tenant is "-" for none
 *	start: clock ticks from boot, proc(5) field 22
 */
#ifndef HK_MASTER_STATE_H
#define HK_MASTER_STATE_H

#include "master/master.h"

/* Writes it when something has changed.  A failure is logged. */
void state_save(struct master *m);

/* Adopts what still runs.  A file that cannot be read is as good as none. */
void state_adopt(struct master *m);

#endif
