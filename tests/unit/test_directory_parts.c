/* SPDX-License-Identifier: BSD-2-Clause */
/* Entries, the cache of them, and the table in Berkeley DB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/db.h"
#include "common/packet.h"
#include "tenants/app_password.h"
#include "tenants/cache.h"
#include "tenants/client.h"
#include "tenants/entry.h"
#include "tenants/ldap_pool.h"

#define LEN(a) (sizeof(a) / sizeof(*(a)))
#define UUID_A "3fcd2f70-36db-4a29-a761-eeee268f9ab0"
#define UUID_B "3fcd2f70-36db-4a29-a761-eeee268f9ab1"

static struct entry *
make(const char *dn, const char *class, const char *uuid, const char *mail)
{
	CLEANUP(buf_fini) struct buf fields = { .max = 4096 };
	struct entry *e = NULL;

	packet_put_str(&fields, ATTR_DN, dn);
	packet_put_str(&fields, ATTR_UUID, uuid);
	packet_put_str(&fields, ATTR_OBJECT_CLASS, "top");
	packet_put_str(&fields, ATTR_OBJECT_CLASS, class);
	packet_put_str(&fields, ATTR_ADDRESS, mail);
	(void)entry_from_fields(buf_span(&fields), "o=hikyaku", &e, NULL);
	return e;
}

static void
test_entry_kinds(void **state)
{
	static const struct {
		const char *dn, *class;
		enum entry_kind kind;
		const char *tenant;
	} rows[] = {
		{ "uid=a,ou=accounts,ou=aozora,ou=tenants,o=hikyaku",
		    "hkAccount", ENTRY_ACCOUNT, "aozora" },
		{ "uid=a,ou=accounts,ou=AOZORA,ou=Tenants,o=Hikyaku",
		    "HKACCOUNT", ENTRY_ACCOUNT, "aozora" },
		{ "ou=aozora,ou=tenants,o=hikyaku", "hkTenant", ENTRY_TENANT,
		    "aozora" },
		{ "uid=a,ou=accounts,ou=aozora,ou=tenants,o=other", "hkAccount",
		    ENTRY_OTHER, "" },
		{ "uid=a,ou=tenants,o=hikyaku", "hkAccount", ENTRY_OTHER, "" },
		{ "ou=tenants,o=hikyaku", "hkTenant", ENTRY_OTHER, "" },
		{ "cn=a,ou=platform,o=hikyaku", "hkActor", ENTRY_ACTOR, "" },
		{ "cn=a,ou=admins,ou=aozora,ou=tenants,o=hikyaku", "hkActor",
		    ENTRY_OTHER, "aozora" },
		{ "uid=a,ou=../x,ou=tenants,o=hikyaku", "hkAccount",
		    ENTRY_OTHER, "" },
		{ "uid=a,ou=-x,ou=tenants,o=hikyaku", "hkAccount", ENTRY_OTHER,
		    "" },
		{ "cn=basic,ou=classes,ou=platform,o=hikyaku",
		    "hkClassOfService", ENTRY_CLASS, "" },
		{ "uid=a,ou=accounts,ou=aozora,ou=tenants,o=hikyaku", "person",
		    ENTRY_OTHER, "aozora" },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(entry_unref)
		struct entry *e =
		    make(rows[i].dn, rows[i].class, UUID_A, "a@a.example");

		assert_non_null(e);
		assert_int_equal(e->kind, rows[i].kind);
		assert_string_equal(e->tenant, rows[i].tenant);
	}
	assert_null(make("uid=a,o=hikyaku", "hkAccount", "short", "a@a"));
	assert_null(make("", "hkAccount", UUID_A, "a@a"));
}

static void
put_apps(const char *const *labels, const char *const *values, unsigned service,
    uint64_t max, const char *expected)
{
	CLEANUP(buf_fini) struct buf fields = { .max = 4096 };
	CLEANUP(buf_fini) struct buf out = { .max = 4096 };
	CLEANUP(buf_fini) struct buf ids = { .max = 4096 };
	CLEANUP(entry_unref) struct entry *e = NULL;
	struct span rest, id, stored;

	packet_put_str(&fields, ATTR_DN,
	    "uid=a,ou=accounts,ou=aozora,ou=tenants,o=hikyaku");
	packet_put_str(&fields, ATTR_UUID, UUID_A);
	for (; *labels != NULL; labels++)
		packet_put_str(&fields, ATTR_APP_LABEL, *labels);
	for (; *values != NULL; values++)
		packet_put_str(&fields, ATTR_APP_PASSWORD, *values);
	assert_int_equal(
	    entry_from_fields(buf_span(&fields), "o=hikyaku", &e, NULL), 0);
	app_passwords_put(e, service, max, &out);
	rest = buf_span(&out);
	while (app_password_next(&rest, &id, &stored)) {
		buf_append(&ids, id);
		buf_append(&ids, stored);
		buf_append_octet(&ids, ';');
	}
	assert_string_equal(buf_str(&ids), expected);
	assert_int_equal(rest.len, 0);
}

static void
test_app_passwords(void **state)
{
	static const char *const labels[] = { "b2 imap,pop3 20260401093000Z x",
		"a1 smtp 20260401093000Z with blanks in it", "c3", "d4 imap",
		" imap 20260401093000Z x", "e5 http 20260401093000Z x",
		"f6 smtp,imap 20260401093000Z ", NULL };
	static const char *const values[] = { "a1 {S}one", "b2 {S}two",
		"b2 {S}three", "x9 {S}four", "c3 {S}x", "d4 {S}x", "e5 {S}x",
		" {S}x", "f6 S", "f6 ", "f6", "{S}x", "f6 {S}five six", NULL };

	(void)state;
	put_apps(labels, values, SERVICE_SMTP, 20, "a1{S}one;f6{S}five six;");
	put_apps(labels, values, SERVICE_IMAP, 20,
	    "b2{S}two;b2{S}three;f6{S}five six;");
	put_apps(labels, values, SERVICE_POP3, 20, "b2{S}two;b2{S}three;");
	put_apps(labels, values, 0, 20, "");
	/* " imap...", "a1", "b2" are the first of the alphabet. */
	put_apps(labels, values, SERVICE_SMTP, 3, "a1{S}one;");
	put_apps(labels, values, SERVICE_IMAP, 2, "");
	put_apps(labels, values, SERVICE_SMTP, 0, "");
}

