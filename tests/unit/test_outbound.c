/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of messages, entries, replies, routes and reports of the queue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "common/outbound.h"
#include "delivery/dns.h"
#include "delivery/dsn.h"
#include "delivery/peer.h"
#include "delivery/queue_entry.h"
#include "delivery/route.h"

static const struct outbound_recipient two[] = {
	{ .kind = OUTBOUND_SEND,
	    .notify = OUTBOUND_NOTIFY_SUCCESS,
	    .address = { "a@one.example", 13 },
	    .orcpt = { "rfc822;x", 8 } },
	{ .kind = OUTBOUND_LATER,
	    .address = { "b@two.example", 13 },
	    .reply = { "450 4.2.1 later", 15 } },
};

static struct outbound
sample(void)
{
	struct outbound m = {
		.id = SPAN("abcDEF01234"),
		.reverse_path = SPAN("me@home.example"),
		.tenant = SPAN("aozora"),
		.flags = OUTBOUND_8BIT | OUTBOUND_RET_HDRS,
		.arrival_ms = 1234567890123,
		.count = 2,
		.content_octets = 5,
	};

	m.recipients = calloc(2, sizeof(*m.recipients));
	assert_non_null(m.recipients);
	memcpy(m.recipients, two, sizeof(two));
	return m;
}

static void
test_record(void **state)
{
	struct outbound m = sample(), back;
	struct buf b;
	struct err err = ERR_INIT;
	size_t octets;

	(void)state;
	buf_init(&b, 4096);
	outbound_format(&m, &b);
	assert_int_equal(
	    outbound_parse_head(buf_span(&b), &back, &octets, &err), 0);
	assert_int_equal(octets, b.len);
	outbound_fini(&back);
	buf_append(&b, SPAN("x\r\ny\n"));
	assert_int_equal(outbound_parse(buf_span(&b), &back, &err), 0);
	assert_true(span_eq(back.id, m.id));
	assert_true(span_eq(back.reverse_path, m.reverse_path));
	assert_true(span_eq(back.tenant, m.tenant));
	assert_int_equal(back.login.len, 0);
	assert_int_equal(back.flags, m.flags);
	assert_int_equal(back.arrival_ms, m.arrival_ms);
	assert_int_equal(back.count, 2);
	assert_true(span_eq(back.recipients[0].orcpt, two[0].orcpt));
	assert_int_equal(back.recipients[1].kind, OUTBOUND_LATER);
	assert_true(span_eq(back.recipients[1].reply, two[1].reply));
	assert_true(span_eq(back.content, SPAN("x\r\ny\n")));
	outbound_fini(&back);
	/* Cut off anywhere, it is none. */
	for (size_t len = 0; len < b.len; len++) {
		err_clear(&err);
		assert_int_equal(
		    outbound_parse(span_first(buf_span(&b), len), &back, &err),
		    -1);
		assert_int_equal(err.kind, ERR_SYNTAX);
	}
	b.data[4] = 2; /* a later version's is not ours to judge */
	assert_int_equal(outbound_parse(buf_span(&b), &back, &err), -1);
	assert_int_equal(err.kind, ERR_POLICY);
	buf_fini(&b);
	outbound_fini(&m);
}

static void
test_record_refusals(void **state)
{
	static const struct {
		struct span id, sender, address;
	} rows[] = {
		{ SPAN("abcDEF0123"), SPAN("a@b.example"),
		    SPAN("a@b.example") },
		{ SPAN("abcDEF0123/"), SPAN("a@b.example"),
		    SPAN("a@b.example") },
		{ SPAN("abcDEF01234"), SPAN("a@b.example\r\nRSET"),
		    SPAN("a@b.example") },
		{ SPAN("abcDEF01234"), SPAN("a>@b.example"),
		    SPAN("a@b.example") },
		{ SPAN("abcDEF01234"), SPAN("a@b.example"),
		    SPAN("a@b.example\nDATA") },
		{ SPAN("abcDEF01234"), SPAN("a@b.example"),
		    SPAN("a> SIZE=1 <@b.example") },
		{ SPAN("abcDEF01234"), SPAN("a@b.example"), SPAN("") },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct outbound m = sample(), back;
		struct err err = ERR_INIT;
		struct buf b;

		buf_init(&b, 4096);
		m.id = rows[i].id;
		m.reverse_path = rows[i].sender;
		m.recipients[0].address = rows[i].address;
		m.content_octets = 0;
		outbound_format(&m, &b);
		assert_int_equal(outbound_parse(buf_span(&b), &back, &err), -1);
		assert_int_equal(err.kind, ERR_SYNTAX);
		buf_fini(&b);
		outbound_fini(&m);
	}
}

