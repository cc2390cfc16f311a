/* SPDX-License-Identifier: BSD-2-Clause */
/* common/log: form, escaping, limits; common/counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/counters.h"
#include "common/file.h"
#include "common/log.h"

/* Points the log at a file in memory; read back through *fd_out. */
static void
log_to_memory(int *fd_out, enum log_level level)
{
	int fd = memfd_create("log", MFD_CLOEXEC), own;

	assert_int_not_equal(fd, -1);
	own = dup(fd);
	assert_int_not_equal(fcntl(own, F_SETFL, O_APPEND), -1);
	assert_int_equal(log_open("test", LOG_TO_FILE, own, level, NULL), 0);
	*fd_out = fd;
}

static void
log_text(int fd, struct buf *out)
{
	assert_int_not_equal(lseek(fd, 0, SEEK_SET), -1);
	buf_init(out, 1 << 22);
	assert_int_equal(file_read_fd(fd, out, NULL), 0);
}

static void
test_line_has_the_documented_form(void **state)
{
	static const char form[] =
	    "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}"
	    "[+-][0-9]{2}:[0-9]{2} test\\[[0-9]+\\] notice: message accepted "
	    "id=4bQm2z7k1Cx tenant=aozora account=hanako@aozora\\.example "
	    "client=192\\.0\\.2\\.1:4711 queue_id=q1 octets=4096 delta=-3 "
	    "reverse_path=\"a@example\\.org\"\n$";
	struct log log = { .id = { "4bQm2z7k1Cx" },
		.tenant = "aozora",
		.account = "hanako@aozora.example",
		.client = "192.0.2.1:4711" };
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;
	regex_t re;

	(void)state;
	log_to_memory(&fd, LOG_LEVEL_INFO);
	log_notice(&log, "message accepted", log_str("queue_id", "q1"),
	    log_u64("octets", 4096), log_i64("delta", -3),
	    log_span("reverse_path", SPAN("a@example.org")));
	log_debug(&log, "not wanted");
	log_text(fd, &text);
	assert_int_equal(regcomp(&re, form, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, buf_str(&text), 0, NULL, 0) != 0)
		fail_msg("%s", buf_str(&text));
	regfree(&re);
	assert_true(log_wants(LOG_LEVEL_INFO));
	assert_false(log_wants(LOG_LEVEL_DEBUG));
}

