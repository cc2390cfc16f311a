/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/password_new.h"

#include <string.h>

#include <openssl/rand.h>

#include "tenants/password.h"
#include "tenants/saslprep.h"

enum {
	VALUE_MAX = 2048,
	SALT_SIZE = 16,
	ITERATIONS = 4096
};

void
password_new_init(struct password_new *p)
{
	buf_init(&p->stored, VALUE_MAX);
	buf_init(&p->scram, VALUE_MAX);
	buf_init(&p->clear, VALUE_MAX);
}

static void
clean(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

void
password_new_fini(struct password_new *p)
{
	clean(&p->stored);
	clean(&p->scram);
	clean(&p->clear);
}

static int
make_secret(struct span stored, const char *scheme, struct span material,
    struct buf *out, struct err *err)
{
	struct buf value;
	int rc;

	buf_init(&value, VALUE_MAX);
	buf_append_str(&value, scheme);
	buf_append(&value, material);
	password_secret_format(stored, buf_span(&value), out);
	rc = buf_check(&value, err) == -1 ? -1 : buf_check(out, err);
	clean(&value);
	return rc;
}

static int
make_scram(struct span password, struct password_new *p, struct err *err)
{
	unsigned char salt[SALT_SIZE];
	struct sasl_scram scram;
	CLEANUP(buf_fini) struct buf material;

	buf_init(&material, VALUE_MAX);
	if (RAND_bytes(salt, sizeof(salt)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	if (sasl_scram_derive(password,
		span_of((const char *)salt, sizeof(salt)), ITERATIONS, &scram,
		err) == -1)
		return -1;
	sasl_scram_format(&scram, &material);
	if (buf_check(&material, err) == -1)
		return -1;
	return make_secret(buf_span(&p->stored), "{SCRAM-SHA-256}",
	    buf_span(&material), &p->scram, err);
}

int
password_new_make(struct span password, unsigned cost, bool keep_clear,
    struct password_new *out, struct err *err)
{
	struct buf prepared;
	int rc;

	/* So that it is the same whichever program or keyboard it comes from;
	 * CRAM-MD5 knows nothing of that. */
	buf_init(&prepared, VALUE_MAX);
	if (!saslprep(password, &prepared))
		buf_append(&prepared, password);
	rc = password_hash_cost(buf_span(&prepared), cost, &out->stored, err);
	if (rc == 0)
		rc = make_scram(buf_span(&prepared), out, err);
	if (rc == 0 && keep_clear)
		rc = make_secret(buf_span(&out->stored), "{CLEARTEXT}",
		    password, &out->clear, err);
	clean(&prepared);
	return rc;
}

/* ---- for single programs ------------------------------------------------- */

/* 32 of them, without those that are taken for others. */
static const char app_letters[] = "abcdefghijkmnpqrstuvwxyz23456789";
_Static_assert(sizeof(app_letters) == 32 + 1, "five bits a letter");

int
password_new_app(struct buf *password, struct buf *stored, struct err *err)
{
	unsigned char chance[APP_PASSWORD_LETTERS];

	if (RAND_bytes(chance, sizeof(chance)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	for (size_t i = 0; i < sizeof(chance); i++)
		buf_append_octet(password, app_letters[chance[i] % 32]);
	explicit_bzero(chance, sizeof(chance));
	if (buf_check(password, err) == -1)
		return -1;
	return password_hash_fast(buf_span(password), stored, err);
}
