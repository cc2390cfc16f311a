/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SCRAM-SHA-256 without channel binding.                     RFC 5802, 7677
 *
 * Passwords and names are compared as the octets they are: no SASLprep, so
 * whoever stores material for a password outside ASCII stores it for the
 * normal form that clients send (RFC 4013).
 */
#include "common/sasl_private.h"

#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "common/ascii.h"

enum {
	SCRAM_ITERATIONS_MIN = 1,
	SCRAM_ITERATIONS_MAX = 1000000,
	STATE_START = 0,
	STATE_FIRST,
	STATE_FINAL,
	STATE_DONE,
};

static bool
scram_hmac(const unsigned char *key, size_t key_len, struct span text,
    unsigned char *out)
{
	unsigned len = SASL_SCRAM_SIZE;

	return HMAC(EVP_sha256(), key, (int)key_len,
		   (const unsigned char *)text.p, text.len, out, &len) != NULL;
}

int
sasl_scram_derive(struct span password, struct span salt, uint32_t iterations,
    struct sasl_scram *scram_out, struct err *err)
{
	struct sasl_scram s = { .iterations = iterations };
	unsigned char salted[SASL_SCRAM_SIZE], client_key[SASL_SCRAM_SIZE];
	bool done;

	if (iterations < SCRAM_ITERATIONS_MIN ||
	    iterations > SCRAM_ITERATIONS_MAX || salt.len == 0 ||
	    salt.len > sizeof(s.salt) || password.len > SASL_SECRET_MAX)
		return err_set(err, ERR_LIMIT, "SCRAM: salt or iterations");
	memcpy(s.salt, salt.p, salt.len);
	s.salt_len = salt.len;
	done = PKCS5_PBKDF2_HMAC(password.p, (int)password.len, s.salt,
		   (int)salt.len, (int)iterations, EVP_sha256(), sizeof(salted),
		   salted) == 1 &&
	       scram_hmac(
		   salted, sizeof(salted), SPAN("Client Key"), client_key) &&
	       SHA256(client_key, sizeof(client_key), s.stored_key) != NULL &&
	       scram_hmac(
		   salted, sizeof(salted), SPAN("Server Key"), s.server_key);
	OPENSSL_cleanse(salted, sizeof(salted));
	OPENSSL_cleanse(client_key, sizeof(client_key));
	if (!done)
		return err_set(err, ERR_TEMP, "SCRAM: derivation failed");
	*scram_out = s;
	return 0;
}

/* Exactly size octets of base64. */
static bool
decode_exact(struct span text, unsigned char *out, size_t size)
{
	CLEANUP(buf_fini) struct buf octets;

	buf_init(&octets, size);
	if (base64_decode(text, &octets, NULL) == -1 || octets.len != size)
		return false;
	memcpy(out, octets.data, size);
	return true;
}

int
sasl_scram_parse(
    struct span value, struct sasl_scram *scram_out, struct err *err)
{
	struct sasl_scram s = { 0 };
	struct span salt, stored, rest = value;
	CLEANUP(buf_fini) struct buf octets;
	uint64_t iterations;

	buf_init(&octets, sizeof(s.salt));
	if (!span_take_u64(&rest, &iterations) ||
	    !span_take_octet(&rest, '$') ||
	    !span_take_until(&rest, '$', &salt) ||
	    !span_take_until(&rest, ':', &stored) ||
	    base64_decode(salt, &octets, NULL) == -1 || octets.len == 0 ||
	    !decode_exact(stored, s.stored_key, sizeof(s.stored_key)) ||
	    !decode_exact(rest, s.server_key, sizeof(s.server_key)))
		return err_set(err, ERR_SYNTAX, "SCRAM material: malformed");
	if (iterations < SCRAM_ITERATIONS_MIN ||
	    iterations > SCRAM_ITERATIONS_MAX)
		return err_set(err, ERR_LIMIT, "SCRAM material: iterations");
	memcpy(s.salt, octets.data, octets.len);
	s.salt_len = octets.len;
	s.iterations = (uint32_t)iterations;
	*scram_out = s;
	return 0;
}

void
sasl_scram_format(const struct sasl_scram *scram, struct buf *out)
{
	buf_append_fmt(out, "%u$", scram->iterations);
	base64_encode(span_of((const char *)scram->salt, scram->salt_len), out);
	buf_append_octet(out, '$');
	base64_encode(
	    span_of((const char *)scram->stored_key, sizeof(scram->stored_key)),
	    out);
	buf_append_octet(out, ':');
	base64_encode(
	    span_of((const char *)scram->server_key, sizeof(scram->server_key)),
	    out);
}

