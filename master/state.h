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

struct state_line {
	const struct service *service;
	enum daemon_role role;
	char tenant[64]; /* "" for none */
	uint64_t shard, pid, start, since, restarts;
};

/*
 * Calls each for every unit of the file in that directory.  A file that is
 * not there, or of another version, has none.
 */
void state_read(int run_dir,
    void (*each)(void *arg, const struct state_line *line), void *arg);

/* Writes it when something has changed.  A failure is logged. */
void state_save(struct master *m);

/* Adopts what still runs. */
void state_adopt(struct master *m);

#endif
