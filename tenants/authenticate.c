/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/authenticate.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "common/reactor.h"
#include "tenants/act_as.h"
#include "tenants/penalty.h"

enum {
	REFUSED_DELAY_MS = 500
};

struct authenticate {
	struct directory *directory;
	const char *hostname;
	struct verify *verify;
	struct penalty *penalty;
	struct exchanges *exchanges;
};

int
authenticate_new(const struct authenticate_options *options,
    struct authenticate **a_out, struct err *err)
{
	CLEANUP(authenticate_free)
	struct authenticate *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	a->directory = options->directory;
	a->hostname = options->hostname;
	if (verify_new(options->conf, options->state_directory, &a->verify,
		err) == -1 ||
	    penalty_new(options->rules, options->state_directory, &a->penalty,
		err) == -1 ||
	    exchanges_new(&a->exchanges, err) == -1)
		return -1;
	*a_out = STEAL(a);
	return 0;
}

int
authenticate_start(struct authenticate *a, struct err *err)
{
	return verify_start(a->verify, err) == -1
		   ? -1
		   : penalty_start(a->penalty, err);
}

void
authenticate_free(struct authenticate *a)
{
	if (a == NULL)
		return;
	exchanges_free(a->exchanges);
	penalty_free(a->penalty);
	verify_free(a->verify);
	free(a);
}

static void
attempt_begin(const struct authenticate *a, struct attempt *attempt)
{
	attempt->verify = a->verify;
	attempt->penalty = a->penalty;
	attempt->directory = attempt->patience == PATIENCE_NONE
				 ? directory_memory(a->directory)
				 : a->directory;
}

/* ---- outcomes
 * -------------------------------------------------------------------------- */

struct origin {
	unsigned service;
	struct span client, login, log_id;
	struct span wanted; /* as whom, by a name; empty: as itself */
	bool apop;
};

static int
fail(struct authenticate *a, struct attempt *attempt, const struct origin *o,
    enum login_outcome outcome, struct login_result *result, struct err *err)
{
	struct penalty_who who;

	/* Failures are written down: not by who must be quick. */
	if (attempt->patience == PATIENCE_NONE)
		return directory_set_would_wait(err);
	if (verify_who(attempt, o->login, &who, err) == -1)
		return -1;
	result->outcome = outcome;
	result->delay_ms = penalty_failed(
	    a->penalty, &who, attempt->wrong, (uint64_t)time(NULL));
	return 0;
}

/* The password is right: may the account come in by this door? */
static bool
admitted(const struct account_info *account, unsigned service)
{
	return account->tenant.status != TENANT_SUSPENDED &&
	       account->tenant.status != TENANT_DELETED &&
	       (account->status == ACCOUNT_ACTIVE ||
		   account->status == ACCOUNT_NORECEIVE) &&
	       (account->services & service) != 0;
}

static enum lookup
account_of(struct attempt *attempt, struct span login,
    struct account_info *account, struct err *err)
{
	CLEANUP(credentials_fini) struct credentials c = { .passwords.max = 0 };
	struct login_name name = attempt_name(attempt, login);
	enum lookup found;

	if (attempt->known) {
		*account = attempt->account;
		return LOOKUP_FOUND;
	}
	found = directory_credentials(attempt->directory, &name, &c, err);
	if (found == LOOKUP_FOUND)
		*account = c.account;
	return found;
}

/* Who acts for others is accounted for, whatever comes of it. */
static void
audit(
    const struct origin *o, const struct login_result *result, const char *what)
{
	static const char *const services[] = {
		[SERVICE_SMTP] = "smtp",
		[SERVICE_POP3] = "pop3",
		[SERVICE_IMAP] = "imap",
	};
	const char *service = o->service < sizeof(services) / sizeof(*services)
				  ? services[o->service]
				  : NULL;

	log_notice(&log_process, what, log_span("id", o->log_id),
	    log_span("actor", o->login), log_span("as", o->wanted),
	    log_str("tenant", result->account.tenant.name),
	    log_str("account", result->account.id),
	    log_str("service", service == NULL ? "" : service),
	    log_span("client", o->client));
}

