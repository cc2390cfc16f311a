/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deliveryd's LMTP over a socket into a real store; hikyakud and tenantd are
 * doubles: this file defines what of common/daemon.h and tenants/client.h the
 * server calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "common/counters.h"
#include "common/daemon.h"
#include "common/reactor.h"
#include "delivery/command.h"
#include "delivery/conf.h"
#include "delivery/lmtp.h"
#include "delivery/trace.h"
#include "tests/unit/store_rig.h"

/* ---- the doubles ---- */

struct daemon {
	struct daemon_conf conf;
	struct deliveryd_conf section;
	struct counters counters;
	struct daemon_listener listener;
	char store[64], hostname[32], uids[16];
	unsigned tenant_requests;
};

const struct daemon_conf *
daemon_conf(const struct daemon *d)
{
	return &d->conf;
}

const void *
daemon_section(const struct daemon *d)
{
	return &d->section;
}

struct counters *
daemon_counters(const struct daemon *d)
{
	return (struct counters *)(uintptr_t)&d->counters;
}

uid_t
daemon_master_uid(const struct daemon *d)
{
	(void)d;
	return geteuid();
}

size_t
daemon_listeners(
    const struct daemon *d, const struct daemon_listener **listeners_out)
{
	*listeners_out = &d->listener;
	return 1;
}

/* Under root the test acts for two brands with uids of their own. */
static uid_t
tenant_uid(const char *tenant)
{
	return strcmp(tenant, "midori") == 0 ? 200002 : 200001;
}

int
daemon_tenant_directory(struct daemon *d, const char *tenant, struct err *err)
{
	uid_t uid = geteuid() == 0 ? tenant_uid(tenant) : (uid_t)-1;

	d->tenant_requests++;
	return store_make_tenant(
	    d->store, span_str(tenant), uid, (gid_t)uid, err);
}

void
resolution_fini(struct resolution *r)
{
	free(r->recipients);
	r->recipients = NULL;
}

static void
add_account(struct resolution *r, const char *address, const char *id)
{
	struct recipient *to = &r->recipients[r->count++];
	struct account_info *a = &to->account;

	to->local = true;
	(void)snprintf(to->address, sizeof(to->address), "%s", address);
	(void)snprintf(a->address, sizeof(a->address), "%s", address);
	(void)snprintf(a->id, sizeof(a->id), "%s", id);
	(void)snprintf(a->tenant.name, sizeof(a->tenant.name), "%s",
	    strstr(address, "midori") != NULL ? "midori" : "aozora");
	a->tenant.uid = tenant_uid(a->tenant.name);
	a->tenant.gid = (gid_t)a->tenant.uid;
}

int
tenants_resolve(struct tenants *t, struct span address, struct resolution *r,
    struct err *err)
{
	(void)t;
	*r = (struct resolution){ 0 };
	if (span_starts(address, SPAN("down@")))
		return err_set(err, ERR_TEMP, "the directory is down");
	r->recipients = calloc(3, sizeof(*r->recipients));
	assert_non_null(r->recipients);
	if (span_eq(address, SPAN("hanako@aozora.example")) ||
	    span_eq(address, SPAN("alias@aozora.example")))
		add_account(r, "hanako@aozora.example", "user-1");
	else if (span_eq(address, SPAN("yuki@midori.example")))
		add_account(r, "yuki@midori.example", "user-2");
	else if (span_starts(address, SPAN("small@"))) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", SPAN_FMT(address));
		add_account(r, name, "user-4");
		r->recipients[0].account.quota_octets = 40000;
		r->recipients[0].account.tenant.refuses_over_quota =
		    span_ends(address, SPAN("midori.example"));
	} else if (span_eq(address, SPAN("list@aozora.example"))) {
		add_account(r, "hanako@aozora.example", "user-1");
		add_account(r, "taro@aozora.example", "user-3");
		r->outcome = RESOLVE_GROUP;
	} else if (span_starts(address, SPAN("away@"))) {
		r->outcome = RESOLVE_SUSPENDED;
	} else {
		r->outcome = span_ends(address, SPAN(".example"))
				 ? RESOLVE_UNKNOWN
				 : RESOLVE_FOREIGN;
	}
	return 0;
}

/* ---- the bench ---- */

struct bench {
	struct store_rig *rig;
	struct daemon daemon;
	struct placer *placer;
	struct lmtp *lmtp;
	struct reactor *reactor;
	pthread_t thread;
	int client;
	char got[16384];
};

static void *
run_reactor(void *arg)
{
	(void)reactor_run(arg, NULL);
	return NULL;
}

