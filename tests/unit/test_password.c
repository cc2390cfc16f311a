/* SPDX-License-Identifier: BSD-2-Clause */
#include "tenants/password.h"
#include "tenants/password_cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tenants/saslprep.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))

/* Made with Python's crypt, hashlib and hmac from "hikyaku-demo". */
static const struct {
	const char *stored;
	enum password_match right; /* what "hikyaku-demo" gives */
	bool slow;
} rows[] = {
	{ "{CRYPT}abZ1GTVxQJlAo", PASSWORD_RIGHT, true },
	{ "{crypt}$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0", PASSWORD_RIGHT, true },
	{ "{CRYPT}$5$rounds=1000$abcdefgh$6SIa.JKRItiL2oLYpJajJcuO6158V7v7PgZz"
	  "7FIqKE4",
	    PASSWORD_RIGHT, true },
	{ "{CRYPT}$6$rounds=1000$abcdefgh$DFzcPjQ0WAINcJ8glmvldMbtRLD9s9mbimrj"
	  "ClKGjCB166F.gIZBqOukDzgLxaOFVIEOXpGCEEZFWlwso8p3o1",
	    PASSWORD_RIGHT, true },
	{ "{CRYPT}$2b$04$abcdefghijklmnopqrstuubHoayVqFHYJTfpTBFCgamSb3vwpeVcG",
	    PASSWORD_RIGHT, true },
	{ "{CRYPT}$y$j75$abcdefgh$HgTrpWMJycA8ISN31WubI6T.tKPrvIYiJcGzg2QPx70",
	    PASSWORD_RIGHT, true },
	{ "{SHA}U8l1yqUvIw6CBsUWSGjPQA+q/F8=", PASSWORD_RIGHT, false },
	{ "{SSHA}IyBttGoa2+z4aI+IXHkSrfy4dU4BAgME", PASSWORD_RIGHT, false },
	{ "{MD5}l2Nf9O8mA5HjoV0vJ4oOdw==", PASSWORD_RIGHT, false },
	{ "{SMD5}r/e21I9rgqhmYIOi2JFHBAECAwQ=", PASSWORD_RIGHT, false },
	{ "{SHA256}Lzjy92/u9W6Twf1KOLR1waYYSp4/nKD5W92zi11gz9M=",
	    PASSWORD_RIGHT, false },
	{ "{SSHA256}TpYCDAwnr+M7tXUo7muyD8cQ70HFCTC/XOz9hx8E304BAgME",
	    PASSWORD_RIGHT, false },
	{ "{SHA512}Zka2ukjCKxF8+WHHfP+l+4+bmEOFhiqR5/p5xJ7r/Jp9SBSDQqDwNnWVCCI"
	  "mxZUtN5wUCkpB6DHxmlf//OD67w==",
	    PASSWORD_RIGHT, false },
	{ "{SSHA512}2lAX3aEdNtzn4mUjO8/Fj+gdOsk3I2UvICBpVyLghcY1iCgjutagCu1a88"
	  "MZxJBujf7B+SNJ6z52l6chcWnN6wECAwQ=",
	    PASSWORD_RIGHT, false },
	{ "{CLEARTEXT}hikyaku-demo", PASSWORD_RIGHT, false },
	{ "hikyaku-demo", PASSWORD_RIGHT, false },
	{ "{SCRAM-SHA-256}4096$c2FsdHNhbHRzYWx0c2FsdA==$riNI9BVjacqtGyE2Kw2uLI"
	  "wGlhg4TBS9AEhJsvfGS8A=:ylJJQx9k/3mL9oflsPuTYqMIkibYXAoBWXMpcaG8Fp4=",
	    PASSWORD_RIGHT, true },
	/* As LDAP takes it: behind a scheme that slapd knows. */
	{ "{CRYPT}{SCRAM-SHA-256}4096$c2FsdHNhbHRzYWx0c2FsdA==$riNI9BVjacqtGyE2"
	  "Kw2uLIwGlhg4TBS9AEhJsvfGS8A=:ylJJQx9k/3mL9oflsPuTYqMIkibYXAoBWXMpca"
	  "G8Fp4=",
	    PASSWORD_RIGHT, true },
	/* But nothing else hides there. */
	{ "{CRYPT}{CLEARTEXT}hikyaku-demo", PASSWORD_UNKNOWN, true },
	{ "{CRYPT}{CRYPT}abZ1GTVxQJlAo", PASSWORD_UNKNOWN, true },
	/* Not of this password. */
	{ "{CLEARTEXT}hikyaku-dem", PASSWORD_WRONG, false },
	{ "{CLEARTEXT}hikyaku-demo ", PASSWORD_WRONG, false },
	{ "{CLEARTEXT}", PASSWORD_WRONG, false },
	{ "{SHA}V8l1yqUvIw6CBsUWSGjPQA+q/F8=", PASSWORD_WRONG, false },
	/* Malformed, or nothing that we know. */
	{ "", PASSWORD_UNKNOWN, false },
	{ "{", PASSWORD_UNKNOWN, false },
	{ "{SSHA", PASSWORD_UNKNOWN, false },
	{ "{ARGON2}$argon2id$v=19$x", PASSWORD_UNKNOWN, false },
	{ "{CRYPT}", PASSWORD_UNKNOWN, true },
	{ "{CRYPT}*", PASSWORD_UNKNOWN, true },
	{ "{CRYPT}!", PASSWORD_UNKNOWN, true },
	{ "{SHA}U8l1yqUvIw6CBsUWSGjPQA==", PASSWORD_UNKNOWN, false },
	{ "{SHA}?", PASSWORD_UNKNOWN, false },
	{ "{SCRAM-SHA-256}0$$", PASSWORD_UNKNOWN, true },
	/* The braces were forgotten: the hash's text is no password. */
	{ "$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0", PASSWORD_UNKNOWN, false },
};