/*
 * The account that they come to: their own, or that which they act for.
 * LOOKUP_NONE: they may not, which looks like a wrong password.
 */
static enum lookup
account_for(struct attempt *attempt, const struct origin *o,
    struct login_result *result, struct err *err)
{
	struct login_name name = attempt_name(attempt, o->login);
	struct account_info own;
	enum lookup found = account_of(attempt, o->login, &own, err);

	result->account = own;
	if (found != LOOKUP_FOUND ||
	    (o->wanted.len == 0 && !account_is_service(&own)))
		return found;
	/* Nobody acts through a door that is closed to themselves. */
	if (!account_is_service(&own) && !admitted(&own, o->service))
		return LOOKUP_FOUND;
	/* What opens one program's mail opens nobody else's. */
	found = attempt->app[0] != '\0' ? LOOKUP_NONE
					: act_as(attempt->directory, &name,
					      o->wanted, &result->account, err);
	if (found == LOOKUP_FOUND)
		result->acting = strcmp(result->account.id, own.id) != 0;
	else if (found == LOOKUP_NONE && attempt->patience != PATIENCE_NONE)
		audit(o, &(struct login_result){ .account = own },
		    "login as another refused");
	return found;
}

static int
admit(struct authenticate *a, struct attempt *attempt, const struct origin *o,
    struct login_result *result, struct err *err)
{
	struct penalty_who who;

	switch (account_for(attempt, o, result, err)) {
	case LOOKUP_FOUND:
		break;
	case LOOKUP_NONE: /* or deleted in this moment */
		return fail(a, attempt, o, LOGIN_WRONG, result, err);
	case LOOKUP_FAILED:
		return -1;
	}
	if (o->apop && !result->account.tenant.pop3.apop) {
		result->outcome = LOGIN_WEAK;
		return 0;
	}
	if (!admitted(&result->account, o->service)) {
		/* This is no guess, but it need not be quick either. */
		result->outcome = LOGIN_REFUSED;
		result->delay_ms = REFUSED_DELAY_MS;
		return 0;
	}
	if (verify_who(attempt, o->login, &who, err) == -1)
		return -1;
	penalty_succeeded(a->penalty, &who, (uint64_t)time(NULL));
	result->outcome = LOGIN_OK;
	if (result->acting)
		audit(o, result, "login as another");
	if (attempt->app[0] != '\0')
		log_info(&log_process, "login with an app password",
		    log_span("id", o->log_id),
		    log_str("tenant", result->account.tenant.name),
		    log_str("account", result->account.address),
		    log_str("app", attempt->app),
		    log_span("client", o->client));
	return 0;
}

static int
conclude(struct authenticate *a, struct attempt *attempt,
    enum sasl_verdict verdict, const struct origin *o,
    struct login_result *result, struct err *err)
{
	(void)snprintf(result->login, sizeof(result->login), "%.*s",
	    (int)(o->login.len > TENANT_LOGIN_MAX ? TENANT_LOGIN_MAX
						  : o->login.len),
	    o->login.len == 0 ? "" : o->login.p);
	switch (verdict) {
	case SASL_OK:
		return admit(a, attempt, o, result, err);
	case SASL_CONTINUE:
		result->outcome = LOGIN_CONTINUE;
		return 0;
	case SASL_WRONG:
		return fail(a, attempt, o, LOGIN_WRONG, result, err);
	case SASL_BAD:
		return fail(a, attempt, o, LOGIN_BAD, result, err);
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
    const struct tenants_request *request, struct attempt *attempt,
    struct login_result *result, struct err *err)
{
	struct origin o = { .service = request->service,
		.client = request->client,
		.login = request->login,
		.log_id = request->log_id };
	enum sasl_verdict verdict;

