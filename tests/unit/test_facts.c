/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules against whole messages: for each message the rules that fit it, and
 * those that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "milters/facts.h"

#define END "\r\n"
#define PLAIN                                                                  \
	"From: Shop <News@Shop.Example>\r\nTo: Taro <taro@a.example>, "        \
	"hanako@a.example\r\nCc: list@b.example\r\n"
#define RULES_MAX 16

#define MIXED                                                                  \
	"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=o\r\n"   \
	"\r\n--o\r\n"
#define ATTACHED(name)                                                         \
	"Content-Type: application/pdf\r\nContent-Disposition: attachment; "   \
	"filename=" name "\r\n\r\nx\r\n"

struct row {
	const char *message;
	/* Each ends with NULL. */
	const char *fit[RULES_MAX], *not_fit[RULES_MAX];
};

static const struct row rows[] = {
	/* Senders and recipients. */
	{ PLAIN "Subject: Sale today\r\n" END,
	    { "from=\"news@shop.example\"", "from=\"*@shop.example\"",
		"from=\"NEWS@*\"", "from=\"n??s@shop.example\"", "from=\"*\"",
		"to=\"taro@a.example\"", "to=\"hanako@*\"",
		"to=\"list@b.example\"", "subject=\"sale today\"",
		"subject=\"*today\"", "subject=\"SALE*\"",
		"not from=\"*@b.example\"",
		"from=\"*shop*\" and subject=\"*sale*\"",
		"from=\"*shop*\" and not subject=\"*news*\"" },
	    { "from=\"*@*.shop.example\"", "from=\"shop\"", "from=\"Shop*\"",
		"from=\"\"", "to=\"news@shop.example\"", "subject=\"sale\"",
		"subject=\"\"", "subject=\"*todays*\"",
		"not from=\"*@shop.example\"",
		"from=\"*shop*\" and subject=\"*news*\"",
		"paused from=\"*\"" } },
	/* Names are not compared, whatever is in them. */
	{ "From: \"boss@company.example\" <x@evil.example>\r\n" END,
	    { "from=\"x@evil.example\"", "not from=\"*company*\"" },
	    { "from=\"boss@company.example\"", "from=\"*boss*\"" } },
	/* Several senders, several fields, and none. */
	{ "From: a@x.example, b@y.example\r\nFrom: c@z.example\r\n" END,
	    { "from=\"a@*\"", "from=\"b@*\"", "from=\"c@*\"" },
	    { "from=\"d@*\"", "from=\"a@x.example, b@y.example\"" } },
	{ "Subject: x\r\n" END, { "from=\"\"", "to=\"\"", "from=\"*\"" },
	    { "from=\"?*\"" } },
	{ "From: undisclosed:;\r\nTo: g: m@x.example, n@x.example;\r\n" END,
	    { "from=\"\"", "to=\"m@x.example\"", "to=\"n@*\"" },
	    { "to=\"g*\"", "to=\"\"" } },
	{ "From: =?UTF-8?B?5bGx55Sw?= <yamada@x.example>\r\n" END,
	    { "from=\"yamada@x.example\"" }, { "from=\"*山田*\"" } },
	{ "From: \"odd name\"@x.example\r\n" END,
	    { "from=\"odd name@x.example\"" },
	    { "from=\"\\\"odd name\\\"@x.example\"" } },
	/* Subjects in every coat: the same word, 請求書. */
	{ "Subject: =?UTF-8?B?6KuL5rGC5pu4?=\r\n" END,
	    { "subject=\"請求書\"", "subject=\"*求*\"", "subject=\"???\"" },
	    { "subject=\"領収書\"", "subject=\"??\"" } },
	{ "Subject: =?ISO-2022-JP?B?GyRCQEE1YT1xGyhC?=\r\n" END,
	    { "subject=\"請求書\"", "subject=\"請*\"" }, { "subject=\"\"" } },
	{ "Subject: =?Shift_JIS?B?kL+LgY+R?=\r\n" END, { "subject=\"請求書\"" },
	    { "subject=\"?\"" } },
	{ "Subject: =?EUC-JP?B?wMG14b3x?=\r\n" END, { "subject=\"請求書\"" },
	    { "subject=\"*=?*\"" } },
	{ "Subject: \x1b$B@A5a=q\x1b(B\r\n" END, { "subject=\"請求書\"" },
	    { "subject=\"*@A5a*\"" } },
	{ "Subject: \x90\xbf\x8b\x81\x8f\x91\r\n" END, { "subject=\"請求書\"" },
	    { "subject=\"\"" } },
	{ "Subject: \xc0\xc1\xb5\xe1\xbd\xf1\r\nContent-Type: text/plain; "
	  "charset=EUC-JP\r\n" END,
	    { "subject=\"請求書\"" }, { "subject=\"\"" } },
	{ "Subject: 請求書\r\n" END, { "subject=\"請求書\"" },
	    { "subject=\"請求\"" } },
	/* Cut in the middle of a character, in UTF-8 and in ISO-2022-JP. */
	{ "Subject: =?UTF-8?B?6KuL5rE=?= =?UTF-8?B?guabuA==?=\r\n" END,
	    { "subject=\"請求書\"" }, { "subject=\"* *\"" } },
	{ "Subject: =?UTF-8?Q?=E8=AB=8B=E6=B1?=\r\n "
	  "=?UTF-8?Q?=82=E6=9B=B8?=\r\n" END,
	    { "subject=\"請求書\"" }, { "subject=\"請 求書\"" } },
	{ "Subject: =?Shift_JIS?B?kL+L?=\r\n =?Shift_JIS?B?gY+R?=\r\n" END,
	    { "subject=\"請求書\"" }, { "subject=\"* *\"" } },
	/* Text beside encoded words; white space stays where it is text. */
	{ "Subject: Re: =?UTF-8?B?6KuL5rGC5pu4?= (May)\r\n" END,
	    { "subject=\"re: 請求書 (may)\"", "subject=\"*請求書*\"" },
	    { "subject=\"請求書*\"" } },
	/* Forms of width and of case are one. */
	{ "Subject: =?UTF-8?B?77yz77yh77ys77yl?=\r\n" END,
	    { "subject=\"sale\"", "subject=\"ＳＡＬＥ\"" },
	    { "subject=\"s a l e\"" } },
	{ "Subject: =?UTF-8?B?776D776e776E7728776M?=\r\n" END,
	    { "not subject=\"\"" }, { "subject=\"\"" } },
	/* Folded, empty, absent, doubled. */
	{ "Subject: one\r\n two\r\n\tthree\r\n" END,
	    { "subject=\"one two*three\"" }, { "subject=\"one\"" } },
	{ "Subject:\r\n" END, { "subject=\"\"" }, { "subject=\"?*\"" } },
	{ "From: a@x.example\r\n" END, { "subject=\"\"" },
	    { "subject=\"?*\"" } },
	{ "Subject: first\r\nSubject: second\r\n" END,
	    { "subject=\"first\"", "subject=\"second\"" },
	    { "subject=\"third\"" } },
	/* Wildcards and what looks like them. */
	{ "Subject: 100% *free* now?\r\n" END,
	    { "subject=\"100% \\*free\\* now\\?\"", "subject=\"*\\**\"",
		"subject=\"*now?\"", "subject=\"100%*\"" },
	    { "subject=\"*now??\"", "subject=\"100%x*\"", "subject=\"\\*\"",
		"subject=\"*\\?\\?\"" } },
	{ "Subject: a\"b\\c\r\n" END, { "subject=\"a\\\"b\\\\c\"" },
	    { "subject=\"a\\\"b\"" } },
	/* Unknown charset: as it stands. */
	{ "Subject: =?x-none?B?gICA?=\r\n" END, { "subject=\"*x-none*\"" },
	    { "subject=\"\"" } },
	/* Attachments. */
	{ PLAIN MIXED "\r\nhello\r\n--o\r\n" ATTACHED(
	      "a.pdf") "--o\r\n" ATTACHED("b.pdf") "--o--\r\n",
	    { "attachments=2", "attachments>=2", "attachments>1",
		"attachments<3", "attachments<=2", "not attachments=1" },
	    { "attachments=0", "attachments>2", "attachments<2",
		"attachments=3", "not attachments>=1" } },
	{ PLAIN "\r\nplain\r\n", { "attachments=0", "attachments<1" },
	    { "attachments>=1" } },
	/* The whole message is a file. */
	{ PLAIN "Content-Type: application/pdf; name=x.pdf\r\n\r\nx\r\n",
	    { "attachments=1" }, { "attachments=0" } },
	/* A picture within the text has a name and is shown as a file too. */
	{ MIXED "Content-Type: multipart/related; boundary=i\r\n\r\n--i\r\n"
		"Content-Type: text/html\r\n\r\nx\r\n--i\r\n"
		"Content-Type: image/png; name=\"p.png\"\r\n"
		"Content-Disposition: inline\r\n\r\nx\r\n--i--\r\n"
		"--o\r\n" ATTACHED("\"a.zip\"") "--o--\r\n",
	    { "attachments=2" }, { "attachments=1", "attachments=3" } },
	{ MIXED "Content-Type: multipart/alternative; boundary=i\r\n\r\n"
		"--i\r\n\r\na\r\n--i\r\nContent-Type: text/html\r\n\r\nb\r\n"
		"--i--\r\n--o--\r\n",
	    { "attachments=0" }, { "attachments>0" } },
	/* Names by RFC 2231 only. */
	{ MIXED "Content-Type: application/pdf\r\nContent-Disposition: "
		"inline; filename*0*=UTF-8''%E8%AB%8B; filename*1=.pdf\r\n"
		"\r\nx\r\n--o--\r\n",
	    { "attachments=1" }, { "attachments=0" } },
	/* Signatures are no files. */
	{ MIXED "\r\ntext\r\n--o\r\nContent-Type: application/"
		"pkcs7-signature; name=smime.p7s\r\nContent-Disposition: "
		"attachment; filename=smime.p7s\r\n\r\nx\r\n--o--\r\n",
	    { "attachments=0" }, { "attachments=1" } },
	/* An attached message counts once, with all that is in it; one that
	 * is shown does not, but its files do. */
	{ MIXED "Content-Type: message/rfc822\r\nContent-Disposition: "
		"attachment\r\n\r\n" MIXED ATTACHED("in.pdf") "--o--\r\n",
	    { "attachments=1" }, { "attachments=2", "attachments=0" } },
	{ MIXED
	    "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n"
	    "Content-Type: multipart/mixed; boundary=i\r\n\r\n--i\r\n" ATTACHED(
		"in.pdf") "--i--\r\n--o--\r\n",
	    { "attachments=1", "subject=\"\"" },
	    { "attachments=0", "subject=\"inner\"" } },
	/* A boundary that never comes. */
	{ MIXED "\r\n--x\r\n" ATTACHED("a.pdf"), { "attachments=0" },
	    { "attachments=1" } },
};

