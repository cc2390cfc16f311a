/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/authenticate.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/reactor.h"
#include "tenants/hashing.h"
#include "tenants/password.h"
#include "tenants/penalty.h"
#include "tenants/remember.h"

struct authenticate {
	struct directory *directory;
	const char *hostname;
	struct remember *remember;
	struct hashing *hashing;
	struct penalty *penalty;
	struct exchanges *exchanges;
	/* A hash of a password that nobody has, for names that nobody has. */
	struct buf decoy;
};

int
authenticate_new(const struct authenticate_options *options,
    struct authenticate **a_out, struct err *err)
{
	CLEANUP(authenticate_free)
	struct authenticate *a = calloc(1, sizeof(*a));
	/* Of the workers a quarter may wait for one tenant's turn, and half
	 * as many compute: the others serve everyone else. */
	unsigned waiting = options->workers / 4, running = waiting / 2;

	if (a == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	a->directory = options->directory;
	a->hostname = options->hostname;
	buf_init(&a->decoy, 1024);
	if (remember_new(options->state_directory, &a->remember, err) == -1 ||
	    hashing_new(running == 0 ? 1 : running, waiting == 0 ? 1 : waiting,
		&a->hashing, err) == -1 ||
	    penalty_new(&a->penalty, err) == -1 ||
	    exchanges_new(&a->exchanges, err) == -1 ||
	    password_hash(SPAN("nobody has this"), &a->decoy, err) == -1)
		return -1;
	*a_out = STEAL(a);
	return 0;
}

void
authenticate_free(struct authenticate *a)
{
	if (a == NULL)
		return;
	exchanges_free(a->exchanges);
	penalty_free(a->penalty);
	hashing_free(a->hashing);
	remember_free(a->remember);
	buf_fini(&a->decoy);
	free(a);
}

/* The next of the values that stand in b, each ended by NUL. */
static bool
value_next(struct span *rest, struct span *value_out)
{
	return span_take_until(rest, '\0', value_out);
}

/* ---- one password
 * ------------------------------------------------------------------ */

/* The cost of a known user's wrong password, for a name nobody has. */
static enum sasl_verdict
password_unknown(struct authenticate *a, struct span password, struct err *err)
{
	if (hashing_begin(a->hashing, "", err) == -1)
		return SASL_FAILED;
	(void)password_check(buf_span(&a->decoy), password);
	hashing_end(a->hashing, "");
	return SASL_WRONG;
}

static enum sasl_verdict
password_slow(struct authenticate *a, const struct credentials *c,
    struct span stored, struct span password, struct err *err)
{
	unsigned char digest[REMEMBER_DIGEST];
	const char *tenant = c->account.tenant.name;
	enum password_match match;

	if (remember_digest(a->remember, span_str(c->account.id), stored,
		password, digest, err) == -1)
		return SASL_FAILED;
	if (remember_has(a->remember, digest))
		return SASL_OK;
	if (hashing_begin(a->hashing, tenant, err) == -1)
		return SASL_FAILED;
	match = password_check(stored, password);
	hashing_end(a->hashing, tenant);
	if (match != PASSWORD_RIGHT)
		return SASL_WRONG;
	remember_add(a->remember, digest);
	return SASL_OK;
}

/* Any of the account's values will do, as RFC 4519 2.41 has it. */
static enum sasl_verdict
password_known(struct authenticate *a, const struct credentials *c,
    struct span password, struct err *err)
{
	struct span rest = buf_span(&c->passwords), stored;
	enum sasl_verdict verdict = SASL_WRONG;

