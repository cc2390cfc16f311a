/* SPDX-License-Identifier: BSD-2-Clause */
/* common/conn: output, backpressure, and the end of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "tests/unit/rig.h"
#include "tests/unit/tls_rig.h"

#define FILE_OCTETS (3 * 1024 * 1024 + 77)

/* A file whose octet at n is known. */
static int
known_file(size_t len)
{
	int fd = memfd_create("known", MFD_CLOEXEC);
	char *octets = malloc(len);
	size_t i;

	assert_non_null(octets);
	for (i = 0; i < len; i++)
		octets[i] = (char)(i * 7 + i / 4096);
	assert_int_equal(write(fd, octets, len), (ssize_t)len);
	free(octets);
	return fd;
}

static char
known_octet(size_t i)
{
	return (char)(i * 7 + i / 4096);
}

/* A connected pair over TCP on loopback. */
static void
tcp_pair(int *server_out, int *client_out)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(
	    bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(
	    getsockname(listener, (struct sockaddr *)&address, &len), 0);
	*client_out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
	    connect(*client_out, (struct sockaddr *)&address, len), 0);
	*server_out = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(*server_out >= 0);
	(void)close(listener);
}

/* ---- files among text ----------------------------------------------- */

static enum verdict
serve_file(struct probe *p, struct conn *c)
{
	struct span line;

	if (conn_take_line(c, false, &line) == TAKE_MORE)
		return VERDICT_PARK;
	conn_write(c, SPAN("<"));
	assert_int_equal(
	    conn_write_file(c, p->fd, 1, FILE_OCTETS - 1, NULL), 0);
	conn_write(c, SPAN("-"));
	assert_int_equal(conn_write_file(c, p->fd, 5, 0, NULL), 0);
	assert_int_equal(conn_write_file(c, p->fd, 0, 2, NULL), 0);
	conn_write(c, SPAN(">"));
	(void)close(p->fd); /* the queue has its own */
	return VERDICT_CLOSE;
}

static void
expect_octet(struct buf *got, size_t at, char wanted)
{
	if (got->data[at] != wanted)
		fail_msg("octet %zu is wrong", at);
}

static void
check_file(struct buf *got)
{
	size_t i;

	assert_int_equal(got->len, 1 + FILE_OCTETS - 1 + 1 + 2 + 1);
	expect_octet(got, 0, '<');
	for (i = 1; i < FILE_OCTETS; i++)
		expect_octet(got, i, known_octet(i));
	expect_octet(got, FILE_OCTETS, '-');
	expect_octet(got, FILE_OCTETS + 1, known_octet(0));
	expect_octet(got, FILE_OCTETS + 2, known_octet(1));
	expect_octet(got, FILE_OCTETS + 3, '>');
}

static void
test_file_clear(void **state)
{
	CLEANUP(buf_fini) struct buf got;
	struct rig rig;
	struct probe *p;
	ssize_t part;
	int fd;

	(void)state;
	buf_init(&got, 1 << 24);
	rig_start(&rig, 2, 2);
	p = probe_new(&rig, serve_file);
	fd = p->fd = known_file(FILE_OCTETS);
	probe_send(p, SPAN("go\r\n"));
	for (;;) {
		char *room = buf_reserve(&got, 100000);

		part = recv(p->client, room, 100000, 0);
		if (part <= 0)
			break;
		buf_commit(&got, (size_t)part);
	}
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	check_file(&got);
	probe_free(p);
	rig_stop(&rig);
}

static void
test_file_tls(void **state)
{
	struct tls_client_options options = { .name = "mail.example" };
	CLEANUP(buf_fini) struct buf got, pem;
	struct tls_client t;
	struct rig rig;
	struct probe *p;
	int part;

	(void)state;
	buf_init(&got, 1 << 24);
	buf_init(&pem, 1 << 16);
	pem_add(&pem, "EC", "mail.example");
	rig_start(&rig, 2, 2);
	rig.options.tls = tls_for("imap", buf_span(&pem), NULL);
	p = probe_new(&rig, serve_file);
	p->fd = known_file(FILE_OCTETS);
	assert_true(tls_client_start(&t, p->client, &options));
	tls_client_send(&t, "go\r\n");
	for (;;) {
		char *room = buf_reserve(&got, 20000);

		part = SSL_read(t.ssl, room, 20000);
		if (part <= 0)
			break;
		buf_commit(&got, (size_t)part);
		/* Slowly at first, so that writes have to wait. */
		if (got.len < 300000)
			(void)usleep(1000);
	}
	assert_int_equal(SSL_get_error(t.ssl, part), SSL_ERROR_ZERO_RETURN);
	check_file(&got);
	tls_client_fini(&t);
	probe_free(p);
	tls_context_unref(rig.options.tls);
	rig_stop(&rig);
}

