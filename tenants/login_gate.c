/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/login_gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/daemon.h"

/*
 * CRAM-MD5 has to be asked for: it needs a secret in clear for every account
 * in the directory, and a client that takes the first mechanism it knows gets
 * no further with accounts that have none.
 */
static const char *const mechanisms_default[] = { "SCRAM-SHA-256", "PLAIN",
	"LOGIN" };

static int
policy_add(struct login_policy *policy, const char *name, struct err *err)
{
	const struct sasl_mechanism *m = sasl_mechanism_find(span_str(name));

	if (m == NULL)
		return err_set(err, ERR_SYNTAX,
		    "mechanisms: \"%.64s\" is no SASL mechanism known here",
		    name);
	for (size_t i = 0; i < policy->mechanism_count; i++)
		if (policy->mechanisms[i] == m)
			return 0;
	if (policy->mechanism_count == LOGIN_MECHANISMS_MAX)
		return err_set(err, ERR_SYNTAX, "mechanisms: more than %d",
		    LOGIN_MECHANISMS_MAX);
	policy->mechanisms[policy->mechanism_count++] = m;
	return 0;
}

static int
policy_make(const struct login_conf *conf, struct login_policy *policy_out,
    struct err *err)
{
	struct login_policy policy = { .plaintext = conf->plaintext,
		.failures_max = (unsigned)conf->failures_max };
	size_t len = conf->mechanisms.len;

	for (size_t i = 0; i < len; i++)
		if (policy_add(&policy, conf->mechanisms.items[i], err) == -1)
			return -1;
	if (len == 0)
		for (size_t i = 0; i < sizeof(mechanisms_default) /
					   sizeof(mechanisms_default[0]);
		     i++)
			if (policy_add(&policy, mechanisms_default[i], err) ==
			    -1)
				return -1;
	*policy_out = policy;
	return 0;
}

int
login_conf_check(const struct login_conf *conf, struct err *err)
{
	struct login_policy policy;

	return policy_make(conf, &policy, err);
}

int
login_daemon_connect(void *daemon, const char *name, const char *tenant,
    unsigned shard, int *fd_out, struct err *err)
{
	return daemon_connect(daemon, name, tenant, shard, fd_out, err);
}

unsigned
login_daemon_shard(void *daemon, const char *account_id)
{
	return daemon_shard(daemon, account_id);
}

int
login_gate_new(const struct login_gate_options *options,
    const struct login_conf *conf, struct login_gate **gate_out,
    struct err *err)
{
	CLEANUP(login_gate_free)
	struct login_gate *gate = calloc(1, sizeof(*gate));

	if (gate == NULL)
		return err_sys(err, "login gate");
	(void)pthread_mutex_init(&gate->mutex, NULL);
	gate->options = *options;
	(void)snprintf(
	    gate->daemon, sizeof(gate->daemon), "%s", options->daemon);
	(void)snprintf(
	    gate->protocol, sizeof(gate->protocol), "%s", options->protocol);
	(void)snprintf(
	    gate->hostname, sizeof(gate->hostname), "%s", options->hostname);
	gate->options.daemon = gate->daemon;
	gate->options.protocol = gate->protocol;
	gate->options.hostname = gate->hostname;

	struct login_links_options links = { .daemon = gate->daemon,
		.connect = options->connect,
		.arg = options->arg };
	if (policy_make(conf, &gate->policy, err) == -1 ||
	    login_links_new(&links, &gate->links, err) == -1)
		return -1;
	*gate_out = STEAL(gate);
	return 0;
}

void
login_gate_free(struct login_gate *gate)
{
	if (gate == NULL)
		return;
	login_links_free(gate->links);
	(void)pthread_mutex_destroy(&gate->mutex);
	free(gate);
}

int
login_gate_reload(
    struct login_gate *gate, const struct login_conf *conf, struct err *err)
{
	struct login_policy policy;

	if (policy_make(conf, &policy, err) == -1)
		return -1;
	(void)pthread_mutex_lock(&gate->mutex);
	gate->policy = policy;
	(void)pthread_mutex_unlock(&gate->mutex);
	return 0;
}

struct login_policy
login_gate_policy(struct login_gate *gate)
{
	struct login_policy policy;

	(void)pthread_mutex_lock(&gate->mutex);
	policy = gate->policy;
	(void)pthread_mutex_unlock(&gate->mutex);
	return policy;
}

bool
login_plaintext_allowed(struct login_gate *gate, const struct conn *c)
{
	return conn_tls(c) || login_gate_policy(gate).plaintext;
}

static void
policy_mechanisms(const struct login_policy *policy, bool tls,
    const char *prefix, struct buf *out)
{
	for (size_t i = 0; i < policy->mechanism_count; i++) {
		const struct sasl_mechanism *m = policy->mechanisms[i];

		if (!tls && !policy->plaintext && sasl_mechanism_plaintext(m))
			continue;
		buf_append_str(out, prefix);
		buf_append_str(out, sasl_mechanism_name(m));
	}
}

void
login_conf_mechanisms(const struct login_conf *conf, bool tls,
    const char *prefix, struct buf *out)
{
	struct login_policy policy;

	if (policy_make(conf, &policy, NULL) == 0)
		policy_mechanisms(&policy, tls, prefix, out);
}

void
login_mechanisms(struct login_gate *gate, const struct conn *c,
    const char *prefix, struct buf *out)
{
	struct login_policy policy = login_gate_policy(gate);

	policy_mechanisms(&policy, conn_tls(c), prefix, out);
}

const struct sasl_mechanism *
login_gate_mechanism(struct login_gate *gate, const struct conn *c,
    struct span name, enum login_failure *failure_out)
{
	struct login_policy policy = login_gate_policy(gate);
	const struct sasl_mechanism *m = sasl_mechanism_find(name);

	*failure_out = LOGIN_FAIL_MECHANISM;
	for (size_t i = 0; m != NULL && i < policy.mechanism_count; i++) {
		if (policy.mechanisms[i] != m)
			continue;
		if (!sasl_mechanism_plaintext(m) || conn_tls(c) ||
		    policy.plaintext)
			return m;
		*failure_out = LOGIN_FAIL_PRIVACY;
		return NULL;
	}
	return NULL;
}
