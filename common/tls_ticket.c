/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Session tickets.                                  RFC 5077 section 4, 5.5
 *
 * The keys of a day come from the platform's secret, the service and the
 * brand, so all gates on all nodes seal and open alike and nothing is stored.
 * Tickets of yesterday are still opened, and replaced.
 */
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>
#include <time.h>

#include "common/tls_private.h"

#define TICKET_DAY_S 86400

struct ticket_keys {
	unsigned char octets[TLS_TICKET_KEYS_LEN];
};

static unsigned char *
key_name(struct ticket_keys *keys)
{
	return keys->octets;
}

static unsigned char *
key_aes(struct ticket_keys *keys)
{
	return keys->octets + 16;
}

static unsigned char *
key_hmac(struct ticket_keys *keys)
{
	return keys->octets + 48;
}

int
tls_ticket_keys(const struct tls_brand *brand, uint64_t day,
    unsigned char keys[TLS_TICKET_KEYS_LEN])
{
	static const char label[] = "hikyaku tls ticket 1";
	unsigned char info[sizeof(label) + sizeof(brand->sid_context) + 8];
	char digest[] = "SHA256";
	OSSL_PARAM params[4];
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *kctx = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
	unsigned i;
	int ok;

	/* sid_context is a digest of the service and the brand's names. */
	memcpy(info, label, sizeof(label));
	memcpy(info + sizeof(label), brand->sid_context,
	    sizeof(brand->sid_context));
	for (i = 0; i < 8; i++)
		info[sizeof(info) - 8 + i] =
		    (unsigned char)(day >> (56 - 8 * i));

	params[0] =
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
	params[1] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_KEY, brand->tls->secret, sizeof(brand->tls->secret));
	params[2] = OSSL_PARAM_construct_octet_string(
	    OSSL_KDF_PARAM_INFO, info, sizeof(info));
	params[3] = OSSL_PARAM_construct_end();
	ok = kctx != NULL &&
	     EVP_KDF_derive(kctx, keys, TLS_TICKET_KEYS_LEN, params) == 1;
	EVP_KDF_CTX_free(kctx);
	EVP_KDF_free(kdf);
	return ok ? 0 : -1;
}

static bool
keys_use(struct ticket_keys *keys, unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac, bool seal)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[3];

	params[0] = OSSL_PARAM_construct_octet_string(
	    OSSL_MAC_PARAM_KEY, key_hmac(keys), 32);
	params[1] =
	    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0);
	params[2] = OSSL_PARAM_construct_end();
	return EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key_aes(keys),
		   iv, seal) == 1 &&
	       EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int
ticket_seal(const struct tls_brand *brand, uint64_t day, unsigned char name[16],
    unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	struct ticket_keys keys;
	bool ok = tls_ticket_keys(brand, day, keys.octets) == 0 &&
		  RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 &&
		  keys_use(&keys, iv, cipher, mac, true);

	if (ok)
		memcpy(name, key_name(&keys), 16);
	OPENSSL_cleanse(&keys, sizeof(keys));
	return ok ? 1 : -1;
}

/* 1: opened; 2: opened, and to be replaced; 0: not ours, a full handshake. */
static int
ticket_open(const struct tls_brand *brand, uint64_t day,
    const unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
    EVP_MAC_CTX *mac)
{
	struct ticket_keys keys;
	int age, result = 0;

	for (age = 0; age < 2 && result == 0; age++) {
		if (tls_ticket_keys(brand, day - (uint64_t)age, keys.octets) ==
		    -1)
			result = -1;
		else if (CRYPTO_memcmp(name, key_name(&keys), 16) == 0)
			result = !keys_use(&keys, iv, cipher, mac, false) ? -1
				 : age == 0                               ? 1
									  : 2;
	}
	OPENSSL_cleanse(&keys, sizeof(keys));
	return result;
}

static int
on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	const struct tls_brand *brand = SSL_get_app_data(ssl);
	uint64_t day = (uint64_t)time(NULL) / TICKET_DAY_S;

	if (brand == NULL)
		return 0;
	return seal ? ticket_seal(brand, day, name, iv, cipher, mac)
		    : ticket_open(brand, day, name, iv, cipher, mac);
}

int
tls_ticket_setup(struct tls_context *tls, struct err *err)
{
	if (!tls->tickets) {
		(void)SSL_CTX_set_options(tls->ctx, SSL_OP_NO_TICKET);
		(void)SSL_CTX_set_num_tickets(tls->ctx, 0);
		return 0;
	}
	(void)SSL_CTX_set_timeout(tls->ctx, TICKET_DAY_S);
	/* Mail clients open few connections at a time: one is enough. */
	if (SSL_CTX_set_num_tickets(tls->ctx, 1) != 1 ||
	    SSL_CTX_set_tlsext_ticket_key_evp_cb(tls->ctx, on_ticket) != 1)
		return tls_err(err, "tickets");
	return 0;
}