static void
test_values_cannot_forge_a_line(void **state)
{
	static const struct {
		struct span in;
		const char *span, *str;
	} rows[] = {
		{ SPAN("plain"), "\"plain\"", "plain" },
		{ SPAN(""), "\"\"", "\"\"" },
		{ SPAN("a b"), "\"a b\"", "\"a b\"" },
		{ SPAN("a=b"), "\"a=b\"", "\"a=b\"" },
		{ SPAN("a\"b\\c"), "\"a\\\"b\\\\c\"", "\"a\\\"b\\\\c\"" },
		{ SPAN("x\r\n2026 smtpd[1]: error: forged"),
		    "\"x\\r\\n2026 smtpd[1]: error: forged\"",
		    "\"x\\r\\n2026 smtpd[1]: error: forged\"" },
		{ SPAN("\t\x1b[31m\x7f"), "\"\\t\\x1b[31m\\x7f\"",
		    "\"\\t\\x1b[31m\\x7f\"" },
		/* C1 controls and right-to-left marks are octets to us. */
		{ SPAN("\xc2\x9b\xe2\x80\xae"), "\"\\xc2\\x9b\\xe2\\x80\\xae\"",
		    "\"\\xc2\\x9b\\xe2\\x80\\xae\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP(buf_fini) struct buf text;
		CLEANUP(fd_close) int fd = -1;
		char want[300];

		log_to_memory(&fd, LOG_LEVEL_INFO);
		log_info(&log_process, "row", log_span("a", rows[i].in),
		    log_str("b", rows[i].in.p), log_span("nul", SPAN("a\0b")));
		log_text(fd, &text);
		(void)snprintf(want, sizeof(want),
		    "info: row a=%s b=%s nul=\"a\\x00b\"\n", rows[i].span,
		    rows[i].str);
		if (!span_ends(buf_span(&text), span_str(want)))
			fail_msg("row %zu: %s", i, buf_str(&text));
	}
}

static void
test_context_is_escaped_too(void **state)
{
	struct log log = { .account = "x\ny" };
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;

	(void)state;
	log_to_memory(&fd, LOG_LEVEL_INFO);
	log_info(&log, "login refused");
	log_text(fd, &text);
	assert_true(span_ends(
	    buf_span(&text), SPAN("login refused account=\"x\\ny\"\n")));
}

static void
test_long_values_and_lines_are_cut(void **state)
{
	static char long_value[5000];
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;
	struct span s = { long_value, sizeof(long_value) };

	(void)state;
	memset(long_value, 1, sizeof(long_value));
	log_to_memory(&fd, LOG_LEVEL_INFO);
	log_info(&log_process, "one", log_span("a", s), log_u64("z", 1));
	log_text(fd, &text);
	assert_true(span_ends(buf_span(&text), SPAN("\\x01\\x01...\" z=1\n")));
	log_info(&log_process, "many", log_span("a", s), log_span("b", s),
	    log_span("c", s), log_u64("z", 1));
	buf_fini(&text);
	log_text(fd, &text);
	assert_true(span_ends(buf_span(&text), SPAN(" ...\n")));
	assert_true(text.len < 2 * 4096);
	for (size_t i = 0; i + 1 < text.len; i++)
		assert_false(
		    ascii_is(text.data[i], ASCII_CTL) && text.data[i] != '\n');
}

static void
test_error_field_names_origin(void **state)
{
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;

	(void)state;
	errno = ENOSPC;
	(void)err_set_at(&err, ERR_TEMP, ENOSPC, "/usr/src/hk/store/draft.c",
	    12, "fsync \"%s\"", "draft");
	log_to_memory(&fd, LOG_LEVEL_ERROR);
	log_error(&log_process, "delivery failed", log_err(&err));
	log_text(fd, &text);
	assert_true(span_ends(buf_span(&text),
	    SPAN("error: delivery failed error=temp errno=ENOSPC "
		 "text=\"fsync \\\"draft\\\"\" at=store/draft.c:12\n")));
	err.file = "x.c";
	err.os = 0;
	log_error(&log_process, "again", log_err(&err));
	buf_fini(&text);
	log_text(fd, &text);
	assert_true(span_ends(buf_span(&text), SPAN(" at=x.c:12\n")));
}

static void
test_ids(void **state)
{
	struct log_id a = log_id_new(), b = log_id_new();

	(void)state;
	assert_int_equal(strlen(a.text), LOG_ID_MAX);
	assert_true(ascii_all(span_str(a.text), ASCII_ALPHA | ASCII_DIGIT));
	assert_string_not_equal(a.text, b.text);
	assert_string_equal(log_id_of(span_str(a.text)).text, a.text);
	assert_string_not_equal(
	    log_id_of(SPAN("0123456789\n")).text, "0123456789\n");
	assert_int_equal(strlen(log_id_of(SPAN("short")).text), LOG_ID_MAX);
}

static void *
write_lines(void *arg)
{
	struct span s = span_str(arg);

	for (int i = 0; i < 200; i++)
		log_info(&log_process, "t", log_span("v", s));
	return NULL;
}

static void
test_threads_do_not_mix_lines(void **state)
{
	static char a[400], b[400];
	CLEANUP(buf_fini) struct buf text;
	CLEANUP(fd_close) int fd = -1;
	pthread_t one, two;
	struct span rest, line;
	unsigned lines = 0;

	(void)state;
	memset(a, 'a', sizeof(a) - 1);
	memset(b, 'b', sizeof(b) - 1);
	log_to_memory(&fd, LOG_LEVEL_INFO);
	assert_int_equal(pthread_create(&one, NULL, write_lines, a), 0);
	assert_int_equal(pthread_create(&two, NULL, write_lines, b), 0);
	(void)pthread_join(one, NULL);
	(void)pthread_join(two, NULL);
	log_text(fd, &text);
	rest = buf_span(&text);
	while (span_take_until(&rest, '\n', &line)) {
		char c = line.p[line.len - 2];

		lines++;
		assert_int_equal(line.len - (size_t)span_index(line, '"'), 401);
		for (size_t i = line.len - 400; i < line.len - 1; i++)
			assert_int_equal(line.p[i], c);
	}
	assert_int_equal(lines, 400);
}

static void
test_counters_are_shared(void **state)
{
	CLEANUP(fd_close) int fd = -1;
	struct counters *one, *two;

	(void)state;
	assert_int_equal(counters_create(&fd, NULL), 0);
	assert_int_equal(counters_map(fd, &one, NULL), 0);
	assert_int_equal(counters_map(fd, &two, NULL), 0);
	counter_add(one, COUNTER_SESSIONS, 3);
	counter_sub(two, COUNTER_SESSIONS, 1);
	counter_add(NULL, COUNTER_LOGINS, 1);
	assert_int_equal(two->value[COUNTER_SESSIONS], 2);
	assert_int_equal(two->count, COUNTER_END);
	/* The writer cannot shrink it under the reader. */
	assert_int_equal(ftruncate(fd, 0), -1);
	counters_unmap(one);
	counters_unmap(two);
	for (int c = 0; c < COUNTER_END; c++) {
		assert_non_null(counter_name((enum counter)c));
		assert_non_null(counter_help((enum counter)c));
		assert_int_equal(counter_is_gauge((enum counter)c),
		    !span_ends(span_str(counter_name((enum counter)c)),
			SPAN("_total")));
	}
}

static void
test_small_memory_is_no_counters(void **state)
{
	CLEANUP(fd_close) int fd = memfd_create("small", MFD_CLOEXEC);
	struct counters *c = NULL;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(counters_map(fd, &c, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_null(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_line_has_the_documented_form),
		cmocka_unit_test(test_values_cannot_forge_a_line),
		cmocka_unit_test(test_context_is_escaped_too),
		cmocka_unit_test(test_long_values_and_lines_are_cut),
		cmocka_unit_test(test_error_field_names_origin),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_threads_do_not_mix_lines),
		cmocka_unit_test(test_counters_are_shared),
		cmocka_unit_test(test_small_memory_is_no_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
