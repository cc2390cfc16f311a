/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/verify.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/log.h"
#include "tenants/app_password.h"
#include "tenants/password.h"
#include "tenants/password_cost.h"
#include "tenants/rehash.h"

struct verify {
	struct remember *remember;
	struct rehash *rehash; /* or NULL */
	/* A hash of a password that nobody has, for names that nobody has. */
	struct buf decoy;
};

int
verify_new(const struct tenantd_conf *conf, const char *state_directory,
    struct verify **verify_out, struct err *err)
{
	CLEANUP(verify_free) struct verify *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	buf_init(&v->decoy, 1024);
	if (remember_new(state_directory, &v->remember, err) == -1 ||
	    rehash_new(conf, v->remember, &v->rehash, err) == -1 ||
	    password_hash(SPAN("nobody has this"), &v->decoy, err) == -1)
		return -1;
	*verify_out = STEAL(v);
	return 0;
}

int
verify_start(struct verify *v, struct err *err)
{
	return rehash_start(v->rehash, err);
}

void
verify_free(struct verify *v)
{
	if (v == NULL)
		return;
	rehash_free(v->rehash);
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
want_hash(struct attempt *a, struct err *err)
{
	(void)snprintf(a->turn.tenant, sizeof(a->turn.tenant), "%s", a->tenant);
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

/* ---- who it is ----------------------------------------------------------- */

static void
count_as(struct attempt *a, struct span account, const char *tenant)
{
	size_t len = account.len < sizeof(a->counted) ? account.len
						      : sizeof(a->counted) - 1;

	if (len > 0)
		memcpy(a->counted, account.p, len);
	a->counted[len] = '\0';
	(void)snprintf(a->tenant, sizeof(a->tenant), "%s", tenant);
}

/* A name that nobody has is on the account of whose domain it is in. */
static int
count_unknown(struct attempt *a, const struct login_name *name, struct err *err)
{
	char tenant[TENANT_NAME_MAX + 1];

	if (directory_tenant_of_login(a->directory, name, tenant, err) ==
	    LOOKUP_FAILED)
		return -1;
	count_as(a, name->text, tenant);
	return 0;
}

struct login_name
attempt_name(const struct attempt *a, struct span login)
{
	return (struct login_name){ login, a->host, a->local, a->service };
}

/* Finds the account, and says on whose account failures go. */
static enum lookup
find(struct attempt *a, struct span login, struct credentials *c,
    struct err *err)
{
	struct login_name name = attempt_name(a, login);
	enum lookup found = directory_credentials(a->directory, &name, c, err);

	if (found == LOOKUP_FOUND)
		count_as(a, span_str(c->account.id), c->account.tenant.name);
	else if (found == LOOKUP_NONE && count_unknown(a, &name, err) == -1)
		return LOOKUP_FAILED;
	return found;
}

static void
who_of(const struct attempt *a, struct penalty_who *who)
{
	*who = (struct penalty_who){ .account = span_str(a->counted),
		.tenant = a->tenant,
		.client = a->client };
}

int
verify_who(struct attempt *a, struct span login, struct penalty_who *who_out,
    struct err *err)
{
	CLEANUP(credentials_fini) struct credentials c = { .passwords.max = 0 };

	if (a->counted[0] == '\0' && login.len > 0 &&
	    find(a, login, &c, err) == LOOKUP_FAILED)
		return -1;
	who_of(a, who_out);
	return 0;
}

/*
 * May the secret be looked at?  SASL_OK; SASL_WRONG, it is locked; SASL_FAILED.
 */
static enum sasl_verdict
stand(struct attempt *a, struct err *err)
{
	struct penalty_who who;
	uint64_t now_s = (uint64_t)time(NULL);

	who_of(a, &who);
	if (a->patience == PATIENCE_NONE) {
		if (penalty_glance(a->penalty, &who, now_s) == PENALTY_CLEAN)
			return SASL_OK;
		(void)directory_set_would_wait(err);
		return SASL_FAILED;
	}
	switch (penalty_stand(a->penalty, &who, now_s)) {
	case PENALTY_LOCKED:
		return SASL_WRONG;
	case PENALTY_MARKED:
		a->turn.marked = true;
		break;
	case PENALTY_CLEAN:
		break;
	}
	return SASL_OK;
}

/* ---- one password ------------------------------------------------------- */

/* The cost of a known user's wrong password, for a name nobody has. */
static enum sasl_verdict
password_unknown(struct attempt *a, struct span password, struct err *err)
{
	if (a->patience != PATIENCE_HASH)
		return want_hash(a, err);
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
		return want_hash(a, err);
	if (password_check(stored, password) != PASSWORD_RIGHT)
		return SASL_WRONG;
	remember_add(remember, digest);
	return SASL_OK;
}

/* SASL_FAILED: perhaps another value is right without a hash. */
static enum sasl_verdict
password_one(struct attempt *a, const struct credentials *c, struct span stored,
    struct span password, unsigned *slow, struct err *err)
{
	if (password_is_slow(stored))
		return ++*slow > PASSWORD_SLOW_MAX
			   ? SASL_WRONG
			   : password_slow(a, c, stored, password, err);
	switch (password_check(stored, password)) {
	case PASSWORD_RIGHT:
		return SASL_OK;
	case PASSWORD_UNKNOWN:
		log_warning(&log_process,
		    "password in a scheme we do not have, or too dear to "
		    "compute",
		    log_str("tenant", c->account.tenant.name),
		    log_span("account", span_str(c->account.address)));
		break;
	case PASSWORD_WRONG:
		break;
	}
	return SASL_WRONG;
}

/* Any of the account's values will do, as RFC 4519 2.41 has it. */
static enum sasl_verdict
password_known(struct attempt *a, const struct credentials *c,
    struct span password, struct err *err)
{
	struct span passwords = buf_span(&c->passwords), stored, id;
	struct span apps = buf_span(&c->apps);
	enum sasl_verdict verdict = SASL_WRONG, one;
	unsigned slow = 0;

	a->app[0] = '\0';
	while (value_next(&passwords, &stored)) {
		one = password_one(a, c, stored, password, &slow, err);
		if (one == SASL_OK) {
			rehash_offer(a->verify->rehash, c, stored, password);
			return SASL_OK;
		}
		if (one == SASL_FAILED)
			verdict = SASL_FAILED;
	}
	while (app_password_next(&apps, &id, &stored)) {
		one = password_one(a, c, stored, password, &slow, err);
		if (one == SASL_FAILED)
			verdict = SASL_FAILED;
		if (one != SASL_OK)
			continue;
		(void)snprintf(a->app, sizeof(a->app), "%.*s", SPAN_FMT(id));
		return SASL_OK;
	}
	return verdict;
}

/*
 * Some digest of a password that was wrong.  One that is right at another
 * service, or becomes right, is another one.
 */
static int
digest_wrong(struct attempt *a, const struct credentials *c,
    struct span password, uint64_t *wrong_out, struct err *err)
{
	struct remember *remember = a->verify->remember;
	struct span counted = span_str(a->counted);
	unsigned char digest[REMEMBER_DIGEST];
	uint64_t app;

	if (remember_digest(remember, counted, buf_span(&c->passwords),
		password, digest, err) == -1)
		return -1;
	memcpy(wrong_out, digest, sizeof(*wrong_out));
	if (c->apps.len == 0)
		return 0;
	if (remember_digest(remember, counted, buf_span(&c->apps), password,
		digest, err) == -1)
		return -1;
	memcpy(&app, digest, sizeof(app));
	*wrong_out ^= app;
	return 0;
}

/* A telephone that was not told of the new password costs no hash. */
static enum sasl_verdict
password_again(struct attempt *a, const struct credentials *c,
    struct span password, struct err *err)
{
	enum sasl_verdict verdict = SASL_WRONG;
	struct penalty_who who;
	uint64_t wrong;

	who_of(a, &who);
	if (digest_wrong(a, c, password, &wrong, err) == -1)
		return SASL_FAILED;
	if (!penalty_same_wrong(a->penalty, &who, wrong))
		verdict = password_known(a, c, password, err);
	/* Only then: one that is right may be refused for another reason. */
	if (verdict == SASL_WRONG)
		a->wrong = wrong;
	return verdict;
}

enum sasl_verdict
verify_password(
    void *arg, struct span authcid, struct span password, struct err *err)
{
	struct attempt *a = arg;
	CLEANUP(credentials_fini) struct credentials c;
	enum lookup found = find(a, authcid, &c, err);
	enum sasl_verdict verdict;

	if (found == LOOKUP_FAILED)
		return SASL_FAILED;
	verdict = stand(a, err);
	if (verdict != SASL_OK)
		return verdict;
	if (found == LOOKUP_NONE)
		return password_unknown(a, password, err);
	verdict = a->patience == PATIENCE_NONE
		      ? password_known(a, &c, password, err)
		      : password_again(a, &c, password, err);
	if (verdict == SASL_OK) {
		a->known = true;
		a->account = c.account;
	}
	return verdict;
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
	enum lookup found = find(a, authcid, &c, err);
	enum sasl_verdict verdict;

	if (found == LOOKUP_FAILED)
		return SASL_FAILED;
	verdict = stand(a, err);
	if (verdict != SASL_OK)
		return verdict;
	if (found == LOOKUP_NONE)
		return SASL_WRONG;
	return material_find(&c, take_clear, secret) ? SASL_OK : SASL_WEAK;
}

/*
 * Material that no password has made, the same each time for a name; and for
 * every other name none, as with accounts that have a hash alone: neither
 * answer tells that somebody exists.
 */
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
	return (salt[scram->salt_len] & 1) == 0 ? SASL_OK : SASL_WEAK;
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
		return want_hash(a, err);
	return material_find(c, take_scram, scram) ? SASL_OK : SASL_WEAK;
}

enum sasl_verdict
verify_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err)
{
	struct attempt *a = arg;
	CLEANUP(credentials_fini) struct credentials c;
	enum lookup found = find(a, authcid, &c, err);
	enum sasl_verdict verdict;

	if (found == LOOKUP_FAILED)
		return SASL_FAILED;
	verdict = stand(a, err);
	if (verdict == SASL_FAILED)
		return SASL_FAILED;
	if (found == LOOKUP_NONE)
		return scram_unknown(a->verify, authcid, scram, err);
	/* Who is locked out fails at the end, as with a wrong password. */
	if (verdict == SASL_WRONG) {
		verdict = scram_unknown(a->verify, authcid, scram, err);
		return verdict == SASL_WEAK ? SASL_OK : verdict;
	}
	return scram_known(a, &c, scram, err);
}