static void
test_entry_clean(void **state)
{
	static const struct {
		enum entry_attr attr;
		struct span value, cleaned;
	} rows[] = {
		{ ATTR_STATUS, SPAN("active"), SPAN("active") },
		{ ATTR_STATUS, SPAN("active\0x"), SPAN("active?x") },
		{ ATTR_ADDRESS, SPAN("a@b.example\0\r\nBcc: x\x7f"),
		    SPAN("a@b.example???Bcc: x?") },
		{ ATTR_DISPLAY_NAME, SPAN("\xe3\x81\x8b"),
		    SPAN("\xe3\x81\x8b") },
		{ ATTR_TERMS, SPAN("all 1 \r\n"), SPAN("all 1 ??") },
		/* Judged as they stand. */
		{ ATTR_AUTO_REPLY_TEXT, SPAN("a\r\n\tb\0\x1b"),
		    SPAN("a\r\n\tb\0\x1b") },
		{ ATTR_QUARANTINE_RULE, SPAN("1: to=\"\0\""),
		    SPAN("1: to=\"\0\"") },
		{ ATTR_PASSWORD, SPAN("{CLEARTEXT}\0\n"),
		    SPAN("{CLEARTEXT}\0\n") },
		{ ATTR_SECRET, SPAN("\x01"), SPAN("\x01") },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		char value[64];

		memcpy(value, rows[i].value.p, rows[i].value.len);
		entry_clean(rows[i].attr, value, rows[i].value.len);
		assert_int_equal(rows[i].value.len, rows[i].cleaned.len);
		assert_memory_equal(
		    value, rows[i].cleaned.p, rows[i].cleaned.len);
	}
}