static void
test_schemes(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct span stored = span_str(rows[i].stored);
		enum password_match got =
		    password_check(stored, SPAN("hikyaku-demo"));

		if (got != rows[i].right)
			fail_msg("%s: %d", rows[i].stored, (int)got);
		assert_int_equal(password_is_slow(stored), rows[i].slow);
		if (rows[i].right != PASSWORD_RIGHT)
			continue;
		assert_int_equal(password_check(stored, SPAN("Hikyaku-demo")),
		    PASSWORD_WRONG);
		assert_int_equal(
		    password_check(stored, SPAN("")), PASSWORD_WRONG);
		assert_int_equal(password_check(stored, SPAN("hikyaku-demo\0")),
		    PASSWORD_WRONG);
	}
	assert_int_equal(
	    password_check(span_str("$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0"),
		SPAN("$1$abcdefgh$peyzg26Dr/ygLXtW3sGft0")),
	    PASSWORD_UNKNOWN);
}

/* As strings, so that a test shows where the limits are. */
static void
test_dear(void **state)
{
	static const struct {
		const char *setting;
		bool dear;
	} rows_dear[] = {
		{ "$2b$13$abcdefghijklmnopqrstuu", false },
		{ "$2b$14$abcdefghijklmnopqrstuu", true },
		{ "$2y$31$abcdefghijklmnopqrstuu", true },
		{ "$2a$99$", true },
		{ "$2a$", true },
		{ "$5$salt$x", false },
		{ "$6$rounds=999999$salt$x", false },
		{ "$6$rounds=1000000$salt$x", true },
		{ "$6$rounds=0001000000$salt$x", true },
		{ "$6$rounds=18446744073709551617$x", true },
		{ "$5$rounds=999999999$salt$x", true },
		{ "$sha1$480000$salt$x", false },
		{ "$sha1$4800000$salt$x", true },
		{ "$md5$salt$$x", false },
		{ "$md5,rounds=9999$salt$$x", false },
		{ "$md5,rounds=10000$salt$$x", true },
		{ "$md5,x=1$salt$$x", true },
		{ "$y$j9T$salt$x", false },
		{ "$y$j75$salt$x", false },
		{ "$y$jCT$salt$x", false },
		{ "$y$jDT$salt$x", true },
		{ "$y$jFT$salt$x", true },
		{ "$y$jCU$salt$x", true },
		{ "$y$j9T1$salt$x", true },
		{ "$y$/9T$salt$x", true },
		{ "$y$", true },
		{ "$gy$j9T$salt$x", false },
		{ "$gy$jzT$salt$x", true },
		{ "$7$CU..../....salt$x", false },
		{ "$7$CU....2....salt$x", false },
		{ "$7$DU..../....salt$x", true },
		{ "$7$CV..../....salt$x", true },
		{ "$7$CU.../.....salt$x", true },
		{ "$7$CU....3....salt$x", true },
		{ "$7$CU..../.../salt$x", true },
		{ "$7$CU", true },
		{ "_J9..saltxxxxxxxxxxx", false },
		{ "_zzz/saltxxxxxxxxxxx", true },
		{ "_J9", true },
		{ "$1$salt$x", false },
		{ "$3$$x", false },
		{ "abZ1GTVxQJlAo", false },
		{ "", false },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows_dear); i++) {
		CLEANUP(buf_fini) struct buf stored = { .max = 256 };

		buf_append_fmt(&stored, "{CRYPT}%s", rows_dear[i].setting);
		if (password_crypt_is_dear(span_str(rows_dear[i].setting)) !=
		    rows_dear[i].dear)
			fail_msg("%s", rows_dear[i].setting);
		assert_int_equal(
		    password_is_slow(buf_span(&stored)), !rows_dear[i].dear);
		/* Or this test would not end. */
		if (rows_dear[i].dear)
			assert_int_equal(password_check(buf_span(&stored),
					     SPAN("hikyaku-demo")),
			    PASSWORD_UNKNOWN);
	}
}

