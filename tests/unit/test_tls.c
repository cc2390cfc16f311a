/* SPDX-License-Identifier: BSD-2-Clause */
/* common/tls and conns under TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/counters.h"
#include "tests/unit/rig.h"
#include "tests/unit/tls_rig.h"

#define AOZORA "mail.aozora.example,pop.aozora.example"
#define MIDORI "*.midori.example"

/* Two brands; the first has both kinds of key. */
static void
two_brands(struct buf *pem)
{
	buf_init(pem, 1 << 20);
	pem_add(pem, "EC", AOZORA);
	pem_add(pem, "EC", MIDORI);
	pem_add(pem, "RSA", AOZORA);
	assert_int_equal(buf_check(pem, NULL), 0);
}

static struct probe *
tls_probe(struct rig *rig, struct tls_context *tls,
    enum verdict (*serve)(struct probe *p, struct conn *c))
{
	struct timeval patience = { .tv_sec = 20 };
	struct probe *p;

	rig->options.tls = tls;
	p = probe_new(rig, serve);
	(void)setsockopt(
	    p->client, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return p;
}

/* Greets with what TLS says, then echoes lines. */
static enum verdict
serve_echo(struct probe *p, struct conn *c)
{
	struct span line;

	if (atomic_exchange(&p->stage, 1) == 0)
		conn_write_fmt(c, "%s %s\r\n", conn_tls_version(c),
		    conn_tls_server_name(c));
	for (;;) {
		switch (conn_take_line(c, false, &line)) {
		case TAKE_OK:
			if (span_eq(line, SPAN("QUIT")))
				return VERDICT_CLOSE;
			conn_write(c, line);
			conn_write(c, SPAN("\r\n"));
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		default:
			return VERDICT_CLOSE;
		}
	}
}

/* ---- which certificate ---------------------------------------------- */

static const struct sni_row {
	const char *name, *sigalgs, *common_name;
	int key;
} sni_rows[] = {
	{ NULL, NULL, "mail.aozora.example", EVP_PKEY_EC },
	{ "pop.aozora.example", NULL, "mail.aozora.example", EVP_PKEY_EC },
	{ "POP.Aozora.Example", NULL, "mail.aozora.example", EVP_PKEY_EC },
	{ "mail.aozora.example", "RSA-PSS+SHA256:RSA+SHA256",
	    "mail.aozora.example", EVP_PKEY_RSA },
	{ "imap.midori.example", NULL, "*.midori.example", EVP_PKEY_EC },
	/* "*" is one label, and not none. */
	{ "a.b.midori.example", NULL, "mail.aozora.example", EVP_PKEY_EC },
	{ "midori.example", NULL, "mail.aozora.example", EVP_PKEY_EC },
	{ "elsewhere.example", NULL, "mail.aozora.example", EVP_PKEY_EC },
};

static void
try_sni(struct rig *rig, struct tls_context *tls, const struct sni_row *row,
    int version)
{
	struct tls_client_options options = {
		.name = row->name, .sigalgs = row->sigalgs, .version = version
	};
	struct probe *p = tls_probe(rig, tls, serve_echo);
	struct tls_client t;
	char name[64], greeting[128];
	X509 *x;

	assert_true(tls_client_start(&t, p->client, &options));
	x = SSL_get1_peer_certificate(t.ssl);
	(void)X509_NAME_get_text_by_NID(
	    X509_get_subject_name(x), NID_commonName, name, sizeof(name));
	assert_string_equal(name, row->common_name);
	assert_int_equal(EVP_PKEY_get_base_id(X509_get0_pubkey(x)), row->key);
	X509_free(x);
	(void)snprintf(greeting, sizeof(greeting), "%s %s\r\n",
	    SSL_get_version(t.ssl), row->name == NULL ? "" : row->name);
	tls_client_receive(&t, greeting);
	tls_client_send(&t, "hello\r\nQUIT\r\n");
	tls_client_receive(&t, "hello\r\n");
	tls_client_receive_end(&t);
	tls_client_fini(&t);
	probe_free(p);
}

static void
test_sni(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	struct tls_context *tls;
	struct rig rig;
	size_t i;

	(void)state;
	two_brands(&pem);
	tls = tls_for("imap", buf_span(&pem), NULL);
	assert_true(tls_context_expires(tls) > time(NULL) + 86000);
	rig_start(&rig, 2, 2);
	for (i = 0; i < sizeof(sni_rows) / sizeof(sni_rows[0]); i++) {
		try_sni(&rig, tls, &sni_rows[i], TLS1_2_VERSION);
		try_sni(&rig, tls, &sni_rows[i], TLS1_3_VERSION);
	}
	tls_context_unref(tls); /* conns may still hold it */
	rig_stop(&rig);
}

/* ---- tickets -------------------------------------------------------- */

/* Says hello, offering a ticket; answers the new one, and whether it helped. */
static bool
visit(struct rig *rig, struct tls_context *tls, const char *name, int version,
    SSL_SESSION *offer, SSL_SESSION **ticket_out)
{
	struct tls_client_options options = { .name = name,
		.version = version,
		/* OpenSSL marks one that was used as used up. */
		.ticket = offer == NULL ? NULL : SSL_SESSION_dup(offer) };
	struct probe *p = tls_probe(rig, tls, serve_echo);
	struct tls_client t;
	bool reused;

	assert_true(tls_client_start(&t, p->client, &options));
	reused = SSL_session_reused(t.ssl);
	tls_client_send(&t, "x\r\nQUIT\r\n");
	while (t.ticket == NULL || SSL_pending(t.ssl) > 0) {
		char octet;

		if (SSL_read(t.ssl, &octet, 1) <= 0)
			break;
	}
	if (ticket_out != NULL)
		*ticket_out = STEAL(t.ticket);
	tls_client_fini(&t);
	SSL_SESSION_free(options.ticket);
	probe_free(p);
	return reused;
}

static void
try_tickets(struct rig *rig, struct span pem, int version)
{
	struct tls_context *imap = tls_for("imap", pem, NULL);
	struct tls_context *again = tls_for("imap", pem, NULL);
	struct tls_context *pop3 = tls_for("pop3", pem, NULL);
	const char *aozora = "mail.aozora.example";
	SSL_SESSION *ticket = NULL;

	assert_false(visit(rig, imap, aozora, version, NULL, &ticket));
	assert_non_null(ticket);
	/* Good at this gate, and at another one after a restart. */
	assert_true(visit(rig, imap, aozora, version, ticket, NULL));
	assert_true(visit(rig, again, aozora, version, ticket, NULL));
	/* Worthless at another service, and at another brand. */
	assert_false(visit(rig, pop3, aozora, version, ticket, NULL));
	assert_false(
	    visit(rig, imap, "imap.midori.example", version, ticket, NULL));
	SSL_SESSION_free(ticket);
	tls_context_unref(imap);
	tls_context_unref(again);
	tls_context_unref(pop3);
}

static void
test_tickets(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	struct rig rig;

	(void)state;
	two_brands(&pem);
	rig_start(&rig, 2, 2);
	try_tickets(&rig, buf_span(&pem), TLS1_2_VERSION);
	try_tickets(&rig, buf_span(&pem), TLS1_3_VERSION);
	rig_stop(&rig);
}

/* ---- ALPN, and handshakes that fail --------------------------------- */

static void
test_alpn(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	static const struct {
		const char *alpn;
		bool works;
	} rows[] = {
		{ NULL, true },
		{ "\4imap", true },
		{ "\4pop3\4imap", true },
		{ "\4pop3", false },
		{ "\x8http/1.1", false },
	};
	struct tls_context *tls;
	struct rig rig;
	size_t i;

	(void)state;
	two_brands(&pem);
	tls = tls_for("imap", buf_span(&pem), "imap");
	rig_start(&rig, 2, 2);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct tls_client_options options = {
			.alpn = (const unsigned char *)rows[i].alpn
		};
		struct probe *p = tls_probe(&rig, tls, serve_echo);
		struct tls_client t;

		assert_int_equal(
		    tls_client_start(&t, p->client, &options), rows[i].works);
		tls_client_fini(&t);
		probe_free(p);
	}
	tls_context_unref(tls);
	rig_stop(&rig);
}

