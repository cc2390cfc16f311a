/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * deliveryd's journal and its placers, on a real store; hikyakud is a double.
 * What a crash leaves is written by hand, record by record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/daemon.h"
#include "common/journal.h"
#include "delivery/backlog.h"
#include "store/placing.h"
#include "tests/unit/store_rig.h"

#define TENANT_UID 200001
#define SEGMENT ((uint64_t)4 * 1024 * 1024)
#define TEXT "Subject: waits\r\n\r\nbody\r\n"
#define TRACE "Return-Path: <>\r\n"
#define HOURS ((uint64_t)3600 * 1000)

/* ---- the doubles ---- */

struct daemon {
	struct daemon_conf conf;
	char uids[16];
};

const struct daemon_conf *
daemon_conf(const struct daemon *d)
{
	return &d->conf;
}

int
daemon_tenant_directory(struct daemon *d, const char *tenant, struct err *err)
{
	(void)d;
	(void)tenant;
	return err_set(err, ERR_TEMP, "it is there already");
}

/* ---- the bench ---- */

struct bench {
	struct store_rig *rig;
	struct daemon daemon;
	struct placer *placer;
	struct counters counters;
	struct backlog_options options;
	struct backlog *backlog;
	char journal[96];
	uint64_t numbers; /* given to records by hand */
};

static void
shell(const char *format, const char *path)
{
	char command[512];
	int len;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	len = snprintf(command, sizeof(command), format, path);
#pragma GCC diagnostic pop
	assert_true(len > 0 && (size_t)len < sizeof(command));
	assert_int_equal(system(command), 0);
}

static int
setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct err err = ERR_INIT;
	void *rig = NULL;

	(void)store_rig_setup(&rig);
	b->rig = rig;
	if (geteuid() == 0) {
		shell("chmod 711 %s", b->rig->path);
		shell("chown -R 200001:200001 %s/aozora", b->rig->path);
	}
	b->daemon.conf.store_directory = b->rig->path;
	(void)snprintf(b->daemon.uids, sizeof(b->daemon.uids), "200000-200009");
	b->daemon.conf.tenant_uids = b->daemon.uids;
	if (placer_new(&b->daemon, &b->placer, &err) == -1)
		fail_msg("%s", err.text);
	b->options = (struct backlog_options){
		.placer = b->placer,
		.store_directory = b->rig->path,
		.journal_max = 6 * SEGMENT,
		.counters = &b->counters,
	};
	(void)snprintf(b->journal, sizeof(b->journal), "%s/" BACKLOG_DIRECTORY,
	    b->rig->path);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bench *b = *state;
	void *rig = b->rig;

	backlog_free(b->backlog);
	placer_free(b->placer);
	(void)store_rig_teardown(&rig);
	free(b);
	return 0;
}

static void
start(struct bench *b)
{
	struct err err = ERR_INIT;

	if (backlog_open(&b->options, &b->backlog, &err) == -1 ||
	    backlog_start(b->backlog, &err) == -1)
		fail_msg("%s", err.text);
}

static void
stop(struct bench *b)
{
	backlog_free(b->backlog);
	b->backlog = NULL;
}

static struct record_target
target_to(const char *account, const char *base)
{
	return (struct record_target){
		.tenant = SPAN("aozora"),
		.account = span_str(account),
		.base = span_str(base),
		.mailbox = SPAN("INBOX"),
		.trace = SPAN(TRACE),
		.uid = TENANT_UID,
		.gid = TENANT_UID,
	};
}

static int
add(struct bench *b, const char *account, const char *base, struct span text,
    struct err *err)
{
	struct record_target target = target_to(account, base);
	struct record_message m = { .id = SPAN("abcdefghijk"),
		.targets = &target,
		.count = 1,
		.text = text };

	return backlog_add(b->backlog, &m, err);
}

static void
nap_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000,
		.tv_nsec = (long)(ms % 1000) * 1000000 };

	(void)nanosleep(&t, NULL);
}

/* Until nothing waits. */
static void
wait_placed(struct bench *b)
{
	for (int i = 0; i < 500; i++) {
		if (atomic_load(&b->counters.value[COUNTER_BACKLOG_MESSAGES]) ==
		    0)
			return;
		nap_ms(10);
	}
	fail_msg("mail goes on waiting");
}

