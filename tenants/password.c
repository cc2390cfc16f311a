/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/password.h"

#include <crypt.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "common/ascii.h"
#include "common/cleanup.h"
#include "tenants/password_cost.h"
#include "tenants/saslprep.h"

enum {
	PASSWORD_OCTETS_MAX = 1024,
	/* Digest and salt of the salted schemes, decoded. */
	MATERIAL_MAX = 256,
	FAST_SALT = 16,
	SCRAM_ITERATIONS = 4096, /* RFC 7677 section 4 */
};

typedef enum password_match check_fn(
    struct span material, struct span password, const char *digest);

static enum password_match
match_of(bool equal)
{
	return equal ? PASSWORD_RIGHT : PASSWORD_WRONG;
}

static enum password_match
check_clear(struct span material, struct span password, const char *digest)
{
	char a[PASSWORD_OCTETS_MAX] = { 0 }, b[PASSWORD_OCTETS_MAX] = { 0 };
	bool equal;

	(void)digest;
	if (material.len > sizeof(a) || password.len > sizeof(b))
		return PASSWORD_WRONG;
	/* Over the whole arrays, so that the length is no hint either. */
	if (material.len > 0)
		memcpy(a, material.p, material.len);
	if (password.len > 0)
		memcpy(b, password.p, password.len);
	equal =
	    CRYPTO_memcmp(a, b, sizeof(a)) == 0 && material.len == password.len;
	OPENSSL_cleanse(a, sizeof(a));
	OPENSSL_cleanse(b, sizeof(b));
	return match_of(equal);
}

/* A span as a C string of at most size - 1 octets with no NUL in it. */
static bool
text_of(struct span s, char *out, size_t size)
{
	if (s.len >= size || span_index(s, '\0') != -1)
		return false;
	if (s.len > 0)
		memcpy(out, s.p, s.len);
	out[s.len] = '\0';
	return true;
}

static enum password_match
check_crypt(struct span material, struct span password, const char *digest)
{
	char setting[CRYPT_OUTPUT_SIZE], phrase[CRYPT_MAX_PASSPHRASE_SIZE];
	struct crypt_data *data; /* 32 KB: too much for a stack */
	enum password_match match = PASSWORD_UNKNOWN;
	const char *got;

	(void)digest;
	if (!text_of(material, setting, sizeof(setting)) ||
	    password_crypt_is_dear(material))
		return PASSWORD_UNKNOWN;
	if (!text_of(password, phrase, sizeof(phrase)))
		return PASSWORD_WRONG;
	data = calloc(1, sizeof(*data));
	if (data != NULL) {
		got = crypt_r(phrase, setting, data);
		/* Failure tokens begin with "*". */
		if (got != NULL && got[0] != '*')
			match = match_of(
			    strlen(got) == material.len &&
			    CRYPTO_memcmp(got, setting, material.len) == 0);
		OPENSSL_cleanse(data, sizeof(*data));
		free(data);
	}
	OPENSSL_cleanse(phrase, sizeof(phrase));
	return match;
}

static bool
digest_of(const EVP_MD *md, struct span password, struct span salt,
    unsigned char *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx != NULL && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
		    EVP_DigestUpdate(ctx, password.p, password.len) == 1 &&
		    EVP_DigestUpdate(ctx, salt.p, salt.len) == 1 &&
		    EVP_DigestFinal_ex(ctx, out, NULL) == 1;

	EVP_MD_CTX_free(ctx);
	return done;
}

/* base64(digest [salt]); no salt is a salt of no octets. */
static enum password_match
check_digest(struct span material, struct span password, const char *digest)
{
	const EVP_MD *md = EVP_get_digestbyname(digest);
	unsigned char got[EVP_MAX_MD_SIZE];
	CLEANUP(buf_fini) struct buf octets;
	size_t size;

	buf_init(&octets, MATERIAL_MAX);
	if (md == NULL || base64_decode(material, &octets, NULL) == -1)
		return PASSWORD_UNKNOWN;
	size = (size_t)EVP_MD_get_size(md);
	if (octets.len < size ||
	    !digest_of(md, password, span_from(buf_span(&octets), size), got))
		return PASSWORD_UNKNOWN;
	return match_of(CRYPTO_memcmp(got, octets.data, size) == 0);
}

