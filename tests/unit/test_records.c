/* SPDX-License-Identifier: BSD-2-Clause */
/* store/records: what is found, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/store_rig.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/records.h"

enum {
	KIND_A,
	KIND_B
};

static struct records *
records_of(const struct store_rig *rig)
{
	char path[128];
	struct records_options options = { .directory = path,
		.memory_octets = 1024 * 1024,
		.disk_octets = 1 << 30,
		.unused_ms = 100 };
	struct records *r = NULL;

	(void)snprintf(path, sizeof(path), "%s/aozora/records", rig->path);
	assert_int_equal(records_new(&options, &r, NULL), 0);
	return r;
}

static void
deliver(const struct store_rig *rig, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		(void)store_rig_deliver(rig, "INBOX", "a: b\r\n\r\n", NULL);
}

/* The value that test and record agree on. */
static struct span
value_of(uint32_t uid, unsigned kind, char text[64])
{
	return span_of(text, (size_t)snprintf(text, 64, "%s %u",
				 kind == KIND_A ? "a" : "b", uid));
}

static bool
has(struct record_reader *r, unsigned kind, uint32_t uid)
{
	struct span value;
	char text[64];

	if (!record_get(r, kind, uid, &value))
		return false;
	assert_true(span_eq(value, value_of(uid, kind, text)));
	return true;
}

static void
put_from(struct record_reader *r, uint32_t uid, uint32_t last)
{
	char text[64];

	for (; uid <= last; uid++)
		for (unsigned kind = KIND_A; kind <= KIND_B; kind++)
			record_put(r, kind, uid, value_of(uid, kind, text));
}

/* How many of the uids up to last have a record, by asking in order. */
static unsigned
count_known(
    struct records *r, struct mailbox *m, uint32_t last, size_t expected)
{
	CLEANUP(record_reader_free)
	struct record_reader *reader = record_reader_new(r, m, expected);
	unsigned count = 0;

	for (uint32_t uid = 1; uid <= last; uid++)
		count += has(reader, KIND_A, uid) && has(reader, KIND_B, uid);
	return count;
}

static void
fill(struct records *r, struct mailbox *m, uint32_t last)
{
	CLEANUP(record_reader_free)
	struct record_reader *reader = record_reader_new(r, m, last);

	put_from(reader, 1, last);
}

static void
test_put_and_get(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct record_reader *reader;
	struct span value;

	deliver(rig, 300);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(count_known(r, m, 300, 300), 0);
	reader = record_reader_new(r, m, 300);
	put_from(reader, 1, 200);
	/* No such message: nothing is kept for it. */
	record_put(reader, KIND_A, 301, SPAN("x"));
	record_reader_free(reader);
	assert_int_equal(count_known(r, m, 310, 310), 200);
	assert_int_equal(count_known(r, m, 310, 1), 200);
	/* Over what is there, and beyond. */
	reader = record_reader_new(r, m, 1);
	put_from(reader, 150, 300);
	record_reader_free(reader);
	assert_int_equal(count_known(r, m, 300, 300), 300);

	/* In any order. */
	reader = record_reader_new(r, m, 300);
	for (uint32_t uid = 300; uid > 7; uid -= 7)
		(void)has(reader, KIND_A, uid);
	for (uint32_t uid = 2; uid <= 300; uid += 7)
		(void)has(reader, KIND_A, uid);
	assert_false(record_get(reader, KIND_A, 301, &value));
	record_reader_free(reader);

	/* A process that begins anew finds them. */
	records_free(r);
	r = records_of(rig);
	assert_int_equal(count_known(r, m, 300, 300), 300);
}

static void
test_none(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(records_free) struct records *second = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct record_reader *reader;
	struct span value;

	deliver(rig, 20);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	/* All functions take none. */
	assert_null(record_reader_new(NULL, m, 1));
	assert_false(record_get(NULL, KIND_A, 1, &value));
	record_put(NULL, KIND_A, 1, SPAN("x"));
	record_reader_free(NULL);
	/* Another process has the table. */
	assert_int_equal(count_known(r, m, 20, 20), 0);
	assert_null(record_reader_new(second, m, 1));
	/* Switched off, and on. */
	records_limit(r, 1024 * 1024, 0);
	assert_null(record_reader_new(r, m, 1));
	records_limit(r, 1024 * 1024, 1 << 30);
	reader = record_reader_new(r, m, 20);
	assert_non_null(reader);
	put_from(reader, 1, 20);
	record_reader_free(reader);
	assert_int_equal(count_known(r, m, 20, 20), 20);
}

