/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/sasl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LEN(a) (sizeof(a) / sizeof(*(a)))

/* A directory of one user. */
struct person {
	const char *name, *password;
	struct span salt;
	uint32_t iterations;
};

struct directory {
	const struct person *person;
	/* It answers each question at the second time only. */
	bool hesitates, asked;
};

static bool
hesitates(struct directory *d)
{
	d->asked = d->hesitates && !d->asked;
	return d->asked;
}

static enum sasl_verdict
person_password(
    void *arg, struct span authcid, struct span password, struct err *err)
{
	struct directory *d = arg;
	const struct person *p = d->person;

	(void)err;
	if (hesitates(d))
		return SASL_FAILED;
	return span_eq(authcid, span_str(p->name)) &&
		       span_eq(password, span_str(p->password))
		   ? SASL_OK
		   : SASL_WRONG;
}

static enum sasl_verdict
person_secret(
    void *arg, struct span authcid, struct buf *secret, struct err *err)
{
	struct directory *d = arg;
	const struct person *p = d->person;

	(void)err;
	if (hesitates(d))
		return SASL_FAILED;
	if (!span_eq(authcid, span_str(p->name)))
		return SASL_WRONG;
	buf_append_str(secret, p->password);
	return SASL_OK;
}

static enum sasl_verdict
person_scram(
    void *arg, struct span authcid, struct sasl_scram *scram, struct err *err)
{
	struct directory *d = arg;
	const struct person *p = d->person;

	if (hesitates(d))
		return SASL_FAILED;
	if (!span_eq(authcid, span_str(p->name)))
		return SASL_WEAK;
	return sasl_scram_derive(span_str(p->password), p->salt, p->iterations,
		   scram, err) == 0
		   ? SASL_OK
		   : SASL_FAILED;
}

struct turn {
	struct span message; /* p NULL: none */
	const char *challenge;
	enum sasl_verdict verdict;
};

struct dialogue {
	const char *mechanism, *nonce, *hostname;
	struct person person;
	struct turn turns[4];
};

/* "W\"\x81..." decoded: the salt of RFC 7677 section 3. */
#define SALT_7677                                                              \
	"\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81"
#define NONE                                                                   \
	{                                                                      \
		NULL, 0                                                        \
	}
#define TEXT(s)                                                                \
	{                                                                      \
		"" s, sizeof(s) - 1                                            \
	}
#define C7677 "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
#define R7677 "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define USER_7677                                                              \
	{                                                                      \
		"user", "pencil", TEXT(SALT_7677), 4096                        \
	}
