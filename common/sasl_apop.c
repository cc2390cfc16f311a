/* SPDX-License-Identifier: BSD-2-Clause */
/* POP3's APOP.                                            RFC 1939 section 7 */
#include "common/sasl_private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum {
	APOP_OCTETS = 16,
	APOP_DIGITS = 2 * APOP_OCTETS,
};

/* MD5 of timestamp and secret, in lower-case hexadecimal digits. */
static int
apop_digest(struct span timestamp, struct span secret, char *digits)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned len = 0;
	bool done =
	    context != NULL &&
	    EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1 &&
	    EVP_DigestUpdate(context, timestamp.p, timestamp.len) == 1 &&
	    EVP_DigestUpdate(context, secret.p, secret.len) == 1 &&
	    EVP_DigestFinal_ex(context, digest, &len) == 1;

	EVP_MD_CTX_free(context);
	if (!done || len != APOP_OCTETS)
		return -1;
	for (unsigned i = 0; i < len; i++) {
		digits[2 * i] = hex[digest[i] >> 4];
		digits[2 * i + 1] = hex[digest[i] & 15];
	}
	return 0;
}

static enum sasl_verdict
apop_check(struct sasl_exchange *x, struct span timestamp, struct span answer,
    struct err *err)
{
	struct buf secret;
	enum sasl_verdict verdict;
	char digits[APOP_DIGITS];

	buf_init(&secret, SASL_SECRET_MAX);
	verdict = x->directory.secret(
	    x->directory.arg, buf_span(&x->authcid), &secret, err);
	/* Also for somebody unknown, whose secret is empty: the same work. */
	if (apop_digest(timestamp,
		secret.data == NULL ? SPAN("") : buf_span(&secret),
		digits) == -1) {
		(void)err_set(err, ERR_TEMP, "MD5 failed");
		verdict = SASL_FAILED;
	}
	if (verdict == SASL_OK &&
	    CRYPTO_memcmp(digits, answer.p, APOP_DIGITS) != 0)
		verdict = SASL_WRONG;
	sasl_buf_wipe(&secret);
	return verdict;
}

/* The only message: timestamp NUL name NUL 32(lower-case hexadecimal digit) */
static enum sasl_verdict
apop_step(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	struct span answer = message, timestamp, name;

	(void)challenge;
	if (message.p == NULL || !span_take_until(&answer, '\0', &timestamp) ||
	    !span_take_until(&answer, '\0', &name) || timestamp.len == 0 ||
	    answer.len != APOP_DIGITS || !sasl_set_authcid(x, name))
		return SASL_BAD;
	return apop_check(x, timestamp, answer, err);
}

const struct sasl_mechanism sasl_apop = { "APOP", false, apop_step };
