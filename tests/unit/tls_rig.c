/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/tls_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

/* ---- certificates --------------------------------------------------- */

static void
add_names(X509 *x, const char *names)
{
	CLEANUP(buf_fini) struct buf text;
	struct span rest = span_str(names), name;
	X509_EXTENSION *ext;

	buf_init(&text, 4096);
	while (rest.len > 0) {
		if (!span_take_until(&rest, ',', &name)) {
			name = rest;
			rest.len = 0;
		}
		buf_append_fmt(&text, "%sDNS:%.*s", text.len > 0 ? "," : "",
		    SPAN_FMT(name));
	}
	ext = X509V3_EXT_conf_nid(
	    NULL, NULL, NID_subject_alt_name, buf_str(&text));
	assert_non_null(ext);
	assert_int_equal(X509_add_ext(x, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static void
append_bio(struct buf *pem, BIO *bio)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);

	buf_append(pem, span_of(text, (size_t)len));
	BIO_free(bio);
}

void
pem_add(struct buf *pem, const char *type, const char *names)
{
	EVP_PKEY *key = strcmp(type, "EC") == 0 ? EVP_EC_gen("P-256")
						: EVP_RSA_gen((unsigned)2048);
	X509 *x = X509_new();
	X509_NAME *subject = X509_get_subject_name(x);
	BIO *bio = BIO_new(BIO_s_mem());
	CLEANUP(mem_free) char *first = strndup(names, strcspn(names, ","));

	assert_non_null(key);
	assert_non_null(first);
	(void)X509_set_version(x, 2);
	(void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	(void)X509_gmtime_adj(X509_getm_notBefore(x), -60);
	(void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	(void)X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
	    (const unsigned char *)first, -1, -1, 0);
	(void)X509_set_issuer_name(x, subject);
	(void)X509_set_pubkey(x, key);
	add_names(x, names);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	assert_int_equal(
	    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	append_bio(pem, bio);
	X509_free(x);
	EVP_PKEY_free(key);
}

struct tls_context *
tls_for(const char *service, struct span pem, const char *alpn)
{
	struct tls_options options = { .service = service,
		.pem = pem,
		.ticket_secret = SPAN("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"),
		.alpn = alpn };
	struct tls_context *tls;
	struct err err = ERR_INIT;

	if (tls_context_new(&options, &tls, &err) == -1)
		fail_msg("%s", err.text);
	return tls;
}

/* ---- the client ----------------------------------------------------- */

static int
on_ticket(SSL *ssl, SSL_SESSION *ticket)
{
	struct tls_client *t = SSL_get_app_data(ssl);

	SSL_SESSION_free(t->ticket);
	t->ticket = ticket;
	return 1;
}

bool
tls_client_start(
    struct tls_client *t, int fd, const struct tls_client_options *options)
{
	/* OpenSSL's macros drop const. */
	char name[256], sigalgs[256];

	*t = (struct tls_client){ .ctx = SSL_CTX_new(TLS_client_method()) };
	assert_non_null(t->ctx);
	(void)SSL_CTX_set_session_cache_mode(
	    t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(t->ctx, on_ticket);
	t->ssl = SSL_new(t->ctx);
	assert_non_null(t->ssl);
	SSL_set_app_data(t->ssl, t);
	(void)SSL_set_fd(t->ssl, fd);
	if (options->name != NULL) {
		(void)snprintf(name, sizeof(name), "%s", options->name);
		(void)SSL_set_tlsext_host_name(t->ssl, name);
	}
	if (options->sigalgs != NULL) {
		(void)snprintf(
		    sigalgs, sizeof(sigalgs), "%s", options->sigalgs);
		assert_int_equal(SSL_set1_sigalgs_list(t->ssl, sigalgs), 1);
	}
	if (options->version != 0) {
		(void)SSL_set_min_proto_version(t->ssl, options->version);
		(void)SSL_set_max_proto_version(t->ssl, options->version);
	}
	if (options->alpn != NULL)
		(void)SSL_set_alpn_protos(t->ssl, options->alpn,
		    (unsigned)strlen((const char *)options->alpn));
	if (options->ticket != NULL)
		(void)SSL_set_session(t->ssl, options->ticket);
	return SSL_connect(t->ssl) == 1;
}

void
tls_client_fini(struct tls_client *t)
{
	/* Without a goodbye OpenSSL would not offer the ticket again. */
	if (SSL_is_init_finished(t->ssl))
		(void)SSL_shutdown(t->ssl);
	SSL_SESSION_free(t->ticket);
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	*t = (struct tls_client){ 0 };
	ERR_clear_error();
}

void
tls_client_send(struct tls_client *t, const char *text)
{
	assert_int_equal(
	    SSL_write(t->ssl, text, (int)strlen(text)), (int)strlen(text));
}

void
tls_client_receive(struct tls_client *t, const char *expected)
{
	char got[4096] = "";
	size_t len = 0, want = strlen(expected);

	assert_true(want < sizeof(got));
	while (len < want) {
		int part = SSL_read(t->ssl, got + len, (int)(want - len));

		if (part <= 0)
			break;
		len += (size_t)part;
	}
	assert_string_equal(got, expected);
}

void
tls_client_receive_end(struct tls_client *t)
{
	char octet;
	int got = SSL_read(t->ssl, &octet, 1);

	assert_int_equal(SSL_get_error(t->ssl, got), SSL_ERROR_ZERO_RETURN);
}