#define FIRST_7677 TEXT("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")
#define SECOND_7677 R7677 ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
#define SCRAM(...)                                                             \
	{                                                                      \
		"SCRAM-SHA-256", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0", "h",        \
		    USER_7677,                                                 \
		{                                                              \
			__VA_ARGS__                                            \
		}                                                              \
	}

static const struct dialogue dialogues[] = {
	/* RFC 7677 section 3. */
	SCRAM({ FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT(C7677 "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		SASL_CONTINUE },
	    { TEXT(""), "", SASL_OK }),
	/* The same with no initial response. */
	SCRAM({ NONE, "", SASL_CONTINUE },
	    { FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT(C7677 "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
		SASL_CONTINUE },
	    { TEXT(""), "", SASL_OK }),
	/* A proof written in another way, and another proof. */
	SCRAM({ FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT(C7677 "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVR="), "",
		SASL_BAD }),
	SCRAM({ FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT(C7677 "p=eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "",
		SASL_WRONG }),
	/* The nonce is another's; the binding is not what came first. */
	SCRAM({ FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT("c=biws,r=rOprNGfwEbeRWgbNEkqO,"
		   "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		"", SASL_BAD }),
	SCRAM({ FIRST_7677, SECOND_7677, SASL_CONTINUE },
	    { TEXT("c=eSws," R7677
		   ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		"", SASL_BAD }),
	/* It demands a binding; a reserved extension; names. */
	SCRAM({ TEXT("p=tls-unique,,n=user,r=abc"), "", SASL_BAD }),
	SCRAM({ TEXT("n,,m=x,n=user,r=abc"), "", SASL_BAD }),
	SCRAM({ TEXT("n,,n=us=er,r=abc"), "", SASL_BAD }),
	SCRAM({ TEXT("n,,n=,r=abc"), "", SASL_BAD }),
	SCRAM({ TEXT("n,,n=user,r="), "", SASL_BAD }),
	SCRAM({ TEXT("n,,n=user"), "", SASL_BAD }),
	SCRAM({ TEXT("n"), "", SASL_BAD }),
	SCRAM({ TEXT("n,,n=us=2Cer,r=abc"), "", SASL_WEAK }),
	/* RFC 2195 section 2. */
	{ "CRAM-MD5", "1896.697170952", "postoffice.reston.mci.net",
	    { "tim", "tanstaaftanstaaf", NONE, 0 },
	    { { NONE, "<1896.697170952@postoffice.reston.mci.net>",
		  SASL_CONTINUE },
		{ TEXT("tim b913a602c7eda7a495b4e6e7334d3890"), "",
		    SASL_OK } } },
	{ "CRAM-MD5", "1896.697170952", "postoffice.reston.mci.net",
	    { "tim", "tanstaaftanstaaf", NONE, 0 },
	    { { NONE, "<1896.697170952@postoffice.reston.mci.net>",
		  SASL_CONTINUE },
		{ TEXT("tim b913a602c7eda7a495b4e6e7334d3891"), "",
		    SASL_WRONG } } },
	{ "CRAM-MD5", "1", "h", { "a b", "p", NONE, 0 },
	    { { TEXT("x"), "", SASL_BAD } } },
	{ "CRAM-MD5", "1", "h", { "tim", "p", NONE, 0 },
	    { { NONE, "<1@h>", SASL_CONTINUE },
		{ TEXT("tim b913"), "", SASL_BAD } } },
	/* RFC 4616 section 4. */
	{ "PLAIN", NULL, "h", { "tim", "tanstaaftanstaaf", NONE, 0 },
	    { { TEXT("\0tim\0tanstaaftanstaaf"), "", SASL_OK } } },
	{ "plain", NULL, "h", { "Kurt", "xipj3plmq", NONE, 0 },
	    { { NONE, "", SASL_CONTINUE },
		{ TEXT("Ursel\0Kurt\0xipj3plmq"), "", SASL_OK } } },
	{ "PLAIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("\0tim\0q"), "", SASL_WRONG } } },
	{ "PLAIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("\0tim\0"), "", SASL_BAD } } },
	{ "PLAIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("tim\0p"), "", SASL_BAD } } },
	{ "PLAIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("\0\0p"), "", SASL_BAD } } },
	{ "PLAIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("\0tim\0p\0"), "", SASL_BAD } } },
	{ "LOGIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { NONE, "Username:", SASL_CONTINUE },
		{ TEXT("tim"), "Password:", SASL_CONTINUE },
		{ TEXT("p"), "", SASL_OK } } },
	{ "LOGIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { TEXT("tim"), "Password:", SASL_CONTINUE },
		{ TEXT("q"), "", SASL_WRONG } } },
	{ "LOGIN", NULL, "h", { "tim", "p", NONE, 0 },
	    { { NONE, "Username:", SASL_CONTINUE },
		{ TEXT(""), "", SASL_BAD } } },
	/* RFC 1939 section 7 */
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("<1896.697170952@dbc.mtview.ca.us>\0mrose\0"
		     "c4c9334bac560ecc979e58001b3e22fb"),
		"", SASL_OK } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("<1896.697170953@dbc.mtview.ca.us>\0mrose\0"
		     "c4c9334bac560ecc979e58001b3e22fb"),
		"", SASL_WRONG } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("<1896.697170952@dbc.mtview.ca.us>\0marose\0"
		     "c4c9334bac560ecc979e58001b3e22fb"),
		"", SASL_WRONG } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("<1896.697170952@dbc.mtview.ca.us>\0mrose\0"
		     "C4C9334BAC560ECC979E58001B3E22FB"),
		"", SASL_WRONG } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("<1896.697170952@dbc.mtview.ca.us>\0mrose\0c4c9"), "",
		SASL_BAD } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { TEXT("\0mrose\0c4c9334bac560ecc979e58001b3e22fb"), "",
		SASL_BAD } } },
	{ "APOP", NULL, "h", { "mrose", "tanstaaf", NONE, 0 },
	    { { NONE, "", SASL_BAD } } },
};

static const struct sasl_mechanism *
mechanism(const char *name)
{
	const struct sasl_mechanism *m = sasl_mechanism_find(span_str(name));

	if (strcmp(name, "APOP") != 0)
		return m;
	/* A client cannot ask for it. */
	assert_null(m);
	return sasl_mechanism_apop();
}

static void
run(const struct dialogue *d, size_t number, bool hesitating)
{
	struct directory person = { &d->person, hesitating, false };
	struct sasl_directory directory = { person_password, person_secret,
		person_scram, &person };
	CLEANUP(sasl_exchange_free) struct sasl_exchange *x = NULL;
	CLEANUP(buf_fini) struct buf challenge;
	struct err err = ERR_INIT;

	buf_init(&challenge, 8192);
	assert_int_equal(sasl_exchange_new(mechanism(d->mechanism), &directory,
			     d->hostname, d->nonce, &x, &err),
	    0);
	for (size_t i = 0; i < LEN(d->turns); i++) {
		const struct turn *t = &d->turns[i];
		enum sasl_verdict got;

		if (t->challenge == NULL)
			return;
		buf_clear(&challenge);
		got = sasl_exchange_step(x, t->message, &challenge, &err);
		if (got == SASL_FAILED && hesitating)
			got =
			    sasl_exchange_step(x, t->message, &challenge, &err);
		if (got != t->verdict)
			fail_msg("dialogue %zu turn %zu: verdict %d, not %d",
			    number, i, (int)got, (int)t->verdict);
		assert_string_equal(buf_str(&challenge), t->challenge);
		if (got != SASL_CONTINUE)
			return;
	}
}

static void
test_dialogues(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(dialogues); i++)
		run(&dialogues[i], i, false);
}

/* After SASL_FAILED the same message is taken as if it came anew. */
static void
test_messages_fed_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(dialogues); i++)
		run(&dialogues[i], i, true);
}

static void
test_base64(void **state)
{
	static const struct {
		const char *text;
		struct span octets; /* p NULL: refused */
	} rows[] = {
		/* RFC 4648 section 10. */
		{ "", TEXT("") },
		{ "Zg==", TEXT("f") },
		{ "Zm8=", TEXT("fo") },
		{ "Zm9v", TEXT("foo") },
		{ "Zm9vYg==", TEXT("foob") },
		{ "Zm9vYmE=", TEXT("fooba") },
		{ "Zm9vYmFy", TEXT("foobar") },
		{ "/+8A", TEXT("\xff\xef\0") },
		{ "Zh==", NONE }, /* bits left */
		{ "Zm9=", NONE },
		{ "Zg=", NONE },
		{ "Zg", NONE },
		{ "Z===", NONE },
		{ "====", NONE },
		{ "Zm9v\n", NONE },
		{ " Zg==", NONE },
		{ "Zg==Zg==", NONE },
	};
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 64);
	for (size_t i = 0; i < LEN(rows); i++) {
		buf_clear(&out);
		buf_append(&out, SPAN("kept"));
		if (rows[i].octets.p == NULL) {
			assert_int_equal(
			    base64_decode(span_str(rows[i].text), &out, NULL),
			    -1);
			assert_string_equal(buf_str(&out), "kept");
			continue;
		}
		assert_int_equal(
		    base64_decode(span_str(rows[i].text), &out, NULL), 0);
		assert_true(
		    span_eq(span_from(buf_span(&out), 4), rows[i].octets));
		buf_clear(&out);
		base64_encode(rows[i].octets, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

static void
test_lines(void **state)
{
	CLEANUP(buf_fini) struct buf out;

	(void)state;
	buf_init(&out, 8);
	assert_int_equal(sasl_line_decode(SPAN(""), &out), SASL_LINE_OK);
	assert_int_equal(out.len, 0);
	assert_int_equal(sasl_line_decode(SPAN("*"), &out), SASL_LINE_CANCEL);
	assert_int_equal(sasl_line_decode(SPAN("="), &out), SASL_LINE_BAD);
	assert_int_equal(
	    sasl_line_decode(SPAN("Zm9vYmFyZm9v"), &out), SASL_LINE_BAD);
	assert_int_equal(sasl_initial_decode(SPAN("="), &out), SASL_LINE_OK);
	assert_int_equal(out.len, 0);
	assert_int_equal(sasl_initial_decode(SPAN(""), &out), SASL_LINE_BAD);
	assert_int_equal(sasl_initial_decode(SPAN("Zg=="), &out), SASL_LINE_OK);
	assert_string_equal(buf_str(&out), "f");
}

static void
test_scram_text(void **state)
{
	struct sasl_scram a, b;
	CLEANUP(buf_fini) struct buf text, again;

	(void)state;
	buf_init(&text, 512);
	buf_init(&again, 512);
	assert_int_equal(
	    sasl_scram_derive(SPAN("pencil"), SPAN(SALT_7677), 4096, &a, NULL),
	    0);
	sasl_scram_format(&a, &text);
	assert_int_equal(sasl_scram_parse(buf_span(&text), &b, NULL), 0);
	sasl_scram_format(&b, &again);
	assert_string_equal(buf_str(&text), buf_str(&again));
	for (size_t len = 0; len < text.len; len++)
		assert_int_equal(
		    sasl_scram_parse(span_of(text.data, len), &b, NULL), -1);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogues),
		cmocka_unit_test(test_messages_fed_again),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_scram_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