static void
test_cache(void **state)
{
	CLEANUP(cache_free) struct cache *c = NULL;
	CLEANUP(entry_unref) struct entry *old = NULL, *new = NULL;
	struct entry *got;
	const struct span key = SPAN("a:a@a.example");
	const struct span none = SPAN("a:b@a.example");
	uint64_t mark;

	(void)state;
	old = make("uid=a,ou=x,ou=a,ou=tenants,o=hikyaku", "hkAccount", UUID_A,
	    "a@a.example");
	new = make("uid=a,ou=x,ou=a,ou=tenants,o=hikyaku", "hkAccount", UUID_A,
	    "new@a.example");
	assert_int_equal(cache_new(1000, 1 << 20, &c, NULL), 0);
	mark = cache_mark(c);
	assert_int_equal(cache_get(c, key, &got), CACHED_NOT);
	cache_put(c, key, old, mark);
	cache_put(c, none, NULL, mark);
	assert_int_equal(cache_get(c, key, &got), CACHED_ENTRY);
	assert_ptr_equal(got, old);
	entry_unref(got);
	assert_int_equal(cache_get(c, none, &got), CACHED_NONE);

	/* A change replaces the entry and forgets every "none". */
	cache_change(c, new);
	assert_int_equal(cache_get(c, key, &got), CACHED_ENTRY);
	assert_ptr_equal(got, new);
	entry_unref(got);
	assert_int_equal(cache_get(c, none, &got), CACHED_NONE_THEN);

	/* What was searched before the change is not remembered after it. */
	cache_put(c, none, NULL, mark);
	cache_put(c, key, old, mark);
	assert_int_equal(cache_get(c, none, &got), CACHED_NONE_THEN);
	assert_int_equal(cache_get(c, key, &got), CACHED_ENTRY);
	assert_ptr_equal(got, new);
	entry_unref(got);

	cache_remove(c, SPAN(UUID_B)); /* somebody else's */
	assert_int_equal(cache_get(c, key, &got), CACHED_ENTRY);
	entry_unref(got);
	cache_remove(c, SPAN(UUID_A));
	assert_int_equal(cache_get(c, key, &got), CACHED_NOT);
}

static void
test_cache_is_bounded(void **state)
{
	CLEANUP(cache_free) struct cache *c = NULL;
	CLEANUP(entry_unref) struct entry *e = NULL;
	struct entry *got;
	char key[32];

	(void)state;
	e = make("uid=a,ou=x,ou=a,ou=tenants,o=hikyaku", "hkAccount", UUID_A,
	    "a@a.example");
	assert_int_equal(cache_new(1000, 1 << 20, &c, NULL), 0);
	cache_put(c, SPAN("kept"), e, cache_mark(c));
	for (unsigned i = 0; i < 10000; i++) {
		(void)snprintf(key, sizeof(key), "key %u", i);
		cache_put(c, span_str(key), i % 2 ? e : NULL, cache_mark(c));
		assert_true(cache_keys(c) <= 1004);
		/* What is asked for again and again stays. */
		assert_int_equal(
		    cache_get(c, SPAN("kept"), &got), CACHED_ENTRY);
		entry_unref(got);
	}
	cache_clear(c);
	assert_int_equal(cache_keys(c), 0);
}

static void
test_filter_escape(void **state)
{
	static const struct {
		struct span value;
		const char *escaped;
	} rows[] = {
		{ { "a.b-c_d+e@x.example", 19 }, "a.b-c_d+e@x.example" },
		{ { "*", 1 }, "\\2a" },
		{ { "a)(uid=*", 8 }, "a\\29\\28uid=\\2a" },
		{ { "\\", 1 }, "\\5c" },
		{ { "\0", 1 }, "\\00" },
		{ { "\xc3\xa9", 2 }, "\\c3\\a9" },
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		CLEANUP(buf_fini) struct buf out = { .max = 100 };

		ldap_filter_escape(rows[i].value, &out);
		assert_string_equal(buf_str(&out), rows[i].escaped);
	}
}

static bool
count_keys(void *arg, struct span key, struct span value)
{
	(void)key;
	(void)value;
	return ++*(unsigned *)arg < 3;
}

