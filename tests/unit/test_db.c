/* SPDX-License-Identifier: BSD-2-Clause */
/* common/db: many records at once, files that go, a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/db.h"
#include "common/log.h"

#define STRETCH ((size_t)64 * 1024)

struct rig {
	char directory[32];
	struct db *db;
};

static const struct db_options options = { .cache_octets = 256 * 1024,
	.page_octets = 4096,
	.log_file_octets = 256 * 1024,
	.log_buffer_octets = 32 * 1024,
	.disposable = true };

static int
setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	assert_non_null(rig);
	(void)snprintf(
	    rig->directory, sizeof(rig->directory), "/tmp/hk-bulk-XXXXXX");
	assert_non_null(mkdtemp(rig->directory));
	assert_int_equal(
	    db_open_tuned(rig->directory, &options, &rig->db, NULL), 0);
	*state = rig;
	return 0;
}

static void
remove_files(const char *directory)
{
	char path[320];
	const struct dirent *entry;
	DIR *dir = opendir(directory);

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(
		    path, sizeof(path), "%s/%s", directory, entry->d_name);
		assert_int_equal(unlink(path), 0);
	}
	(void)closedir(dir);
}

static int
teardown(void **state)
{
	struct rig *rig = *state;

	db_close(rig->db);
	remove_files(rig->directory);
	assert_int_equal(rmdir(rig->directory), 0);
	free(rig);
	return 0;
}

static struct span
key_text(unsigned n, char text[16])
{
	(void)snprintf(text, 16, "k%06u", n);
	return span_of(text, 7);
}

/* Writes keys from (0) up to count in batches; each value is its key. */
static void
write_keys(struct db *db, unsigned count)
{
	CLEANUP(db_batch_fini) struct db_batch b;
	char text[16];

	assert_int_equal(db_batch_init(&b, 16384, NULL), 0);
	for (unsigned i = 0; i < count; i++) {
		struct span key = key_text(i, text);
		char *to = db_batch_add(&b, key, key.len);

		if (to == NULL) {
			assert_true(b.count > 100);
			assert_int_equal(db_batch_write(db, &b, NULL), 0);
			assert_int_equal(b.count, 0);
			to = db_batch_add(&b, key, key.len);
		}
		assert_non_null(to);
		memcpy(to, key.p, key.len);
	}
	assert_int_equal(db_batch_write(db, &b, NULL), 0);
	/* An empty batch is no transaction. */
	assert_int_equal(db_batch_write(db, &b, NULL), 0);
}

static unsigned
count_from(struct db *db, struct span from)
{
	CLEANUP(db_stretch_fini) struct db_stretch s;
	struct span key, value;
	char last[16] = "";
	unsigned count = 0, here;

	assert_int_equal(db_stretch_init(&s, STRETCH, NULL), 0);
	do {
		assert_int_equal(db_read(db, from, &s, NULL), 0);
		for (here = 0; db_stretch_next(&s, &key, &value); here++) {
			assert_true(span_eq(key, value));
			assert_true(key.len < sizeof(last) - 1);
			assert_true(memcmp(last, key.p, key.len) < 0);
			memcpy(last, key.p, key.len);
			last[key.len] = '\0';
		}
		count += here;
		/* On with the first key behind the last one. */
		from = span_of(last, strlen(last) + 1);
	} while (here > 0);
	return count;
}

static struct span
every_third(const void *arg, size_t i)
{
	static char text[16];

	(void)arg;
	return key_text((unsigned)i * 3, text);
}

static void
test_many(void **state)
{
	struct rig *rig = *state;
	struct db *db = rig->db;
	char text[16];

	assert_int_equal(count_from(db, SPAN("")), 0);
	write_keys(db, 10000);
	assert_int_equal(count_from(db, SPAN("")), 10000);
	assert_int_equal(count_from(db, key_text(9990, text)), 10);
	assert_int_equal(count_from(db, SPAN("k9")), 0);
	/* Again over what is there. */
	write_keys(db, 10000);
	assert_int_equal(count_from(db, SPAN("")), 10000);

	/* Some of them, of which some are not there any more. */
	assert_int_equal(db_delete_many(db, every_third, NULL, 100, NULL), 0);
	assert_int_equal(db_delete_many(db, every_third, NULL, 200, NULL), 0);
	assert_int_equal(count_from(db, SPAN("")), 9800);
	assert_int_equal(db_delete_prefix(db, SPAN("k001"), NULL), 0);
	assert_int_equal(count_from(db, SPAN("")), 8800);
	assert_int_equal(db_delete_prefix(db, SPAN("none"), NULL), 0);
	assert_int_equal(count_from(db, SPAN("")), 8800);
}

