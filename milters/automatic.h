/* SPDX-License-Identifier: BSD-2-Clause */
/* Automatic mail: how it is written, and handed to relayd. */
#ifndef HK_MILTERS_AUTOMATIC_H
#define HK_MILTERS_AUTOMATIC_H

#include <stdint.h>

#include "common/buf.h"
#include "common/daemon.h"
#include "common/err.h"
#include "common/span.h"

/* All UTF-8; spans may be empty. */
struct automatic {
	struct span from; /* address */
	struct span name; /* beside it */
	struct span to;   /* address */
	struct span subject, text;
	struct span in_reply_to; /* "<...>" of the message answered */
	const char *submitted;   /* "auto-replied", "auto-generated" */
	const char *hostname, *id;
	int64_t now;
};

/* Appends the whole message. */
void automatic_format(const struct automatic *a, struct buf *out);

/*
 * Hands it to relayd: from the null path, without notifications.
 * Errors: ERR_TEMP, relayd does not take it now.
 */
int automatic_send(struct daemon *d, const struct automatic *a,
    struct span tenant, struct err *err);

#endif
