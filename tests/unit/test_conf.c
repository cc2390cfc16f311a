/* SPDX-License-Identifier: BSD-2-Clause */
/* common/conf: values, defaults, and every error with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/conf.h"

struct values {
	char *name;
	char *unset;
	struct conf_strings names;
	bool flag;
	uint64_t count, message_max, wait;
	unsigned level;
};

static const char *const levels[] = { "error", "notice", "debug", NULL };
static const struct conf_key keys[] = {
	CONF_STRING(struct values, name, "name", "none", "a name"),
	CONF_STRING(struct values, unset, "unset", NULL, "a name"),
	CONF_STRINGS(struct values, names, "names", "names"),
	CONF_BOOL(struct values, flag, "flag", "yes", "a flag"),
	CONF_COUNT(struct values, count, "count", "4", 1, 256, "a count"),
	CONF_OCTETS(struct values, message_max, "message-max", "35M", 1024,
	    1 << 30, "a size"),
	CONF_SECONDS(
	    struct values, wait, "command-wait", "5m", 1, 86400, "a time"),
	CONF_ENUM(struct values, level, "level", "notice", levels, "a level"),
};
static const struct conf_section smtpd = { "smtpd", keys,
	sizeof(keys) / sizeof(keys[0]), sizeof(struct values) };
static const struct conf_section top = { NULL, keys,
	sizeof(keys) / sizeof(keys[0]), sizeof(struct values) };

static void
test_empty_file_gives_the_defaults(void **state)
{
	struct values v = { 0 };

	(void)state;
	assert_int_equal(conf_parse(&smtpd, SPAN(""), "f", &v, NULL), 0);
	assert_string_equal(v.name, "none");
	assert_null(v.unset);
	assert_int_equal(v.names.len, 0);
	assert_true(v.flag);
	assert_int_equal(v.count, 4);
	assert_int_equal(v.message_max, 35 * 1024 * 1024);
	assert_int_equal(v.wait, 300);
	assert_int_equal(v.level, 1);
	conf_section_fini(&smtpd, &v);
	assert_null(v.name);
}

static void
test_values(void **state)
{
	static const char text[] =
	    "# A comment { with } = marks\n"
	    "hostname = \"mail.isp.example\" // and another\n"
	    "pop3d { anything = \"goes\" here = { 1, 2 } }\n"
	    "smtpd {\n"
	    "\tname = \"a \\\"quoted\\\" \\\\ text # not a comment\"\n"
	    "\tnames = { one, 'two words', [::1]:25, \"/run/x\", }\n"
	    "\tnames += four\n"
	    "\tflag = Off /* a longer\n comment */ count = 256\n"
	    "\tmessage-max = 10m command-wait=90\n"
	    "\tlevel = debug\r\n"
	    "}\n";
	struct values v = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	if (conf_parse(&smtpd, span_str(text), "f", &v, &err) == -1)
		fail_msg("%s", err.text);
	assert_string_equal(v.name, "a \"quoted\" \\ text # not a comment");
	assert_int_equal(v.names.len, 5);
	assert_string_equal(v.names.items[1], "two words");
	assert_string_equal(v.names.items[2], "[::1]:25");
	assert_string_equal(v.names.items[4], "four");
	assert_false(v.flag);
	assert_int_equal(v.count, 256);
	assert_int_equal(v.message_max, 10 * 1024 * 1024);
	assert_int_equal(v.wait, 90);
	assert_int_equal(v.level, 2);
	conf_section_fini(&smtpd, &v);
}

static void
test_print_reads_back(void **state)
{
	CLEANUP(buf_fini) struct buf one;
	CLEANUP(buf_fini) struct buf two;
	struct values v = { 0 };

	(void)state;
	buf_init(&one, 10000);
	buf_init(&two, 10000);
	assert_int_equal(conf_parse(&top,
			     SPAN("name = 'x\"\\\\y' names = {a, b} flag = no "
				  "message-max = 1500 command-wait = 2h"),
			     "f", &v, NULL),
	    0);
	conf_print(&top, &v, &one);
	assert_string_equal(buf_str(&one),
	    "name = \"x\\\"\\\\y\"\nunset = \"\"\nnames = { \"a\", \"b\" }\n"
	    "flag = no\ncount = 4\nmessage-max = 1500\ncommand-wait = 2h\n"
	    "level = notice\n");
	conf_section_fini(&top, &v);
	assert_int_equal(conf_parse(&top, buf_span(&one), "f", &v, NULL), 0);
	conf_print(&top, &v, &two);
	assert_string_equal(buf_str(&one), buf_str(&two));
	conf_section_fini(&top, &v);
	buf_clear(&one);
	conf_print_keys(&smtpd, &one);
	assert_int_equal(
	    span_find(buf_span(&one), SPAN("smtpd message-max\n")) >= 0, 1);
}