static void
test_db(void **state)
{
	char directory[] = "/tmp/hk-db-XXXXXX", path[64], command[64];
	CLEANUP(buf_fini) struct buf value = { .max = 100 };
	struct db *db = NULL, *second = NULL;
	unsigned count = 0;
	struct stat st;
	bool found;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(directory));
	(void)snprintf(path, sizeof(path), "%s/t", directory);
	assert_int_equal(db_open(path, 1024 * 1024, &db, NULL), 0);
	assert_int_equal(db_open(path, 1024 * 1024, &second, NULL), -1);
	assert_int_equal(db_put(db, SPAN("Ka"), SPAN("1"), NULL), 0);
	assert_int_equal(db_put(db, SPAN("Ka"), SPAN("2"), NULL), 0);
	assert_int_equal(db_put(db, SPAN("Kb"), SPAN("3"), NULL), 0);
	assert_int_equal(db_put(db, SPAN("La"), SPAN(""), NULL), 0);
	assert_int_equal(db_get(db, SPAN("Ka"), &value, &found, NULL), 0);
	assert_true(found);
	assert_string_equal(buf_str(&value), "2");
	assert_int_equal(db_each(db, SPAN("K"), count_keys, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(db_delete(db, SPAN("Kb"), NULL), 0);
	assert_int_equal(db_delete(db, SPAN("Kb"), NULL), 0);
	assert_int_equal(db_get(db, SPAN("Kb"), &value, &found, NULL), 0);
	assert_false(found);
	db_close(db);

	/* It is there again, and 0600. */
	assert_int_equal(db_open(path, 1024 * 1024, &db, NULL), 0);
	buf_clear(&value);
	assert_int_equal(db_get(db, SPAN("Ka"), &value, &found, NULL), 0);
	assert_true(found);
	db_close(db);
	(void)snprintf(path, sizeof(path), "%s/t/table.db", directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);

	/* Damage on every page: a new table, and no crash. */
	f = fopen(path, "r+");
	assert_non_null(f);
	for (off_t i = 0; i < st.st_size; i++)
		(void)fputc('x', f);
	assert_int_equal(fclose(f), 0);
	(void)snprintf(path, sizeof(path), "%s/t", directory);
	assert_int_equal(db_open(path, 1024 * 1024, &db, NULL), 0);
	assert_int_equal(db_get(db, SPAN("Ka"), &value, &found, NULL), 0);
	assert_false(found);
	assert_int_equal(db_put(db, SPAN("Ka"), SPAN("4"), NULL), 0);
	db_close(db);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
}

/* A page goes bad under a running process: one error, then a new table. */
static void
test_db_panic(void **state)
{
	static const char filler[1000];
	char directory[] = "/tmp/hk-db-XXXXXX", path[64], command[64], key[16];
	CLEANUP(buf_fini) struct buf value = { .max = 2000 };
	struct db *db = NULL;
	unsigned failed = 0;
	struct stat st;
	bool found = false;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(directory));
	/* Less memory than the table has, so that pages are read again. */
	assert_int_equal(db_open(directory, 64 * 1024, &db, NULL), 0);
	for (unsigned i = 0; i < 2000; i++) {
		(void)snprintf(key, sizeof(key), "%05u", i);
		assert_int_equal(db_put(db, span_str(key),
				     span_of(filler, sizeof(filler)), NULL),
		    0);
	}
	(void)snprintf(path, sizeof(path), "%s/table.db", directory);
	assert_int_equal(stat(path, &st), 0);
	f = fopen(path, "r+");
	assert_non_null(f);
	for (long at = 16384 + 100; at < st.st_size; at += 8192) {
		assert_int_equal(fseek(f, at, SEEK_SET), 0);
		(void)fputc('!', f);
	}
	assert_int_equal(fclose(f), 0);
	for (unsigned i = 0; i < 2000; i++) {
		(void)snprintf(key, sizeof(key), "%05u", i);
		buf_clear(&value);
		failed += db_get(db, span_str(key), &value, &found, NULL) == -1;
	}
	assert_true(failed > 0);
	assert_int_equal(db_put(db, SPAN("a"), SPAN("new"), NULL), 0);
	buf_clear(&value);
	assert_int_equal(db_get(db, SPAN("a"), &value, &found, NULL), 0);
	assert_true(found);
	assert_string_equal(buf_str(&value), "new");
	db_close(db);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	assert_int_equal(system(command), 0);
}

/*
 * LeakSanitizer asks for it: Berkeley DB does not free all of an environment
 * that has panicked, whoever closes it.
 */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3.so\n";
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry_kinds),
		cmocka_unit_test(test_app_passwords),
		cmocka_unit_test(test_entry_clean),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_is_bounded),
		cmocka_unit_test(test_filter_escape),
		cmocka_unit_test(test_db),
		cmocka_unit_test(test_db_panic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