/* How many messages a new session sees in user-1's INBOX. */
static uint32_t
messages(struct bench *b)
{
	struct mailbox_status status = { 0 };
	struct account *a;
	struct store *again = store_rig_again(b->rig, &a);
	struct err err = ERR_INIT;

	if (mailbox_status(a, SPAN("INBOX"), &status, &err) == -1)
		fail_msg("%s", err.text);
	account_unref(a);
	store_free(again);
	return status.messages;
}

/* ---- a journal by hand ---- */

struct hand {
	struct bench *b;
	struct journal_head head;
	char *image;
	uint64_t at, number, time_ms;
};

static void
hand_begin(struct hand *h, struct bench *b)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	*h = (struct hand){
		.b = b,
		.head = { .kind = RECORD_KIND,
		    .id = "0123456789abcde",
		    .octets = SEGMENT,
		    .generation = 1,
		    .oldest = 1 },
		.image = calloc(1, SEGMENT),
		.at = JOURNAL_DATA,
		.time_ms = (uint64_t)now.tv_sec * 1000,
	};
	assert_non_null(h->image);
	journal_head_format(&h->head, h->image);
}

static uint64_t
hand_record(struct hand *h, uint16_t type, struct span payload)
{
	struct journal_record r = { .number = ++h->number,
		.flushed = h->number - 1,
		.time_ms = h->time_ms,
		.type = type };

	journal_record_format(&h->head, &r, (uint32_t)payload.len,
	    journal_payload_crc(&payload, 1), h->image + h->at);
	memcpy(h->image + h->at + JOURNAL_RECORD_LEN, payload.p, payload.len);
	h->at = journal_record_end(h->at, payload.len);
	return h->number;
}

static uint64_t
hand_message(struct hand *h, const char *base, uint64_t replaces, bool marked)
{
	struct record_target target = target_to("user-1", base);
	struct record_message m = {
		.replaces = replaces, .targets = &target, .count = 1
	};
	CLEANUP(buf_fini) struct buf payload;

	target.marked = marked;
	buf_init(&payload, 4096);
	record_message_format(&m, &payload);
	buf_append(&payload, SPAN(TEXT));
	return hand_record(h, RECORD_MESSAGE, buf_span(&payload));
}

static void
hand_mark(struct hand *h, uint16_t type, uint64_t number)
{
	CLEANUP(buf_fini) struct buf payload;

	buf_init(&payload, 4096);
	record_marks_begin(&payload);
	record_marks_put(&payload, (struct record_mark){ number, 0 });
	(void)hand_record(h, type, buf_span(&payload));
}

static void
hand_end(struct hand *h)
{
	char path[128];
	int fd;

	assert_int_equal(mkdir(h->b->journal, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/segment-0001", h->b->journal);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd != -1);
	assert_int_equal(write(fd, h->image, SEGMENT), SEGMENT);
	(void)close(fd);
	free(h->image);
}

/* The file that step b writes for this base. */
static void
put_in_tmp(struct bench *b, const char *base, const char *text)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "tmp/%s", base);
	store_rig_put(b->rig, name, text);
	if (geteuid() == 0)
		shell("chown -R 200001:200001 %s/aozora", b->rig->path);
}

/* ---- tests ---- */

static void
test_comes_to_its_place(void **state)
{
	struct bench *b = *state;
	struct err err = ERR_INIT;
	char *text;

	start(b);
	assert_true(backlog_takes(b->backlog, "aozora"));
	assert_false(backlog_takes(b->backlog, "nobody"));
	assert_int_equal(add(b, "user-1", "1.M1P1.x", SPAN(TEXT), &err), 0);
	/* With nothing else to do it is there already. */
	assert_int_equal(messages(b), 1);
	text = store_rig_get(b->rig, "new/1.M1P1.x,S=41,W=41");
	assert_string_equal(text, TRACE TEXT);
	free(text);
	/* An account that gets its first mail, and one of many. */
	for (int i = 0; i < 100; i++) {
		char base[32];

		(void)snprintf(base, sizeof(base), "2.M%dP1.x", i);
		assert_int_equal(add(b, i == 0 ? "user-9" : "user-1", base,
				     SPAN(TEXT), &err),
		    0);
	}
	wait_placed(b);
	assert_int_equal(messages(b), 100);
	stop(b);
	/* Nothing is left, and nothing comes twice. */
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 100);
	assert_int_equal(store_rig_count(b->rig, "tmp"), 0);
}

