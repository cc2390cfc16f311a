/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/password_new.h"

#include <string.h>

#include <openssl/rand.h>

#include "tenants/password.h"

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
	if (password_hash_cost(password, cost, &out->stored, err) == -1 ||
	    make_scram(password, out, err) == -1)
		return -1;
	return keep_clear ? make_secret(buf_span(&out->stored), "{CLEARTEXT}",
				password, &out->clear, err)
			  : 0;
}