static bool
fits(const struct row *row, const char *text, uint64_t octets)
{
	CLEANUP(arena_fini) struct arena arena;
	CLEANUP(rule_facts_fini) struct rule_facts facts;
	struct rule_limits limits = rule_limits_default;
	struct rule *rule;
	struct err err = ERR_INIT;
	size_t column;

	arena_init(&arena, 1 << 20);
	rule_facts_init(&facts, 0, 0);
	if (rule_parse(span_str(text), RULE_QUARANTINE, &limits, &arena, &rule,
		&column, &err) == -1)
		fail_msg("%s: column %zu: %s", text, column, err.text);
	assert_int_equal(
	    message_facts(span_str(row->message), octets, &facts, &err), 0);
	return rule_match(rule, &facts);
}

static void
test_table(void **state)
{
	size_t count = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t octets = strlen(rows[i].message);

		for (size_t k = 0; rows[i].fit[k] != NULL; k++, count++)
			if (!fits(&rows[i], rows[i].fit[k], octets))
				fail_msg("row %zu: does not fit: %s", i,
				    rows[i].fit[k]);
		for (size_t k = 0; rows[i].not_fit[k] != NULL; k++, count++)
			if (fits(&rows[i], rows[i].not_fit[k], octets))
				fail_msg(
				    "row %zu: fits: %s", i, rows[i].not_fit[k]);
	}
	print_message("%zu pairs\n", count);
}

