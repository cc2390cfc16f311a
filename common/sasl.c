/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/sasl.h"

#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "common/sasl_private.h"

/* In order of preference, as a client is shown them. */
static const struct sasl_mechanism *const mechanisms[] = {
	&sasl_scram_sha_256,
	&sasl_cram_md5,
	&sasl_plain,
	&sasl_login,
};

const struct sasl_mechanism *
sasl_mechanism_at(size_t i)
{
	return i < sizeof(mechanisms) / sizeof(*mechanisms) ? mechanisms[i]
							    : NULL;
}

const struct sasl_mechanism *
sasl_mechanism_find(struct span name)
{
	const struct sasl_mechanism *m;

	for (size_t i = 0; (m = sasl_mechanism_at(i)) != NULL; i++)
		if (span_eq_nocase(name, span_str(m->name)))
			return m;
	return NULL;
}

const struct sasl_mechanism *
sasl_mechanism_apop(void)
{
	return &sasl_apop;
}

const char *
sasl_mechanism_name(const struct sasl_mechanism *m)
{
	return m->name;
}

bool
sasl_mechanism_plaintext(const struct sasl_mechanism *m)
{
	return m->plaintext;
}

void
sasl_buf_wipe(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->cap);
	buf_fini(b);
}

bool
sasl_set_authcid(struct sasl_exchange *x, struct span name)
{
	buf_clear(&x->authcid);
	if (name.len == 0 || span_index(name, '\0') != -1)
		return false;
	buf_append(&x->authcid, name);
	return buf_check(&x->authcid, NULL) == 0;
}

/* 24 printable octets without a comma: 144 random bits in base64. */
static int
nonce_make(char *nonce, size_t size, struct err *err)
{
	unsigned char random[18];
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 24);
	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	base64_encode(span_of((const char *)random, sizeof(random)), &text);
	if (buf_check(&text, err) == -1)
		return -1;
	(void)snprintf(nonce, size, "%s", buf_str(&text));
	return 0;
}

int
sasl_exchange_new(const struct sasl_mechanism *m,
    const struct sasl_directory *directory, const char *hostname,
    const char *nonce, struct sasl_exchange **exchange_out, struct err *err)
{
	CLEANUP(sasl_exchange_free)
	struct sasl_exchange *x = calloc(1, sizeof(*x));

	if (x == NULL)
		return err_sys(err, "SASL exchange");
	x->mechanism = m;
	x->directory = *directory;
	buf_init(&x->authcid, SASL_NAME_MAX);
	buf_init(&x->authzid, SASL_NAME_MAX);
	buf_init(&x->said, SASL_MESSAGE_MAX);
	buf_init(&x->gs2, SASL_NAME_MAX + 16);
	buf_init(&x->nonce_all, SASL_NONCE_MAX + sizeof(x->nonce));
	(void)snprintf(x->hostname, sizeof(x->hostname), "%s", hostname);
	if (nonce != NULL)
		(void)snprintf(x->nonce, sizeof(x->nonce), "%s", nonce);
	else if (nonce_make(x->nonce, sizeof(x->nonce), err) == -1)
		return -1;
	*exchange_out = STEAL(x);
	return 0;
}

void
sasl_exchange_free(struct sasl_exchange *x)
{
	if (x == NULL)
		return;
	buf_fini(&x->authcid);
	buf_fini(&x->authzid);
	buf_fini(&x->said);
	buf_fini(&x->gs2);
	buf_fini(&x->nonce_all);
	OPENSSL_cleanse(x, sizeof(*x));
	free(x);
}

enum sasl_verdict
sasl_exchange_step(struct sasl_exchange *x, struct span message,
    struct buf *challenge, struct err *err)
{
	if (message.len > SASL_MESSAGE_MAX)
		return SASL_BAD;
	return x->mechanism->step(x, message, challenge, err);
}

void
sasl_exchange_set_arg(struct sasl_exchange *x, void *arg)
{
	x->directory.arg = arg;
}

struct span
sasl_exchange_authcid(const struct sasl_exchange *x)
{
	return buf_span(&x->authcid);
}

struct span
sasl_exchange_authzid(const struct sasl_exchange *x)
{
	return buf_span(&x->authzid);
}
