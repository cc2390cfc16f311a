/* SPDX-License-Identifier: BSD-2-Clause */
/* Certificates made on the spot, and a TLS client over a descriptor. */
#ifndef HK_TESTS_UNIT_TLS_RIG_H
#define HK_TESTS_UNIT_TLS_RIG_H

#include <openssl/ssl.h>

#include "common/buf.h"
#include "common/tls.h"

/*
 * Appends a self-signed certificate for these DNS names (joined by ","; the
 * first is the common name too) and its key as PEM.  type: "EC" or "RSA".
 */
void pem_add(struct buf *pem, const char *type, const char *names);

/* A context with a ticket secret of 32 octets "k". */
struct tls_context *tls_for(
    const char *service, struct span pem, const char *alpn);

struct tls_client {
	SSL_CTX *ctx;
	SSL *ssl;
	SSL_SESSION *ticket; /* the newest one received */
};

struct tls_client_options {
	const char *name;          /* SNI, or NULL */
	const char *sigalgs;       /* or NULL */
	int version;               /* or 0 */
	const unsigned char *alpn; /* with length octets, or NULL */
	SSL_SESSION *ticket;       /* to resume, or NULL */
};

/* Shakes hands over fd; false: it failed. */
bool tls_client_start(
    struct tls_client *t, int fd, const struct tls_client_options *options);
void tls_client_fini(struct tls_client *t);
/* Says so, and reads exactly that. */
void tls_client_send(struct tls_client *t, const char *text);
void tls_client_receive(struct tls_client *t, const char *expected);
/* The server's close_notify comes next. */
void tls_client_receive_end(struct tls_client *t);

#endif
