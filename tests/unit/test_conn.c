/* SPDX-License-Identifier: BSD-2-Clause */
/* common/conn in clear: taking lines, octets and mail data, times and wakes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/rig.h"

/* ---- lines ---------------------------------------------------------- */

struct line_row {
	bool lf_ends;
	struct span in;
	const char *seen; /* after the client has closed */
};

#define X10 "xxxxxxxxxx"
#define X90 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct line_row line_rows[] = {
	{ false, SPAN("QUIT\r\n"), "QUIT|CLOSED|" },
	{ false, SPAN("\r\n\r\n"), "||CLOSED|" },
	{ false, SPAN("a\r\nb\r\nrest"), "a|b|CLOSED|" },
	{ false, SPAN("a\nb\r\n"), "a\nb|CLOSED|" },
	{ false, SPAN("a\rb\r\r\n"), "a\rb\r|CLOSED|" },
	{ true, SPAN("a\nb\r\nc\r\r\n\n"), "a|b|c\r||CLOSED|" },
	/* line_max is 100 with the CRLF. */
	{ false, SPAN(X90 "12345678\r\nb\r\n"), X90 "12345678|b|CLOSED|" },
	{ false, SPAN(X90 "123456789\r\nb\r\n"), "LONG|b|CLOSED|" },
	{ false, SPAN(X90 X90 X90 "\nx\r" X90 "\r\nb\r\n"), "LONG|b|CLOSED|" },
	{ true, SPAN(X90 "123456789\nb\n"), X90 "123456789|b|CLOSED|" },
	{ true, SPAN(X90 "1234567890\nb\n"), "LONG|b|CLOSED|" },
	{ true, SPAN(X90 X90 "\r\nb\n"), "LONG|b|CLOSED|" },
	{ false, SPAN(X90 X90 "\r\n" X90 X90 "\r\nb\r\n"),
	    "LONG|LONG|b|CLOSED|" },
};

static void
try_lines(struct rig *rig, const struct line_row *row, size_t cut, bool single)
{
	struct probe *p;
	size_t i;

	rig->max = row->lf_ends;
	p = probe_new(rig, probe_serve_lines);
	if (single) {
		for (i = 0; i < row->in.len; i++)
			probe_send_read(p, span_of(row->in.p + i, 1));
	} else {
		if (cut > 0)
			probe_send_read(p, span_first(row->in, cut));
		probe_send(p, span_from(row->in, cut));
	}
	(void)shutdown(p->client, SHUT_WR);
	probe_expect(p, row->seen);
	probe_free(p);
}

static void
test_lines(void **state)
{
	struct rig rig;
	size_t i, cut;

	(void)state;
	rig_start(&rig, 2, 2);
	for (i = 0; i < sizeof(line_rows) / sizeof(line_rows[0]); i++) {
		for (cut = 0; cut < line_rows[i].in.len; cut++)
			try_lines(&rig, &line_rows[i], cut, false);
		try_lines(&rig, &line_rows[i], 0, true);
	}
	rig_stop(&rig);
}

/* More commands at once than one turn takes: all are served, in order. */
static void
test_pipelined_lines(void **state)
{
	struct rig rig;
	struct probe *p;
	CLEANUP(buf_fini) struct buf in, seen;
	unsigned i;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_init(&seen, 1 << 20);
	for (i = 0; i < 5000; i++) {
		buf_append_fmt(&in, "%u\r\n", i);
		buf_append_fmt(&seen, "%u|", i);
	}
	rig_start(&rig, 2, 2);
	p = probe_new(&rig, probe_serve_lines);
	probe_send(p, buf_span(&in));
	probe_expect(p, buf_str(&seen));
	probe_free(p);
	rig_stop(&rig);
}

/* ---- octets and data ------------------------------------------------ */

