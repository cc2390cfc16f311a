/* SPDX-License-Identifier: BSD-2-Clause */
/* mime/downgrade: headers in UTF-8 for clients that read ASCII only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mime/downgrade.h"

static const struct {
	const char *name, *header, *wanted;
} rows[] = {
	{ "ASCII stays", "Subject:  a  b\r\nX: y\r\n z\r\n",
	    "Subject:  a  b\r\nX: y\r\n z\r\n" },
	{ "words", "Subject: Re: 飛脚 走る now\r\n",
	    "Subject: Re: =?UTF-8?B?6aOb6ISaIOi1sOOCiw==?=\r\n now\r\n" },
	{ "LF and folds", "Subject: 飛脚\n  走る\nA: b\n",
	    "Subject: =?UTF-8?B?6aOb6ISaICDotbDjgos=?=\r\nA: b\n" },
	{ "a long one is cut between characters",
	    "Subject: 国境の長いトンネルを抜けると雪国\r\n",
	    "Subject: =?UTF-8?B?"
	    "5Zu95aKD44Gu6ZW344GE44OI44Oz44ON44Or44KS5oqc44GR44KL?=\r\n"
	    " =?UTF-8?B?44Go6Zuq5Zu9?=\r\n" },
	{ "names",
	    "From: 花子 <hanako@aozora.example>\r\n"
	    "To: \"a, b\" <a@x.example>, 太郎 <t.b@x.example>,\r\n"
	    "\tplain@x.example, =?UTF-8?Q?c?= d <\"q q\"@x.example>\r\n",
	    "From: =?UTF-8?B?6Iqx5a2Q?= <hanako@aozora.example>\r\n"
	    "To: \"a, b\" <a@x.example>,\r\n"
	    " =?UTF-8?B?5aSq6YOO?= <t.b@x.example>,\r\n"
	    " <plain@x.example>,\r\n"
	    " =?UTF-8?Q?c?= d <\"q q\"@x.example>\r\n" },
	{ "a group", "Cc: 皆: a@x.example, b@x.example;, c@x.example\r\n",
	    "Cc: =?UTF-8?B?55qG?=: <a@x.example>,\r\n <b@x.example>;,\r\n"
	    " <c@x.example>\r\n" },
	{ "an address nobody else can write", "From: Hana <花@x.example>\r\n",
	    "From: =?UTF-8?B?SGFuYSA86IqxQHguZXhhbXBsZT4=?=\r\n"
	    " <invalid@internationalized-address.invalid>\r\n" },
	{ "parameters",
	    "Content-Type: text/plain; charset=utf-8; name=\"表 1.txt\"\r\n"
	    "Content-Disposition: attachment; filename=\"表 1.txt\"; "
	    "size=7\r\n",
	    "Content-Type: text/plain;\r\n charset=\"utf-8\";\r\n"
	    " name*=utf-8''%E8%A1%A8%201.txt\r\n"
	    "Content-Disposition: attachment;\r\n"
	    " filename*=utf-8''%E8%A1%A8%201.txt;\r\n size=\"7\"\r\n" },
	{ "ids and traces are left out",
	    "Received: from 国.example by x;\r\n date\r\nMESSAGE-ID: <é@x>\r\n"
	    "References: <a@b>\r\nX-Étoile: é\r\nX-Note: é\r\n",
	    "References: <a@b>\r\n" },
	{ "nothing", "", "" },
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP(buf_fini) struct buf out;
		struct err err = ERR_INIT;

		buf_init(&out, 4096);
		if (header_downgrade(span_str(rows[i].header), &out, &err) ==
			-1 ||
		    strcmp(buf_str(&out), rows[i].wanted) != 0)
			fail_msg("%s: \"%s\" (%s)", rows[i].name, buf_str(&out),
			    err.text);
	}
}

static void
test_is_international(void **state)
{
	static const struct {
		const char *header;
		bool international;
	} headers[] = {
		{ "", false },
		{ "Received: x with UTF8SMTPS id y\r\nFrom: <a@x>\r\n", false },
		{ "Subject: \xe9\xa3\x9b\r\n", false },
		{ "From: \xe9\xa3\x9b <a@x>\r\n", false },
		{ "From: a <\xe9\xa3\x9b@x>\r\n", true },
		{ "Cc: a@x, b <a@\xe9\xa3\x9b>\r\n", true },
		{ "Cc: \xe9\xa3\x9b: a@x;\r\n", false },
		{ "Received: from a by b with UTF8SMTP id c\r\n"
		  "Subject: \xe9\xa3\x9b\r\n",
		    true },
		{ "Received: from a by b with ESMTP id c\r\n"
		  "Received: from a by b with UTF8SMTP id c\r\n"
		  "Subject: \xe9\xa3\x9b\r\n",
		    false },
		{ "From: a <\xe9\xa3@x>\r\n", false },         /* cut */
		{ "From: a <\x94\xf2\x8b\x72@x>\r\n", false }, /* Shift_JIS */
		{ "From: a <\xc0\xaf@x>\r\n", false },         /* overlong */
		{ "From: a <\xe9\xa3\x9b@x>\r\nB: \xff\r\n", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		bool international;

		assert_int_equal(
		    header_is_international(
			span_str(headers[i].header), &international, NULL),
		    0);
		if (international != headers[i].international)
			fail_msg("%s", headers[i].header);
	}
}

static void
test_too_much(void **state)
{
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&out, 20);
	assert_int_equal(
	    header_downgrade(SPAN("Subject: \xe9\xa3\x9b\r\n"), &out, &err),
	    -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_is_international),
		cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
