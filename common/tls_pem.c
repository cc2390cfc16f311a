/* SPDX-License-Identifier: BSD-2-Clause */
/* PEM text to brands. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/tls_private.h"

#define TLS_NAMES_TEXT_MAX 65536 /* DNS names of one certificate, together */

struct reader {
	struct tls_context *tls;
	struct tls_cert cert; /* being read: no key yet */
	unsigned number;      /* of the certificate, for messages: from 1 */
};

static void
cert_fini(struct tls_cert *cert)
{
	X509_free(cert->leaf);
	sk_X509_pop_free(cert->chain, X509_free);
	EVP_PKEY_free(cert->key);
	*cert = (struct tls_cert){ 0 };
}

void
tls_brand_free(struct tls_brand *brand)
{
	size_t i;

	if (brand == NULL)
		return;
	for (i = 0; i < brand->certs_len; i++)
		cert_fini(&brand->certs[i]);
	free(brand->names);
	free(brand);
}
CLEANUP_DEFINE_PTR(struct tls_brand, tls_brand_free)

static int
refuse(const struct reader *reader, const char *what, struct err *err)
{
	char subject[128] = "";

	ERR_clear_error();
	if (reader->cert.leaf != NULL)
		(void)X509_NAME_get_text_by_NID(
		    X509_get_subject_name(reader->cert.leaf), NID_commonName,
		    subject, sizeof(subject));
	return err_set(err, ERR_SYNTAX, "certificate %u%s%s%s: %s",
	    reader->number, subject[0] == '\0' ? "" : " (", subject,
	    subject[0] == '\0' ? "" : ")", what);
}

/* ---- names ---------------------------------------------------------- */

static int
text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A name as the table knows it, or NULL: none that a client can ask for. */
static char *
name_new(const unsigned char *p, int len)
{
	char *name;
	int i;

	if (len <= 0 || len > 253 || memchr(p, '\0', (size_t)len) != NULL ||
	    memchr(p, '\n', (size_t)len) != NULL)
		return NULL;
	name = malloc((size_t)len + 1);
	if (name == NULL)
		return NULL;
	for (i = 0; i < len; i++)
		name[i] = ascii_lower((char)p[i]);
	name[len] = '\0';
	return name;
}

struct names {
	char **list;
	size_t len;
};

static void
names_fini(struct names *names)
{
	size_t i;

	for (i = 0; i < names->len; i++)
		free(names->list[i]);
	free(names->list);
}
CLEANUP_DEFINE_VALUE(struct names, names_fini)