/* A record is of a file, not of a number. */
static void
test_other_file(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	struct mailbox *m;
	struct record_reader *reader;
	char path[256], first[512];

	deliver(rig, 50);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	reader = record_reader_new(r, m, 50);
	put_from(reader, 1, 50);
	record_reader_free(reader);
	(void)snprintf(first, sizeof(first), "rm %s/cur/%.*s*", rig->maildir,
	    SPAN_FMT(view_base_name(mailbox_view(m), 0)));
	mailbox_close(m);
	assert_int_equal(store_rig_count(rig, "cur"), 50);

	/* The list is lost: the UIDs begin anew, in the same order. */
	(void)snprintf(path, sizeof(path), "%s/dovecot-uidlist", rig->maildir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(system(first), 0);
	account_unref(rig->account);
	store_free(rig->store);
	rig->store = store_rig_again(rig, &rig->account);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_int_equal(view_count(mailbox_view(m)), 49);
	assert_int_equal(view_at(mailbox_view(m), 0)->uid, 1);
	assert_int_equal(count_known(r, m, 50, 50), 0);
	assert_int_equal(count_known(r, m, 50, 1), 0);
	reader = record_reader_new(r, m, 50);
	put_from(reader, 1, 50);
	record_reader_free(reader);
	assert_int_equal(count_known(r, m, 50, 50), 49);
	mailbox_close(m);
}

static void
test_sizes(void **state)
{
	static char text[RECORD_MAX + 1];
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct record_reader *reader;
	struct span value;

	deliver(rig, 60);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	reader = record_reader_new(r, m, 60);
	for (uint32_t uid = 1; uid <= 60; uid++) {
		memset(text, (int)uid, sizeof(text));
		record_put(reader, KIND_A, uid, span_of(text, RECORD_MAX));
		record_put(reader, KIND_B, uid, span_of(text, sizeof(text)));
		record_put(reader, 2, uid, SPAN(""));
	}
	record_reader_free(reader);
	for (size_t expected = 1; expected <= 60; expected += 59) {
		reader = record_reader_new(r, m, expected);
		for (uint32_t uid = 1; uid <= 60; uid++) {
			assert_true(record_get(reader, KIND_A, uid, &value));
			assert_int_equal(value.len, RECORD_MAX);
			assert_int_equal(value.p[RECORD_MAX - 1], (char)uid);
			assert_false(record_get(reader, KIND_B, uid, &value));
			assert_true(record_get(reader, 2, uid, &value));
			assert_int_equal(value.len, 0);
		}
		record_reader_free(reader);
	}
}

/* A full table: the longest unused mailbox goes, and the file shrinks. */
static void
test_full(void **state)
{
	static const char filler[20000];
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	CLEANUP(mailbox_close) struct mailbox *other = NULL;
	struct record_reader *reader;

	deliver(rig, 200);
	assert_int_equal(mailbox_create(rig->account, SPAN("Other"), NULL), 0);
	for (int i = 0; i < 20; i++)
		(void)store_rig_deliver(rig, "Other", "a: b\r\n\r\n", NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	other = store_rig_open(rig, "Other", MAILBOX_WRITE);
	records_limit(r, 1024 * 1024, 2 * 1024 * 1024);
	reader = record_reader_new(r, other, 20);
	put_from(reader, 1, 20);
	record_reader_free(reader);
	reader = record_reader_new(r, m, 200);
	put_from(reader, 1, 200);
	for (uint32_t uid = 1; uid <= 200; uid++)
		record_put(reader, 3, uid, span_of(filler, sizeof(filler)));
	record_reader_free(reader);
	/* Full: what is there is read, nothing more is written. */
	assert_true(records_due(r));
	assert_int_equal(count_known(r, other, 20, 20), 20);
	assert_int_equal(count_known(r, m, 200, 200), 200);
	/* Used in the same hour: the larger one leaves. */
	records_tend(r);
	assert_int_equal(count_known(r, m, 200, 200), 0);
	assert_int_equal(count_known(r, other, 20, 20), 20);
	reader = record_reader_new(r, m, 200);
	put_from(reader, 1, 200);
	record_reader_free(reader);
	assert_int_equal(count_known(r, m, 200, 200), 200);
}

/* Of many messages, few that lie far apart. */
static void
test_sparse(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	static const char filler[4000];
	struct record_reader *reader;
	struct span value;

	deliver(rig, 300);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	fill(r, m, 300);
	reader = record_reader_new(r, m, 300);
	for (uint32_t uid = 1; uid <= 300; uid++)
		record_put(reader, 3, uid, span_of(filler, sizeof(filler)));
	record_reader_free(reader);
	reader = record_reader_new(r, m, 20);
	for (uint32_t uid = 1; uid <= 300; uid += 33) {
		assert_true(has(reader, KIND_A, uid));
		assert_true(record_get(reader, 3, uid, &value));
		assert_int_equal(value.len, sizeof(filler));
		/* Another kind, which is not there. */
		assert_false(record_get(reader, 4, uid, &value));
	}
	for (uint32_t uid = 290; uid <= 300; uid++)
		assert_true(record_get(reader, 3, uid, &value));
	assert_true(record_get(reader, 3, 5, &value));
	record_reader_free(reader);
}

/* Unused, it is closed: another process can have it. */
static void
test_unused(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(records_free) struct records *second = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct record_reader *reader;

	deliver(rig, 20);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	assert_false(records_due(r));
	fill(r, m, 20);
	reader = record_reader_new(r, m, 20);
	(void)usleep(150000);
	/* Somebody is at it. */
	records_tend(r);
	assert_true(has(reader, KIND_A, 7));
	record_reader_free(reader);
	assert_false(records_due(r));
	(void)usleep(150000);
	assert_true(records_due(r));
	records_tend(r);
	assert_false(records_due(r));
	assert_int_equal(count_known(second, m, 20, 20), 20);
}

/* ---- threads ---- */

struct worker {
	struct records *records;
	const struct store_rig *rig;
	unsigned seed;
	unsigned found, failed;
	pthread_t thread;
};

static void *
work(void *arg)
{
	struct worker *w = arg;
	CLEANUP(mailbox_close)
	struct mailbox *m = store_rig_open(w->rig,
	    rand_r(&w->seed) % 2 == 0 ? "INBOX" : "Other", MAILBOX_READ);

	for (int i = 0; i < 150; i++) {
		size_t expected = (unsigned)rand_r(&w->seed) % 20;
		CLEANUP(record_reader_free)
		struct record_reader *r =
		    record_reader_new(w->records, m, expected);
		uint32_t uid = (unsigned)rand_r(&w->seed) % 60 + 1;

		for (; uid <= 100 && rand_r(&w->seed) % 40 != 0; uid++) {
			char text[64];
			struct span value, wanted = value_of(uid, KIND_A, text);

			if (!record_get(r, KIND_A, uid, &value))
				record_put(r, KIND_A, uid, wanted);
			else if (span_eq(value, wanted))
				w->found++;
			else
				w->failed++;
		}
		if (rand_r(&w->seed) % 20 == 0)
			records_tend(w->records);
	}
	return NULL;
}

/* Readers, writers, and one who takes the ground from under their feet. */
static void
test_threads(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	struct worker workers[4] = { 0 };
	uint32_t gone[] = { 7, 8, 9 };
	struct mailbox *m;

	deliver(rig, 100);
	assert_int_equal(mailbox_create(rig->account, SPAN("Other"), NULL), 0);
	for (int i = 0; i < 100; i++)
		(void)store_rig_deliver(rig, "Other", "a: b\r\n\r\n", NULL);
	for (unsigned i = 0; i < 4; i++) {
		workers[i] =
		    (struct worker){ .records = r, .rig = rig, .seed = i + 1 };
		assert_int_equal(
		    pthread_create(&workers[i].thread, NULL, work, &workers[i]),
		    0);
	}
	struct store_listener l = records_listener(r);
	for (int i = 0; i < 100; i++) {
		(void)usleep(2000);
		l.removed(l.arg, "aozora/user-1", ".", gone, 3);
		if (i % 10 == 3)
			l.deleted(l.arg, "aozora/user-1", ".Other");
		if (i % 10 == 7)
			l.renamed(l.arg, "aozora/user-1", ".Other", ".Else");
		records_tend(r);
	}
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
		assert_int_equal(workers[i].failed, 0);
		assert_true(workers[i].found > 100);
	}
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	fill(r, m, 100);
	assert_int_equal(count_known(r, m, 100, 100), 100);
	mailbox_close(m);
}

/* The records of the rig's store follow what happens to its mailboxes. */
static void
listen_to(struct store_rig *rig, struct records *r)
{
	struct store_options options = { .path = rig->path,
		.listener = records_listener(r) };

	account_unref(rig->account);
	store_free(rig->store);
	assert_int_equal(store_new(&options, &rig->store, NULL), 0);
	assert_int_equal(
	    account_open(rig->store, SPAN("aozora"), SPAN("user-1"),
		ACCOUNT_EXISTING, &rig->account, NULL),
	    0);
}

/* Whether the word is in the file of a table that is closed. */
static bool
table_names(const struct store_rig *rig, const char *word)
{
	char command[256];

	(void)snprintf(command, sizeof(command),
	    "grep -qa '%s' %s/aozora/records/table.db", word, rig->path);
	return system(command) == 0;
}

static void
test_removed(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	struct mailbox *m;
	uint32_t gone[] = { 3, 4, 5, 40 };
	char path[256];

	listen_to(rig, r);
	deliver(rig, 40);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	fill(r, m, 40);
	assert_int_equal(mailbox_expunge(m, gone, 4, NULL, NULL), 0);
	assert_true(records_due(r));
	records_tend(r);
	assert_int_equal(count_known(r, m, 40, 40), 36);
	/* By another program, and noticed. */
	(void)snprintf(
	    path, sizeof(path), "cd %s/cur; rm $(ls | head -1)", rig->maildir);
	assert_int_equal(system(path), 0);
	assert_int_equal(mailbox_refresh(m, NULL, NULL), 0);
	records_tend(r);
	assert_int_equal(count_known(r, m, 40, 40), 35);
	mailbox_close(m);

	/* While nobody listens: what is met is removed. */
	listen_to(rig, NULL);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	gone[0] = 10;
	assert_int_equal(mailbox_expunge(m, gone, 1, NULL, NULL), 0);
	assert_int_equal(count_known(r, m, 40, 40), 34);
	mailbox_close(m);
	records_free(r);
	assert_true(table_names(rig, "a 39"));
	assert_false(table_names(rig, "a 40"));
	assert_false(table_names(rig, "a 10"));
	r = records_of(rig);
}

static void
test_folders(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	struct mailbox *m;

	listen_to(rig, r);
	assert_int_equal(mailbox_create(rig->account, SPAN("A"), NULL), 0);
	assert_int_equal(mailbox_create(rig->account, SPAN("A/b"), NULL), 0);
	for (int i = 0; i < 5; i++) {
		(void)store_rig_deliver(rig, "A", "x: y\r\n\r\n", NULL);
		(void)store_rig_deliver(rig, "A/b", "x: y\r\n\r\n", NULL);
	}
	/* No table yet: nothing is opened for it. */
	assert_int_equal(
	    mailbox_rename(rig->account, SPAN("A"), SPAN("B"), NULL), 0);
	assert_false(store_rig_has(rig, "../../../records/table.db"));
	m = store_rig_open(rig, "B", MAILBOX_WRITE);
	fill(r, m, 5);
	mailbox_close(m);
	m = store_rig_open(rig, "B/b", MAILBOX_WRITE);
	fill(r, m, 5);
	mailbox_close(m);

	/* The records go with the mailbox and those below it. */
	assert_int_equal(
	    mailbox_rename(rig->account, SPAN("B"), SPAN("C"), NULL), 0);
	m = store_rig_open(rig, "C", MAILBOX_WRITE);
	assert_int_equal(count_known(r, m, 5, 5), 5);
	mailbox_close(m);
	m = store_rig_open(rig, "C/b", MAILBOX_WRITE);
	assert_int_equal(count_known(r, m, 5, 5), 5);
	mailbox_close(m);

	/* And with one that is deleted. */
	assert_int_equal(mailbox_delete(rig->account, SPAN("C/b"), NULL), 0);
	assert_int_equal(mailbox_delete(rig->account, SPAN("C"), NULL), 0);
	records_free(r);
	assert_false(table_names(rig, "user-1/"));
	r = records_of(rig);
}

/* Pages whose checksum is wrong: nothing is found, nothing breaks. */
static void
test_damaged(void **state)
{
	struct store_rig *rig = *state;
	CLEANUP(records_free) struct records *r = records_of(rig);
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	char path[128];
	struct stat st;
	FILE *f;

	deliver(rig, 300);
	m = store_rig_open(rig, "INBOX", MAILBOX_WRITE);
	fill(r, m, 300);
	records_free(r);
	(void)snprintf(
	    path, sizeof(path), "%s/aozora/records/table.db", rig->path);
	assert_int_equal(stat(path, &st), 0);
	assert_true(st.st_size > 3 * 16384);
	f = fopen(path, "r+");
	assert_non_null(f);
	for (long at = 2 * 16384 + 100; at < st.st_size; at += 16384) {
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		(void)fputc('!', f);
	}
	assert_int_equal(fclose(f), 0);
	r = records_of(rig);
	assert_int_equal(count_known(r, m, 300, 300), 0);
	assert_int_equal(count_known(r, m, 300, 1), 0);
	records_free(r);
	r = records_of(rig);
	fill(r, m, 300);
	assert_int_equal(count_known(r, m, 300, 300), 300);
}

/* LeakSanitizer asks for it: see test_directory_parts.c. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3.so\n";
}

#define TEST(f)                                                                \
	cmocka_unit_test_setup_teardown(f, store_rig_setup, store_rig_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_put_and_get),
		TEST(test_none),
		TEST(test_other_file),
		TEST(test_sizes),
		TEST(test_full),
		TEST(test_sparse),
		TEST(test_unused),
		TEST(test_threads),
		TEST(test_removed),
		TEST(test_folders),
		TEST(test_damaged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
