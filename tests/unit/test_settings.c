/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings: how values are judged, and what clients make of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/packet.h"
#include "tenants/generalized_time.h"
#include "tenants/judge.h"
#include "tenants/protocol.h"
#include "tenants/settings.h"
#include "tenants/settings_spec.h"
#include "tenants/told.h"

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

static void
test_time(void **state)
{
	static const struct {
		const char *text;
		bool good;
		int64_t seconds;
	} rows[] = {
		{ "19700101000000Z", true, 0 },
		{ "19691231235959Z", true, -1 },
		{ "20260810090000+0900", true, 1786320000 },
		{ "20260810000000Z", true, 1786320000 },
		{ "2026080919-0500", true, 1786320000 },
		{ "202608100000Z", true, 1786320000 },
		{ "20260810000000.123Z", true, 1786320000 },
		{ "2026081000,5Z", true, 1786320000 },
		{ "20240229000000Z", true, 1709164800 },
		{ "20161231235960Z", true, 1483228799 },
		{ "00010101000000Z", true, -62135596800 },
		{ "99991231235959Z", true, 253402300799 },
		{ "20230229000000Z", false, 0 },
		{ "21000229000000Z", false, 0 },
		{ "00000101000000Z", false, 0 },
		{ "20260010000000Z", false, 0 },
		{ "20261310000000Z", false, 0 },
		{ "20260800000000Z", false, 0 },
		{ "20260431000000Z", false, 0 },
		{ "20260810240000Z", false, 0 },
		{ "20260810006000Z", false, 0 },
		{ "20260810000061Z", false, 0 },
		{ "20260810000000", false, 0 },
		{ "20260810000000z", false, 0 },
		{ "20260810000000ZZ", false, 0 },
		{ "20260810000000+9", false, 0 },
		{ "20260810000000+2400", false, 0 },
		{ "20260810000000+0960", false, 0 },
		{ "20260810000000+09000", false, 0 },
		{ "20260810000000.Z", false, 0 },
		{ "2026081000000Z", false, 0 },
		{ "20260810 000000Z", false, 0 },
		{ "", false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		int64_t seconds = 0;
		bool good =
		    generalized_time_parse(span_str(rows[i].text), &seconds);

		if (good != rows[i].good || seconds != rows[i].seconds)
			fail_msg("%s: %d %lld", rows[i].text, good,
			    (long long)seconds);
	}
}

static void
test_judge(void **state)
{
	static const struct {
		enum entry_attr attr;
		const char *text;
		uint64_t number;    /* of a good one */
		const char *reason; /* NULL: it is good */
		size_t column;
	} rows[] = {
		{ ATTR_VIRUS_SCAN, "TRUE", 1, NULL, 0 },
		{ ATTR_VIRUS_SCAN, "false", 0, NULL, 0 },
		{ ATTR_VIRUS_SCAN, "1", 0, "expected TRUE or FALSE", 0 },
		{ ATTR_SPAM_LEVEL, "HIGH", SPAM_HIGH, NULL, 0 },
		{ ATTR_SPAM_LEVEL, "", 0, "expected one of: low, medium, high",
		    0 },
		{ ATTR_SPAM_ACTION, "tag", MAIL_TAG, NULL, 0 },
		{ ATTR_SPAM_ACTION, "none", 0,
		    "expected one of: tag, junk, quarantine, discard", 0 },
		{ ATTR_SPOOF_ACTION, "none", MAIL_NONE, NULL, 0 },
		{ ATTR_DENY_ACTION, "tag", 0,
		    "expected one of: junk, quarantine, discard", 0 },
		{ ATTR_JUNK_DAYS, "0", 0, NULL, 0 },
		{ ATTR_JUNK_DAYS, "36500", 36500, NULL, 0 },
		{ ATTR_JUNK_DAYS, "36501", 0,
		    "expected a number from 0 to 36500", 0 },
		{ ATTR_JUNK_DAYS, "-1", 0, "expected a number from 0 to 36500",
		    0 },
		{ ATTR_AUTO_REPLY_DAYS, "0", 0,
		    "expected a number from 1 to 365", 0 },
		{ ATTR_AUTO_REPLY_START, "19700101000001Z", 1, NULL, 0 },
		{ ATTR_AUTO_REPLY_START, "tomorrow", 0,
		    "expected a time such as 20260810090000+0900", 0 },
		{ ATTR_TIME_ZONE, "Asia/Tokyo", 0, NULL, 0 },
		{ ATTR_TIME_ZONE, "Etc/GMT-9", 0, NULL, 0 },
		{ ATTR_TIME_ZONE, "../../etc/passwd", 0,
		    "expected a time zone such as Asia/Tokyo", 0 },
		{ ATTR_TIME_ZONE, "/etc/localtime", 0,
		    "expected a time zone such as Asia/Tokyo", 0 },
		{ ATTR_SPAM_TAG, "【迷惑】", 0, NULL, 0 },
		{ ATTR_SPAM_TAG, "領\r\nBcc: x", 0,
		    "a control character (U+000D) is not allowed", 2 },
		{ ATTR_SPAM_TAG, "\xff", 0, "this is not a character of UTF-8",
		    1 },
		{ ATTR_AUTO_REPLY_TEXT, "a\r\n\tb\n", 0, NULL, 0 },
		{ ATTR_AUTO_REPLY_TEXT, "a\033[m", 0,
		    "a control character (U+001B) is not allowed", 2 },
		{ ATTR_AUTO_REPLY_TEXT, "0123456789a", 0,
		    "the text has 11 characters; 10 are allowed", 0 },
		{ ATTR_AUTO_REPLY_TEXT, "〇一二三四五六七八九", 0, NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const struct setting_spec *spec =
		    setting_spec_find(rows[i].attr);
		struct setting_value value = { .number = 0 };
		struct err err = ERR_INIT;
		size_t column = 0;
		int rc = setting_judge(spec,
		    rows[i].attr == ATTR_AUTO_REPLY_TEXT ? 10 : spec->max,
		    span_str(rows[i].text), &value, &column, &err);

		if (rc != (rows[i].reason == NULL ? 0 : -1) ||
		    column != rows[i].column ||
		    (rc == 0 && value.number != rows[i].number) ||
		    (rc == -1 && strcmp(err.text, rows[i].reason) != 0))
			fail_msg("%s \"%s\": %zu %s",
			    entry_attr_name(rows[i].attr), rows[i].text, column,
			    err.text);
	}
}

/* ---- what clients read ----------------------------------------------------
 */

static void
put(struct buf *b, uint64_t attr, const char *text, uint64_t number,
    const char *reason)
{
	size_t start = packet_start(b, TAG_SETTING);

	packet_put_u64(b, ITEM_ATTR, attr);
	if (text != NULL)
		packet_put_str(b, ITEM_TEXT, text);
	else
		packet_put_u64(b, ITEM_NUMBER, number);
	if (reason != NULL)
		packet_put_str(b, ITEM_REASON, reason);
	packet_end(b, start);
}

static void
test_decode(void **state)
{
	CLEANUP(settings_fini) struct settings s = { .junk_days = 0 };
	CLEANUP(buf_fini) struct buf b = { .max = PACKET_MAX };
	struct err err = ERR_INIT;

	(void)state;
	put(&b, ATTR_MAX_RULE_TEXT, NULL, 3, NULL);
	put(&b, ATTR_VIRUS_SCAN, NULL, 0, NULL);
	put(&b, ATTR_SPAM_ACTION, NULL, MAIL_DISCARD, NULL);
	put(&b, ATTR_AUTO_REPLY, NULL, 1, NULL);
	put(&b, ATTR_AUTO_REPLY_END, NULL, (uint64_t)-5, NULL);
	put(&b, ATTR_QUARANTINE_RULE, "from=\"abc\"", 0, NULL);
	put(&b, ATTR_QUARANTINE_RULE, "from=", 0, "why not");
	put(&b, ATTR_ALLOW_SENDER, "*@a.example", 0, NULL);
	put(&b, ATTR_TENANT_ALLOW_SENDER, "*@b.example", 0, NULL);
	put(&b, ATTR_TENANT_QUARANTINE_RULE, "from=\"longer than 3\"", 0, NULL);
	/* What a newer tenantd knows more than we do. */
	put(&b, 250, "new", 0, NULL);
	put(&b, ATTR_SPOOF_ACTION, NULL, MAIL_DISCARD + 1, NULL);
	put(&b, ATTR_QUARANTINE_RULE, "from=\"abcd\"", 0, NULL);
	put(&b, ATTR_QUARANTINE_RULE, "from=\"b\"", 0, NULL);
	assert_int_equal(settings_decode(buf_span(&b), &s, &err), 0);

	assert_false(s.virus_scan);
	assert_true(s.spam_filter); /* nobody said anything */
	assert_int_equal(s.spam_action, MAIL_DISCARD);
	assert_int_equal(s.spoof_action, MAIL_NONE);
	assert_int_equal(s.quarantine_days, 14);
	assert_true(s.auto_reply_end == -5);
	assert_false(s.auto_reply); /* without a text */
	assert_true(span_eq(s.spam_tag, SPAN("[SPAM]")));
	assert_int_equal(s.allow_senders.len, 1);
	assert_int_equal(s.quarantine_rules.len, 2);
	assert_int_equal(s.tenant_allow_senders.len, 1);
	assert_int_equal(s.tenant_deny_senders.len, 0);
	/* No class of service counts for what the brand says. */
	assert_int_equal(s.tenant_quarantine_rules.len, 1);
	assert_true(
	    span_eq(s.quarantine_rules.items[1].rule->conditions[0].pattern,
		SPAN("b")));
	assert_int_equal(s.faults_len, 2);
	assert_string_equal(s.faults[0].attribute, "hkQuarantineRule");
	assert_true(span_eq(s.faults[0].reason, SPAN("why not")));
	assert_true(span_eq(s.faults[1].text, SPAN("from=\"abcd\"")));
	assert_int_equal(s.faults[1].column, 6);
	assert_int_equal(settings_rule_limits(&s.limits).pattern_max, 3);
	assert_int_equal(settings_rule_limits(&s.limits).targets_max, 5);
}

static void
test_decode_refuses(void **state)
{
	CLEANUP(buf_fini) struct buf b = { .max = PACKET_MAX };
	size_t refused = 0, len;

	(void)state;
	put(&b, ATTR_FORWARD_TO, "a@b.example", 0, NULL);
	len = b.len;
	for (size_t cut = 1; cut < len; cut++) {
		CLEANUP(settings_fini) struct settings s = { .junk_days = 0 };
		struct err err = ERR_INIT;

		if (settings_decode(span_first(buf_span(&b), cut), &s, &err) ==
		    -1) {
			assert_int_equal(err.kind, ERR_SYNTAX);
			refused++;
		}
	}
	assert_int_equal(refused, len - 1);
}

static void
test_senders(void **state)
{
	static const struct {
		const char *pattern, *sender;
		bool matches;
	} rows[] = {
		{ "*@shop.example", "A@SHOP.example", true },
		{ "*@shop.example", "a@b.shop.example", false },
		{ "*@*.shop.example", "a@b.shop.example", true },
		{ "a?@x.example", "ab@x.example", true },
		{ "a\\?@x.example", "ab@x.example", false },
		{ "a\\?@x.example", "a?@x.example", true },
		{ "\"a b\"@x.example", "\"a b\"@x.example", true },
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(rule_facts_fini) struct rule_facts f;
		CLEANUP(arena_fini) struct arena arena;
		struct err err = ERR_INIT;
		struct span compiled;
		size_t column;

		arena_init(&arena, 65536);
		rule_facts_init(&f, 0, 0);
		assert_int_equal(rule_facts_add(&f, RULE_FROM,
				     span_str(rows[i].sender), &err),
		    0);
		assert_int_equal(rule_sender_parse(span_str(rows[i].pattern),
				     &arena, &compiled, &column, &err),
		    0);
		assert_int_equal(
		    rule_sender_match(compiled, &f), rows[i].matches);
	}
}

static void
test_senders_refused(void **state)
{
	static char over[RULE_SENDER_MAX + 2];
	static const struct {
		const char *pattern, *reason;
		size_t column;
	} rows[] = {
		{ "a\\",
		    "\\ may stand before \" \\ * and ? only; for a \\ "
		    "type \\\\",
		    2 },
		{ "領\\n",
		    "\\ may stand before \" \\ * and ? only; for a \\ "
		    "type \\\\",
		    2 },
		{ "a\n", "a control character (U+000A) is not allowed", 2 },
		{ over, "the sender has over 320 characters", 0 },
	};

	(void)state;
	memset(over, 'a', sizeof(over) - 1);
	for (size_t i = 0; i < ROWS(rows); i++) {
		CLEANUP(arena_fini) struct arena arena;
		struct err err = ERR_INIT;
		struct span compiled;
		size_t column = 99;

		arena_init(&arena, 65536);
		assert_int_equal(rule_sender_parse(span_str(rows[i].pattern),
				     &arena, &compiled, &column, &err),
		    -1);
		assert_string_equal(err.text, rows[i].reason);
		assert_int_equal(column, rows[i].column);
	}
}

static void
test_told(void **state)
{
	CLEANUP(told_free) struct told *t = NULL;
	const struct span a = SPAN("a"), b = SPAN("b");

	(void)state;
	assert_int_equal(told_new(&t, NULL), 0);
	assert_false(told_changed(t, a, 0));
	assert_true(told_changed(t, a, 1));
	assert_false(told_changed(t, a, 1));
	assert_true(told_changed(t, b, 1));
	assert_false(told_changed(t, a, 1));
	assert_true(told_changed(t, a, 2));
	assert_true(told_changed(t, a, 1));
	/* Mended, and broken again in the same way. */
	assert_false(told_changed(t, a, 0));
	assert_true(told_changed(t, a, 1));
	assert_true(
	    told_digest(told_digest(TOLD_DIGEST, SPAN("ab")), SPAN("c")) !=
	    told_digest(told_digest(TOLD_DIGEST, SPAN("a")), SPAN("bc")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_judge),
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_decode_refuses),
		cmocka_unit_test(test_senders),
		cmocka_unit_test(test_senders_refused),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
