/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scanners that die, hang and are replaced; signatures that are missing,
 * broken, changed.  With libclamav and signatures of our own.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include <cmocka.h>

#include "common/cleanup.h"
#include "common/file.h"
#include "common/log.h"
#include "milters/scan.h"

#define MARKER "OWN-AV-TEST-MARKER-7781"

struct rig {
	char root[64], signatures[96], scratch[96];
	struct counters counters;
	struct scan_options options;
	struct scan_pool *pool;
};

static void
write_file(const char *directory, const char *name, const char *text)
{
	CLEANUP(fd_close)
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err = ERR_INIT;

	assert_int_not_equal(dir, -1);
	assert_int_equal(
	    file_replace(dir, name, span_str(text), 0644, &err), 0);
}

static void
signature_for(const char *directory, const char *name, const char *marker)
{
	char line[512];
	size_t len = (size_t)snprintf(line, sizeof(line), "Own.%s:0:*:", name);

	for (; *marker != '\0'; marker++)
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%02x",
		    (unsigned char)*marker);
	(void)snprintf(line + len, sizeof(line) - len, "\n");
	(void)snprintf(line + 400, 100, "%s.ndb", name);
	write_file(directory, line + 400, line);
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->root, "/tmp/hk-scan-XXXXXX");
	if (mkdtemp(r->root) == NULL)
		return -1;
	(void)snprintf(
	    r->signatures, sizeof(r->signatures), "%s/signatures", r->root);
	(void)snprintf(r->scratch, sizeof(r->scratch), "%s/scratch", r->root);
	if (mkdir(r->signatures, 0755) == -1 || mkdir(r->scratch, 0700) == -1)
		return -1;
	r->options = (struct scan_options){
		.signatures = r->signatures,
		.scratch = r->scratch,
		.counters = &r->counters,
		.limits = { .file_max = 1 << 20,
		    .total_max = 4 << 20,
		    .depth_max = 10,
		    .files_max = 100,
		    .time_ms = 1000,
		    .memory_max = 256 << 20,
		    .check_s = 1,
		    .scanners = 1 },
	};
	*state = r;
	return 0;
}

static void
rig_start(struct rig *r)
{
	struct err err = ERR_INIT;

	assert_int_equal(scan_pool_new(&r->options, &r->pool, &err), 0);
	assert_int_equal(scan_pool_start(r->pool, &err), 0);
}

static int
teardown(void **state)
{
	struct rig *r = *state;
	char command[128];

	scan_pool_free(r->pool);
	(void)snprintf(command, sizeof(command), "rm -rf %s", r->root);
	free(r);
	return system(command);
}

static enum scan_result
scan(struct rig *r, const char *text, struct scan_answer *answer)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;

	assert_int_equal(file_memfd("mail", span_str(text), &fd, &err), 0);
	scan_pool_scan(r->pool, fd, strlen(text), answer);
	return (enum scan_result)answer->result;
}

static void
nap(void)
{
	struct timespec t = { .tv_nsec = 20 * 1000 * 1000 };

	(void)nanosleep(&t, NULL);
}

static uint64_t
counter(const struct rig *r, enum counter which)
{
	return atomic_load(&r->counters.value[which]);
}

/* The scanner of this rig: by its scratch directory's name, "ENGINE-SLOT",
 * it is a child of ENGINE. */
static pid_t
scanner_pid(const struct rig *r)
{
	DIR *dir = opendir(r->scratch);
	const struct dirent *e;
	long engine = 0;
	pid_t found = 0;
	char path[64];
	FILE *children;

	assert_non_null(dir);
	while ((e = readdir(dir)) != NULL)
		if (e->d_name[0] != '.' && strtol(e->d_name, NULL, 10) > engine)
			engine = strtol(e->d_name, NULL, 10);
	(void)closedir(dir);
	(void)snprintf(
	    path, sizeof(path), "/proc/%ld/task/%ld/children", engine, engine);
	children = fopen(path, "re");
	if (children != NULL) {
		long pid = 0;

		if (fscanf(children, "%ld", &pid) == 1)
			found = (pid_t)pid;
		(void)fclose(children);
	}
	return found;
}

static void
test_answers(void **state)
{
	struct rig *r = *state;
	struct scan_answer a;
	CLEANUP(mem_free) char *large = malloc((1 << 20) + 200);

	signature_for(r->signatures, "Marker", MARKER);
	rig_start(r);
	assert_int_equal(
	    scan(r, "Subject: x\r\n\r\nhello\r\n", &a), SCAN_CLEAN);
	assert_int_equal(
	    scan(r, "Subject: x\r\n\r\n" MARKER "\r\n", &a), SCAN_INFECTED);
	assert_string_equal(a.name, "Own.Marker.UNOFFICIAL");
	assert_int_equal(scan(r, "", &a), SCAN_CLEAN);
	/* A message over the limit has no name in libclamav. */
	assert_non_null(large);
	memset(large, 'x', (1 << 20) + 100);
	strcpy(large + (1 << 20) + 100, MARKER);
	assert_int_equal(scan(r, large, &a), SCAN_UNSCANNABLE);
	assert_string_equal(a.name, "Heuristics.Limits.Exceeded.MaxFileSize");
	assert_int_equal(counter(r, COUNTER_SIGNATURES), 1);
	assert_int_equal(counter(r, COUNTER_SCANNERS_LOST), 0);
}