static enum password_match
check_scram(struct span material, struct span password, const char *digest)
{
	struct sasl_scram stored, got;

	(void)digest;
	if (sasl_scram_parse(material, &stored, NULL) == -1)
		return PASSWORD_UNKNOWN;
	if (sasl_scram_derive(password,
		span_of((const char *)stored.salt, stored.salt_len),
		stored.iterations, &got, NULL) == -1)
		return PASSWORD_WRONG;
	return match_of(CRYPTO_memcmp(got.stored_key, stored.stored_key,
			    sizeof(got.stored_key)) == 0);
}

static const struct scheme {
	const char *name;
	check_fn *check;
	const char *digest;
	bool slow;
} schemes[] = {
	{ "CRYPT", check_crypt, NULL, true },
	{ "SSHA", check_digest, "SHA1", false },
	{ "SHA", check_digest, "SHA1", false },
	{ "SMD5", check_digest, "MD5", false },
	{ "MD5", check_digest, "MD5", false },
	{ "SSHA256", check_digest, "SHA256", false },
	{ "SHA256", check_digest, "SHA256", false },
	{ "SSHA512", check_digest, "SHA512", false },
	{ "SHA512", check_digest, "SHA512", false },
	{ "CLEARTEXT", check_clear, NULL, false },
	{ "SCRAM-SHA-256", check_scram, NULL, true },
};

static const struct scheme *
scheme_find(struct span name)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(*schemes); i++)
		if (span_eq_nocase(name, span_str(schemes[i].name)))
			return &schemes[i];
	return NULL;
}

/* The scheme, and in *material what follows its brace; NULL: unknown. */
static const struct scheme *
scheme_take(struct span stored, struct span *material)
{
	struct span name;

	*material = stored;
	/* slapd would take a scheme that it does not know for a password in
	 * clear; {CRYPT} it knows. */
	if (span_starts_nocase(stored, SPAN("{CRYPT}{SCRAM-SHA-256}")))
		*material = span_from(stored, strlen("{CRYPT}"));
	if (span_take_octet(material, '{'))
		return span_take_until(material, '}', &name) ? scheme_find(name)
							     : NULL;
	if (stored.len == 0 || stored.p[0] == '$')
		return NULL;
	return scheme_find(SPAN("CLEARTEXT"));
}

static void
clean(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->cap);
	buf_fini(b);
}
CLEANUP_DEFINE_VALUE(struct buf, clean)

/* As it was typed, and, where that is another one, as SASL prepares it. */
static enum password_match
check_both(
    const struct scheme *scheme, struct span material, struct span password)
{
	CLEANUP(clean) struct buf prepared = { .max = PASSWORD_OCTETS_MAX };
	enum password_match match =
	    scheme->check(material, password, scheme->digest);

	return match == PASSWORD_WRONG && saslprep(password, &prepared)
		   ? scheme->check(
			 material, buf_span(&prepared), scheme->digest)
		   : match;
}

enum password_match
password_check(struct span stored, struct span password)
{
	struct span material;
	const struct scheme *scheme = scheme_take(stored, &material);

	/* HMAC pads its key with NUL, so one more of them would change nothing
	 * for SCRAM. */
	if (password.len == 0 || password.len > PASSWORD_OCTETS_MAX ||
	    span_index(password, '\0') != -1)
		return PASSWORD_WRONG;
	return scheme == NULL ? PASSWORD_UNKNOWN
			      : check_both(scheme, material, password);
}

bool
password_has_scheme(struct span stored)
{
	struct span material;

	return stored.len > 0 && stored.p[0] == '{' &&
	       scheme_take(stored, &material) != NULL && material.len > 0;
}

bool
password_is_slow(struct span stored)
{
	struct span material;
	const struct scheme *scheme = scheme_take(stored, &material);

	return scheme != NULL && scheme->slow &&
	       !(scheme->check == check_crypt &&
		   password_crypt_is_dear(material));
}

bool
password_is_clear(struct span stored)
{
	struct span material;
	const struct scheme *scheme = scheme_take(stored, &material);

	return scheme != NULL && scheme->check == check_clear;
}

int
password_hash(struct span password, struct buf *out, struct err *err)
{
	return password_hash_cost(password, 0, out, err);
}