/* Every coat of one word fits the same rules. */
static void
test_coats(void **state)
{
	static const char *const coats[] = {
		"=?UTF-8?B?6KuL5rGC5pu4?=",
		"=?utf-8?q?=E8=AB=8B=E6=B1=82=E6=9B=B8?=",
		"=?ISO-2022-JP?B?GyRCQEE1YT1xGyhC?=",
		/* Folded between words, each of which ends in ASCII. */
		("=?iso-2022-jp?b?GyRCQEE1YRsoQg==?=\r\n"
		 " =?iso-2022-jp?b?GyRCPXEbKEI=?="),
		"=?Shift_JIS?B?kL+LgY+R?=",
		"=?shift_jis?B?kL+L?= =?shift_jis?B?gY+R?=",
		"=?EUC-JP?B?wMG14b3x?=",
		"=?UTF-8?B?6KuL5rE=?=\r\n =?UTF-8?B?guabuA==?=",
		"\x1b$B@A5a=q\x1b(B",
		"\x90\xbf\x8b\x81\x8f\x91",
		"請求書",
	};
	static const char *const fit[] = { "subject=\"請求書\"",
		"subject=\"*求*\"", "subject=\"???\"", "subject=\"請*\"",
		"not subject=\"領収書\"" };
	static const char *const not_fit[] = { "subject=\"請求\"",
		"subject=\"????\"", "subject=\"* *\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(coats) / sizeof(coats[0]); i++) {
		char text[256];
		struct row row = { text, { NULL }, { NULL } };

		(void)snprintf(text, sizeof(text),
		    "Subject: %s\r\nFrom: a@x.example\r\n\r\n", coats[i]);
		for (size_t k = 0; k < sizeof(fit) / sizeof(fit[0]); k++)
			if (!fits(&row, fit[k], 100))
				fail_msg(
				    "%s: does not fit: %s", coats[i], fit[k]);
		for (size_t k = 0; k < sizeof(not_fit) / sizeof(not_fit[0]);
		     k++)
			if (fits(&row, not_fit[k], 100))
				fail_msg("%s: fits: %s", coats[i], not_fit[k]);
	}
}