static void
test_dead_and_hanging_scanners(void **state)
{
	struct rig *r = *state;
	struct scan_answer a;
	pid_t before;

	signature_for(r->signatures, "Marker", MARKER);
	rig_start(r);
	assert_int_equal(scan(r, MARKER, &a), SCAN_INFECTED);
	before = scanner_pid(r);
	assert_int_not_equal(before, 0);
	assert_int_equal(kill(before, SIGKILL), 0);
	/* The next one waits for its successor. */
	assert_int_equal(scan(r, MARKER, &a), SCAN_INFECTED);
	assert_int_not_equal(scanner_pid(r), before);
	assert_int_equal(counter(r, COUNTER_SCANNERS_LOST), 1);

	before = scanner_pid(r);
	assert_int_equal(kill(before, SIGSTOP), 0);
	assert_int_equal(scan(r, MARKER, &a), SCAN_FAILED);
	assert_string_equal(a.name, "the scanner hangs");
	assert_int_equal(scan(r, MARKER, &a), SCAN_INFECTED);
	assert_int_not_equal(scanner_pid(r), before);
	assert_int_equal(counter(r, COUNTER_SCANNERS_LOST), 2);
}

static void
test_no_signatures_then_some_then_broken_ones(void **state)
{
	struct rig *r = *state;
	struct scan_answer a;

	rig_start(r);
	assert_int_equal(scan(r, MARKER, &a), SCAN_FAILED);
	assert_int_equal(strncmp(a.name, "no signatures: ", 15), 0);
	assert_int_equal(counter(r, COUNTER_SIGNATURES), 0);
	signature_for(r->signatures, "Marker", MARKER);
	scan_pool_reload(r->pool);
	while (counter(r, COUNTER_SIGNATURES) == 0)
		nap();
	assert_int_equal(scan(r, MARKER, &a), SCAN_INFECTED);

	/* Broken ones: the old stay in force. */
	write_file(r->signatures, "broken.ndb", "no signature\n");
	scan_pool_reload(r->pool);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(scan(r, MARKER, &a), SCAN_INFECTED);
		nap();
	}
	assert_int_equal(counter(r, COUNTER_SIGNATURES), 1);

	/* A removed and an added one are seen without being told. */
	(void)snprintf(a.name, sizeof(a.name), "%s/broken.ndb", r->signatures);
	assert_int_equal(unlink(a.name), 0);
	signature_for(r->signatures, "Second", "SECOND-MARKER-1234");
	while (counter(r, COUNTER_SIGNATURES) < 2)
		nap();
	assert_int_equal(scan(r, "SECOND-MARKER-1234", &a), SCAN_INFECTED);
	assert_int_equal(counter(r, COUNTER_SCANNERS_LOST), 0);
}

static void
test_words_of_clamd(void **state)
{
	static const struct {
		const char *line;
		enum scan_result result;
		const char *name;
	} rows[] = {
		{ "fd[10]: OK", SCAN_CLEAN, "" },
		{ "fd[10]: Eicar-Test FOUND", SCAN_INFECTED, "Eicar-Test" },
		{ "fd[9]: Heuristics.Limits.Exceeded.MaxFiles FOUND",
		    SCAN_UNSCANNABLE, "Heuristics.Limits.Exceeded.MaxFiles" },
		{ "fd[9]: Heuristics.Encrypted.Zip FOUND", SCAN_UNSCANNABLE,
		    "Heuristics.Encrypted.Zip" },
		{ "fd[9]: Can't allocate memory ERROR", SCAN_FAILED,
		    "Can't allocate memory ERROR" },
		{ "", SCAN_FAILED, "clamd gave no answer" },
		{ "OK", SCAN_FAILED, "OK" },
		{ "fd[9]: A\r\nB FOUND", SCAN_INFECTED, "A??B" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scan_answer a;

		scan_clamd_answer(span_str(rows[i].line), &a);
		assert_int_equal(a.result, rows[i].result);
		assert_string_equal(a.name, rows[i].name);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_dead_and_hanging_scanners, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_no_signatures_then_some_then_broken_ones, setup,
		    teardown),
		cmocka_unit_test(test_words_of_clamd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