/* Reads until the last line of what came is one with this code. */
static const char *
expect(struct bench *b, const char *last)
{
	size_t len = 0;

	memset(b->got, 0, sizeof(b->got));
	for (;;) {
		struct pollfd p = { .fd = b->client, .events = POLLIN };
		char *line;
		ssize_t n;

		if (poll(&p, 1, 5000) != 1)
			fail_msg("no \"%s\" after \"%s\"", last, b->got);
		n = read(b->client, b->got + len, sizeof(b->got) - 1 - len);
		if (n <= 0)
			fail_msg("closed after \"%s\"", b->got);
		len += (size_t)n;
		if (b->got[len - 1] != '\n')
			continue;
		line = memrchr(b->got, '\n', len - 1);
		if (strncmp(line == NULL ? b->got : line + 1, last,
			strlen(last)) == 0)
			return b->got;
	}
}

static const char *
say(struct bench *b, const char *text, const char *last)
{
	size_t len = strlen(text);

	assert_int_equal(write(b->client, text, len), len);
	return expect(b, last);
}

static void
bench_connect(struct bench *b, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	b->client = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(
	    connect(b->client, (struct sockaddr *)&address, sizeof(address)),
	    0);
}

static int
bench_setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct daemon *d = &b->daemon;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct reactor_options options = {
		.workers = 2, .tenant_workers = 2, .conns_max = 10
	};
	struct err err = ERR_INIT;
	void *rig = NULL;

	(void)store_rig_setup(&rig);
	b->rig = rig;
	(void)snprintf(d->store, sizeof(d->store), "%s", b->rig->path);
	(void)snprintf(d->hostname, sizeof(d->hostname), "mx.isp.example");
	(void)snprintf(d->uids, sizeof(d->uids), "200000-200009");
	if (geteuid() == 0) {
		char command[256];

		(void)snprintf(command, sizeof(command),
		    "chmod 711 %s && chown -R 200001:200001 %s/aozora",
		    d->store, d->store);
		assert_int_equal(system(command), 0);
	}
	d->conf.store_directory = d->store;
	d->conf.hostname = d->hostname;
	d->conf.tenant_uids = d->uids;
	d->section = (struct deliveryd_conf){ .message_max = 100000,
		.command_wait = 30,
		.recipients_max = 5,
		.hops_max = 10 };
	d->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)snprintf(d->listener.name, sizeof(d->listener.name), "lmtp");
	(void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock",
	    b->rig->path);
	assert_int_equal(
	    bind(d->listener.fd, (struct sockaddr *)&address, sizeof(address)),
	    0);
	assert_int_equal(listen(d->listener.fd, 5), 0);
	if (placer_new(d, &b->placer, &err) == -1 ||
	    lmtp_new(d, NULL, b->placer, NULL, &b->lmtp, &err) == -1 ||
	    reactor_new(&options, &b->reactor, &err) == -1 ||
	    lmtp_start(b->lmtp, b->reactor, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(
	    pthread_create(&b->thread, NULL, run_reactor, b->reactor), 0);
	bench_connect(b, address.sun_path);
	(void)expect(b, "220 mx.isp.example LMTP");
	*state = b;
	return 0;
}

static int
bench_teardown(void **state)
{
	struct bench *b = *state;
	void *rig = b->rig;

	(void)close(b->client);
	reactor_stop(b->reactor);
	(void)pthread_join(b->thread, NULL);
	reactor_free(b->reactor);
	lmtp_free(b->lmtp);
	placer_free(b->placer);
	(void)close(b->daemon.listener.fd);
	(void)store_rig_teardown(&rig);
	free(b);
	return 0;
}

/* The newest message of an account, or "". */
static void
read_newest(struct bench *b, const char *tenant, const char *id, char *text,
    size_t size)
{
	struct account *a;
	struct mailbox *m;
	struct content *c;
	uint32_t count;

	text[0] = '\0';
	if (account_open(b->rig->store, span_str(tenant), span_str(id),
		ACCOUNT_EXISTING, &a, NULL) == -1)
		return;
	assert_int_equal(
	    mailbox_open(a, SPAN("INBOX"), MAILBOX_READ, &m, NULL), 0);
	count = view_count(mailbox_view(m));
	if (count > 0) {
		assert_int_equal(
		    content_open(
			m, view_at(mailbox_view(m), count - 1)->uid, &c, NULL),
		    0);
		(void)snprintf(text, size, "%.*s", (int)content_span(c).len,
		    content_span(c).p);
		content_free(c);
	}
	mailbox_close(m);
	account_unref(a);
}

static uint32_t
count_messages(struct bench *b, const char *tenant, const char *id)
{
	struct mailbox_status status = { 0 };
	struct account *a;

	if (account_open(b->rig->store, span_str(tenant), span_str(id),
		ACCOUNT_EXISTING, &a, NULL) == -1)
		return 0;
	assert_int_equal(mailbox_status(a, SPAN("INBOX"), &status, NULL), 0);
	account_unref(a);
	return status.messages;
}

/* ---- tests ---- */

#define LHLO "LHLO client.example\r\n"
#define FROM "MAIL FROM:<a@b.example>\r\n"
#define TO_HANAKO "RCPT TO:<hanako@aozora.example>\r\n"
#define TO_YUKI "RCPT TO:<yuki@midori.example>\r\n"

static void
test_octets_after_the_trace_are_the_received_ones(void **state)
{
	struct bench *b = *state;
	static const char *const rest[] = { "Subject: x\r\n\r\n.dots\r\n..\r\n",
		"no header at all\r\n", "", "Return-Path: <forged@x>\r\n\r\n" };
	static const char *const sent[] = {
		"Subject: x\r\n\r\n..dots\r\n...\r\n", "no header at all\r\n",
		"", "Return-Path: <forged@x>\r\n\r\n"
	};
	char text[4096], data[4096];

	(void)say(b, LHLO, "250 SIZE");
	for (size_t i = 0; i < 4; i++) {
		char *end;

		(void)snprintf(data, sizeof(data), "%s.\r\n", sent[i]);
		(void)say(b,
		    "MAIL FROM:<a@b.example> BODY=8BITMIME "
		    "HKID=abcdefghijk\r\n",
		    "250");
		(void)say(b, TO_HANAKO, "250");
		(void)say(b, "DATA\r\n", "354");
		(void)say(b, data, "250 2.1.5");
		read_newest(b, "aozora", "user-1", text, sizeof(text));
		assert_int_equal(
		    strncmp(text,
			"Return-Path: <a@b.example>\r\n"
			"Delivered-To: hanako@aozora.example\r\n"
			"Received: from client.example (",
			strlen("Return-Path: <a@b.example>\r\n"
			       "Delivered-To: hanako@aozora.example\r\n"
			       "Received: from client.example (")),
		    0);
		assert_non_null(strstr(text, "with LMTP id abcdefghijk"));
		end = strstr(text, "+0000\r\n");
		if (end == NULL)
			end = strstr(text, "00\r\n") - 3;
		assert_string_equal(end + 7, rest[i]);
	}
	assert_int_equal(count_messages(b, "aozora", "user-1"), 4);
}

static void
test_each_recipient_has_its_reply(void **state)
{
	struct bench *b = *state;
	const char *got;

	/* All in one write (PIPELINING), as our smtpd sends it. */
	got = say(b,
	    LHLO FROM TO_HANAKO "RCPT TO:<nobody@aozora.example>\r\n" TO_YUKI
				"RCPT TO:<x@elsewhere.org>\r\n"
				"RCPT TO:<away@aozora.example>\r\n"
				"RCPT TO:<down@aozora.example>\r\n"
				"RCPT TO:<alias@aozora.example>\r\n"
				"DATA\r\n",
	    "354");
	assert_non_null(
	    strstr(got, "250 2.1.0 Ok\r\n"
			"250 2.1.5 Ok\r\n"
			"550 5.1.1 No such user\r\n"
			"250 2.1.5 Ok\r\n"
			"550 5.7.1 Not a domain of this platform\r\n"
			"450 4.2.1 The mailbox is suspended\r\n"
			"451 4.3.0 Directory not available\r\n"
			"250 2.1.5 Ok\r\n"
			"354 "));
	got = say(b, "Subject: x\r\n\r\nx\r\n.\r\nNOOP\r\n", "250 2.0.0");
	assert_string_equal(got,
	    "250 2.1.5 Delivered\r\n250 2.1.5 Delivered\r\n"
	    "250 2.1.5 Delivered\r\n250 2.0.0 Ok\r\n");
	/* The alias leads to the same mailbox: once is enough. */
	assert_int_equal(count_messages(b, "aozora", "user-1"), 1);
	/* A brand's first mail: its directory was asked for. */
	assert_int_equal(b->daemon.tenant_requests, 1);
	assert_int_equal(count_messages(b, "midori", "user-2"), 1);
}

static void
test_a_list_is_one_recipient(void **state)
{
	struct bench *b = *state;

	(void)say(
	    b, LHLO FROM "RCPT TO:<list@aozora.example>\r\nDATA\r\n", "354");
	(void)say(b, "x\r\n.\r\n", "250 2.1.5");
	assert_int_equal(count_messages(b, "aozora", "user-1"), 1);
	assert_int_equal(count_messages(b, "aozora", "user-3"), 1);
}

/* Each brand's mail belongs to its own uid, and to nobody else. */
static void
test_owners(void **state)
{
	struct bench *b = *state;
	char command[400];

	(void)say(b, LHLO FROM TO_HANAKO TO_YUKI "DATA\r\n", "354");
	(void)say(b, "x\r\n.\r\nNOOP\r\n", "250 2.0.0");
	if (geteuid() != 0)
		skip();
	(void)snprintf(command, sizeof(command),
	    "cd %s && test -z \"$(find aozora ! -uid 200001; "
	    "find midori ! -uid 200002; find aozora midori -perm /077)\" && "
	    "test $(find . -path '*/new/*' | wc -l) = 2",
	    b->daemon.store);
	assert_int_equal(system(command), 0);
}

static void
test_loops_end(void **state)
{
	struct bench *b = *state;

	(void)say(b, LHLO FROM TO_HANAKO TO_YUKI "DATA\r\n", "354");
	assert_string_equal(
	    say(b,
		"Delivered-To: Hanako@aozora.example\r\n\r\nx\r\n.\r\nNOOP\r\n",
		"250 2.0.0"),
	    "554 5.4.6 Delivered here before: a mail loop\r\n"
	    "250 2.1.5 Delivered\r\n250 2.0.0 Ok\r\n");
	(void)say(b, FROM TO_YUKI "DATA\r\n", "354");
	(void)say(b,
	    "Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\n"
	    "Received: 5\r\nReceived: 6\r\nReceived: 7\r\nReceived: 8\r\n"
	    "Received: 9\r\nReceived: 10\r\n\r\nx\r\n.\r\n",
	    "554 5.4.6");
	assert_int_equal(count_messages(b, "midori", "user-2"), 1);
}

static void
test_what_is_refused(void **state)
{
	struct bench *b = *state;
	static const struct {
		const char *say, *expect;
	} rows[] = {
		{ "MAIL FROM:<>\r\n", "503 5.5.1" },
		{ "EHLO x\r\n", "500 5.5.1" },
		{ "LHLO\r\n", "501 5.5.4" },
		{ LHLO, "250 SIZE 100000" },
		{ TO_HANAKO, "503 5.5.1" },
		{ "DATA\r\n", "503 5.5.1" },
		{ "MAIL FROM:<a@b.example> SIZE=100001\r\n", "552 5.3.4" },
		{ "MAIL FROM:<a@b.example> SIZE=x\r\n", "501 5.1.7" },
		{ "MAIL FROM:<a@b.example> AUTH=<>\r\n", "555 5.5.4" },
		{ "MAIL FROM:a@b.example\r\n", "501 5.1.7" },
		{ FROM, "250" },
		{ FROM, "503 5.5.1" },
		{ "RCPT TO:<hanako@aozora.example> NOTIFY=NEVER\r\n",
		    "555 5.5.4" },
		{ "RCPT TO:hanako\r\n", "501 5.1.3" },
		{ "RCPT TO:<nobody@aozora.example>\r\n", "550 5.1.1" },
		{ "DATA\r\n", "503 5.5.1" },
		{ "VRFY hanako\r\n", "252" },
		{ "RSET\r\n", "250" },
		{ "XYZZY\r\n", "500 5.5.2" },
		{ "noop\r\n", "250" },
		{ "QUIT\r\n", "221" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		(void)say(b, rows[i].say, rows[i].expect);
}

static void
test_bad_data_is_read_and_refused(void **state)
{
	struct bench *b = *state;
	char *big = malloc(200000);

	assert_non_null(big);
	(void)say(b, LHLO FROM TO_HANAKO TO_YUKI "DATA\r\n", "354");
	assert_string_equal(say(b, "a\nb\r\n.\r\nNOOP\r\n", "250"),
	    "554 5.6.0 Bare CR, bare LF or NUL in the data\r\n"
	    "554 5.6.0 Bare CR, bare LF or NUL in the data\r\n"
	    "250 2.0.0 Ok\r\n");
	for (size_t i = 0; i < 150000; i++)
		big[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x';
	(void)strcpy(big + 150000, ".\r\n");
	(void)say(b, FROM TO_HANAKO "DATA\r\n", "354");
	(void)say(b, big, "552 5.3.4");
	assert_int_equal(count_messages(b, "aozora", "user-1"), 0);
	free(big);
}

#define SMALL "RCPT TO:<small@aozora.example>\r\n"
#define SMALL_REFUSED "RCPT TO:<small@midori.example>\r\n"

static void
test_full_mailbox(void **state)
{
	struct bench *b = *state;
	char *big = malloc(40000);

	assert_non_null(big);
	for (size_t i = 0; i < 30000; i++)
		big[i] = i % 50 == 48 ? '\r' : i % 50 == 49 ? '\n' : 'x';
	(void)strcpy(big + 30000, ".\r\n");
	/* What is announced and does not fit is not taken. */
	(void)say(b, LHLO "MAIL FROM:<a@b.example> SIZE=40001\r\n" SMALL,
	    "452 4.2.2 Quota exceeded (mailbox is full)\r\n");
	(void)say(
	    b, SMALL_REFUSED, "552 5.2.2 Quota exceeded (mailbox is full)\r\n");
	(void)say(b, "RSET\r\nMAIL FROM:<a@b.example> SIZE=40000\r\n" SMALL,
	    "250 2.1.5");
	/* What is not announced goes by what is there. */
	(void)say(b, "RSET\r\n" FROM SMALL "DATA\r\n", "354");
	(void)say(b, big, "250");
	(void)say(b, FROM SMALL "DATA\r\n", "354");
	(void)say(b, big, "250");
	/* Both, and the mail that tells of a full mailbox. */
	assert_int_equal(count_messages(b, "aozora", "user-4"), 3);
	(void)say(b, FROM SMALL, "452 4.2.2");
	/* The sender has asked before. */
	(void)say(b,
	    "RSET\r\nMAIL FROM:<a@b.example> HKROOM=ASKED\r\n" SMALL "DATA\r\n",
	    "354");
	(void)say(b, big, "250");
	assert_int_equal(count_messages(b, "aozora", "user-4"), 4);
	free(big);
}

static void
test_mail_command(void **state)
{
	static const struct {
		struct span argument;
		bool trusted;
		enum err_kind kind;
		uint64_t size;
		const char *id;
	} rows[] = {
		{ SPAN("FROM:<>"), false, ERR_NONE, 0, "" },
		{ SPAN("from: <a@b> SIZE=7 BODY=7BIT"), false, ERR_NONE, 7,
		    "" },
		{ SPAN("FROM:<a@b> HKID=abcdefghijk"), true, ERR_NONE, 0,
		    "abcdefghijk" },
		{ SPAN("FROM:<a@b> HKID=abcdefghijk"), false, ERR_POLICY, 0,
		    NULL },
		{ SPAN("FROM:<a@b> HKID=a\"c"), true, ERR_SYNTAX, 0, NULL },
		{ SPAN("FROM:<a@b> HKID=abcdefghijklm"), true, ERR_SYNTAX, 0,
		    NULL },
		{ SPAN("FROM:<a@b> HKROOM=ASKED"), true, ERR_NONE, 0, "" },
		{ SPAN("FROM:<a@b> HKROOM=ASKED"), false, ERR_POLICY, 0, NULL },
		{ SPAN("FROM:<a@b> HKROOM=x"), true, ERR_SYNTAX, 0, NULL },
		{ SPAN("FROM:<\xc3\xa4@b>"), true, ERR_SYNTAX, 0, NULL },
		{ SPAN("FROM:<\xc3\xa4@b> SMTPUTF8"), true, ERR_NONE, 0, "" },
		{ SPAN("FROM:<a@b>x"), true, ERR_SYNTAX, 0, NULL },
		{ SPAN("FROM:<a@b> BODY=BINARYMIME"), true, ERR_SYNTAX, 0,
		    NULL },
		{ SPAN("TO:<a@b>"), true, ERR_SYNTAX, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lmtp_mail mail;
		struct err err = ERR_INIT;

		(void)lmtp_mail_parse(
		    rows[i].argument, rows[i].trusted, &mail, &err);
		if (err.kind != rows[i].kind)
			fail_msg("row %zu: %s", i, err.text);
		if (err.kind != ERR_NONE)
			continue;
		assert_int_equal(mail.size_octets, rows[i].size);
		assert_true(span_eq(mail.id, span_str(rows[i].id)));
		assert_int_equal(mail.room_asked,
		    span_find(rows[i].argument, SPAN("HKROOM")) >= 0);
	}
}

#define B(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail_command),
		B(test_octets_after_the_trace_are_the_received_ones),
		B(test_each_recipient_has_its_reply),
		B(test_a_list_is_one_recipient),
		B(test_owners),
		B(test_loops_end),
		B(test_what_is_refused),
		B(test_bad_data_is_read_and_refused),
		B(test_full_mailbox),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
