/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hash-password: reads a password from standard input (one line) and prints
 * what the directory stores for it.
 *
 *	hash-password		the userPassword value
 *	hash-password --ldif	lines "userPassword: ..." and "hkSecret: ..."
 *				for every mechanism; with a clear secret, so
 *				only where CRAM-MD5 must work
 */
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include "tenants/password.h"

enum {
	VALUE_MAX = 2048,
	SALT_SIZE = 16,
	ITERATIONS = 4096
};

static int
print_secret(struct span stored, const char *scheme, struct span material,
    struct err *err)
{
	CLEANUP(buf_fini) struct buf value, secret;

	buf_init(&value, VALUE_MAX);
	buf_init(&secret, VALUE_MAX);
	buf_append_str(&value, scheme);
	buf_append(&value, material);
	password_secret_format(stored, buf_span(&value), &secret);
	if (buf_check(&value, err) == -1 || buf_check(&secret, err) == -1)
		return -1;
	/* In base64, since the password may hold any octet. */
	buf_clear(&value);
	base64_encode(buf_span(&secret), &value);
	if (buf_check(&value, err) == -1)
		return -1;
	printf("hkSecret:: %s\n", buf_str(&value));
	return 0;
}

static int
print_ldif(struct span stored, struct span password, struct err *err)
{
	unsigned char salt[SALT_SIZE];
	struct sasl_scram scram;
	CLEANUP(buf_fini) struct buf material;

	buf_init(&material, VALUE_MAX);
	if (RAND_bytes(salt, sizeof(salt)) != 1)
		return err_set(err, ERR_TEMP, "no random octets");
	if (sasl_scram_derive(password,
		span_of((const char *)salt, sizeof(salt)), ITERATIONS, &scram,
		err) == -1)
		return -1;
	sasl_scram_format(&scram, &material);
	if (buf_check(&material, err) == -1)
		return -1;
	printf("userPassword: %.*s\n", SPAN_FMT(stored));
	if (print_secret(stored, "{SCRAM-SHA-256}", buf_span(&material), err) ==
	    -1)
		return -1;
	return print_secret(stored, "{CLEARTEXT}", password, err);
}

int
main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	char line[1026];
	bool ldif = argc == 2 && strcmp(argv[1], "--ldif") == 0;
	CLEANUP(buf_fini) struct buf stored = { .max = 0 };
	int rc;

	buf_init(&stored, VALUE_MAX);
	if (argc > 2 || (argc == 2 && !ldif)) {
		(void)fprintf(stderr, "usage: hash-password [--ldif] <file\n");
		return 2;
	}
	if (fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	if (line[0] == '\0') {
		(void)fprintf(stderr, "hash-password: no password\n");
		return 1;
	}
	rc = password_hash(span_str(line), &stored, &err);
	if (rc == 0 && ldif)
		rc = print_ldif(buf_span(&stored), span_str(line), &err);
	else if (rc == 0)
		printf("%s\n", buf_str(&stored));
	OPENSSL_cleanse(line, sizeof(line));
	if (rc == -1)
		(void)fprintf(stderr, "hash-password: %s\n", err.text);
	return rc == -1 || fflush(stdout) != 0 ? 1 : 0;
}
