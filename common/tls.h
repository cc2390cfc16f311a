/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Server TLS: one context a service, holding the certificates of all brands.
 *
 * The certificate is chosen by SNI among the DNS names in the certificates
 * themselves (RFC 6066 section 3; wildcards as RFC 9525 section 6.3), an
 * ECDSA and an RSA one side by side where both are given; without SNI, or for
 * an unknown name, the first.  TLS 1.2 or newer unless told otherwise.
 * Tickets are sealed under keys derived from the platform's secret, the
 * service and the brand's name, so that a ticket of one service or brand is
 * worthless at another (RFC 5077 section 5.7; ALPACA).
 */
#ifndef HK_COMMON_TLS_H
#define HK_COMMON_TLS_H

#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct tls_context;

#define TLS_TICKET_SECRET_LEN 32

struct tls_options {
	const char *service; /* "smtp", "pop3", "imap": bound into tickets */
	/*
	 * PEM text: for each certificate its chain, leaf first, then its
	 * private key; as many of these as there are.  Borrowed for the call.
	 */
	struct span pem;
	/* TLS_TICKET_SECRET_LEN octets, or empty: tickets off. */
	struct span ticket_secret;
	const char *minimum; /* "TLSv1.2" (NULL) or "TLSv1.3", "TLSv1" … */
	const char *alpn; /* "imap", "pop3" (RFC 7301), or NULL: not checked */
};

/*
 * Errors: ERR_SYNTAX, no certificate, a key without certificate, a key that
 * does not match, an unreadable block; the text names which of them.
 */
int tls_context_new(const struct tls_options *options,
    struct tls_context **tls_out, struct err *err);
/* Counted: a reload replaces the context while connections still use it. */
struct tls_context *tls_context_ref(struct tls_context *tls);
void tls_context_unref(struct tls_context *tls);
CLEANUP_DEFINE_PTR(struct tls_context, tls_context_unref)

/* Earliest notAfter of the certificates, seconds since the epoch. */
int64_t tls_context_expires(const struct tls_context *tls);

#endif
