/* SPDX-License-Identifier: BSD-2-Clause */
/* CRAM-MD5.                                               RFC 2195 section 2 */
#include "common/sasl_private.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

enum {
	CRAM_DIGITS = 32
};

/* The keyed digest in lower-case hexadecimal digits. */
static int
cram_digest(struct span secret, struct span challenge, char *digits)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (HMAC(EVP_md5(), secret.p, (int)secret.len,
		(const unsigned char *)challenge.p, challenge.len, digest,
		&len) == NULL ||
	    len * 2 != CRAM_DIGITS)
		return -1;
	for (unsigned i = 0; i < len; i++) {
		digits[2 * i] = hex[digest[i] >> 4];
		digits[2 * i + 1] = hex[digest[i] & 15];
	}
	return 0;
}

static enum sasl_verdict
cram_check(struct sasl_exchange *x, struct span answer, struct err *err)
{
	struct buf secret;
	enum sasl_verdict verdict;
	char digits[CRAM_DIGITS];

	buf_init(&secret, SASL_SECRET_MAX);
	verdict = x->directory.secret(
	    x->directory.arg, buf_span(&x->authcid), &secret, err);
	/* Also for somebody unknown, whose secret is empty: the same work. */
	if (cram_digest(secret.data == NULL ? SPAN("") : buf_span(&secret),
		buf_span(&x->said), digits) == -1) {
		(void)err_set(err, ERR_TEMP, "HMAC-MD5 failed");
		verdict = SASL_FAILED;
	}
	if (verdict == SASL_OK &&
	    CRYPTO_memcmp(digits, answer.p, CRAM_DIGITS) != 0)
		verdict = SASL_WRONG;
	sasl_buf_wipe(&secret);
	return verdict;
}

/*
 *	challenge = "<" nonce "@" hostname ">"
 *	response  = name SP 32(lower-case hexadecimal digit)
 *
 * The name may contain spaces.
 */
static enum sasl_verdict
cram_step(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	ptrdiff_t space;

	if (x->state++ == 0) {
		/* The server speaks first. */
		if (message.p != NULL && message.len > 0)
			return SASL_BAD;
		buf_append_fmt(&x->said, "<%s@%s>", x->nonce, x->hostname);
		if (buf_check(&x->said, err) == -1)
			return SASL_FAILED;
		buf_append(challenge, buf_span(&x->said));
		return SASL_CONTINUE;
	}
	space = span_rindex(message, ' ');
	if (space <= 0 || message.len - (size_t)space - 1 != CRAM_DIGITS ||
	    !sasl_set_authcid(x, span_first(message, (size_t)space)))
		return SASL_BAD;
	return cram_check(x, span_from(message, (size_t)space + 1), err);
}

const struct sasl_mechanism sasl_cram_md5 = { "CRAM-MD5", false, cram_step };