static void
test_without_mark_it_is_placed_again(void **state)
{
	struct bench *b = *state;
	struct hand h;

	hand_begin(&h, b);
	(void)hand_message(&h, "1.M1P1.x", 0, false);
	(void)hand_message(&h, "1.M2P1.x", 0, false);
	hand_end(&h);
	/* Half of it was written when the power went. */
	put_in_tmp(b, "1.M2P1.x", "Return-Pa");
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 2);
	assert_true(store_rig_has(b->rig, "new/1.M2P1.x,S=41,W=41"));
	assert_int_equal(store_rig_count(b->rig, "tmp"), 0);
}

static void
test_with_mark_it_is_renamed(void **state)
{
	struct bench *b = *state;
	struct hand h;

	hand_begin(&h, b);
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M1P1.x", 0, false));
	hand_end(&h);
	put_in_tmp(b, "1.M1P1.x", TRACE TEXT);
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
	assert_int_equal(store_rig_count(b->rig, "tmp"), 0);
}

static void
test_with_mark_and_not_in_tmp_it_was_placed(void **state)
{
	struct bench *b = *state;
	struct hand h;

	hand_begin(&h, b);
	/* Its reader may have deleted it since. */
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M1P1.x", 0, false));
	/* Seen, flagged and moved on, but both names are there. */
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M2P1.x", 0, false));
	hand_end(&h);
	put_in_tmp(b, "1.M2P1.x", TRACE TEXT);
	store_rig_put(b->rig, "new/1.M2P1.x,S=41,W=41", TRACE TEXT);
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
	assert_int_equal(store_rig_count(b->rig, "tmp"), 0);
}

/* A machine that was off for days: what is older than 36 hours in tmp/ others
 * take for a leftover. */
static void
test_old_mark_and_tidied_up(void **state)
{
	struct bench *b = *state;
	struct hand h;

	hand_begin(&h, b);
	h.time_ms -= 48 * HOURS;
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M1P1.x", 0, false));
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M2P1.x", 0, false));
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M3P1.x", 0, false));
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M4P1.x", 0, false));
	hand_end(&h);
	/* Of the second to the fourth it can be told that they were shown. */
	store_rig_put(b->rig, "new/1.M2P1.x,S=41,W=41", TRACE TEXT);
	store_rig_put(b->rig, "cur/1.M3P1.x,S=41,W=41:2,S", TRACE TEXT);
	store_rig_put(b->rig, "dovecot-uidlist",
	    "3 V5 N9 G0123456789abcdef0123456789abcdef\n"
	    "8 :1.M4P1.x,S=41,W=41\n");
	put_in_tmp(b, "other", "x");
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 3);
	assert_true(store_rig_has(b->rig, "new/1.M1P1.x,S=41,W=41"));
	assert_false(store_rig_has(b->rig, "new/1.M4P1.x,S=41,W=41"));
}

static void
test_spoilt_file_is_written_again(void **state)
{
	struct bench *b = *state;
	struct hand h;
	char *text;

	hand_begin(&h, b);
	hand_mark(&h, RECORD_PLACING, hand_message(&h, "1.M1P1.x", 0, false));
	hand_end(&h);
	put_in_tmp(b, "1.M1P1.x", "short");
	start(b);
	wait_placed(b);
	text = store_rig_get(b->rig, "new/1.M1P1.x,S=41,W=41");
	assert_string_equal(text, TRACE TEXT);
	free(text);
}

static void
test_settled_and_replaced(void **state)
{
	struct bench *b = *state;
	struct hand h;
	uint64_t first;

	hand_begin(&h, b);
	hand_mark(&h, RECORD_SETTLED, hand_message(&h, "1.M1P1.x", 0, false));
	first = hand_message(&h, "1.M2P1.x", 0, false);
	(void)hand_message(&h, "1.M2P1.x", first, false);
	/* Marked in the record that was replaced; it has been shown. */
	first = hand_message(&h, "1.M3P1.x", 0, false);
	(void)hand_message(&h, "1.M3P1.x", first, true);
	hand_end(&h);
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
	assert_true(store_rig_has(b->rig, "new/1.M2P1.x,S=41,W=41"));
}