static void
test_hash(void **state)
{
	CLEANUP(buf_fini) struct buf a, b;

	(void)state;
	buf_init(&a, 512);
	buf_init(&b, 512);
	assert_int_equal(password_hash(SPAN("geheim"), &a, NULL), 0);
	assert_int_equal(password_hash(SPAN("geheim"), &b, NULL), 0);
	assert_true(span_starts(buf_span(&a), SPAN("{CRYPT}$y$")));
	assert_string_not_equal(buf_str(&a), buf_str(&b));
	assert_int_equal(
	    password_check(buf_span(&a), SPAN("geheim")), PASSWORD_RIGHT);
	assert_int_equal(
	    password_check(buf_span(&a), SPAN("Geheim")), PASSWORD_WRONG);
	assert_int_equal(password_hash(SPAN("a\0b"), &a, NULL), -1);
}

static void
test_scram(void **state)
{
	struct sasl_scram a, b;

	(void)state;
	assert_true(password_scram(SPAN("{CLEARTEXT}pencil"), &a));
	assert_true(password_scram(SPAN("{CLEARTEXT}pencil"), &b));
	assert_memory_equal(&a, &b, sizeof(a));
	assert_false(password_scram(SPAN("{SSHA}IyBt"), &a));
	assert_false(password_scram(SPAN("{SCRAM-SHA-256}x"), &a));
	assert_true(password_scram(span_str(rows[16].stored), &a));
	assert_int_equal(a.iterations, 4096);
}

