/* SPDX-License-Identifier: BSD-2-Clause */
/* common/packet and common/file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/packet.h"

static void
test_round_trip(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	struct packet_head head;
	struct span fields, value;
	uint64_t number;
	uint8_t tag;
	char text[8];

	(void)state;
	buf_init(&b, PACKET_MAX);
	packet_begin(&b, (struct packet_head){ 1, 200, 0xfedcba98 });
	packet_put_str(&b, 1, "tenant");
	packet_put_u64(&b, 255, UINT64_MAX - 1);
	packet_put(&b, 2, SPAN("a\0b"));
	packet_put(&b, 3, SPAN_NONE);
	assert_int_equal(buf_check(&b, NULL), 0);

	assert_int_equal(packet_open(buf_span(&b), 1, &head, &fields, NULL), 0);
	assert_int_equal(head.type, 200);
	assert_true(head.serial == 0xfedcba98);
	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_FIELD);
	assert_int_equal(tag, 1);
	assert_true(packet_text(value, text, sizeof(text)));
	assert_string_equal(text, "tenant");
	assert_false(packet_text(value, text, 6));
	assert_false(packet_u64(value, &number));
	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_FIELD);
	assert_int_equal(tag, 255);
	assert_true(packet_u64(value, &number));
	assert_true(number == UINT64_MAX - 1);
	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_FIELD);
	assert_false(packet_text(value, text, sizeof(text)));
	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_FIELD);
	assert_int_equal(value.len, 0);
	assert_true(packet_text(value, text, sizeof(text)));
	assert_string_equal(text, "");
	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_END);
}

static void
test_hostile_packets(void **state)
{
	static const struct {
		struct span in;
		int opens;              /* 0 or -1 */
		enum packet_next first; /* of the first packet_next */
	} rows[] = {
		{ SPAN(""), -1, PACKET_END },
		{ SPAN("\1\2\0\0\0"), -1, PACKET_END },
		{ SPAN("\2\2\0\0\0\0"), -1, PACKET_END },
		{ SPAN("\1\2\0\0\0\0"), 0, PACKET_END },
		{ SPAN("\1\2\0\0\0\0\7"), 0, PACKET_BROKEN },
		{ SPAN("\1\2\0\0\0\0\7\0"), 0, PACKET_BROKEN },
		{ SPAN("\1\2\0\0\0\0\7\0\1"), 0, PACKET_BROKEN },
		{ SPAN("\1\2\0\0\0\0\7\377\377x"), 0, PACKET_BROKEN },
		{ SPAN("\1\2\0\0\0\0\7\0\1x"), 0, PACKET_FIELD },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet_head head;
		struct span fields = SPAN_NONE, value;
		uint8_t tag;
		int opens = packet_open(rows[i].in, 1, &head, &fields, NULL);

		assert_int_equal(opens, rows[i].opens);
		if (opens == 0)
			assert_int_equal(
			    packet_next(&fields, &tag, &value), rows[i].first);
	}
}

static void
test_limits_of_a_packet(void **state)
{
	static char octets[65536];
	CLEANUP(buf_fini) struct buf b;

	(void)state;
	buf_init(&b, PACKET_MAX);
	packet_begin(&b, (struct packet_head){ 1, 1, 1 });
	packet_put(&b, 1, span_of(octets, 65536));
	assert_int_equal(b.failed, ERR_LIMIT);
	packet_begin(&b, (struct packet_head){ 1, 1, 1 });
	packet_put(&b, 1, span_of(octets, PACKET_MAX - 9));
	assert_int_equal(buf_check(&b, NULL), 0);
	packet_put(&b, 2, SPAN_NONE);
	assert_int_equal(b.failed, ERR_LIMIT);
}