static void
test_large_record(void **state)
{
	static char large[STRETCH];
	struct rig *rig = *state;
	CLEANUP(db_stretch_fini) struct db_stretch s;
	CLEANUP(db_batch_fini) struct db_batch b;
	struct span key, value;

	/* What fits no batch is refused, the batch goes on. */
	assert_int_equal(db_batch_init(&b, 16384, NULL), 0);
	assert_null(db_batch_add(&b, SPAN("a"), 16384));
	assert_non_null(db_batch_add(&b, SPAN("a"), 0));
	assert_int_equal(db_batch_write(rig->db, &b, NULL), 0);
	assert_int_equal(
	    db_put(rig->db, SPAN("b"), span_of(large, sizeof(large)), NULL), 0);
	/* One that fits no stretch ends it. */
	assert_int_equal(db_stretch_init(&s, STRETCH, NULL), 0);
	assert_int_equal(db_read(rig->db, SPAN(""), &s, NULL), 0);
	assert_true(db_stretch_next(&s, &key, &value));
	assert_true(span_eq(key, SPAN("a")));
	assert_int_equal(value.len, 0);
	assert_false(db_stretch_next(&s, &key, &value));
	assert_int_equal(db_read(rig->db, SPAN("b"), &s, NULL), 0);
	assert_false(db_stretch_next(&s, &key, &value));
}

static void
test_compact(void **state)
{
	struct rig *rig = *state;
	uint64_t before, after;

	write_keys(rig->db, 30000);
	db_checkpoint(rig->db);
	assert_int_equal(db_delete_prefix(rig->db, SPAN("k0"), NULL), 0);
	assert_int_equal(db_octets(rig->db, &before, NULL), 0);
	assert_int_equal(db_compact(rig->db, NULL), 0);
	assert_int_equal(db_octets(rig->db, &after, NULL), 0);
	assert_true(after < before / 2);
}

/* Somebody removes the files of a running process. */
static void
test_removed(void **state)
{
	struct rig *rig = *state;
	struct stat st;
	char path[64];

	write_keys(rig->db, 1000);
	remove_files(rig->directory);
	(void)snprintf(path, sizeof(path), "%s/LOCK", rig->directory);
	assert_int_equal(stat(path, &st), -1);
	db_checkpoint(rig->db);
	assert_int_equal(stat(path, &st), 0);
	/* It holds the new LOCK, and works. */
	struct db *second = NULL;
	assert_int_equal(
	    db_open_tuned(rig->directory, &options, &second, NULL), -1);
	assert_int_equal(count_from(rig->db, SPAN("")), 0);
	write_keys(rig->db, 1000);
	assert_int_equal(count_from(rig->db, SPAN("")), 1000);

	/* The directory with them. */
	remove_files(rig->directory);
	assert_int_equal(rmdir(rig->directory), 0);
	db_checkpoint(rig->db);
	write_keys(rig->db, 1000);
	assert_int_equal(count_from(rig->db, SPAN("")), 1000);
	assert_int_equal(stat(path, &st), 0);
}

/* Damaged files of a disposable table are removed, not kept. */
static void
test_damaged(void **state)
{
	struct rig *rig = *state;
	char path[64];
	struct stat st;
	FILE *f;
	DIR *dir;
	const struct dirent *entry;

	write_keys(rig->db, 1000);
	db_close(rig->db);
	rig->db = NULL;
	(void)snprintf(path, sizeof(path), "%s/table.db", rig->directory);
	assert_int_equal(stat(path, &st), 0);
	f = fopen(path, "r+");
	assert_non_null(f);
	for (off_t i = 0; i < st.st_size; i++)
		(void)fputc('x', f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(
	    db_open_tuned(rig->directory, &options, &rig->db, NULL), 0);
	assert_int_equal(count_from(rig->db, SPAN("")), 0);
	dir = opendir(rig->directory);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		assert_null(strstr(entry->d_name, "broken"));
	(void)closedir(dir);
}

/* LeakSanitizer asks for it: see test_directory_parts.c. */
const char *__lsan_default_suppressions(void);
const char *
__lsan_default_suppressions(void)
{
	return "leak:libdb-5.3.so\n";
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_large_record, setup, teardown),
		cmocka_unit_test_setup_teardown(test_compact, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
