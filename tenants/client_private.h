/* SPDX-License-Identifier: BSD-2-Clause */
/* One request and its answer, for those parts of the client library that
 * stand in files of their own, so that not every daemon links them. */
#ifndef HK_TENANTS_CLIENT_PRIVATE_H
#define HK_TENANTS_CLIENT_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "tenants/client.h"
#include "tenants/protocol.h"

/* A list that changes between its pages is read anew so often. */
#define LIST_TRIES 3

struct call {
	struct buf request;
	struct buf answer;
	struct span fields; /* of the answer, borrowed from it */
	uint32_t serial;
	bool once; /* not to be repeated on another socket */
};

/* Then the request's fields are put into c->request. */
void call_init(struct tenants *t, struct call *c, enum tenants_type type);
void call_fini(struct call *c);
CLEANUP_DEFINE_VALUE(struct call, call_fini)
/* Errors: ERR_TEMP, tenantd did not answer, or could not. */
int call_run(struct tenants *t, struct call *c, struct err *err);

/* The answer lacks what it must have: another version's, or damaged. */
int answer_broken(struct err *err);

#endif
