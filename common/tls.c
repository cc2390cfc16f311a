/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/tls.h"

#include <openssl/err.h>
#include <string.h>

#include "common/ascii.h"
#include "common/tls_private.h"

#define TLS_NAME_MAX 253

/*
 * Forward secrecy first; CBC for the mail clients of ten years ago; key
 * exchange by RSA only because a sending host that has nothing better would
 * send in clear.
 */
#define TLS_CIPHERS                                                            \
	"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:ECDHE+AES:RSA+AES"             \
	":!aNULL:!eNULL:!MD5:!PSK:!SRP"

int
tls_err(struct err *err, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(
	    err, ERR_TEMP, "%s: %s", what, reason == NULL ? "failed" : reason);
}

/* ---- names ---------------------------------------------------------- */

static int
name_cmp(const void *key, const void *element)
{
	const struct tls_name *name = element;

	return strcmp(key, name->name);
}

static struct tls_brand *
names_find(const struct tls_context *tls, const char *name)
{
	const struct tls_name *found = bsearch(
	    name, tls->names, tls->names_len, sizeof(*tls->names), name_cmp);

	return found == NULL ? NULL : found->brand;
}

struct tls_brand *
tls_brand_find(const struct tls_context *tls, struct span name)
{
	char lower[TLS_NAME_MAX + 1];
	struct tls_brand *brand;
	char *dot;
	size_t i;

	if (name.len > TLS_NAME_MAX)
		return tls->brands[0];
	for (i = 0; i < name.len; i++)
		lower[i] = ascii_lower(name.p[i]);
	lower[name.len] = '\0';

	brand = names_find(tls, lower);
	dot = strchr(lower, '.');
	if (brand == NULL && dot != NULL && dot != lower) {
		/* "*" stands for exactly one whole label (RFC 9525 6.3). */
		dot[-1] = '*';
		brand = names_find(tls, dot - 1);
	}
	return brand == NULL ? tls->brands[0] : brand;
}

/* ---- callbacks ------------------------------------------------------ */

/* The host_name of a server_name extension; empty when there is none. */
static struct span
hello_name(SSL *ssl)
{
	const unsigned char *p;
	size_t len, name_len;

	/* list length (2), type (1) 0, name length (2), name: RFC 6066 3 */
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &len))
		return SPAN_NONE;
	if (len < 5 || p[2] != TLSEXT_NAMETYPE_host_name)
		return SPAN_NONE;
	name_len = (size_t)p[3] << 8 | p[4];
	if (name_len > len - 5)
		return SPAN_NONE;
	return span_of((const char *)p + 5, name_len);
}

static bool
ssl_use_brand(SSL *ssl, struct tls_brand *brand)
{
	size_t i;

	SSL_set_app_data(ssl, brand);
	if (SSL_set_session_id_context(
		ssl, brand->sid_context, sizeof(brand->sid_context)) != 1)
		return false;
	if (brand == brand->tls->brands[0])
		return true; /* the SSL_CTX has these */
	SSL_certs_clear(ssl);
	for (i = 0; i < brand->certs_len; i++) {
		struct tls_cert *cert = &brand->certs[i];

		if (SSL_use_cert_and_key(
			ssl, cert->leaf, cert->key, cert->chain, 0) != 1)
			return false;
	}
	return true;
}

static int
on_client_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls_context *tls = arg;

	if (ssl_use_brand(ssl, tls_brand_find(tls, hello_name(ssl))))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* A client that says which protocol it wants gets that one, or nothing. */