/* Sizes at the edges, whatever is kept of the message. */
static void
test_sizes(void **state)
{
	static const struct {
		const char *rule;
		uint64_t octets;
		bool fits;
	} sizes[] = {
		{ "size=1KB", 1023, false },
		{ "size=1KB", 1024, true },
		{ "size=1KB", 1025, false },
		{ "size>1KB", 1024, false },
		{ "size>1KB", 1025, true },
		{ "size>=1KB", 1023, false },
		{ "size>=1KB", 1024, true },
		{ "size<1KB", 1023, true },
		{ "size<1KB", 1024, false },
		{ "size<=1KB", 1024, true },
		{ "size<=1KB", 1025, false },
		{ "size>=10MB", 10485759, false },
		{ "size>=10MB", 10485760, true },
		{ "size<10MB", 10485760, false },
		{ "size<=10MB", 10485760, true },
		{ "size>10MB", 10485761, true },
		{ "size=1536", 1536, true },
		{ "size=1536", 1537, false },
		{ "not size>=1MB", 1048575, true },
		{ "not size>=1MB", 1048576, false },
		{ "size>=1KB and size<2KB", 2047, true },
		{ "size>=1KB and size<2KB", 2048, false },
		{ "size>=1KB and not size>=2KB", 1024, true },
		{ "size>=1KB and attachments=0", 1024, true },
		{ "size>=1KB and attachments>=1", 1024, false },
		{ "size>1KB and from=\"*@x.example\"", 1025, true },
		{ "size>1KB and from=\"*@x.example\"", 1024, false },
	};
	static const struct row row = { "From: a@x.example\r\n\r\n", { NULL },
		{ NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (fits(&row, sizes[i].rule, sizes[i].octets) != sizes[i].fits)
			fail_msg("%s with %llu octets", sizes[i].rule,
			    (unsigned long long)sizes[i].octets);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_coats),
		cmocka_unit_test(test_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
