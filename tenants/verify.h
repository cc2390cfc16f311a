/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does this account know this secret?  The checks behind authenticate.h, as
 * common/sasl.h asks for them.
 *
 * What a check may wait for is the caller's to say.  One that needs more is
 * SASL_FAILED, with err telling which (directory_would_wait,
 * verify_wants_hash), and has done nothing: it is repeated by somebody more
 * patient.
 */
#ifndef HK_TENANTS_VERIFY_H
#define HK_TENANTS_VERIFY_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/sasl.h"
#include "common/span.h"
#include "tenants/client.h"
#include "tenants/conf.h"
#include "tenants/directory.h"
#include "tenants/penalty.h"
#include "tenants/remember.h"

enum patience {
	PATIENCE_NONE,   /* memory answers, at once */
	PATIENCE_LOOKUP, /* LDAP and the disk may be waited for */
	PATIENCE_HASH,   /* and a slow hash be computed */
};

/* Whose turn at slow hashes it is.  tenant "": nobody's, of unknown domains. */
struct turn {
	char tenant[TENANT_NAME_MAX + 1];
	bool marked; /* the client or the account has failed lately */
};

struct verify;

/* conf: how passwords are stored anew; used during the call. */
int verify_new(const struct tenantd_conf *conf, const char *state_directory,
    struct verify **verify_out, struct err *err);
/* Starts its thread. */
int verify_start(struct verify *v, struct err *err);
void verify_free(struct verify *v);
CLEANUP_DEFINE_PTR(struct verify, verify_free)

/* One attempt: the arg of the functions below. */
struct attempt {
	struct verify *verify;
	struct directory *directory; /* directory_memory for PATIENCE_NONE */
	struct penalty *penalty;
	enum patience patience;
	struct span client;      /* text of its address */
	struct span host, local; /* where it came to, as in struct login_name */
	unsigned service;
	struct turn turn; /* set with verify_wants_hash */
	bool known;       /* a password was right, and this is the account: */
	struct account_info account;
	char app[17]; /* ID of the app password that was right, or "" */
	/* Who is counted, once that is known: */
	char counted[TENANT_LOGIN_MAX + 1], tenant[TENANT_NAME_MAX + 1];
	uint64_t wrong; /* some digest of the password, if it was looked at */
};

/* For directory_credentials; borrowed. */
struct login_name attempt_name(const struct attempt *a, struct span login);

/* For penalty.h; borrowed.  -1: nobody knows who that is now. */
int verify_who(struct attempt *a, struct span login,
    struct penalty_who *who_out, struct err *err);

bool verify_wants_hash(const struct err *err);

/* For struct sasl_directory; arg is a struct attempt. */
enum sasl_verdict verify_password(
    void *arg, struct span authcid, struct span password, struct err *err);
enum sasl_verdict verify_secret(
    void *arg, struct span authcid, struct buf *secret, struct err *err);
enum sasl_verdict verify_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err);

#endif