static int
on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
    const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_context *tls = arg;
	size_t len = strlen(tls->alpn);
	unsigned at;

	(void)ssl;
	for (at = 0; at < in_len && in[at] < in_len - at; at += in[at] + 1u) {
		if (in[at] == len && memcmp(in + at + 1, tls->alpn, len) == 0) {
			*out = in + at + 1;
			*out_len = (unsigned char)len;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* ---- making a context ----------------------------------------------- */

static int
set_minimum(SSL_CTX *ctx, const char *minimum, struct err *err)
{
	static const struct {
		const char *name;
		int version;
	} versions[] = {
		{ "TLSv1", TLS1_VERSION },
		{ "TLSv1.1", TLS1_1_VERSION },
		{ "TLSv1.2", TLS1_2_VERSION },
		{ "TLSv1.3", TLS1_3_VERSION },
	};
	size_t i;

	if (minimum == NULL)
		minimum = "TLSv1.2";
	for (i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (strcmp(versions[i].name, minimum) != 0)
			continue;
		/* The old versions' hashes are below every security level. */
		if (versions[i].version < TLS1_2_VERSION)
			SSL_CTX_set_security_level(ctx, 0);
		if (SSL_CTX_set_min_proto_version(ctx, versions[i].version) !=
		    1)
			return tls_err(err, minimum);
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "no TLS version \"%s\"", minimum);
}

static int
ctx_options(struct tls_context *tls, const char *minimum, struct err *err)
{
	SSL_CTX *ctx = tls->ctx;

	(void)SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
		     SSL_OP_CIPHER_SERVER_PREFERENCE |
		     SSL_OP_PRIORITIZE_CHACHA | SSL_OP_SINGLE_ECDH_USE);
	/* An idle connection holds no buffer; a piece that was refused may be
	 * offered again from elsewhere. */
	(void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
					SSL_MODE_ENABLE_PARTIAL_WRITE |
					SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_dh_auto(ctx, 1);
	(void)SSL_CTX_set_read_ahead(ctx, 0);
	SSL_CTX_set_client_hello_cb(ctx, on_client_hello, tls);
	if (tls->alpn != NULL)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, tls);
	if (SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS) != 1)
		return tls_err(err, "cipher list");
	return set_minimum(ctx, minimum, err);
}

static int
ctx_certificates(struct tls_context *tls, struct err *err)
{
	const struct tls_brand *brand = tls->brands[0];
	size_t i;

	for (i = 0; i < brand->certs_len; i++) {
		const struct tls_cert *cert = &brand->certs[i];

		if (SSL_CTX_use_cert_and_key(
			tls->ctx, cert->leaf, cert->key, cert->chain, 1) != 1)
			return tls_err(err, "first certificate");
	}
	return 0;
}

static int
tls_setup(
    struct tls_context *tls, const struct tls_options *options, struct err *err)
{
	tls->service = strdup(options->service);
	tls->alpn = options->alpn == NULL ? NULL : strdup(options->alpn);
	tls->ctx = SSL_CTX_new(TLS_server_method());
	if (tls->service == NULL ||
	    (options->alpn != NULL && tls->alpn == NULL) || tls->ctx == NULL)
		return tls_err(err, "TLS context");
	if (options->ticket_secret.len != 0) {
		if (options->ticket_secret.len != sizeof(tls->secret))
			return err_set(err, ERR_SYNTAX,
			    "ticket secret of %zu octets, not %zu",
			    options->ticket_secret.len, sizeof(tls->secret));
		memcpy(
		    tls->secret, options->ticket_secret.p, sizeof(tls->secret));
		tls->tickets = true;
	}
	if (tls_pem_read(tls, options->pem, err) == -1 ||
	    ctx_options(tls, options->minimum, err) == -1 ||
	    ctx_certificates(tls, err) == -1)
		return -1;
	return tls_ticket_setup(tls, err);
}

int
tls_context_new(const struct tls_options *options, struct tls_context **tls_out,
    struct err *err)
{
	CLEANUP(tls_context_unref)
	struct tls_context *tls = calloc(1, sizeof(*tls));

	if (tls == NULL)
		return err_sys(err, "TLS context");
	atomic_init(&tls->refs, 1);
	ERR_clear_error();
	if (tls_setup(tls, options, err) == -1) {
		ERR_clear_error();
		return -1;
	}
	*tls_out = STEAL(tls);
	return 0;
}

struct tls_context *
tls_context_ref(struct tls_context *tls)
{
	(void)atomic_fetch_add(&tls->refs, 1);
	return tls;
}

void
tls_context_unref(struct tls_context *tls)
{
	size_t i;

	if (tls == NULL || atomic_fetch_sub(&tls->refs, 1) != 1)
		return;
	SSL_CTX_free(tls->ctx);
	for (i = 0; i < tls->names_len; i++)
		free(tls->names[i].name);
	free(tls->names);
	for (i = 0; i < tls->brands_len; i++)
		tls_brand_free(tls->brands[i]);
	free(tls->brands);
	free(tls->service);
	free(tls->alpn);
	OPENSSL_cleanse(tls->secret, sizeof(tls->secret));
	free(tls);
}

int64_t
tls_context_expires(const struct tls_context *tls)
{
	return tls->expires;
}

SSL *
tls_ssl_new(struct tls_context *tls, int fd, struct err *err)
{
	SSL *ssl;

	ERR_clear_error();
	ssl = SSL_new(tls->ctx);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		(void)tls_err(err, "TLS connection");
		return NULL;
	}
	SSL_set_accept_state(ssl);
	return ssl;
}