/* ---- messages ------------------------------------------------------------ */

/*
 *	saslname = 1*(value-safe-char / "=2C" / "=3D")	RFC 5802 section 7
 */
static bool
saslname_decode(struct span name, struct buf *out)
{
	struct span rest = name;

	buf_clear(out);
	while (rest.len > 0) {
		char c = rest.p[0];

		if (c == '\0' || c == ',')
			return false;
		if (c == '=') {
			if (span_starts(rest, SPAN("=2C")))
				c = ',';
			else if (!span_starts(rest, SPAN("=3D")))
				return false;
			rest = span_from(rest, 2);
		}
		rest = span_from(rest, 1);
		buf_append_octet(out, c);
	}
	return name.len > 0 && buf_check(out, NULL) == 0;
}

/* Takes up to a comma or the end; a comma is dropped. */
static struct span
take_attribute(struct span *rest)
{
	struct span attribute;

	if (!span_take_until(rest, ',', &attribute)) {
		attribute = *rest;
		*rest = span_from(*rest, rest->len);
	}
	return attribute;
}

/*
 *	gs2-header = ("n" / "y") "," ["a=" saslname] ","
 *
 * "y": the client could bind the channel and thinks that we cannot, which is
 * right.  "p=...": it demands what we did not offer.
 */
static bool
take_gs2_header(struct sasl_exchange *x, struct span *rest)
{
	struct span start = *rest, flag, authzid;

	if (!span_take_until(rest, ',', &flag) ||
	    !span_take_until(rest, ',', &authzid))
		return false;
	if (!span_eq(flag, SPAN("n")) && !span_eq(flag, SPAN("y")))
		return false;
	if (authzid.len > 0 && (!span_take_nocase(&authzid, SPAN("a=")) ||
				   !saslname_decode(authzid, &x->authzid)))
		return false;
	buf_append(&x->gs2, span_first(start, start.len - rest->len));
	return buf_check(&x->gs2, NULL) == 0;
}

static bool
is_nonce(struct span nonce)
{
	return nonce.len > 0 && nonce.len <= SASL_NONCE_MAX &&
	       ascii_all(nonce, ASCII_VCHAR) && span_index(nonce, ',') == -1;
}

/*
 *	client-first-message-bare = "n=" saslname "," "r=" nonce ["," exts]
 *
 * A reserved "m=" in front means an extension that we do not know.
 */
static bool
take_first_bare(struct sasl_exchange *x, struct span bare)
{
	struct span rest = bare, name = take_attribute(&rest),
		    nonce = take_attribute(&rest);

	if (!span_starts(name, SPAN("n=")) ||
	    !saslname_decode(span_from(name, 2), &x->authcid) ||
	    span_index(buf_span(&x->authcid), '\0') != -1 ||
	    !span_starts(nonce, SPAN("r=")) || !is_nonce(span_from(nonce, 2)))
		return false;
	buf_append(&x->nonce_all, span_from(nonce, 2));
	buf_append_str(&x->nonce_all, x->nonce);
	buf_append(&x->said, bare);
	return buf_check(&x->said, NULL) == 0 &&
	       buf_check(&x->nonce_all, NULL) == 0;
}

static enum sasl_verdict
scram_first(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	enum sasl_verdict verdict;
	size_t mark;

	/* They hold something when this message has failed before. */
	buf_clear(&x->authzid);
	buf_clear(&x->authcid);
	buf_clear(&x->gs2);
	buf_clear(&x->nonce_all);
	buf_clear(&x->said);
	if (!take_gs2_header(x, &message) || !take_first_bare(x, message))
		return SASL_BAD;
	verdict = x->directory.scram(
	    x->directory.arg, buf_span(&x->authcid), &x->scram, err);
	if (verdict != SASL_OK)
		return verdict;
	buf_append_octet(&x->said, ',');
	mark = x->said.len;
	buf_append(&x->said, SPAN("r="));
	buf_append(&x->said, buf_span(&x->nonce_all));
	buf_append(&x->said, SPAN(",s="));
	base64_encode(
	    span_of((const char *)x->scram.salt, x->scram.salt_len), &x->said);
	buf_append_fmt(&x->said, ",i=%u", x->scram.iterations);
	if (buf_check(&x->said, err) == -1)
		return SASL_FAILED;
	buf_append(challenge, span_from(buf_span(&x->said), mark));
	return SASL_CONTINUE;
}

/* ClientKey := ClientProof XOR ClientSignature; H(ClientKey) = StoredKey? */
static bool
scram_proves(const struct sasl_scram *scram, const unsigned char *proof,
    struct span auth_message)
{
	unsigned char key[SASL_SCRAM_SIZE], stored[SASL_SCRAM_SIZE];