/* Takes six octets, then lines. */
static enum verdict
serve_octets(struct probe *p, struct conn *c)
{
	struct span content;

	while (atomic_load(&p->stage) == 0) {
		switch (conn_take_octets(c, 6, &p->spool.sink)) {
		case TAKE_OK:
			assert_int_equal(
			    spool_map(&p->spool, &content, NULL), 0);
			probe_note_span(p, content);
			atomic_store(&p->stage, 1);
			break;
		case TAKE_MORE:
			return VERDICT_PARK;
		default:
			probe_note(p, "CLOSED");
			return VERDICT_CLOSE;
		}
	}
	return probe_serve_lines(p, c);
}

static enum verdict
serve_data(struct probe *p, struct conn *c)
{
	struct span content;

	while (atomic_load(&p->stage) == 0) {
		switch (conn_take_data(c, p->max, &p->spool.sink)) {
		case TAKE_OK:
			assert_int_equal(
			    spool_map(&p->spool, &content, NULL), 0);
			probe_note_span(p, content);
			break;
		case TAKE_LONG:
			probe_note(p, "LONG");
			break;
		case TAKE_BAD:
			probe_note(p, "BAD");
			break;
		case TAKE_FAILED:
			probe_note(p, conn_err(c)->text);
			break;
		case TAKE_MORE:
			return VERDICT_PARK;
		case TAKE_TIMEOUT:
			probe_note(p, "TIMEOUT");
			return VERDICT_CLOSE;
		case TAKE_CLOSED:
			probe_note(p, "CLOSED");
			return VERDICT_CLOSE;
		}
		atomic_store(&p->stage, 1);
	}
	return probe_serve_lines(p, c);
}

struct data_row {
	enum verdict (*serve)(struct probe *p, struct conn *c);
	struct span in;
	uint64_t max;
	const char *seen;
};

static const struct data_row data_rows[] = {
	{ serve_octets, SPAN("a\r\n.\r\nb\r\n"), 0, "a\r\n.\r\n|b|CLOSED|" },
	{ serve_octets, SPAN("abc"), 0, "CLOSED|" },
	{ serve_data, SPAN("a\r\n..\r\n.\r\nQUIT\r\n"), 6,
	    "a\r\n.\r\n|QUIT|CLOSED|" },
	{ serve_data, SPAN("a\r\n..\r\n.\r\nQUIT\r\n"), 5,
	    "LONG|QUIT|CLOSED|" },
	{ serve_data, SPAN("a\n..\r\n.\r\nQUIT\r\n"), 5, "BAD|QUIT|CLOSED|" },
	{ serve_data, SPAN("a\r\n."), 5, "CLOSED|" },
};

static void
test_data(void **state)
{
	struct rig rig;
	size_t i, cut;

	(void)state;
	rig_start(&rig, 2, 2);
	for (i = 0; i < sizeof(data_rows) / sizeof(data_rows[0]); i++) {
		const struct data_row *row = &data_rows[i];

		for (cut = 1; cut < row->in.len; cut++) {
			struct probe *p;

			rig.max = row->max;
			p = probe_new(&rig, row->serve);
			probe_send_read(p, span_first(row->in, cut));
			probe_send(p, span_from(row->in, cut));
			(void)shutdown(p->client, SHUT_WR);
			probe_expect(p, row->seen);
			probe_free(p);
		}
	}
	rig_stop(&rig);
}

static int
sink_full(struct sink *s, struct span octets, struct err *err)
{
	(void)s;
	(void)octets;
	return err_set(err, ERR_TEMP, "the disk is full");
}

static enum verdict
serve_full(struct probe *p, struct conn *c)
{
	p->spool.sink.write = sink_full;
	return serve_data(p, c);
}

/* Our own failure is told when all was read, and the session goes on. */
static void
test_failed_sink(void **state)
{
	struct rig rig;
	struct probe *p;

	(void)state;
	rig_start(&rig, 2, 2);
	rig.max = UINT64_MAX;
	p = probe_new(&rig, serve_full);
	probe_send_read(p, SPAN("a\r\n.\r"));
	probe_send(p, SPAN("\nQUIT\r\n"));
	probe_expect(p, "the disk is full|QUIT|");
	probe_free(p);
	rig_stop(&rig);
}