static void
names_add(struct names *names, const ASN1_STRING *text)
{
	char *name =
	    name_new(ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
	char **list;

	if (name == NULL)
		return;
	list = reallocarray(names->list, names->len + 1, sizeof(*list));
	if (list == NULL) {
		free(name);
		return;
	}
	names->list = list;
	names->list[names->len++] = name;
}

/* DNS names of the certificate; without any, its common name. */
static void
names_of(X509 *leaf, struct names *names)
{
	GENERAL_NAMES *alts =
	    X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	int i, at;

	for (i = 0; i < sk_GENERAL_NAME_num(alts); i++) {
		const GENERAL_NAME *alt = sk_GENERAL_NAME_value(alts, i);

		if (alt->type == GEN_DNS)
			names_add(names, alt->d.dNSName);
	}
	GENERAL_NAMES_free(alts);
	if (names->len == 0) {
		X509_NAME *subject = X509_get_subject_name(leaf);

		at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
		if (at >= 0)
			names_add(names, X509_NAME_ENTRY_get_data(
					     X509_NAME_get_entry(subject, at)));
	}
	if (names->len > 0)
		qsort(names->list, names->len, sizeof(*names->list), text_cmp);
}

/* ---- brands --------------------------------------------------------- */

static int
sid_context(struct tls_brand *brand, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	unsigned len = sizeof(brand->sid_context);

	buf_init(&text, TLS_NAMES_TEXT_MAX + 64);
	buf_append_str(&text, brand->tls->service);
	buf_append_octet(&text, '\n');
	buf_append_str(&text, brand->names);
	if (buf_check(&text, err) == -1)
		return -1;
	if (EVP_Digest(text.data, text.len, brand->sid_context, &len,
		EVP_sha256(), NULL) != 1)
		return tls_err(err, "SHA-256");
	return 0;
}

/* The first certificate that bears a name keeps it. */
static int
table_add(struct tls_context *tls, const struct names *names,
    struct tls_brand *brand, struct err *err)
{
	size_t i, j;
	struct tls_name *table = reallocarray(
	    tls->names, tls->names_len + names->len + 1, sizeof(*table));

	if (table == NULL)
		return err_sys(err, "names of certificates");
	tls->names = table;
	for (i = 0; i < names->len; i++) {
		for (j = 0; j < tls->names_len; j++)
			if (strcmp(table[j].name, names->list[i]) == 0)
				break;
		if (j < tls->names_len)
			continue;
		table[tls->names_len].name = strdup(names->list[i]);
		if (table[tls->names_len].name == NULL)
			return err_sys(err, "names of certificates");
		table[tls->names_len++].brand = brand;
	}
	return 0;
}

static struct tls_brand *
brand_add(struct tls_context *tls, const char *text, const struct names *names,
    struct err *err)
{
	CLEANUP(tls_brand_free)
	struct tls_brand *brand = calloc(1, sizeof(*brand));
	struct tls_brand **brands;

	brands =
	    reallocarray(tls->brands, tls->brands_len + 1, sizeof(*brands));
	if (brands != NULL)
		tls->brands = brands;
	if (brand == NULL || brands == NULL) {
		(void)err_sys(err, "certificates");
		return NULL;
	}
	brand->tls = tls;
	brand->names = strdup(text);
	if (brand->names == NULL) {
		(void)err_sys(err, "certificates");
		return NULL;
	}
	if (sid_context(brand, err) == -1)
		return NULL;
	tls->brands[tls->brands_len++] = brand;
	if (table_add(tls, names, brand, err) == -1) {
		(void)STEAL(brand); /* the context frees it */
		return NULL;
	}
	return STEAL(brand);
}

/* Puts the certificate that was read with those of the same names. */
static int
cert_add(struct reader *reader, struct err *err)
{
	struct tls_context *tls = reader->tls;
	CLEANUP(names_fini) struct names names = { 0 };
	CLEANUP(buf_fini) struct buf text;
	struct tls_brand *brand = NULL;
	size_t i;

	buf_init(&text, TLS_NAMES_TEXT_MAX);
	names_of(reader->cert.leaf, &names);
	for (i = 0; i < names.len; i++) {
		buf_append_str(&text, names.list[i]);
		buf_append_octet(&text, '\n');
	}
	if (buf_check(&text, err) == -1)
		return refuse(reader, "too many names", err);
	for (i = 0; i < tls->brands_len && brand == NULL; i++)
		if (strcmp(tls->brands[i]->names, buf_str(&text)) == 0)
			brand = tls->brands[i];
	if (brand == NULL)
		brand = brand_add(tls, buf_str(&text), &names, err);
	if (brand == NULL)
		return -1;
	for (i = 0; i < brand->certs_len; i++)
		if (EVP_PKEY_get_base_id(brand->certs[i].key) ==
		    EVP_PKEY_get_base_id(reader->cert.key))
			return refuse(reader,
			    "another certificate has the same names and kind "
			    "of key",
			    err);
	if (brand->certs_len == TLS_CERTS_MAX)
		return refuse(reader, "too many for the same names", err);
	brand->certs[brand->certs_len++] = reader->cert;
	reader->cert = (struct tls_cert){ 0 };
	return 0;
}

/* ---- blocks --------------------------------------------------------- */

static int
take_certificate(
    struct reader *reader, const unsigned char *der, long len, struct err *err)
{
	X509 *x = d2i_X509(NULL, &der, len);
	struct tls_cert *cert = &reader->cert;
	struct tm tm;
	int64_t expires;

	if (cert->leaf == NULL)
		reader->number++;
	if (x == NULL)
		return refuse(reader, "unreadable", err);
	if (cert->leaf != NULL) {
		if (cert->chain == NULL)
			cert->chain = sk_X509_new_null();
		if (cert->chain == NULL || !sk_X509_push(cert->chain, x)) {
			X509_free(x);
			return refuse(reader, "out of memory", err);
		}
		return 0;
	}
	cert->leaf = x;
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return refuse(reader, "its end of validity is unreadable", err);
	expires = (int64_t)timegm(&tm);
	if (reader->tls->expires == 0 || expires < reader->tls->expires)
		reader->tls->expires = expires;
	return 0;
}

static int
take_key(
    struct reader *reader, const unsigned char *der, long len, struct err *err)
{
	if (reader->cert.leaf == NULL) {
		reader->number++;
		return refuse(reader, "a private key without certificate", err);
	}
	reader->cert.key = d2i_AutoPrivateKey(NULL, &der, len);
	if (reader->cert.key == NULL)
		return refuse(reader, "unreadable private key", err);
	if (X509_check_private_key(reader->cert.leaf, reader->cert.key) != 1)
		return refuse(
		    reader, "the private key after it is another's", err);
	return cert_add(reader, err);
}

static int
take_block(struct reader *reader, const char *type, const char *header,
    const unsigned char *der, long len, struct err *err)
{
	static const char key[] = "PRIVATE KEY";
	size_t type_len = strlen(type);

	if (strcmp(type, "CERTIFICATE") == 0)
		return take_certificate(reader, der, len, err);
	if (strcmp(type, "ENCRYPTED PRIVATE KEY") == 0 || header[0] != '\0')
		return refuse(reader, "its private key is encrypted", err);
	if (type_len >= sizeof(key) - 1 &&
	    strcmp(type + type_len - (sizeof(key) - 1), key) == 0)
		return take_key(reader, der, len, err);
	return 0; /* parameters, which the key repeats */
}

static int
take_blocks(struct reader *reader, BIO *bio, struct err *err)
{
	char *type, *header;
	unsigned char *der;
	long len;
	int result = 0;

	while (result == 0 && PEM_read_bio(bio, &type, &header, &der, &len)) {
		result = take_block(reader, type, header, der, len, err);
		OPENSSL_free(type);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, (size_t)len);
	}
	if (result == -1)
		return -1;
	if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
		reader->number++;
		return refuse(reader, "unreadable PEM block", err);
	}
	ERR_clear_error();
	if (reader->cert.leaf != NULL)
		return refuse(reader, "no private key after it", err);
	if (reader->tls->brands_len == 0)
		return err_set(err, ERR_SYNTAX, "no certificate");
	return 0;
}

static int
name_order(const void *a, const void *b)
{
	const struct tls_name *one = a, *other = b;

	return strcmp(one->name, other->name);
}

int
tls_pem_read(struct tls_context *tls, struct span pem, struct err *err)
{
	struct reader reader = { .tls = tls };
	BIO *bio;
	int result;

	if (pem.len == 0 || pem.len > INT32_MAX)
		return err_set(err, ERR_SYNTAX, "no certificate");
	bio = BIO_new_mem_buf(pem.p, (int)pem.len);
	if (bio == NULL)
		return tls_err(err, "certificates");
	result = take_blocks(&reader, bio, err);
	cert_fini(&reader.cert);
	BIO_free(bio);
	if (result == 0 && tls->names_len > 0)
		qsort(tls->names, tls->names_len, sizeof(*tls->names),
		    name_order);
	return result;
}