/* Nonsense, silence and a client that leaves: counted, and nobody is served. */
static void
test_bad_handshakes(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	struct counters counters = { .version = 1 };
	struct tls_context *tls;
	struct rig rig;
	struct probe *p;
	uint64_t began;

	(void)state;
	two_brands(&pem);
	tls = tls_for("imap", buf_span(&pem), NULL);
	rig_start(&rig, 1, 1);
	rig.options.counters = &counters;

	p = tls_probe(&rig, tls, serve_echo);
	probe_send(p, SPAN("a1 LOGIN hanako secret\r\n"));
	probe_expect_closed(p);
	assert_int_equal(p->served, 0);
	probe_free(p);

	p = tls_probe(&rig, tls, serve_echo);
	probe_send_read(p, SPAN("\x16\x03\x01\x02"));
	assert_int_equal(p->closed, 0);
	(void)shutdown(p->client, SHUT_WR);
	probe_expect_closed(p);
	probe_free(p);

	rig.options.wait_ms = 200;
	began = clock_ms();
	p = tls_probe(&rig, tls, serve_echo);
	probe_expect_closed(p);
	assert_true(clock_ms() - began >= 200);
	assert_int_equal(p->served, 0);
	probe_free(p);

	assert_int_equal(counters.value[COUNTER_TLS_FAILURES], 3);
	assert_int_equal(counters.value[COUNTER_TLS_HANDSHAKES], 0);
	tls_context_unref(tls);
	rig_stop(&rig);
}