int
password_hash_cost(
    struct span password, unsigned cost, struct buf *out, struct err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	char phrase[CRYPT_MAX_PASSPHRASE_SIZE];
	struct crypt_data *data;
	const char *got;
	int rc = 0;

	if (!text_of(password, phrase, sizeof(phrase)))
		return err_set(err, ERR_LIMIT, "password: too long, or a NUL");
	if (crypt_gensalt_rn(
		"$y$", cost, NULL, 0, setting, (int)sizeof(setting)) == NULL ||
	    (data = calloc(1, sizeof(*data))) == NULL)
		return err_sys(err, "crypt_gensalt_rn");
	got = crypt_r(phrase, setting, data);
	if (got == NULL || got[0] == '*') {
		rc = err_set(err, ERR_TEMP, "crypt_r does not know yescrypt");
	} else {
		buf_append(out, SPAN("{CRYPT}"));
		buf_append_str(out, got);
		rc = buf_check(out, err);
	}
	OPENSSL_cleanse(phrase, sizeof(phrase));
	OPENSSL_cleanse(data, sizeof(*data));
	free(data);
	return rc;
}

int
password_hash_fast(struct span password, struct buf *out, struct err *err)
{
	unsigned char octets[EVP_MAX_MD_SIZE + FAST_SALT];
	const EVP_MD *md = EVP_sha512();
	size_t size = (size_t)EVP_MD_get_size(md);
	struct span salt = span_of((const char *)octets + size, FAST_SALT);

	if (RAND_bytes(octets + size, FAST_SALT) != 1 ||
	    !digest_of(md, password, salt, octets))
		return err_set(
		    err, ERR_TEMP, "no random octets, or no SHA-512");
	buf_append(out, SPAN("{SSHA512}"));
	base64_encode(span_of((const char *)octets, size + FAST_SALT), out);
	return buf_check(out, err);
}

bool
password_clear(struct span stored, struct buf *out)
{
	struct span material;
	const struct scheme *scheme = scheme_take(stored, &material);

	if (scheme == NULL || scheme->check != check_clear)
		return false;
	buf_append(out, material);
	return buf_check(out, NULL) == 0;
}

bool
password_scram(struct span stored, struct sasl_scram *scram_out)
{
	struct span material;
	const struct scheme *scheme = scheme_take(stored, &material);
	CLEANUP(clean) struct buf prepared = { .max = PASSWORD_OCTETS_MAX };
	unsigned char salt[EVP_MAX_MD_SIZE];

	if (scheme == NULL)
		return false;
	if (scheme->check == check_scram)
		return sasl_scram_parse(material, scram_out, NULL) == 0;
	if (scheme->check != check_clear)
		return false;
	/* A salt of its own each time would cost nothing, but clients that
	 * keep the salted password (RFC 5802 section 5.1) want it stable. */
	if (!digest_of(EVP_sha256(), SPAN("hikyaku SCRAM salt"), stored, salt))
		return false;
	if (saslprep(material, &prepared))
		material = buf_span(&prepared);
	return sasl_scram_derive(material, span_of((const char *)salt, 16),
		   SCRAM_ITERATIONS, scram_out, NULL) == 0;
}

void
password_stamp(struct span stored, char *stamp_out)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE] = { 0 };

	(void)digest_of(EVP_sha256(), stored, SPAN(""), digest);
	for (size_t i = 0; i < (PASSWORD_STAMP_SIZE - 1) / 2; i++) {
		*stamp_out++ = hex[digest[i] >> 4];
		*stamp_out++ = hex[digest[i] & 15];
	}
	*stamp_out = '\0';
}

bool
password_secret_of(
    struct span secret, struct span stored, struct span *value_out)
{
	char stamp[PASSWORD_STAMP_SIZE];
	struct span theirs, rest = secret;

	if (!span_take_nocase(&rest, SPAN("for:")) ||
	    !span_take_until(&rest, ' ', &theirs))
		return false;
	password_stamp(stored, stamp);
	if (!span_eq_nocase(theirs, span_str(stamp)))
		return false;
	*value_out = rest;
	return true;
}

void
password_secret_format(struct span stored, struct span value, struct buf *out)
{
	char stamp[PASSWORD_STAMP_SIZE];

	password_stamp(stored, stamp);
	buf_append(out, SPAN("for:"));
	buf_append_str(out, stamp);
	buf_append_octet(out, ' ');
	buf_append(out, value);
}