static void
test_entries(void **state)
{
	struct queue_entry e = {
		.what = QUEUE_ENTRY_RECIPIENT,
		.id = SPAN("abcDEF01234"),
		.number = 7,
		.state = 2,
		.tries = 3,
		.next_ms = 99,
		.reply = SPAN("mx\t550 no"),
	};
	struct queue_entry got;
	struct span rest;
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	queue_entry_format(&e, &b);
	e.what = QUEUE_ENTRY_MOVED;
	queue_entry_format(&e, &b);
	rest = buf_span(&b);
	assert_int_equal(queue_entry_take(&rest, &got), QUEUE_ENTRY_TAKEN);
	assert_int_equal(got.number, 7);
	assert_int_equal(got.state, 2);
	assert_int_equal(got.tries, 3);
	assert_int_equal(got.next_ms, 99);
	assert_true(span_eq(got.reply, e.reply));
	assert_int_equal(queue_entry_take(&rest, &got), QUEUE_ENTRY_TAKEN);
	assert_int_equal(got.what, QUEUE_ENTRY_MOVED);
	assert_int_equal(queue_entry_take(&rest, &got), QUEUE_ENTRY_END);
	/* Cut off or damaged: the end, and nothing is made of it. */
	for (size_t len = 1; len < b.len; len++) {
		enum queue_entry_next next;

		rest = span_first(buf_span(&b), len);
		while (
		    (next = queue_entry_take(&rest, &got)) == QUEUE_ENTRY_TAKEN)
			;
		if (rest.len == 0)
			assert_int_equal(next, QUEUE_ENTRY_END);
		else
			assert_int_equal(next, QUEUE_ENTRY_BROKEN);
	}
	b.data[30]++;
	rest = buf_span(&b);
	assert_int_equal(queue_entry_take(&rest, &got), QUEUE_ENTRY_BROKEN);
	buf_fini(&b);
}

