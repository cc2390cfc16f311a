/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who gets a message in the end, with the settings that hold for each.  A
 * recipient that is a list of ours has many targets; they are told apart
 * only when a filter decides differently for them.
 */
#ifndef HK_MILTERS_TARGET_H
#define HK_MILTERS_TARGET_H

#include <libmilter/mfapi.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "milters/filter.h"
#include "tenants/settings.h"

struct target {
	size_t rcpt;               /* place in message.rcpts, or RCPT_ADDED */
	struct span path;          /* as the MTA knows it, without brackets */
	struct span address;       /* the final one */
	bool local;                /* it has settings */
	struct settings *settings; /* shared by targets of one account */
	const struct disposition *before;
	struct change change;
};
#define RCPT_ADDED ((size_t)-1)
/* A path that is longer came from no RCPT command. */
#define MAILADDR_PATH_ROOM 1024

/*
 * Fills j->targets with the recipients that earlier filters have not deleted:
 * by asking the directory, or, plain, one for each without settings.
 */
int targets_find(struct judged *j, struct err *err);
int targets_plain(struct judged *j, struct err *err);
void targets_free(struct judged *j);

/* Gives back to the MTA what was decided. */
int targets_apply(const struct judged *j, SMFICTX *ctx, struct err *err);

#endif
