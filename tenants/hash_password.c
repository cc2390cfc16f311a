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

#include "common/sasl.h"
#include "tenants/password_new.h"

enum {
	COST_DEFAULT = 0,
	VALUE_MAX = 2048
};

/* In base64, since the password may hold any octet. */
static int
print_secret(struct span secret, struct err *err)
{
	CLEANUP(buf_fini) struct buf value;

	buf_init(&value, VALUE_MAX);
	base64_encode(secret, &value);
	if (buf_check(&value, err) == -1)
		return -1;
	printf("hkSecret:: %s\n", buf_str(&value));
	return 0;
}

static int
print_ldif(const struct password_new *p, struct err *err)
{
	printf("userPassword: %s\n", buf_str(&p->stored));
	return print_secret(buf_span(&p->scram), err) == -1
		   ? -1
		   : print_secret(buf_span(&p->clear), err);
}

int
main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	char line[1026];
	bool ldif = argc == 2 && strcmp(argv[1], "--ldif") == 0;
	CLEANUP(password_new_fini) struct password_new made;
	int rc;

	password_new_init(&made);
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
	rc = password_new_make(span_str(line), COST_DEFAULT, ldif, &made, &err);
	if (rc == 0 && ldif)
		rc = print_ldif(&made, &err);
	else if (rc == 0)
		printf("%s\n", buf_str(&made.stored));
	OPENSSL_cleanse(line, sizeof(line));
	if (rc == -1)
		(void)fprintf(stderr, "hash-password: %s\n", err.text);
	return rc == -1 || fflush(stdout) != 0 ? 1 : 0;
}
