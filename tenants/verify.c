/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/verify.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "tenants/password.h"

struct verify {
	struct remember *remember;
	/* A hash of a password that nobody has, for names that nobody has. */
	struct buf decoy;
};

int
verify_new(
    const char *state_directory, struct verify **verify_out, struct err *err)
{
	CLEANUP(verify_free) struct verify *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	buf_init(&v->decoy, 1024);
	if (remember_new(state_directory, &v->remember, err) == -1 ||
	    password_hash(SPAN("nobody has this"), &v->decoy, err) == -1)
		return -1;
	*verify_out = STEAL(v);
	return 0;
}

void
verify_free(struct verify *v)
{
	if (v == NULL)
		return;
	remember_free(v->remember);
	buf_fini(&v->decoy);
	free(v);
}

bool
verify_wants_hash(const struct err *err)
{
	return err->kind == ERR_TEMP && err->os == EBUSY;
}

static enum sasl_verdict
want_hash(struct attempt *a, const char *tenant, struct err *err)
{
	(void)snprintf(a->turn.tenant, sizeof(a->turn.tenant), "%s", tenant);
	if (err != NULL)
		*err = (struct err){ .kind = ERR_TEMP, .os = EBUSY };
	return SASL_FAILED;
}

/* The next of the values that stand in b, each ended by NUL. */
static bool
value_next(struct span *rest, struct span *value_out)
{
	return span_take_until(rest, '\0', value_out);
}

/* ---- one password ------------------------------------------------------- */

/* The cost of a known user's wrong password, for a name nobody has, at the
 * expense of whose domain it is. */
static enum sasl_verdict
password_unknown(struct attempt *a, struct span authcid, struct span password,
    struct err *err)
{
	ptrdiff_t at = span_rindex(authcid, '@');
	struct domain_info domain = { .name = "" };

	if (a->patience != PATIENCE_HASH) {
		if (at >= 0 && directory_domain(a->directory,
				   span_from(authcid, (size_t)at + 1), &domain,
				   err) == LOOKUP_FAILED)
			return SASL_FAILED;
		return want_hash(a, domain.tenant.name, err);
	}
	(void)password_check(buf_span(&a->verify->decoy), password);
	return SASL_WRONG;
}

static enum sasl_verdict
password_slow(struct attempt *a, const struct credentials *c,
    struct span stored, struct span password, struct err *err)
{
	struct remember *remember = a->verify->remember;
	unsigned char digest[REMEMBER_DIGEST];

	if (remember_digest(remember, span_str(c->account.id), stored, password,
		digest, err) == -1)
		return SASL_FAILED;
	if (remember_has(remember, digest))
		return SASL_OK;
	if (a->patience != PATIENCE_HASH)
		return want_hash(a, c->account.tenant.name, err);
	if (password_check(stored, password) != PASSWORD_RIGHT)
		return SASL_WRONG;
	remember_add(remember, digest);
	return SASL_OK;
}

/* Any of the account's values will do, as RFC 4519 2.41 has it. */
static enum sasl_verdict
password_known(struct attempt *a, const struct credentials *c,
    struct span password, struct err *err)
{
	struct span rest = buf_span(&c->passwords), stored;
	enum sasl_verdict verdict = SASL_WRONG, one;

	while (value_next(&rest, &stored)) {
		if (password_is_slow(stored)) {
			one = password_slow(a, c, stored, password, err);
			if (one == SASL_OK)
				return SASL_OK;
			/* Perhaps another value is right without a hash. */
			if (one == SASL_FAILED)
				verdict = SASL_FAILED;
			continue;
		}
		switch (password_check(stored, password)) {
		case PASSWORD_RIGHT:
			return SASL_OK;
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

enum sasl_verdict
verify_password(
    void *arg, struct span authcid, struct span password, struct err *err)
{
	struct attempt *a = arg;
	CLEANUP(credentials_fini) struct credentials c;
	enum sasl_verdict verdict;

	switch (directory_credentials(a->directory, authcid, &c, err)) {
	case LOOKUP_FOUND:
		verdict = password_known(a, &c, password, err);
		if (verdict == SASL_OK) {
			a->known = true;
			a->account = c.account;
		}
		return verdict;
	case LOOKUP_NONE:
		return password_unknown(a, authcid, password, err);
	case LOOKUP_FAILED:
		break;
	}
	return SASL_FAILED;
}

/* ---- material of other mechanisms ---------------------------------------- */

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

static bool
take_scram_stored(struct span value, void *arg)
{
	return !password_is_clear(value) && password_scram(value, arg);
}

static bool
is_clear(struct span value, void *arg)
{
	(void)arg;
	return password_is_clear(value);
}

enum sasl_verdict
verify_secret(
    void *arg, struct span authcid, struct buf *secret, struct err *err)
{
	struct attempt *a = arg;
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
scram_unknown(const struct verify *v, struct span authcid,
    struct sasl_scram *scram, struct err *err)
{
	unsigned char salt[REMEMBER_DIGEST];

	*scram = (struct sasl_scram){ .iterations = 4096, .salt_len = 16 };
	if (remember_derive(v->remember, "salt", authcid, salt, err) == -1 ||
	    remember_derive(v->remember, "stored key", authcid,
		scram->stored_key, err) == -1 ||
	    remember_derive(v->remember, "server key", authcid,
		scram->server_key, err) == -1)
		return SASL_FAILED;
	memcpy(scram->salt, salt, scram->salt_len);
	return SASL_OK;
}

/* From a clear password it is derived anew each time, which takes a while. */
static enum sasl_verdict
scram_known(struct attempt *a, const struct credentials *c,
    struct sasl_scram *scram, struct err *err)
{
	if (material_find(c, take_scram_stored, scram))
		return SASL_OK;
	if (!material_find(c, is_clear, NULL))
		return SASL_WEAK;
	if (a->patience != PATIENCE_HASH)
		return want_hash(a, c->account.tenant.name, err);
	return material_find(c, take_scram, scram) ? SASL_OK : SASL_WEAK;
}

enum sasl_verdict
verify_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err)
{
	struct attempt *a = arg;
	CLEANUP(credentials_fini) struct credentials c;

	switch (directory_credentials(a->directory, authcid, &c, err)) {
	case LOOKUP_FOUND:
		return scram_known(a, &c, scram, err);
	case LOOKUP_NONE:
		return scram_unknown(a->verify, authcid, scram, err);
	case LOOKUP_FAILED:
		break;
	}
	return SASL_FAILED;
}
