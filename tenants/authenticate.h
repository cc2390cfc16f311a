/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is it, and may they?  The one place that compares passwords.
 *
 * A password is looked for among those that were right lately (remember.h);
 * else its hash is computed, in the tenant's turn if it is a slow one
 * (hashing.h).  An unknown name costs a slow hash too, in the turn of whose
 * domain it is, so that neither the answer nor its time tells whether an
 * account exists.
 */
#ifndef HK_TENANTS_AUTHENTICATE_H
#define HK_TENANTS_AUTHENTICATE_H

#include "common/cleanup.h"
#include "common/err.h"
#include "tenants/directory.h"
#include "tenants/exchange.h"
#include "tenants/protocol.h"
#include "tenants/verify.h"

struct authenticate;

struct authenticate_options {
	struct directory *directory;     /* borrowed */
	const struct tenantd_conf *conf; /* used by authenticate_new alone */
	const char *state_directory;     /* for what is remembered */
	const char *hostname;            /* in CRAM-MD5's challenge; borrowed */
	const struct penalty_rules *rules;
};

int authenticate_new(const struct authenticate_options *options,
    struct authenticate **a_out, struct err *err);
/* Starts its thread. */
int authenticate_start(struct authenticate *a, struct err *err);
void authenticate_free(struct authenticate *a);
CLEANUP_DEFINE_PTR(struct authenticate, authenticate_free)

/*
 * The requests of protocol.h, with attempt->patience set.  0: *result says
 * what came of it.  -1: somebody more patient must try again (verify.h), or
 * nobody can say now, ERR_TEMP.
 */
int authenticate_login(struct authenticate *a,
    const struct tenants_request *request, struct attempt *attempt,
    struct login_result *result, struct err *err);
/* *token_out is set, and *challenge filled, with LOGIN_CONTINUE. */
int authenticate_sasl_start(struct authenticate *a,
    const struct tenants_request *request, struct attempt *attempt,
    struct sasl_token *token_out, struct buf *challenge,
    struct login_result *result, struct err *err);
int authenticate_sasl_step(struct authenticate *a,
    const struct tenants_request *request, struct attempt *attempt,
    struct buf *challenge, struct login_result *result, struct err *err);
void authenticate_sasl_cancel(
    struct authenticate *a, const struct tenants_request *request);

#endif
