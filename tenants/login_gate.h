/* SPDX-License-Identifier: BSD-2-Clause */
/* What login.c needs of a gate; not for daemons. */
#ifndef HK_TENANTS_LOGIN_GATE_H
#define HK_TENANTS_LOGIN_GATE_H

#include <pthread.h>
#include <stdbool.h>

#include "common/sasl.h"
#include "tenants/login.h"
#include "tenants/login_link.h"

#define LOGIN_MECHANISMS_MAX 8

struct login_policy {
	bool plaintext;
	unsigned failures_max;
	const struct sasl_mechanism *mechanisms[LOGIN_MECHANISMS_MAX];
	size_t mechanism_count;
};

struct login_gate {
	struct login_gate_options options; /* strings: the arrays below */
	char daemon[16], protocol[16], hostname[256];
	struct login_links *links;
	pthread_mutex_t mutex; /* guards policy */
	struct login_policy policy;
};

/* A copy of the policy in force. */
struct login_policy login_gate_policy(struct login_gate *gate);

/*
 * The offered mechanism of this name, or NULL with *failure_out: unknown or
 * not configured, or only under TLS.
 */
const struct sasl_mechanism *login_gate_mechanism(struct login_gate *gate,
    const struct conn *c, struct span name, enum login_failure *failure_out);

#endif
