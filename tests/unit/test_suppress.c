/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "milters/suppress.h"

static void
test_senders(void **state)
{
	static const char *const roles[] = { "MAILER-DAEMON@x.example",
		"postmaster@x.example", "owner-list@x.example",
		"list-request@x.example", "list-bounces@x.example",
		"bounce+a=b@x.example", "bounces@x.example",
		"NoReply@x.example", "no-reply-7@x.example",
		"no_reply@x.example", "donotreply@x.example",
		"Majordomo@x.example", "LISTSERV@x.example",
		"shop-noreply@x.example", "prvs=1=a@x.example",
		"mailer-daemon" };
	static const char *const people[] = { "a@noreply.example",
		"hanako@x.example", "request@x.example", "owner@x.example",
		"reply@x.example", "my-mailer-daemon@x.example",
		"abounce@x.example", "postmasters@x.example" };

	(void)state;
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
		if (!suppress_sender(span_str(roles[i])))
			fail_msg("a person: %s", roles[i]);
	for (size_t i = 0; i < sizeof(people) / sizeof(people[0]); i++)
		if (suppress_sender(span_str(people[i])))
			fail_msg("a role: %s", people[i]);
}

static void
test_fields(void **state)
{
	static const struct {
		const char *fields, *reason;
	} rows[] = {
		{ "Subject: x\r\n", NULL },
		{ "List-Id: <a.b.example>\r\n", "list" },
		{ "list-unsubscribe: <mailto:a@b.example>\r\n", "list" },
		{ "Mailing-List: x\r\n", "list" },
		{ "Listen-To: music\r\n", NULL },
		{ "Precedence: bulk\r\n", "bulk" },
		{ "Precedence: LIST\r\n", "bulk" },
		{ "Precedence: junk\r\n", "bulk" },
		{ "Precedence: first-class\r\n", NULL },
		{ "Auto-Submitted: auto-replied\r\n", "automatic" },
		{ "Auto-Submitted: auto-generated; x=y\r\n", "automatic" },
		{ "Auto-Submitted: (is it?) no\r\n", NULL },
		{ "Auto-Submitted: no\r\n", NULL },
		{ "Auto-Submitted:\r\n", "automatic" },
		{ "X-Auto-Response-Suppress: All\r\n", "automatic" },
		{ "X-Auto-Response-Suppress: DR, OOF\r\n", "automatic" },
		{ "X-Auto-Response-Suppress: DR, NDR\r\n", NULL },
		{ "X-Spam-Flag: YES\r\n", "spam" },
		{ "X-Spam-Flag: NO\r\n", NULL },
		{ "Content-Type: multipart/report; report-type=x\r\n",
		    "report" },
		{ "Content-Type: multipart/mixed; boundary=x\r\n", NULL },
		/* The last of many. */
		{ "Subject: x\r\nPrecedence: x\r\nX-Autoreply: yes\r\n",
		    "automatic" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *got = suppress_reason(
		    SPAN("hanako@x.example"), span_str(rows[i].fields));

		if ((got == NULL) != (rows[i].reason == NULL) ||
		    (got != NULL && strcmp(got, rows[i].reason) != 0))
			fail_msg("%s: %s", rows[i].fields,
			    got == NULL ? "none" : got);
	}
	assert_string_equal(suppress_reason(SPAN(""), SPAN("")), "bounce");
	assert_string_equal(
	    suppress_reason(SPAN("noreply@x.example"), SPAN("")), "role");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