/* Over spool.memory_max it becomes a file; the content is the same. */
static void
test_large_data(void **state)
{
	struct rig rig;
	struct probe *p;
	CLEANUP(buf_fini) struct buf in;
	struct span content;
	unsigned i;

	(void)state;
	buf_init(&in, 1 << 24);
	for (i = 0; i < 200000; i++)
		buf_append_fmt(&in, "%u and so on\r\n", i);
	rig_start(&rig, 2, 2);
	rig.max = UINT64_MAX;
	p = probe_new(&rig, serve_data);
	probe_send(p, buf_span(&in));
	probe_send_read(p, SPAN(".\r\n"));
	while (atomic_load(&p->stage) == 0)
		(void)usleep(1000);
	assert_int_not_equal(p->spool.fd, -1);
	assert_int_equal(spool_map(&p->spool, &content, NULL), 0);
	assert_true(span_eq(content, buf_span(&in)));
	probe_free(p);
	rig_stop(&rig);
}

/* ---- time ------------------------------------------------------------ */

/* The time of a command runs from its beginning, not from its last octet. */
static void
test_slow_line(void **state)
{
	struct rig rig;
	struct probe *p;
	uint64_t began;
	unsigned i;

	(void)state;
	rig_start(&rig, 1, 1);
	rig.options.wait_ms = 400;
	began = clock_ms();
	p = probe_new(&rig, probe_serve_lines);
	for (i = 0; i < 8; i++) {
		probe_send(p, SPAN("x"));
		(void)usleep(40000);
	}
	probe_expect(p, "TIMEOUT|");
	assert_true(clock_ms() - began >= 400);
	probe_receive(p, "too slow\r\n");
	probe_receive_end(p);
	probe_free(p);
	rig_stop(&rig);
}

/* Data may go on for longer than wait_ms, but not slower than min_rate. */
static void
test_slow_data(void **state)
{
	struct rig rig;
	struct probe *quick, *slow;
	char part[100];
	unsigned i;

	(void)state;
	memset(part, 'x', sizeof(part));
	rig_start(&rig, 1, 1);
	rig.options.wait_ms = 300;
	rig.options.min_rate = 500;
	rig.max = UINT64_MAX;
	quick = probe_new(&rig, serve_data);
	slow = probe_new(&rig, serve_data);
	for (i = 0; i < 6; i++) {
		(void)usleep(100000);
		probe_send(quick, span_of(part, sizeof(part)));
		if (i < 2)
			probe_send(slow, span_of(part, 1));
	}
	probe_expect(slow, "TIMEOUT|");
	probe_send(quick, SPAN("\r\n.\r\n"));
	while (atomic_load(&quick->stage) == 0)
		(void)usleep(1000);
	assert_int_equal(quick->spool.octets, 602);
	probe_free(quick);
	probe_free(slow);
	rig_stop(&rig);
}

static enum verdict
serve_paused(struct probe *p, struct conn *c)
{
	if (atomic_fetch_add(&p->stage, 1) == 0) {
		conn_write(c, SPAN("wait\r\n"));
		conn_pause(c, 300);
		return VERDICT_PARK;
	}
	return probe_serve_lines(p, c);
}

static void
test_pause(void **state)
{
	struct rig rig;
	struct probe *p;
	uint64_t began = clock_ms();

	(void)state;
	rig_start(&rig, 1, 1);
	p = probe_new(&rig, serve_paused);
	probe_send(p, SPAN("early\r\n"));
	probe_receive(p, "wait\r\n"); /* output leaves during the pause */
	assert_true(clock_ms() - began < 250);
	assert_int_equal(p->served, 1);
	probe_expect(p, "early|");
	assert_true(clock_ms() - began >= 300);
	probe_free(p);
	rig_stop(&rig);
}

/* ---- waking ---------------------------------------------------------- */

