/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is it, and may they?  The one place that compares passwords.
 *
 * A password is looked for among those that were right lately (remember.h);
 * else its hash is computed, in the tenant's turn if it is a slow one
 * (hashing.h).  An unknown name costs a slow hash too, in a turn of its own,
 * so that neither the answer nor its time tells whether an account exists.
 */
#ifndef HK_TENANTS_AUTHENTICATE_H
#define HK_TENANTS_AUTHENTICATE_H

#include "common/cleanup.h"
#include "common/err.h"
#include "tenants/directory.h"
#include "tenants/exchange.h"
#include "tenants/protocol.h"

struct authenticate;

struct authenticate_options {
	struct directory *directory; /* borrowed */
	const char *state_directory; /* for what is remembered */
	const char *hostname;        /* in CRAM-MD5's challenge; borrowed */
	unsigned workers;            /* threads that may come here at a time */
};

int authenticate_new(const struct authenticate_options *options,
    struct authenticate **a_out, struct err *err);
void authenticate_free(struct authenticate *a);
CLEANUP_DEFINE_PTR(struct authenticate, authenticate_free)

/*
 * The requests of protocol.h.  0: *result says what came of it.  -1: nobody
 * can say now, ERR_TEMP.
 */
int authenticate_login(struct authenticate *a,
    const struct tenants_request *request, struct login_result *result,
    struct err *err);
/* *token_out is set, and *challenge filled, with LOGIN_CONTINUE. */
int authenticate_sasl_start(struct authenticate *a,
    const struct tenants_request *request, struct sasl_token *token_out,
    struct buf *challenge, struct login_result *result, struct err *err);
int authenticate_sasl_step(struct authenticate *a,
    const struct tenants_request *request, struct buf *challenge,
    struct login_result *result, struct err *err);
void authenticate_sasl_cancel(
    struct authenticate *a, const struct tenants_request *request);

#endif