	while (verdict == SASL_WRONG && value_next(&rest, &stored)) {
		if (password_is_slow(stored)) {
			verdict = password_slow(a, c, stored, password, err);
			continue;
		}
		switch (password_check(stored, password)) {
		case PASSWORD_RIGHT:
			verdict = SASL_OK;
			break;
		case PASSWORD_UNKNOWN:
			log_warning(&log_process,
			    "userPassword in a scheme we do not have",
			    log_str("tenant", c->account.tenant.name),
			    log_span("account", span_str(c->account.address)));
			break;
		case PASSWORD_WRONG:
			break;
		}
	}
	return verdict;
}

static enum sasl_verdict
check_password(
    void *arg, struct span authcid, struct span password, struct err *err)
{
	struct authenticate *a = arg;
	CLEANUP(credentials_fini) struct credentials c;

	switch (directory_credentials(a->directory, authcid, &c, err)) {
	case LOOKUP_FOUND:
		return password_known(a, &c, password, err);
	case LOOKUP_NONE:
		return password_unknown(a, password, err);
	case LOOKUP_FAILED:
		break;
	}
	return SASL_FAILED;
}

/* ---- material of other mechanisms
 * --------------------------------------------------- */

/*
 * Calls take() with each userPassword value, then with each hkSecret that
 * still belongs to one, until it answers true.
 */
static bool
material_find(const struct credentials *c,
    bool (*take)(struct span value, void *arg), void *arg)
{
	struct span passwords = buf_span(&c->passwords), stored;

	while (value_next(&passwords, &stored)) {
		struct span secrets = buf_span(&c->secrets), secret, value;

		if (take(stored, arg))
			return true;
		while (value_next(&secrets, &secret)) {
			if (password_secret_of(secret, stored, &value) &&
			    take(value, arg))
				return true;
		}
	}
	return false;
}

static bool
take_clear(struct span value, void *arg)
{
	return password_clear(value, arg);
}

static bool
take_scram(struct span value, void *arg)
{
	return password_scram(value, arg);
}

static enum sasl_verdict
find_secret(void *arg, struct span authcid, struct buf *secret, struct err *err)
{
	struct authenticate *a = arg;
	CLEANUP(credentials_fini) struct credentials c;

	switch (directory_credentials(a->directory, authcid, &c, err)) {
	case LOOKUP_FOUND:
		return material_find(&c, take_clear, secret) ? SASL_OK
							     : SASL_WEAK;
	case LOOKUP_NONE:
		return SASL_WRONG;
	case LOOKUP_FAILED:
		break;
	}
	return SASL_FAILED;
}

/* Material that no password has made, the same each time for a name. */
static enum sasl_verdict
scram_unknown(struct authenticate *a, struct span authcid,
    struct sasl_scram *scram, struct err *err)
{
	unsigned char salt[REMEMBER_DIGEST];

	*scram = (struct sasl_scram){ .iterations = 4096, .salt_len = 16 };
	if (remember_derive(a->remember, "salt", authcid, salt, err) == -1 ||
	    remember_derive(a->remember, "stored key", authcid,
		scram->stored_key, err) == -1 ||
	    remember_derive(a->remember, "server key", authcid,
		scram->server_key, err) == -1)
		return SASL_FAILED;
	memcpy(scram->salt, salt, scram->salt_len);
	return SASL_OK;
}

static enum sasl_verdict
find_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err)
{
	struct authenticate *a = arg;
	CLEANUP(credentials_fini) struct credentials c;

	switch (directory_credentials(a->directory, authcid, &c, err)) {
	case LOOKUP_FOUND:
		return material_find(&c, take_scram, scram) ? SASL_OK
							    : SASL_WEAK;
	case LOOKUP_NONE:
		return scram_unknown(a, authcid, scram, err);
	case LOOKUP_FAILED:
		break;
	}
	return SASL_FAILED;
}

/* ---- outcomes
 * -------------------------------------------------------------------------- */

struct origin {
	unsigned service;
	struct span client, login;
};

static int
fail(struct authenticate *a, const struct origin *o, enum login_outcome outcome,
    struct login_result *result)
{
	result->outcome = outcome;
	result->delay_ms =
	    penalty_failed(a->penalty, o->login, o->client, clock_ms());
	return 0;
}

/* The password is right: may the account come in by this door? */
static bool
admitted(const struct account_info *account, unsigned service)
{
	return account->tenant.status != TENANT_SUSPENDED &&
	       (account->status == ACCOUNT_ACTIVE ||
		   account->status == ACCOUNT_NORECEIVE) &&
	       (account->services & service) != 0;
}

static int
admit(struct authenticate *a, const struct origin *o,
    struct login_result *result, struct err *err)
{
	CLEANUP(credentials_fini) struct credentials c;