/* ---- STARTTLS -------------------------------------------------------- */

static struct tls_context *starttls;

static enum verdict
serve_starttls(struct probe *p, struct conn *c)
{
	struct span line;

	if (conn_tls(c))
		return serve_echo(p, c);
	switch (conn_take_line(c, false, &line)) {
	case TAKE_OK:
		conn_write(c, SPAN("go ahead\r\n"));
		assert_int_equal(conn_start_tls(c, starttls, NULL), 0);
		return VERDICT_PARK;
	case TAKE_MORE:
		return VERDICT_PARK;
	default:
		return VERDICT_CLOSE;
	}
}

/* What was sent in clear behind STARTTLS is never executed.  RFC 3207 4.2 */
static void
test_starttls(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	struct tls_client_options options = { .name = "pop.aozora.example" };
	struct tls_client t;
	struct rig rig;
	struct probe *p;

	(void)state;
	two_brands(&pem);
	starttls = tls_for("smtp", buf_span(&pem), NULL);
	rig_start(&rig, 2, 2);
	p = tls_probe(&rig, NULL, serve_starttls);
	probe_send(p, SPAN("STARTTLS\r\ninjected\r\n"));
	probe_receive(p, "go ahead\r\n");
	assert_true(tls_client_start(&t, p->client, &options));
	tls_client_receive(&t, "TLSv1.3 pop.aozora.example\r\n");
	tls_client_send(&t, "mine\r\n");
	tls_client_receive(&t, "mine\r\n");
	tls_client_fini(&t);
	probe_free(p);
	tls_context_unref(starttls);
	rig_stop(&rig);
}

/* ---- what is refused ------------------------------------------------ */

static void
expect_refusal(struct span pem, const char *words)
{
	struct tls_options options = { .service = "imap", .pem = pem };
	struct tls_context *tls;
	struct err err = ERR_INIT;

	assert_int_equal(tls_context_new(&options, &tls, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" has no \"%s\"", err.text, words);
}

static void
test_refusals(void **state)
{
	CLEANUP(buf_fini) struct buf one, two, mixed;
	struct span key_one;

	(void)state;
	buf_init(&one, 1 << 16);
	buf_init(&two, 1 << 16);
	buf_init(&mixed, 1 << 16);
	pem_add(&one, "EC", "one.example");
	pem_add(&two, "EC", "two.example");
	key_one = span_from(buf_span(&one),
	    (size_t)span_find(buf_span(&one), SPAN("-----BEGIN PRIVATE")));

	expect_refusal(SPAN(""), "no certificate");
	expect_refusal(SPAN("nothing of the kind\n"), "no certificate");
	expect_refusal(key_one, "certificate 1: a private key without");
	expect_refusal(span_first(buf_span(&one), one.len - key_one.len),
	    "certificate 1 (one.example): no private key");
	expect_refusal(span_first(buf_span(&one), 200), "unreadable PEM");

	buf_append(&mixed, buf_span(&two));
	buf_append(&mixed, buf_span(&two));
	expect_refusal(
	    buf_span(&mixed), "certificate 2 (two.example): another");

	buf_clear(&mixed);
	buf_append(&mixed, buf_span(&two));
	buf_append(&mixed, SPAN("-----BEGIN CERTIFICATE-----\nAAAA\n"
				"-----END CERTIFICATE-----\n"));
	expect_refusal(buf_span(&mixed), "certificate 2: unreadable");

	buf_clear(&mixed);
	buf_append(&mixed,
	    span_first(buf_span(&two),
		(size_t)span_find(buf_span(&two), SPAN("-----BEGIN PRIVATE"))));
	buf_append(&mixed, key_one);
	expect_refusal(buf_span(&mixed), "certificate 1 (two.example): the "
					 "private key after it is another's");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sni),
		cmocka_unit_test(test_tickets),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_bad_handshakes),
		cmocka_unit_test(test_starttls),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
