/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a request's packet to the packet that answers it.
 */
#ifndef HK_TENANTS_ANSWER_H
#define HK_TENANTS_ANSWER_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/counters.h"
#include "common/span.h"
#include "tenants/authenticate.h"
#include "tenants/directory.h"

struct answers {
	struct directory *directory;
	struct authenticate *authenticate;
	struct counters *counters; /* or NULL */
};

enum answered {
	ANSWERED,
	ANSWERED_NOTHING, /* the request wants no answer */
	ANSWER_LOOKS_UP,  /* somebody with PATIENCE_LOOKUP can answer it */
	ANSWER_HASHES,    /* with PATIENCE_HASH, when *turn_out has its turn */
	ANSWER_BAD,       /* the packet makes no sense; let its sender go */
};

/*
 * The answer goes to *answer, which is emptied first and has max PACKET_MAX.
 * Nothing has happened when somebody else is to answer.
 */
enum answered answer_request(const struct answers *a, struct span packet,
    enum patience patience, struct turn *turn_out, struct buf *answer);

/* The answer to a request that was understood and that we cannot serve. */
void answer_failed(const struct answers *a, struct span packet,
    const struct err *why, struct buf *answer);

#endif
