/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside TLS.  Only tls*.c and conn_tls.c include this.
 *
 * A brand is the certificates that bear the same set of DNS names.  One
 * SSL_CTX serves all brands: the first callback of a handshake looks at the
 * name that the client wants and gives the SSL the brand's certificates, its
 * session id context and its ticket keys, before any ticket is looked at.
 */
#ifndef HK_COMMON_TLS_PRIVATE_H
#define HK_COMMON_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "common/tls.h"

#define TLS_CERTS_MAX 4 /* kinds of key in a brand: ECDSA, RSA, Ed25519 */

struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
};

struct tls_brand {
	struct tls_context *tls; /* that it belongs to */
	char *names; /* sorted, each followed by LF: what it is known by */
	struct tls_cert certs[TLS_CERTS_MAX];
	size_t certs_len;
	unsigned char sid_context[32]; /* SHA-256 of service and names */
};

struct tls_name {
	char *name; /* lower case; may begin with "*." */
	struct tls_brand *brand;
};

struct tls_context {
	atomic_uint refs;
	SSL_CTX *ctx;
	char *service, *alpn;
	unsigned char secret[TLS_TICKET_SECRET_LEN];
	bool tickets;
	struct tls_brand **brands; /* the first one serves unknown names */
	size_t brands_len;
	struct tls_name *names; /* sorted */
	size_t names_len;
	int64_t expires;
};

/* ---- tls_pem.c ------------------------------------------------------ */
/* Reads the certificates into brands, names and expires. */
int tls_pem_read(struct tls_context *tls, struct span pem, struct err *err);
void tls_brand_free(struct tls_brand *brand);

/* ---- tls_ticket.c --------------------------------------------------- */
int tls_ticket_setup(struct tls_context *tls, struct err *err);
/* Keys of one day: HKDF-SHA256 of the secret (RFC 5869). */
#define TLS_TICKET_KEYS_LEN (16 + 32 + 32) /* name, AES-256, HMAC */
int tls_ticket_keys(const struct tls_brand *brand, uint64_t day,
    unsigned char keys[TLS_TICKET_KEYS_LEN]);

/* ---- tls.c ---------------------------------------------------------- */
/* Of a name in any case; the first brand when nobody bears it. */
struct tls_brand *tls_brand_find(
    const struct tls_context *tls, struct span name);
/* A server side for fd, which stays the caller's. */
SSL *tls_ssl_new(struct tls_context *tls, int fd, struct err *err);
/* Records the reason on top of OpenSSL's error queue. */
int tls_err(struct err *err, const char *what);

#endif