	attempt_begin(a, attempt);
	attempt->client = request->client;
	attempt->host = request->host;
	attempt->local = request->local;
	attempt->service = request->service;
	verdict =
	    verify_password(attempt, request->login, request->password, err);
	return conclude(a, attempt, verdict, &o, result, err);
}

/* ---- SASL --------------------------------------------------------------- */

/* One step of an exchange. */
static int
step(struct authenticate *a, struct attempt *attempt, struct exchange *e,
    struct span message, struct buf *challenge, struct login_result *result,
    struct err *err)
{
	enum sasl_verdict verdict;
	struct span authzid;
	struct origin o;

	attempt->client = span_str(e->client);
	attempt->host = span_str(e->host);
	attempt->local = span_str(e->local);
	attempt->service = e->service;
	sasl_exchange_set_arg(e->sasl, attempt);
	verdict = sasl_exchange_step(e->sasl, message, challenge, err);
	o = (struct origin){ .service = e->service,
		.client = span_str(e->client),
		.login = sasl_exchange_authcid(e->sasl),
		.log_id = span_str(e->log_id),
		.apop = e->apop };
	authzid = sasl_exchange_authzid(e->sasl);
	if (!span_eq_nocase(authzid, o.login))
		o.wanted = authzid;
	return conclude(a, attempt, verdict, &o, result, err);
}

int
authenticate_sasl_start(struct authenticate *a,
    const struct tenants_request *request, struct attempt *attempt,
    struct sasl_token *token_out, struct buf *challenge,
    struct login_result *result, struct err *err)
{
	static const struct sasl_directory directory = { verify_password,
		verify_secret, verify_scram, NULL };
	const struct sasl_mechanism *m =
	    sasl_mechanism_find(request->mechanism);
	CLEANUP(exchange_fini)
	struct exchange e = {
		.service = request->service,
		.apop = request->service == SERVICE_POP3 &&
			span_eq(request->mechanism, SPAN("APOP")),
	};

	if (e.apop)
		m = sasl_mechanism_apop();

	if (m == NULL) {
		result->outcome = LOGIN_BAD;
		return 0;
	}
	attempt_begin(a, attempt);
	(void)packet_text(request->client, e.client, sizeof(e.client));
	(void)packet_text(request->log_id, e.log_id, sizeof(e.log_id));
	(void)packet_text(request->host, e.host, sizeof(e.host));
	(void)packet_text(request->local, e.local, sizeof(e.local));
	if (sasl_exchange_new(m, &directory, a->hostname, NULL, &e.sasl, err) ==
		-1 ||
	    step(a, attempt, &e, request->response, challenge, result, err) ==
		-1)
		return -1;
	if (result->outcome != LOGIN_CONTINUE)
		return 0;
	return exchanges_put(a->exchanges, &e, clock_ms(), token_out, err);
}

int
authenticate_sasl_step(struct authenticate *a,
    const struct tenants_request *request, struct attempt *attempt,
    struct buf *challenge, struct login_result *result, struct err *err)
{
	CLEANUP(exchange_fini) struct exchange e = { .sasl = NULL };
	struct err why = ERR_INIT;
	int rc;

	/* A refusal ends the exchange; it is not to be heard twice. */
	if (attempt->patience == PATIENCE_NONE)
		return directory_set_would_wait(err);
	if (!exchanges_take(a->exchanges, &request->token, clock_ms(), &e))
		return err_set(
		    err, ERR_TEMP, "an exchange that has ended or is too old");
	attempt_begin(a, attempt);
	rc = step(a, attempt, &e, request->response, challenge, result, &why);
	if (rc == -1 ? verify_wants_hash(&why)
		     : result->outcome == LOGIN_CONTINUE)
		exchanges_put_back(
		    a->exchanges, &e, clock_ms(), &request->token);
	if (rc == -1 && err != NULL)
		*err = why;
	return rc;
}

void
authenticate_sasl_cancel(
    struct authenticate *a, const struct tenants_request *request)
{
	CLEANUP(exchange_fini) struct exchange e = { .sasl = NULL };

	(void)exchanges_take(a->exchanges, &request->token, clock_ms(), &e);
}