/* A file that became shorter: nothing else takes its octets' place. */
static void
test_file_shrank(void **state)
{
	struct rig rig;
	struct probe *p;
	char part[65536];
	ssize_t len;
	size_t total = 0;

	(void)state;
	rig_start(&rig, 2, 2);
	p = probe_new(&rig, serve_file);
	p->fd = known_file(1000);
	probe_send(p, SPAN("go\r\n"));
	while ((len = recv(p->client, part, sizeof(part), 0)) > 0)
		total += (size_t)len;
	assert_int_equal(total, 1 + 999);
	probe_free(p);
	rig_stop(&rig);
}

/* ---- clients that do not read --------------------------------------- */

/* Answers each line with 10,000 octets. */
static enum verdict
serve_much(struct probe *p, struct conn *c)
{
	static const char octets[10000];
	struct span line;

	for (;;) {
		switch (conn_take_line(c, false, &line)) {
		case TAKE_OK:
			atomic_fetch_add(&p->stage, 1);
			conn_write(c, span_of(octets, sizeof(octets)));
			assert_true(conn_output_pending(c) <=
				    CONN_OUTPUT_MAX + sizeof(octets));
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		case TAKE_TIMEOUT:
			probe_note(p, "TIMEOUT");
			return VERDICT_CLOSE;
		default:
			probe_note(p, "CLOSED");
			return VERDICT_CLOSE;
		}
	}
}

/*
 * One who sends and never reads is not served on and on, holds no worker
 * meanwhile (there is one only), and is given up in time.
 */
static void
test_client_never_reads(void **state)
{
	struct rig rig;
	struct probe *p, *other;
	uint64_t began = clock_ms();
	unsigned i;
	int served;

	(void)state;
	rig_start(&rig, 1, 1);
	rig.options.wait_ms = 700;
	p = probe_new(&rig, serve_much);
	for (i = 0; i < 5000; i++)
		if (send(p->client, "x\r\n", 3, MSG_DONTWAIT) != 3)
			break;
	(void)usleep(200000);
	served = atomic_load(&p->stage);
	assert_true(served > 0 && served < 200);

	rig.options.wait_ms = 60000;
	other = probe_new(&rig, probe_serve_lines);
	probe_send(other, SPAN("quick\r\n"));
	probe_expect(other, "quick|");
	assert_true(clock_ms() - began < 600);
	assert_int_equal(atomic_load(&p->stage), served);

	probe_expect(p, "TIMEOUT|");
	probe_expect_closed(p);
	assert_true(clock_ms() - began >= 700);
	probe_free(p);
	probe_free(other);
	rig_stop(&rig);
}

/* One generated answer larger than the limit: the worker waits, with an end. */
static enum verdict
serve_huge(struct probe *p, struct conn *c)
{
	static const char octets[10000];
	struct span line;
	unsigned i;

	if (conn_take_line(c, false, &line) == TAKE_MORE)
		return VERDICT_PARK;
	for (i = 0; i < 200; i++)
		conn_write(c, span_of(octets, sizeof(octets)));
	probe_note(p, conn_take_line(c, false, &line) == TAKE_TIMEOUT
			  ? "TIMEOUT"
			  : "FINE");
	return VERDICT_CLOSE;
}

static void
test_huge_answer(void **state)
{
	struct rig rig;
	struct probe *p;
	char part[4096];
	ssize_t len;
	size_t total = 0;

	(void)state;
	rig_start(&rig, 1, 1);
	p = probe_new(&rig, serve_huge);
	probe_send(p, SPAN("go\r\n"));
	while (total < 2000000 &&
	       (len = recv(p->client, part, sizeof(part), 0)) > 0)
		total += (size_t)len;
	assert_int_equal(total, 2000000);
	probe_expect(p, "FINE|");
	probe_free(p);

	rig.options.wait_ms = 300;
	p = probe_new(&rig, serve_huge);
	probe_send(p, SPAN("go\r\n"));
	probe_expect(p, "TIMEOUT|");
	probe_free(p);
	rig_stop(&rig);
}

/* ---- the end --------------------------------------------------------- */

static enum verdict
serve_refusal(struct probe *p, struct conn *c)
{
	(void)p;
	conn_write(c, SPAN("421 go away\r\n"));
	return VERDICT_CLOSE;
}

/*
 * The last reply arrives although much input was never read: closing at once
 * would make the kernel reset the connection.
 */
static void
test_last_reply(void **state)
{
	static const char noise[300000];
	struct rig rig;
	struct probe *p;
	int server, client;
	unsigned i;

	(void)state;
	rig_start(&rig, 2, 2);
	for (i = 0; i < 20; i++) {
		tcp_pair(&server, &client);
		(void)send(client, noise, sizeof(noise), MSG_DONTWAIT);
		p = probe_on(&rig, server, client, serve_refusal);
		(void)usleep(5000);
		(void)send(
		    client, noise, sizeof(noise), MSG_DONTWAIT | MSG_NOSIGNAL);
		probe_receive(p, "421 go away\r\n");
		probe_receive_end(p);
		probe_free(p);
	}
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_clear),
		cmocka_unit_test(test_file_tls),
		cmocka_unit_test(test_file_shrank),
		cmocka_unit_test(test_client_never_reads),
		cmocka_unit_test(test_huge_answer),
		cmocka_unit_test(test_last_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
