/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/date and mime/received. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <time.h>

#include "mime/date.h"
#include "mime/header.h"
#include "mime/received.h"

#define ROWS(a) (sizeof(a) / sizeof((a)[0]))

static void
test_format(void **state)
{
	static const struct {
		int64_t seconds;
		int offset;
		const char *text;
	} rows[] = {
		{ 0, 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
		{ 1795509407, 540, "Tue, 24 Nov 2026 17:36:47 +0900" },
		{ 951782399, 0, "Mon, 28 Feb 2000 23:59:59 +0000" },
		{ 951782400, -210, "Mon, 28 Feb 2000 20:30:00 -0330" },
		{ -1, 0, "Wed, 31 Dec 1969 23:59:59 +0000" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;

		buf_init(&out, 64);
		date_format(rows[i].seconds, rows[i].offset, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
	}
}

/* The C library is the other opinion. */
static void
test_civil_agrees_with_gmtime(void **state)
{
	(void)state;
	for (int64_t t = -11000000000; t < 250000000000; t += 86399 * 997) {
		time_t seconds = (time_t)t;
		struct civil c;
		struct tm tm;

		assert_non_null(gmtime_r(&seconds, &tm));
		civil_of_time(t, 0, &c);
		assert_int_equal(c.year, tm.tm_year + 1900);
		assert_int_equal(c.month, tm.tm_mon + 1);
		assert_int_equal(c.day, tm.tm_mday);
		assert_int_equal(c.hour, tm.tm_hour);
		assert_int_equal(c.minute, tm.tm_min);
		assert_int_equal(c.second, tm.tm_sec);
		assert_int_equal(civil_weekday(&c), tm.tm_wday);
		assert_true(civil_valid(&c));
		assert_int_equal(civil_to_time(&c), t);
	}
}

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		enum err_kind kind;
		int64_t seconds;
		int offset;
	} rows[] = {
		{ "Tue, 24 Nov 2026 17:36:47 +0900", ERR_NONE, 1795509407,
		    540 },
		{ "24 Nov 2026 17:36 +0900", ERR_NONE, 1795509360, 540 },
		{ " Tue (today (really\\))),\r\n 24 Nov 26 08 : 36 : 47 GMT "
		  "(x)",
		    ERR_NONE, 1795509407, 0 },
		{ "24-Nov-2026 08:36:47 -0000", ERR_NONE, 1795509407, 0 },
		{ "Thu, 1 Jan 70 00:00:00 EST", ERR_NONE, 18000, -300 },
		{ "Thu, 1 Jan 070 09:00:00 JST", ERR_NONE, 0, 540 },
		{ "1 Jan 1970 00:00:00 ZZZ trailing", ERR_NONE, 0, 0 },
		{ "1 Jan 1970 00:00:00", ERR_NONE, 0, 0 },
		{ "29 Feb 2000 00:00:00 +0000", ERR_NONE, 951782400, 0 },
		{ "29 Feb 1900 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Jan 1970 24:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Jan 1970 00:00:00 +00", ERR_SYNTAX, 0, 0 },
		{ "1 Jan 1970 00:00:00 +0060", ERR_SYNTAX, 0, 0 },
		{ "1 Foo 1970 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "1 Jan 99999 00:00:00 +0000", ERR_SYNTAX, 0, 0 },
		{ "((((((((((((((((((((((1 Jan", ERR_SYNTAX, 0, 0 },
		{ "", ERR_SYNTAX, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		struct civil c = { .year = 1 };
		struct err err = ERR_INIT;

		(void)date_parse(span_str(rows[i].text), &c, &err);
		if (err.kind != rows[i].kind)
			fail_msg("row %zu: %s", i, err.text);
		if (err.kind != ERR_NONE) {
			assert_int_equal(c.year, 1);
			continue;
		}
		assert_int_equal(civil_to_time(&c), rows[i].seconds);
		assert_int_equal(c.offset, rows[i].offset);
	}
}

static void
test_received(void **state)
{
	static const struct {
		struct received r;
		const char *text;
	} rows[] = {
		{ { .helo = SPAN("client.example"),
		      .client = SPAN("192.0.2.7"),
		      .by = SPAN("mx.isp.example"),
		      .extended = true,
		      .tls_version = SPAN("TLSv1.3"),
		      .tls_cipher = SPAN("TLS_AES_256_GCM_SHA384"),
		      .id = SPAN("4bQm2z7k1C"),
		      .recipient = SPAN("hanako@aozora.example"),
		      .time = 1795509407,
		      .offset = 540 },
		    "Received: from client.example ([192.0.2.7])\r\n"
		    "\t(TLSv1.3 TLS_AES_256_GCM_SHA384)\r\n"
		    "\tby mx.isp.example with ESMTPS id 4bQm2z7k1C\r\n"
		    "\tfor <hanako@aozora.example>; "
		    "Tue, 24 Nov 2026 17:36:47 +0900\r\n" },
		{ { .helo = SPAN("x\r\nBcc: y (z) \x1b[1m\0"),
		      .client = SPAN("2001:db8::7"),
		      .by = SPAN("mx.isp.example"),
		      .id = SPAN("1"),
		      .recipient = SPAN("\"a\r\nb\"@c") },
		    "Received: from x??Bcc:?y??z???[1m? (not a valid name) "
		    "([IPv6:2001:db8::7])\r\n"
		    "\tby mx.isp.example with SMTP id 1; "
		    "Thu, 1 Jan 1970 00:00:00 +0000\r\n" },
		{ { .helo = SPAN(""),
		      .client = SPAN("unix"),
		      .by = SPAN("h"),
		      .lmtp = true,
		      .authenticated = true,
		      .id = SPAN("1") },
		    "Received: from unknown (local socket)\r\n"
		    "\tby h with LMTPA id 1; "
		    "Thu, 1 Jan 1970 00:00:00 +0000\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(buf_fini) struct buf out;
		struct header_end end;

		buf_init(&out, 2000);
		received_format(&rows[i].r, &out);
		assert_string_equal(buf_str(&out), rows[i].text);
		/* It is one field and nothing else. */
		end = header_end(buf_span(&out));
		assert_int_equal(end.fields, out.len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_civil_agrees_with_gmtime),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_received),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