static enum verdict
serve_wakes(struct probe *p, struct conn *c)
{
	if (conn_woken(c))
		atomic_fetch_add(&p->stage, 1);
	return probe_serve_lines(p, c);
}

struct waker {
	struct probe *p;
	pthread_t thread;
};

static void *
wake_much(void *arg)
{
	struct waker *waker = arg;
	unsigned i;

	for (i = 0; i < 2000; i++) {
		conn_wake(waker->p->conn);
		if (i % 16 == 0)
			(void)usleep(50);
	}
	return NULL;
}

/* Every wake is followed by a serve, however it races with parking. */
static void
test_wake(void **state)
{
	struct rig rig;
	struct probe *p;
	struct waker wakers[3];
	unsigned i;
	int before;

	(void)state;
	rig_start(&rig, 2, 2);
	p = probe_new(&rig, serve_wakes);
	probe_send(p, SPAN("a\r\n"));
	probe_expect(p, "a|");
	probe_send_read(p, SPAN("half")); /* a command half gathered stays */
	for (i = 0; i < 3; i++) {
		wakers[i].p = p;
		(void)pthread_create(
		    &wakers[i].thread, NULL, wake_much, &wakers[i]);
	}
	for (i = 0; i < 3; i++)
		(void)pthread_join(wakers[i].thread, NULL);
	for (i = 0; i < 300; i++) {
		unsigned spins = 0;

		before = atomic_load(&p->stage);
		conn_wake(p->conn);
		while (atomic_load(&p->stage) == before && spins++ < 100000)
			(void)usleep(20);
		assert_true(atomic_load(&p->stage) > before);
	}
	probe_send(p, SPAN(" and half\r\n"));
	probe_expect(p, "a|half and half|");
	probe_free(p);
	rig_stop(&rig);
}

/* A session that waits for us and takes nothing is not called in a loop. */
static enum verdict
serve_deaf(struct probe *p, struct conn *c)
{
	if (conn_woken(c))
		atomic_store(&p->stage, 1);
	return atomic_load(&p->stage) ? probe_serve_lines(p, c) : VERDICT_PARK;
}

static void
test_deaf(void **state)
{
	struct rig rig;
	struct probe *p;

	(void)state;
	rig_start(&rig, 1, 1);
	p = probe_new(&rig, serve_deaf);
	probe_send(p, SPAN("a\r\n"));
	(void)usleep(100000);
	assert_true(p->served <= 2);
	conn_wake(p->conn);
	probe_expect(p, "a|");
	probe_free(p);
	rig_stop(&rig);
}

/* ---- a storm -------------------------------------------------------- */

#define STORM_CONNS 64
#define STORM_STEPS 20000

/*
 * Sessions that others wake stand in a list with a lock; closed() takes them
 * out.  That is all that waking needs to be safe.
 */
struct storm {
	pthread_mutex_t lock;
	struct storm_session {
		struct storm *storm;
		struct conn *conn; /* NULL: closed */
		unsigned at;
	} * sessions[STORM_CONNS];
	struct rig rig;
	atomic_uint opened, closed;
	atomic_bool over;
};

static enum verdict
serve_storm(struct conn *c, void *session)
{
	struct span line;

	(void)session;
	if (conn_woken(c))
		conn_write(c, SPAN("* woken\r\n"));
	for (;;) {
		switch (conn_take_line(c, false, &line)) {
		case TAKE_OK:
			if (span_eq(line, SPAN("pause")))
				conn_pause(c, 3);
			else if (span_eq(line, SPAN("tenant")))
				conn_tenant(c, "storm");
			else if (span_eq(line, SPAN("quit")))
				return VERDICT_CLOSE;
			conn_write(c, line);
			continue;
		case TAKE_LONG:
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		default:
			return VERDICT_CLOSE;
		}
	}
}