static void
test_nonsense_is_put_aside(void **state)
{
	struct bench *b = *state;
	struct hand h;
	struct stat st;
	char path[128];

	hand_begin(&h, b);
	(void)hand_record(&h, RECORD_MESSAGE, SPAN("\1\0\1\0xxxx"));
	(void)hand_message(&h, "1.M1P1.x", 0, false);
	hand_end(&h);
	start(b);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
	(void)snprintf(path, sizeof(path), "%s/record-1", b->journal);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 8);
}

static void
test_later_version_is_refused(void **state)
{
	static const struct {
		uint16_t type;
		struct span payload;
		const char *says;
	} cases[] = {
		{ RECORD_MESSAGE, SPAN("\2..."), "version 2" },
		{ RECORD_PLACING, SPAN("\3\0\0\0"), "version 3" },
		{ 77, SPAN("\1"), "type 77" },
	};
	struct bench *b = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = ERR_INIT;
		struct hand h;

		hand_begin(&h, b);
		(void)hand_record(&h, cases[i].type, cases[i].payload);
		hand_end(&h);
		assert_int_equal(
		    backlog_open(&b->options, &b->backlog, &err), -1);
		assert_int_equal(err.kind, ERR_POLICY);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("%s", err.text);
		shell("rm -r %s", b->journal);
	}
}

/* ---- mail that cannot be placed ---- */

/* Somebody's file where the mailbox should be. */
static void
hide_mailbox(struct bench *b, bool hidden)
{
	char away[256];

	(void)snprintf(away, sizeof(away), "%s.away", b->rig->maildir);
	if (hidden) {
		assert_int_equal(rename(b->rig->maildir, away), 0);
		shell("touch %s", b->rig->maildir);
	} else {
		assert_int_equal(unlink(b->rig->maildir), 0);
		assert_int_equal(rename(away, b->rig->maildir), 0);
	}
}

static void
test_waits_for_its_mailbox(void **state)
{
	struct bench *b = *state;
	struct err err = ERR_INIT;

	start(b);
	hide_mailbox(b, true);
	assert_int_equal(add(b, "user-1", "1.M1P1.x", SPAN(TEXT), &err), 0);
	assert_int_equal(
	    atomic_load(&b->counters.value[COUNTER_BACKLOG_MESSAGES]), 1);
	assert_true(
	    atomic_load(&b->counters.value[COUNTER_BACKLOG_OLDEST_MS]) > 0);
	/* Who writes to this brand meanwhile hears of it. */
	assert_false(backlog_takes(b->backlog, "aozora"));
	stop(b);
	start(b);
	nap_ms(200);
	assert_int_equal(
	    atomic_load(&b->counters.value[COUNTER_BACKLOG_MESSAGES]), 1);
	hide_mailbox(b, false);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
	assert_true(backlog_takes(b->backlog, "aozora"));
}

/* One brand's trouble must not fill the journal for all. */
static void
test_is_carried_along(void **state)
{
	struct bench *b = *state;
	CLEANUP(mem_free) char *large = calloc(1, 250 * 1024);
	struct err err = ERR_INIT;

	assert_non_null(large);
	memset(large, 'x', 250 * 1024 - 1);
	start(b);
	hide_mailbox(b, true);
	assert_int_equal(add(b, "user-1", "1.M1P1.x", SPAN(TEXT), &err), 0);
	/* Several times what the journal holds. */
	for (int i = 0; i < 200; i++) {
		char base[32];

		(void)snprintf(base, sizeof(base), "2.M%dP1.x", i);
		if (add(b, "user-2", base, span_str(large), &err) == -1)
			fail_msg("%d: %s", i, err.text);
	}
	stop(b);
	start(b);
	hide_mailbox(b, false);
	wait_placed(b);
	assert_int_equal(messages(b), 1);
}

/* ---- the payloads ---- */