	switch (directory_credentials(a->directory, o->login, &c, err)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_NONE: /* deleted in this moment */
		return fail(a, o, LOGIN_WRONG, result);
	case LOOKUP_FAILED:
		return -1;
	}
	result->account = c.account;
	if (!admitted(&c.account, o->service))
		return fail(a, o, LOGIN_REFUSED, result);
	penalty_succeeded(a->penalty, o->login);
	result->outcome = LOGIN_OK;
	return 0;
}

static int
conclude(struct authenticate *a, enum sasl_verdict verdict,
    const struct origin *o, struct login_result *result, struct err *err)
{
	(void)snprintf(result->login, sizeof(result->login), "%.*s",
	    (int)(o->login.len > TENANT_LOGIN_MAX ? TENANT_LOGIN_MAX
						  : o->login.len),
	    o->login.len == 0 ? "" : o->login.p);
	switch (verdict) {
	case SASL_OK:
		return admit(a, o, result, err);
	case SASL_CONTINUE:
		result->outcome = LOGIN_CONTINUE;
		return 0;
	case SASL_WRONG:
		return fail(a, o, LOGIN_WRONG, result);
	case SASL_BAD:
		return fail(a, o, LOGIN_BAD, result);
	case SASL_WEAK:
		result->outcome = LOGIN_WEAK;
		return 0;
	case SASL_FAILED:
		break;
	}
	return -1;
}

int
authenticate_login(struct authenticate *a,
    const struct tenants_request *request, struct login_result *result,
    struct err *err)
{
	struct origin o = { request->service, request->client, request->login };

	return conclude(a,
	    check_password(a, request->login, request->password, err), &o,
	    result, err);
}

/* ---- SASL
 * --------------------------------------------------------------------------------
 */

/*
 * One step of an exchange.  Whoever wants to act for somebody else (authzid)
 * is refused until that is built.             RFC 4422 section 3.4.1
 */
static int
step(struct authenticate *a, struct exchange *e, struct span message,
    struct buf *challenge, struct login_result *result, struct err *err)
{
	enum sasl_verdict verdict =
	    sasl_exchange_step(e->sasl, message, challenge, err);
	struct origin o = { e->service, span_str(e->client),
		sasl_exchange_authcid(e->sasl) };
	struct span authzid = sasl_exchange_authzid(e->sasl);

	if (verdict == SASL_OK && authzid.len > 0 &&
	    !span_eq_nocase(authzid, o.login))
		verdict = SASL_WRONG;
	return conclude(a, verdict, &o, result, err);
}

int
authenticate_sasl_start(struct authenticate *a,
    const struct tenants_request *request, struct sasl_token *token_out,
    struct buf *challenge, struct login_result *result, struct err *err)
{
	const struct sasl_mechanism *m =
	    sasl_mechanism_find(request->mechanism);
	struct sasl_directory directory = { check_password, find_secret,
		find_scram, a };
	CLEANUP(exchange_fini)
	struct exchange e = {
		.service = request->service,
	};

	if (m == NULL) {
		result->outcome = LOGIN_BAD;
		return 0;
	}
	(void)packet_text(request->client, e.client, sizeof(e.client));
	if (sasl_exchange_new(m, &directory, a->hostname, NULL, &e.sasl, err) ==
		-1 ||
	    step(a, &e, request->response, challenge, result, err) == -1)
		return -1;
	if (result->outcome != LOGIN_CONTINUE)
		return 0;
	return exchanges_put(a->exchanges, &e, clock_ms(), token_out, err);
}

int
authenticate_sasl_step(struct authenticate *a,
    const struct tenants_request *request, struct buf *challenge,
    struct login_result *result, struct err *err)
{
	CLEANUP(exchange_fini) struct exchange e = { .sasl = NULL };

	if (!exchanges_take(a->exchanges, &request->token, clock_ms(), &e))
		return err_set(
		    err, ERR_TEMP, "an exchange that has ended or is too old");
	if (step(a, &e, request->response, challenge, result, err) == -1)
		return -1;
	if (result->outcome == LOGIN_CONTINUE)
		exchanges_put_back(
		    a->exchanges, &e, clock_ms(), &request->token);
	return 0;
}

void
authenticate_sasl_cancel(
    struct authenticate *a, const struct tenants_request *request)
{
	CLEANUP(exchange_fini) struct exchange e = { .sasl = NULL };

	(void)exchanges_take(a->exchanges, &request->token, clock_ms(), &e);
}