static void
closed_storm(void *session)
{
	struct storm_session *s = session;
	struct storm *storm = s->storm;

	(void)pthread_mutex_lock(&storm->lock);
	if (storm->sessions[s->at] == s)
		storm->sessions[s->at] = NULL;
	(void)pthread_mutex_unlock(&storm->lock);
	atomic_fetch_add(&storm->closed, 1);
	free(s);
}

static void *
wake_storm(void *arg)
{
	struct storm *storm = arg;
	unsigned i = 0;

	while (!atomic_load(&storm->over)) {
		(void)pthread_mutex_lock(&storm->lock);
		i = (i + 7) % STORM_CONNS;
		if (storm->sessions[i] != NULL &&
		    storm->sessions[i]->conn != NULL)
			conn_wake(storm->sessions[i]->conn);
		(void)pthread_mutex_unlock(&storm->lock);
		if (i == 0)
			(void)usleep(10);
	}
	return NULL;
}

static int
storm_open(struct storm *storm, unsigned at)
{
	static const struct conn_service storm_service = { serve_storm,
		closed_storm, NULL };
	struct storm_session *s = calloc(1, sizeof(*s));
	struct conn_options options = storm->rig.options;
	int pair[2];

	assert_non_null(s);
	*s = (struct storm_session){ .storm = storm, .at = at };
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	options.service = &storm_service;
	options.session = s;
	options.wait_ms = 20 + at * 3;
	atomic_fetch_add(&storm->opened, 1);
	/* Under the lock, so that it cannot close before it is listed. */
	(void)pthread_mutex_lock(&storm->lock);
	storm->sessions[at] = s;
	assert_int_equal(
	    conn_new(storm->rig.reactor, pair[0], &options, &s->conn, NULL), 0);
	(void)pthread_mutex_unlock(&storm->lock);
	return pair[1];
}

static void
storm_step(struct storm *storm, int *client, unsigned at, unsigned random)
{
	static const char *const words[] = { "a line\r\n", "half", "pause\r\n",
		"tenant\r\n", "\r\n", X90 X90, "x\r\ny\r\nz", "quit\r\n" };
	char waste[4096];

	if (*client == -1)
		*client = storm_open(storm, at);
	switch (random % 16) {
	case 0:
		(void)close(*client);
		*client = -1;
		break;
	case 1:
		(void)shutdown(*client, SHUT_WR);
		break;
	case 2:
	case 3:
	case 4:
	case 5:
		(void)recv(*client, waste, sizeof(waste), MSG_DONTWAIT);
		break;
	default:
		(void)send(*client, words[random / 16 % 8],
		    strlen(words[random / 16 % 8]),
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	}
}

static void
test_storm(void **state)
{
	struct storm storm = { .lock = PTHREAD_MUTEX_INITIALIZER };
	int clients[STORM_CONNS];
	pthread_t waker;
	unsigned i, random = 42;

	(void)state;
	rig_start(&storm.rig, 4, 2);
	for (i = 0; i < STORM_CONNS; i++)
		clients[i] = -1;
	(void)pthread_create(&waker, NULL, wake_storm, &storm);
	for (i = 0; i < STORM_STEPS; i++) {
		unsigned at;

		random = random * 1103515245 + 12345;
		at = random >> 8 & (STORM_CONNS - 1);
		storm_step(&storm, &clients[at], at, random >> 16);
	}
	for (i = 0; i < STORM_CONNS; i++)
		if (clients[i] != -1)
			(void)close(clients[i]);
	for (i = 0; atomic_load(&storm.closed) < atomic_load(&storm.opened) &&
		    i < 10000;
	     i++)
		(void)usleep(1000);
	assert_int_equal(
	    atomic_load(&storm.closed), atomic_load(&storm.opened));
	assert_int_equal(reactor_conns(storm.rig.reactor), 0);
	atomic_store(&storm.over, true);
	(void)pthread_join(waker, NULL);
	rig_stop(&storm.rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_pipelined_lines),
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_failed_sink),
		cmocka_unit_test(test_large_data),
		cmocka_unit_test(test_slow_line),
		cmocka_unit_test(test_slow_data),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_deaf),
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
