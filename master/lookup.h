/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking tenantd for the ids of a tenant, on a thread of its own: the client
 * library waits, and hikyakud's loop must not.
 */
#ifndef HK_MASTER_LOOKUP_H
#define HK_MASTER_LOOKUP_H

#include <stdbool.h>
#include <sys/types.h>

#include "common/cleanup.h"
#include "common/err.h"

struct tenant_lookup;

/* internal_dir: where tenantd's socket is; stays the caller's. */
int lookup_new(
    int internal_dir, struct tenant_lookup **lookup_out, struct err *err);
void lookup_free(struct tenant_lookup *l);
CLEANUP_DEFINE_PTR(struct tenant_lookup, lookup_free)

/* Readable when answers are there. */
int lookup_fd(const struct tenant_lookup *l);

/*
 * Puts a question in the queue; one that is in it already is asked once.
 * Errors: ERR_LIMIT, the queue is full.
 */
int lookup_ask(struct tenant_lookup *l, const char *tenant, struct err *err);

struct lookup_answer {
	char tenant[64];
	uid_t uid;
	gid_t gid;
	/* kind ERR_NONE: the ids are there; ERR_POLICY: no such tenant. */
	struct err trouble;
};
/* Takes the next answer; false: none is left. */
bool lookup_take(struct tenant_lookup *l, struct lookup_answer *answer_out);

#endif