/* A secret lapses with the password that it was made for. */
static void
test_secret(void **state)
{
	CLEANUP(buf_fini) struct buf secret;
	struct span value;

	(void)state;
	buf_init(&secret, 512);
	password_secret_format(
	    SPAN("{CLEARTEXT}x"), SPAN("{CLEARTEXT}x"), &secret);
	assert_string_equal(
	    buf_str(&secret), "for:882366280e119f59 {CLEARTEXT}x");
	assert_true(password_secret_of(
	    buf_span(&secret), SPAN("{CLEARTEXT}x"), &value));
	assert_true(span_eq(value, SPAN("{CLEARTEXT}x")));
	assert_false(password_secret_of(
	    buf_span(&secret), SPAN("{CLEARTEXT}y"), &value));
	assert_false(password_secret_of(
	    SPAN("{CLEARTEXT}x"), SPAN("{CLEARTEXT}x"), &value));
	assert_false(
	    password_secret_of(SPAN("for:"), SPAN("{CLEARTEXT}x"), &value));
}

/* RFC 4013 section 3 has the first five. */
static void
test_prepared(void **state)
{
	static const struct {
		const char *text, *prepared; /* NULL: it stands for itself */
	} prep[] = {
		{ "I\xc2\xadX", "IX" },
		{ "user", NULL },
		{ "USER", NULL },
		{ "\xc2\xaa", "a" },
		{ "\xe2\x85\xa8", "IX" },
		{ "\x07", NULL },
		{ "\xd8\xa7"
		  "1",
		    NULL }, /* right to left, and does not end so */
		{ "a\xc2\xa0"
		  "b",
		    "a b" },
		{ "e\xcc\x81", "\xc3\xa9" },
		{ "\xc3\xa9", NULL },
		{ "\xef\xbd\xb6\xef\xbe\x9e", "\xe3\x82\xac" }, /* half width */
		{ "\xf0\x9f\x98\x80\xe2\x91\xa0", "\xf0\x9f\x98\x80"
						  "1" },
		{ "\xc2\xad", NULL }, /* nothing would be left */
		{ "\xff\xe9", NULL },
		{ "\xc3\xa9\xc2\x85", NULL },
	};

	(void)state;
	for (size_t i = 0; i < LEN(prep); i++) {
		CLEANUP(buf_fini) struct buf out = { .max = 64 };
		bool made = saslprep(span_str(prep[i].text), &out);

		assert_int_equal(made, prep[i].prepared != NULL);
		assert_string_equal(
		    buf_str(&out), made ? prep[i].prepared : "");
	}
	/* Typed in half width, stored in either. */
	assert_int_equal(password_check(SPAN("{CLEARTEXT}\xe3\x82\xac"),
			     SPAN("\xef\xbd\xb6\xef\xbe\x9e")),
	    PASSWORD_RIGHT);
	assert_int_equal(
	    password_check(SPAN("{CLEARTEXT}\xef\xbd\xb6\xef\xbe\x9e"),
		SPAN("\xef\xbd\xb6\xef\xbe\x9e")),
	    PASSWORD_RIGHT);
	assert_int_equal(password_check(SPAN("{CLEARTEXT}\xe3\x82\xab"),
			     SPAN("\xef\xbd\xb6\xef\xbe\x9e")),
	    PASSWORD_WRONG);
}

/* Two hashes of one password differ, and both are it. */
static void
test_hash_fast(void **state)
{
	CLEANUP(buf_fini) struct buf a = { .max = 256 }, b = { .max = 256 };

	(void)state;
	assert_int_equal(password_hash_fast(SPAN("abcd"), &a, NULL), 0);
	assert_int_equal(password_hash_fast(SPAN("abcd"), &b, NULL), 0);
	assert_false(span_eq(buf_span(&a), buf_span(&b)));
	assert_int_equal(
	    password_check(buf_span(&a), SPAN("abcd")), PASSWORD_RIGHT);
	assert_int_equal(
	    password_check(buf_span(&b), SPAN("abce")), PASSWORD_WRONG);
	assert_false(password_is_slow(buf_span(&a)));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schemes),
		cmocka_unit_test(test_dear),
		cmocka_unit_test(test_hash),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_hash_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
