/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SASL exchanges between two of their steps, known by random tokens.
 *
 * A table of fixed size: when it is full the exchange that has waited longest
 * is dropped, which costs a client its login and us nothing.  Who takes an
 * exchange out has it alone.
 */
#ifndef HK_TENANTS_EXCHANGE_H
#define HK_TENANTS_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/sasl.h"
#include "tenants/client.h"

struct exchanges;

enum {
	EXCHANGE_WAIT_MS = 60000, /* after its last step */
	EXCHANGES_MAX = 4096,
};

/* An exchange with where it comes from. */
struct exchange {
	struct sasl_exchange *sasl;
	unsigned service;
	bool apop;
	char client[65], log_id[33];
	char host[TENANT_DOMAIN_MAX + 1], local[65];
	uint64_t at_ms; /* of its last step; 0: an empty slot */
};

int exchanges_new(struct exchanges **exchanges_out, struct err *err);
void exchanges_free(struct exchanges *x);
CLEANUP_DEFINE_PTR(struct exchanges, exchanges_free)

/* Frees what is in it. */
void exchange_fini(struct exchange *e);
CLEANUP_DEFINE_VALUE(struct exchange, exchange_fini)

/* Puts it in under a new token; *e is empty afterwards. */
int exchanges_put(struct exchanges *x, struct exchange *e, uint64_t now_ms,
    struct sasl_token *token_out, struct err *err);
/* Puts it back under the token it had. */
void exchanges_put_back(struct exchanges *x, struct exchange *e,
    uint64_t now_ms, const struct sasl_token *token);
/* Takes it out; false: unknown, or too late. */
bool exchanges_take(struct exchanges *x, const struct sasl_token *token,
    uint64_t now_ms, struct exchange *e_out);

#endif