	if (!scram_hmac(scram->stored_key, SASL_SCRAM_SIZE, auth_message, key))
		return false;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= proof[i];
	return SHA256(key, sizeof(key), stored) != NULL &&
	       CRYPTO_memcmp(stored, scram->stored_key, sizeof(stored)) == 0;
}

/*
 *	client-final-message = "c=" base64 "," "r=" nonce ["," exts] ","
 *			       "p=" base64
 *
 * "c" repeats the gs2-header, so that nobody can have changed it.
 */
static bool
take_final(struct sasl_exchange *x, struct span message, unsigned char *proof,
    struct span *without_proof)
{
	struct span rest = message, binding, nonce;
	CLEANUP(buf_fini) struct buf gs2;
	ptrdiff_t comma = span_rindex(message, ',');

	buf_init(&gs2, x->gs2.max);
	binding = take_attribute(&rest);
	nonce = take_attribute(&rest);
	if (comma == -1 || !span_starts(binding, SPAN("c=")) ||
	    base64_decode(span_from(binding, 2), &gs2, NULL) == -1 ||
	    !span_eq(buf_span(&gs2), buf_span(&x->gs2)) ||
	    !span_starts(nonce, SPAN("r=")) ||
	    !span_eq(span_from(nonce, 2), buf_span(&x->nonce_all)))
		return false;
	*without_proof = span_first(message, (size_t)comma);
	rest = span_from(message, (size_t)comma + 1);
	return span_starts(rest, SPAN("p=")) &&
	       decode_exact(span_from(rest, 2), proof, SASL_SCRAM_SIZE);
}

/* A minute may have gone by, and the password have been changed. */
static enum sasl_verdict
scram_unchanged(struct sasl_exchange *x, struct err *err)
{
	struct sasl_scram now;
	enum sasl_verdict verdict = x->directory.scram(
	    x->directory.arg, buf_span(&x->authcid), &now, err);

	if (verdict != SASL_OK)
		return verdict;
	return CRYPTO_memcmp(now.stored_key, x->scram.stored_key,
		   sizeof(now.stored_key)) == 0
		   ? SASL_OK
		   : SASL_WRONG;
}

static enum sasl_verdict
scram_final(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	unsigned char proof[SASL_SCRAM_SIZE], signature[SASL_SCRAM_SIZE];
	struct span without_proof;
	enum sasl_verdict verdict;

	if (!take_final(x, message, proof, &without_proof))
		return SASL_BAD;
	verdict = scram_unchanged(x, err);
	if (verdict != SASL_OK)
		return verdict;
	/* AuthMessage */
	buf_append_octet(&x->said, ',');
	buf_append(&x->said, without_proof);
	if (buf_check(&x->said, err) == -1)
		return SASL_BAD; /* too long */
	if (!scram_proves(&x->scram, proof, buf_span(&x->said)))
		return SASL_WRONG;
	if (!scram_hmac(x->scram.server_key, SASL_SCRAM_SIZE,
		buf_span(&x->said), signature)) {
		(void)err_set(err, ERR_TEMP, "HMAC-SHA-256 failed");
		return SASL_FAILED;
	}
	buf_append(challenge, SPAN("v="));
	base64_encode(
	    span_of((const char *)signature, sizeof(signature)), challenge);
	return SASL_CONTINUE;
}

static enum sasl_verdict
scram_step(struct sasl_exchange *x, struct span message, struct buf *challenge,
    struct err *err)
{
	enum sasl_verdict verdict;
	size_t mark;

	switch (x->state) {
	case STATE_START:
		if (message.p == NULL) {
			x->state = STATE_FIRST;
			return SASL_CONTINUE;
		}
		__attribute__((fallthrough));
	case STATE_FIRST:
		verdict = scram_first(x, message, challenge, err);
		x->state = verdict == SASL_FAILED ? STATE_FIRST : STATE_FINAL;
		return verdict;
	case STATE_FINAL:
		mark = x->said.len;
		verdict = scram_final(x, message, challenge, err);
		x->state = STATE_DONE;
		if (verdict == SASL_FAILED) {
			/* To be fed once more. */
			buf_truncate(&x->said, mark);
			x->state = STATE_FINAL;
		}
		return verdict;
	default:
		/* Our last message was a challenge; the answer is empty. */
		return message.len == 0 ? SASL_OK : SASL_BAD;
	}
}

const struct sasl_mechanism sasl_scram_sha_256 = { "SCRAM-SHA-256", false,
	scram_step };