static void
socket_pair(int pair[2])
{
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void
test_descriptors_travel(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	int pair[2], fds[4] = { -1, -1, -1, -1 };
	size_t fds_len = 9;
	struct err err = ERR_INIT;

	(void)state;
	buf_init(&b, PACKET_MAX);
	socket_pair(pair);
	assert_int_equal(
	    packet_send(pair[0], SPAN("hello"), pair, 2, 0, NULL), 0);
	assert_int_equal(
	    packet_recv(pair[1], &b, fds, 4, &fds_len, 0, NULL), 0);
	assert_string_equal(buf_str(&b), "hello");
	assert_int_equal(fds_len, 2);
	assert_int_not_equal(fcntl(fds[0], F_GETFD) & FD_CLOEXEC, 0);
	fd_close(fds[0]);
	fd_close(fds[1]);
	fds[1] = -1;
	/* More than were asked for: an error, and none leaks. */
	assert_int_equal(packet_send(pair[0], SPAN("x"), pair, 2, 0, NULL), 0);
	assert_int_equal(
	    packet_recv(pair[1], &b, fds, 1, &fds_len, 0, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_int_equal(fds_len, 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	/* Nothing there, then the peer gone. */
	assert_int_equal(packet_recv(pair[1], &b, NULL, 0, NULL, 10, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(err.os, ETIMEDOUT);
	fd_close(pair[0]);
	assert_int_equal(packet_recv(pair[1], &b, NULL, 0, NULL, -1, &err), -1);
	assert_int_equal(err.kind, ERR_CLOSED);
	assert_int_equal(
	    packet_send(pair[1], SPAN("x"), NULL, 0, -1, &err), -1);
	assert_int_equal(err.kind, ERR_CLOSED);
	fd_close(pair[1]);
}

static void
test_full_socket_times_out(void **state)
{
	static char octets[PACKET_MAX];
	struct err err = ERR_INIT;
	int pair[2], sent = 0;

	(void)state;
	socket_pair(pair);
	while (packet_send(pair[0], span_of(octets, sizeof(octets)), NULL, 0,
		   20, &err) == 0)
		assert_true(++sent < 10000);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(err.os, ETIMEDOUT);
	assert_true(sent > 0);
	fd_close(pair[0]);
	fd_close(pair[1]);
}

/* ---- common/file --- */

static int
temporary_directory(char *path)
{
	assert_non_null(mkdtemp(path));
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
test_beneath_stays_beneath(void **state)
{
	static const struct {
		const char *path;
		int os; /* 0: opens */
	} rows[] = {
		{ "sub/file", 0 },
		{ "sub/../sub/file", 0 },
		{ "sub/../../etc/passwd", EXDEV },
		{ "/etc/passwd", EXDEV },
		{ "out/passwd", ELOOP },
		{ "in", ELOOP },
		{ "sub/none", ENOENT },
	};
	char path[] = "/tmp/hk-unit-XXXXXX";
	CLEANUP(fd_close) int dir = temporary_directory(path);
	char command[64];

	(void)state;
	assert_int_equal(mkdirat(dir, "sub", 0700), 0);
	assert_int_equal(symlinkat("/etc", dir, "out"), 0);
	assert_int_equal(symlinkat("sub/file", dir, "in"), 0);
	fd_close(file_open_beneath(
	    dir, "sub/file", O_CREAT | O_EXCL | O_WRONLY, 0600, NULL));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err err = ERR_INIT;
		int fd =
		    file_open_beneath(dir, rows[i].path, O_RDONLY, 0, &err);

		assert_int_equal(fd == -1, rows[i].os != 0);
		assert_int_equal(err.os, rows[i].os);
		fd_close(fd);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}

static void
test_read_and_replace(void **state)
{
	char path[] = "/tmp/hk-unit-XXXXXX", command[64], file[64];
	CLEANUP(fd_close) int dir = temporary_directory(path);
	CLEANUP(buf_fini) struct buf b;
	struct err err = ERR_INIT;
	struct stat st;

	(void)state;
	(void)snprintf(file, sizeof(file), "%s/f", path);
	buf_init(&b, 5);
	assert_int_equal(file_read(file, &b, &err), -1);
	assert_int_equal(err.os, ENOENT);
	assert_int_equal(file_replace(dir, "f", SPAN("1234"), 0600, NULL), 0);
	assert_int_equal(file_replace(dir, "f", SPAN("12345"), 0600, NULL), 0);
	assert_int_equal(fstatat(dir, "f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_read(file, &b, NULL), 0);
	assert_string_equal(buf_str(&b), "12345");
	buf_clear(&b);
	assert_int_equal(file_replace(dir, "f", SPAN("123456"), 0600, NULL), 0);
	assert_int_equal(file_read(file, &b, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	/* A directory in the way: the old name stays and no draft is left. */
	assert_int_equal(mkdirat(dir, "d", 0700), 0);
	assert_int_equal(file_replace(dir, "d", SPAN("x"), 0600, NULL), -1);
	(void)snprintf(
	    command, sizeof(command), "test $(ls -A %s | wc -l) = 2", path);
	assert_int_equal(system(command), 0);
	(void)snprintf(command, sizeof(command), "rm -r %s", path);
	assert_int_equal(system(command), 0);
}

static void
test_memfd_is_sealed(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	CLEANUP(fd_close) int fd = -1;

	(void)state;
	assert_int_equal(file_memfd("x", SPAN("secret"), &fd, NULL), 0);
	assert_int_equal(write(fd, "y", 1), -1);
	assert_int_equal(ftruncate(fd, 0), -1);
	buf_init(&b, 100);
	assert_int_equal(file_read_fd(fd, &b, NULL), 0);
	assert_string_equal(buf_str(&b), "secret");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_hostile_packets),
		cmocka_unit_test(test_limits_of_a_packet),
		cmocka_unit_test(test_descriptors_travel),
		cmocka_unit_test(test_full_socket_times_out),
		cmocka_unit_test(test_beneath_stays_beneath),
		cmocka_unit_test(test_read_and_replace),
		cmocka_unit_test(test_memfd_is_sealed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