static void
test_reply_lines(void **state)
{
	static const struct {
		struct span line;
		unsigned code; /* 0: none */
		bool last;
		const char *enhanced, *text;
	} rows[] = {
		{ SPAN("250 2.1.0 Ok"), 250, true, "2.1.0", "Ok" },
		{ SPAN("250-SIZE 5"), 250, false, "", "SIZE 5" },
		{ SPAN("250"), 250, true, "", "" },
		{ SPAN("550 5.1.1 a\x1b[2Jb"), 550, true, "5.1.1", "a [2Jb" },
		/* A class that contradicts the code is no status. */
		{ SPAN("550 2.1.1 no"), 550, true, "", "2.1.1 no" },
		{ SPAN("550 5.1 no"), 550, true, "", "5.1 no" },
		{ SPAN("199 no"), 0, false, NULL, NULL },
		{ SPAN("600 no"), 0, false, NULL, NULL },
		{ SPAN("25 no"), 0, false, NULL, NULL },
		{ SPAN("250x"), 0, false, NULL, NULL },
		{ SPAN("what"), 0, false, NULL, NULL },
		{ SPAN(""), 0, false, NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct peer_reply r;
		struct err err = ERR_INIT;
		bool last = false;
		int rc = peer_reply_line(rows[i].line, &r, true, &last, &err);

		assert_int_equal(rc, rows[i].code == 0 ? -1 : 0);
		if (rc == -1)
			continue;
		assert_int_equal(r.code, rows[i].code);
		assert_int_equal(last, rows[i].last);
		assert_string_equal(r.enhanced, rows[i].enhanced);
		assert_string_equal(r.text, rows[i].text);
	}
	{
		struct peer_reply r = { .code = 250 };
		struct err err = ERR_INIT;
		bool last;

		assert_int_equal(
		    peer_reply_line(SPAN("550 x"), &r, false, &last, &err), -1);
	}
}

static void
test_private_addresses(void **state)
{
	static const struct {
		const char *text;
		bool private;
	} rows[] = {
		{ "127.0.0.1", true },
		{ "10.1.2.3", true },
		{ "172.16.0.1", true },
		{ "172.32.0.1", false },
		{ "192.168.1.1", true },
		{ "169.254.0.1", true },
		{ "100.64.0.1", true },
		{ "0.0.0.0", true },
		{ "224.0.0.1", true },
		{ "192.0.2.1", false },
		{ "::1", true },
		{ "::", true },
		{ "fe80::1", true },
		{ "fc00::1", true },
		{ "ff02::1", true },
		{ "::ffff:127.0.0.1", true },
		{ "::ffff:192.0.2.1", false },
		{ "2001:db8::1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sockaddr_storage a = { .ss_family = AF_INET };
		struct sockaddr_in *four = (struct sockaddr_in *)(void *)&a;
		struct sockaddr_in6 *six = (struct sockaddr_in6 *)(void *)&a;

		if (inet_pton(AF_INET, rows[i].text, &four->sin_addr) != 1) {
			a.ss_family = AF_INET6;
			assert_int_equal(
			    inet_pton(AF_INET6, rows[i].text, &six->sin6_addr),
			    1);
		}
		assert_int_equal(route_address_private(&a), rows[i].private);
	}
}

static void
test_transports(void **state)
{
	(void)state;
	assert_true(route_transport_valid("example.org=mx.example.org"));
	assert_true(route_transport_valid("example.org=mx.example.org:2525"));
	assert_true(route_transport_valid("*=[192.0.2.1]:25"));
	assert_true(route_transport_valid("*=[2001:db8::1]"));
	assert_false(route_transport_valid("example.org"));
	assert_false(route_transport_valid("=mx.example.org"));
	assert_false(route_transport_valid("example.org="));
	assert_false(route_transport_valid("example.org=mx:0"));
	assert_false(route_transport_valid("example.org=mx:65536"));
	assert_false(route_transport_valid("example.org=[192.0.2.1"));
	assert_false(route_transport_valid("exa mple=mx.example.org"));
}

static void
test_dns_names(void **state)
{
	char out[256];

	(void)state;
	assert_true(dns_name(SPAN("\2MX\7example\0"), 0, out, sizeof(out)));
	assert_string_equal(out, "mx.example");
	assert_true(dns_name(SPAN("\0"), 0, out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(dns_name(SPAN("\2mx"), 0, out, sizeof(out)));
	assert_false(dns_name(SPAN("\5mx"), 0, out, sizeof(out)));
	assert_false(dns_name(SPAN("\2m\n\0"), 0, out, sizeof(out)));
	assert_false(dns_name(SPAN("\2m.\0"), 0, out, sizeof(out)));
	assert_false(dns_name(SPAN("\xc0\x0c"), 0, out, sizeof(out)));
	assert_false(dns_name(SPAN("\3abc\3def\0"), 0, out, 6));
}

static void
test_dsn_status(void **state)
{
	static const struct {
		const char *reply, *status;
	} rows[] = {
		{ "mx[192.0.2.1]\t550 5.1.1 no", "5.1.1" },
		{ "550 5.7.30 no", "5.7.30" },
		{ "mx\t550 no such user", "5.0.0" },
		{ "mx\t451 try later", "4.0.0" },
		{ "mx\t550 2.1.1 no", "5.0.0" },
		{ "", "5.0.0" },
		{ NULL, "5.0.0" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char status[16];

		dsn_status(rows[i].reply, status, sizeof(status));
		assert_string_equal(status, rows[i].status);
	}
}

/* Nothing of the remote host's breaks a line or a part of the report. */
static void
test_dsn_is_safe(void **state)
{
	struct outbound m = sample(), report;
	struct dsn_recipient to = {
		.action = DSN_FAILED,
		.address = "a@one.example",
		.reply = "mx.one.example[192.0.2.1]\t550 5.1.1 a\r\n--x\tb",
	};
	struct dsn dsn = { .hostname = "mail.home.example",
		.message = &m,
		.id = "REPORT01234",
		.now_ms = 1234567890123,
		.recipients = &to,
		.count = 1 };
	struct buf b;
	struct err err = ERR_INIT;

	(void)state;
	m.content = SPAN("Subject: x\r\nMessage-ID: <m@x>\r\n\r\nbody\r\n");
	buf_init(&b, 65536);
	assert_int_equal(dsn_build(&dsn, &b, &err), 0);
	assert_int_equal(outbound_parse(buf_span(&b), &report, &err), 0);
	assert_int_equal(report.reverse_path.len, 0);
	assert_int_equal(report.count, 1);
	assert_true(
	    span_eq(report.recipients[0].address, SPAN("me@home.example")));
	assert_true(span_find(report.content, SPAN("\r\n--x")) < 0);
	assert_true(
	    span_find(report.content,
		SPAN("Diagnostic-Code: smtp; 550 5.1.1 a  --x b\r\n")) > 0);
	/* RET=HDRS: the header alone. */
	assert_true(span_find(report.content, SPAN("Subject: x\r\n")) > 0);
	assert_true(span_find(report.content, SPAN("body")) < 0);
	outbound_fini(&report);
	outbound_fini(&m);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_record_refusals),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_reply_lines),
		cmocka_unit_test(test_private_addresses),
		cmocka_unit_test(test_transports),
		cmocka_unit_test(test_dns_names),
		cmocka_unit_test(test_dsn_status),
		cmocka_unit_test(test_dsn_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