static void
test_errors_name_the_place(void **state)
{
	static const struct {
		struct span text;
		const char *error;
	} rows[] = {
		{ SPAN("\n\nsmtpd {\n nmae = 1 }"),
		    "f:4: smtpd nmae: no such key; expected one of name, "
		    "unset, names, flag, count, message-max, command-wait, "
		    "level" },
		{ SPAN("smtpd {\n message-max = lots\n}"),
		    "f:2: message-max: \"lots\" is no size; expected a number "
		    "with k, M, G or nothing" },
		{ SPAN("smtpd { message-max = 10X }"),
		    "f:1: message-max: \"10X\" is no size; expected a number "
		    "with k, M, G or nothing" },
		{ SPAN("smtpd { message-max = 20000000000G }"),
		    "f:1: message-max: \"20000000000G\" is no size; expected "
		    "a number with k, M, G or nothing" },
		{ SPAN("smtpd { message-max = 2G }"),
		    "f:1: message-max: \"2G\" is out of range; expected 1k to "
		    "1G" },
		{ SPAN("smtpd { count = 0 }"),
		    "f:1: count: \"0\" is out of range; expected 1 to 256" },
		{ SPAN("smtpd { count = 4k }"),
		    "f:1: count: \"4k\" is no number; expected a number" },
		{ SPAN("smtpd { count = -1 }"),
		    "f:1: count: \"-1\" is no number; expected a number" },
		{ SPAN("smtpd { command-wait = 2w }"),
		    "f:1: command-wait: \"2w\" is no time; expected a number "
		    "with s, m, h or d" },
		{ SPAN("smtpd { flag = 1 }"),
		    "f:1: flag: \"1\"; expected yes or no" },
		{ SPAN("smtpd { level = loud }"),
		    "f:1: level: \"loud\"; expected one of error, notice, "
		    "debug" },
		{ SPAN("smtpd { name = { a, b } }"),
		    "f:1: name: a list; expected one value" },
		{ SPAN("smtpd { name += a }"),
		    "f:1: name: a list; expected one value" },
		{ SPAN("smtpd {\n name = a\n flag = no\n name = b\n}"),
		    "f:4: name: set again; expected it once, and line 2 has "
		    "it" },
		{ SPAN("smtpd {}\n/*\n*/ smtpd {}"),
		    "f:3: smtpd : a second one; expected it once, and line 1 "
		    "has it" },
		{ SPAN("x = 1\n\nsmtpd {\n name = a\n\n"),
		    "f:3: smtpd: its \"{\" is never closed; expected \"}\"" },
		{ SPAN("smtpd {\n name = { a, b\n\n"),
		    "f:4: name: end of file; expected \",\" or \"}\" in the "
		    "list" },
		{ SPAN("smtpd { name = }"), "f:1: name: }; expected a value" },
		{ SPAN("smtpd { name\n = \n\n }"),
		    "f:4: name: }; expected a value" },
		{ SPAN("smtpd { name a }"),
		    "f:1: name: a; expected \"=\" and a value" },
		{ SPAN("smtpd { name { a = 1 } }"),
		    "f:1: name: {; expected \"=\" and a value" },
		{ SPAN("smtpd { names = { a b } }"),
		    "f:1: names: b; expected \",\" or \"}\" in the list" },
		{ SPAN("smtpd { names = { a,, b } }"),
		    "f:1: names: ,; expected a value or \"}\"" },
		{ SPAN("smtpd { = 3 }"),
		    "f:1: smtpd: =; expected a key or \"}\"" },
		{ SPAN("smtpd { \"name\" = 3 }"),
		    "f:1: smtpd: \"name\"; expected a key or \"}\"" },
		{ SPAN("}"), "f:1: }; expected a key or a section" },
		{ SPAN("smtpd"),
		    "f:1: smtpd: end of file; expected \"=\" and a "
		    "value" },
		{ SPAN("smtpd mx { }"),
		    "f:1: smtpd: a name; expected \"{\" at once" },
		{ SPAN("listen { }"),
		    "f:1: listen: no name; expected listen NAME { ... }" },
		{ SPAN("smptd { name = a }"),
		    "f:1: smptd: no such section; expected one of listen, tls, "
		    "users, metrics, tenantd, smtpd, deliveryd, relayd, "
		    "pop3d, imapd, manage, store, antivirus, quarantine, "
		    "forward, autoreply, milter" },
		{ SPAN("smtpd mx = 3"),
		    "f:1: smtpd: mx; expected \"=\" and a value, or \"{\"" },
		{ SPAN("smtpd { name = \"abc\n }"),
		    "f:1: a text begins with \" and does not end on its line; "
		    "expected a closing \"" },
		{ SPAN("smtpd { name = 'abc"),
		    "f:1: a text begins with ' and does not end on its line; "
		    "expected a closing '" },
		{ SPAN("smtpd { name = \"a\0b\" }"),
		    "f:1: a text begins with \" and does not end on its line; "
		    "expected a closing \"" },
		{ SPAN("smtpd { name = \"a\\nb\" }"),
		    "f:1: a backslash stands in a text; expected \\\" or "
		    "\\\\" },
		{ SPAN("smtpd { name = \"${HOME}\" }"),
		    "f:1: \"${\" stands in a text; nothing is taken from the "
		    "environment, expected single quotes if it is meant so" },
		{ SPAN("smtpd { name = a;b }"),
		    "f:1: \";\" stands outside of a text; expected quotes "
		    "around it" },
		{ SPAN("smtpd { name = \xe9 }"),
		    "f:1: octet \\xe9 stands outside of a text" },
		{ SPAN("\n/* no end\n\n"),
		    "f:2: a comment begins here and never ends; expected "
		    "\"*/\"" },
		/* The other sections are not ours, but their form counts. */
		{ SPAN("pop3d { x = }"), "f:1: x: }; expected a value" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct values v = { 0 };
		struct err err = ERR_INIT;

		if (conf_parse(&smtpd, rows[i].text, "f", &v, &err) == 0)
			fail_msg("row %zu was accepted", i);
		assert_string_equal(err.text, rows[i].error);
		assert_int_equal(err.kind, ERR_SYNTAX);
		assert_null(v.name);
		assert_null(v.names.items);
	}
}

static void
test_environment_configures_nothing(void **state)
{
	struct values v = { 0 };

	(void)state;
	assert_int_equal(setenv("HK_TEST", "bad", 1), 0);
	assert_int_equal(
	    conf_parse(
		&smtpd, SPAN("smtpd { name = '${HK_TEST}' }"), "f", &v, NULL),
	    0);
	assert_string_equal(v.name, "${HK_TEST}");
	conf_section_fini(&smtpd, &v);
}

static void
test_limits(void **state)
{
	CLEANUP(buf_fini) struct buf text;
	struct values v = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&text, 1 << 22);
	while (text.len <= 1 << 20)
		buf_append(&text, SPAN("# padding\n"));
	assert_int_equal(
	    conf_parse(&smtpd, buf_span(&text), "f", &v, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	buf_clear(&text);
	buf_append(&text, SPAN("smtpd {\n"));
	for (int i = 0; i < 200; i++)
		buf_append_fmt(&text, "k%d = 1\n", i);
	buf_append(&text, SPAN("}\n"));
	assert_int_equal(
	    conf_parse(&smtpd, buf_span(&text), "f", &v, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_listeners(void **state)
{
	static const char text[] =
	    "listen mx { address = { \"192.0.2.25:25\", [2001:db8::25]:25 } }\n"
	    "smtpd { name = x }\n"
	    "listen lmtp { address = \"/run/hikyaku/lmtp.sock\" }\n"
	    "listen none { }\n";
	CLEANUP(conf_listeners_fini) struct conf_listeners l;
	struct err err = ERR_INIT;

	(void)state;
	if (conf_listeners_parse(span_str(text), "f", &l, &err) == -1)
		fail_msg("%s", err.text);
	assert_int_equal(l.len, 3);
	assert_string_equal(l.items[0].name, "mx");
	assert_int_equal(l.items[0].address.len, 2);
	assert_string_equal(l.items[0].address.items[1], "[2001:db8::25]:25");
	assert_string_equal(l.items[1].name, "lmtp");
	assert_int_equal(l.items[2].address.len, 0);
}

static void
test_listener_errors(void **state)
{
	static const struct {
		struct span text;
		const char *error;
	} rows[] = {
		{ SPAN("listen mx { }\nlisten imap { address = a:143 }"),
		    "f:2: listen imap: address: \"a:143\"; expected "
		    "\"192.0.2.1:25\", \"[2001:db8::1]:25\" or an absolute "
		    "path" },
		{ SPAN("listen mx { adress = \"/x\" }"),
		    "f:1: listen adress: no such key; expected one of "
		    "address" },
		{ SPAN("listen mx { }\nlisten mx { }"),
		    "f:2: listen mx: a second one; expected it once, and line "
		    "1 has it" },
	};
	static const char *const bad[] = { "192.0.2.1:0", "192.0.2.1:65536",
		"192.0.2.1", "::1:25", "[::1]", "[::1]:", "[192.0.2.1]:25",
		"192.0.2.1:25x", "", ":25", "relative/path" };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct conf_listeners l;
		struct err err = ERR_INIT;

		assert_int_equal(
		    conf_listeners_parse(rows[i].text, "f", &l, &err), -1);
		assert_string_equal(err.text, rows[i].error);
		assert_null(l.items);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct sockaddr_storage address;
		socklen_t len;

		assert_int_equal(
		    conf_address_parse(bad[i], &address, &len, NULL), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_file_gives_the_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_print_reads_back),
		cmocka_unit_test(test_errors_name_the_place),
		cmocka_unit_test(test_environment_configures_nothing),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_listeners),
		cmocka_unit_test(test_listener_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