static void
test_record_refusals(void **state)
{
	static const struct {
		size_t at;
		const char *octets;
		size_t len, cut;
		enum err_kind kind;
		const char *says;
	} cases[] = {
		{ 0, "", 0, 0, ERR_NONE, "" },
		{ 0, "\2", 1, 0, ERR_POLICY, "version 2" },
		{ 2, "\0\0", 2, 0, ERR_SYNTAX, "0 targets" },
		{ 2, "\2\0", 2, 0, ERR_SYNTAX, "target cut off" },
		{ 2, "\211\23", 2, 0, ERR_SYNTAX, "5001 targets" },
		{ 4, "\377", 1, 0, ERR_SYNTAX, "targets cut off" },
		{ 4, "\71", 1, 0, ERR_SYNTAX, "target cut off" },
		{ 28, "\2", 1, 0, ERR_SYNTAX, "flags" },
		{ 29, "\0", 1, 0, ERR_SYNTAX, "tenant" },
		{ 44, "A", 1, 0, ERR_SYNTAX, "tenant" },
		{ 44, "/", 1, 0, ERR_SYNTAX, "tenant" },
		{ 50, ".", 1, 0, ERR_SYNTAX, "account" },
		{ 56, "/", 1, 0, ERR_SYNTAX, "base" },
		{ 56, ".", 1, 0, ERR_SYNTAX, "base" },
		{ 58, ":", 1, 0, ERR_SYNTAX, "base" },
		{ 58, ",", 1, 0, ERR_SYNTAX, "base" },
		{ 0, "", 0, 30, ERR_SYNTAX, "cut off" },
	};
	struct record_target target = target_to("user-1", "1.M1P1.x");
	struct record_message m = { .id = SPAN("abcdefghijk"),
		.replaces = 7,
		.targets = &target,
		.count = 1,
		.text = SPAN(TEXT) };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP(buf_fini) struct buf payload;
		CLEANUP(record_message_fini)
		struct record_message got = { 0 };
		struct err err = ERR_INIT;
		int result;

		buf_init(&payload, 4096);
		record_message_format(&m, &payload);
		buf_append(&payload, m.text);
		memcpy(
		    payload.data + cases[i].at, cases[i].octets, cases[i].len);
		if (cases[i].cut > 0)
			buf_truncate(&payload, cases[i].cut);
		result = record_message_parse(buf_span(&payload), &got, &err);
		assert_int_equal(err.kind, cases[i].kind);
		if (strstr(err.text, cases[i].says) == NULL)
			fail_msg("case %zu: %s", i, err.text);
		if (result == -1)
			continue;
		assert_int_equal(got.replaces, 7);
		assert_true(span_eq(got.id, m.id));
		assert_true(span_eq(got.text, m.text));
		assert_true(span_eq(got.targets[0].base, target.base));
		assert_true(span_eq(got.targets[0].trace, target.trace));
		assert_int_equal(got.targets[0].uid, TENANT_UID);
	}
}

static void
test_marks(void **state)
{
	CLEANUP(buf_fini) struct buf payload;
	struct record_mark mark;
	struct span rest;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&payload, 100);
	record_marks_begin(&payload);
	record_marks_put(&payload, (struct record_mark){ 9000000000, 3 });
	record_marks_put(&payload, (struct record_mark){ 2, 0 });
	rest = buf_span(&payload);
	assert_int_equal(record_marks_open(&rest, &err), 0);
	assert_true(record_marks_next(&rest, &mark));
	assert_true(mark.number == 9000000000 && mark.target == 3);
	assert_true(record_marks_next(&rest, &mark));
	assert_false(record_marks_next(&rest, &mark));
	rest = span_first(buf_span(&payload), 15);
	assert_int_equal(record_marks_open(&rest, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
}

#define RIGGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		RIGGED(test_comes_to_its_place),
		RIGGED(test_without_mark_it_is_placed_again),
		RIGGED(test_with_mark_it_is_renamed),
		RIGGED(test_with_mark_and_not_in_tmp_it_was_placed),
		RIGGED(test_old_mark_and_tidied_up),
		RIGGED(test_spoilt_file_is_written_again),
		RIGGED(test_settled_and_replaced),
		RIGGED(test_nonsense_is_put_aside),
		RIGGED(test_later_version_is_refused),
		RIGGED(test_waits_for_its_mailbox),
		RIGGED(test_is_carried_along),
		cmocka_unit_test(test_record_refusals),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
