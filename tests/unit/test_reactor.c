/* SPDX-License-Identifier: BSD-2-Clause */
/* common/reactor: listeners, tenants, deferred calls, ticks, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/rig.h"

/* ---- a server ------------------------------------------------------- */

struct server {
	struct rig rig;
	int listener;
	struct sockaddr_in address;
	atomic_uint sessions, closed;
};

static enum verdict
serve(struct conn *c, void *session)
{
	struct span line;

	(void)session;
	if (conn_draining(c)) {
		conn_write(c, SPAN("421 draining\r\n"));
		return VERDICT_CLOSE;
	}
	for (;;) {
		switch (conn_take_line(c, false, &line)) {
		case TAKE_OK:
			conn_write(c, line);
			conn_write(c, SPAN("\r\n"));
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		default:
			return VERDICT_CLOSE;
		}
	}
}

static void
closed(void *session)
{
	struct server *s = session;

	atomic_fetch_sub(&s->sessions, 1);
	atomic_fetch_add(&s->closed, 1);
}

static const struct conn_service service = { .serve = serve, .closed = closed };

static void
accepted(struct reactor *r, int fd, void *arg)
{
	struct server *s = arg;
	struct conn_options options = { .service = &service,
		.session = s,
		.log = &log_process,
		.line_max = 1000,
		.wait_ms = 60000 };

	if (conn_new(r, fd, &options, NULL, NULL) == 0)
		atomic_fetch_add(&s->sessions, 1);
}

static void
busy(int fd, void *arg)
{
	(void)arg;
	(void)send(fd, "421 busy\r\n", 10, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int
listener_new(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	assert_int_equal(
	    bind(fd, (struct sockaddr *)address, sizeof(*address)), 0);
	assert_int_equal(listen(fd, 100), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)address, &len), 0);
	return fd;
}

static void
server_start(struct server *s, size_t conns_max)
{
	struct reactor_listener l = {
		.accepted = accepted, .busy = busy, .arg = s
	};

	*s = (struct server){ .listener = -1 };
	s->listener = listener_new(&s->address);
	l.fd = s->listener;
	rig_start_max(&s->rig, 2, 2, conns_max);
	assert_int_equal(reactor_listen(s->rig.reactor, &l, NULL), 0);
}

static void
server_stop(struct server *s)
{
	rig_stop(&s->rig);
	assert_int_equal(atomic_load(&s->sessions), 0);
	(void)close(s->listener);
}

static int
visitor_to(const struct sockaddr_in *address)
{
	struct timeval patience = { .tv_sec = 10 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(
	    connect(fd, (const struct sockaddr *)address, sizeof(*address)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	assert_int_equal(
	    send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void
hear(int fd, const char *expected)
{
	char got[100] = "";

	assert_int_equal(
	    recv(fd, got, strlen(expected), MSG_WAITALL), strlen(expected));
	assert_string_equal(got, expected);
}

static void
hear_end(int fd)
{
	char octet;

	assert_int_equal(recv(fd, &octet, 1, 0), 0);
	(void)close(fd);
}

/* ---- listeners ------------------------------------------------------ */

static void
test_busy(void **state)
{
	struct server s;
	int one, two, three;

	(void)state;
	server_start(&s, 2);
	one = visitor_to(&s.address);
	two = visitor_to(&s.address);
	say(one, "1\r\n");
	hear(one, "1\r\n");
	say(two, "2\r\n");
	hear(two, "2\r\n");
	three = visitor_to(&s.address);
	hear(three, "421 busy\r\n");
	hear_end(three);
	/* A place that is free again is given again. */
	(void)close(one);
	while (reactor_conns(s.rig.reactor) == 2)
		(void)usleep(1000);
	three = visitor_to(&s.address);
	say(three, "3\r\n");
	hear(three, "3\r\n");
	(void)close(two);
	(void)close(three);
	server_stop(&s);
}

static void
test_listeners_change(void **state)
{
	struct sockaddr_in address;
	struct server s;
	int other, visitor;

	(void)state;
	server_start(&s, 0);
	other = listener_new(&address);
	assert_int_equal(
	    reactor_listen_like(s.rig.reactor, 9999, other, NULL), -1);
	assert_int_equal(
	    reactor_listen_like(s.rig.reactor, s.listener, other, NULL), 0);
	visitor = visitor_to(&address);
	say(visitor, "a\r\n");
	hear(visitor, "a\r\n");
	reactor_unlisten(s.rig.reactor, other);
	(void)close(other);
	say(visitor, "b\r\n"); /* those who came through it stay */
	hear(visitor, "b\r\n");
	(void)close(visitor);
	server_stop(&s);
}

/* Out of descriptors: nothing is lost or spins, accepting resumes. */
static void
test_out_of_descriptors(void **state)
{
	struct rlimit before, low;
	struct server s;
	struct timespec cpu_before, cpu_after;
	int waiting, hog[64];
	size_t hogs = 0;

	(void)state;
	server_start(&s, 0);
	waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = before;
	low.rlim_cur = (rlim_t)waiting + 2;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	while (hogs < 64 && (hog[hogs] = dup(waiting)) != -1)
		hogs++;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_before);
	assert_int_equal(
	    connect(waiting, (struct sockaddr *)&s.address, sizeof(s.address)),
	    0);
	say(waiting, "a\r\n");
	(void)usleep(350000);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu_after);
	assert_int_equal(atomic_load(&s.sessions), 0);
	assert_true((cpu_after.tv_sec - cpu_before.tv_sec) * 1000 +
			(cpu_after.tv_nsec - cpu_before.tv_nsec) / 1000000 <
		    100);

	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	hear(waiting, "a\r\n");
	while (hogs > 0)
		(void)close(hog[--hogs]);
	(void)close(waiting);
	server_stop(&s);
}

/* ---- the orderly end ------------------------------------------------ */

static void *
run_main(void *arg)
{
	struct server *s = arg;

	(void)reactor_run(s->rig.reactor, NULL);
	return NULL;
}

static void
test_drain(void **state)
{
	struct server s;
	int idle, half;

	(void)state;
	server_start(&s, 0);
	idle = visitor_to(&s.address);
	half = visitor_to(&s.address);
	say(idle, "a\r\n");
	hear(idle, "a\r\n");
	say(half, "x\r\nbegun");
	hear(half, "x\r\n");
	(void)usleep(20000);
	reactor_drain(s.rig.reactor, 20000);
	hear(idle, "421 draining\r\n");
	hear_end(idle);
	/* A command under way is heard to its end. */
	(void)usleep(50000);
	assert_int_equal(atomic_load(&s.sessions), 1);
	say(half, " done\r\n");
	hear(half, "421 draining\r\n");
	hear_end(half);
	(void)pthread_join(s.rig.thread, NULL); /* reactor_run returned */
	assert_int_equal(reactor_conns(s.rig.reactor), 0);
	(void)pthread_create(&s.rig.thread, NULL, run_main, &s);
	server_stop(&s);
}

static void
test_drain_deadline(void **state)
{
	struct server s;
	uint64_t began = clock_ms();
	int half;

	(void)state;
	server_start(&s, 0);
	half = visitor_to(&s.address);
	say(half, "x\r\nbegun");
	hear(half, "x\r\n");
	(void)usleep(20000);
	reactor_drain(s.rig.reactor, 300);
	(void)pthread_join(s.rig.thread, NULL);
	assert_true(clock_ms() - began >= 300 && clock_ms() - began < 5000);
	assert_int_equal(atomic_load(&s.sessions), 0);
	(void)close(half);
	(void)pthread_create(&s.rig.thread, NULL, run_main, &s);
	server_stop(&s);
}

/* ---- tenants --------------------------------------------------------- */

static atomic_int gate_open, inside;

/* Holds its worker until the test lets go. */
static enum verdict
serve_holding(struct probe *p, struct conn *c)
{
	struct span line;

	if (atomic_exchange(&p->stage, 1) == 0) {
		conn_tenant(c, "aozora");
		return VERDICT_PARK;
	}
	if (conn_take_line(c, false, &line) == TAKE_MORE)
		return VERDICT_PARK;
	if (line.p == NULL)
		return VERDICT_CLOSE;
	atomic_fetch_add(&inside, 1);
	while (atomic_load(&gate_open) == 0)
		(void)usleep(1000);
	atomic_fetch_sub(&inside, 1);
	conn_write(c, SPAN("done\r\n"));
	return VERDICT_PARK;
}

static enum verdict
serve_midori(struct probe *p, struct conn *c)
{
	conn_tenant(c, "midori");
	return probe_serve_lines(p, c);
}

/* One brand's trouble takes its share of the pool, and no more. */
static void
test_tenant_share(void **state)
{
	struct probe *stuck[6], *other, *nobody;
	struct rig rig;
	unsigned i;

	(void)state;
	atomic_store(&gate_open, 0);
	rig_start(&rig, 3, 2);
	for (i = 0; i < 6; i++) {
		stuck[i] = probe_new(&rig, serve_holding);
		probe_send(stuck[i], SPAN("hold\r\n"));
	}
	while (atomic_load(&inside) < 2)
		(void)usleep(1000);
	(void)usleep(50000);
	assert_int_equal(atomic_load(&inside), 2);
	other = probe_new(&rig, serve_midori);
	probe_send(other, SPAN("quick\r\n"));
	probe_expect(other, "quick|");
	nobody = probe_new(&rig, probe_serve_lines);
	probe_send(nobody, SPAN("quick\r\n"));
	probe_expect(nobody, "quick|");
	assert_int_equal(atomic_load(&inside), 2);

	atomic_store(&gate_open, 1);
	for (i = 0; i < 6; i++)
		probe_receive(stuck[i], "done\r\n");
	for (i = 0; i < 6; i++)
		probe_free(stuck[i]);
	probe_free(other);
	probe_free(nobody);
	rig_stop(&rig);
}

/* ---- calls ----------------------------------------------------------- */

static void
count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
count_tick(struct reactor *r, void *arg)
{
	(void)r;
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
test_defer_and_tick(void **state)
{
	atomic_int deferred = 0, ticks = 0;
	struct rig rig;
	uint64_t began;
	unsigned i;

	(void)state;
	rig_start(&rig, 4, 4);
	for (i = 0; i < 1000; i++)
		assert_int_equal(
		    reactor_defer(rig.reactor, count, &deferred, NULL), 0);
	began = clock_ms();
	assert_int_equal(
	    reactor_every(rig.reactor, 20, count_tick, &ticks, NULL), 0);
	while (atomic_load(&ticks) < 5)
		(void)usleep(1000);
	assert_true(clock_ms() - began >= 100);
	rig_stop(&rig);
	assert_int_equal(atomic_load(&deferred), 1000);
}

static void
watched(struct reactor *r, int fd, void *arg)
{
	char octet;

	assert_int_equal(read(fd, &octet, 1), 1);
	if (octet == 'q')
		reactor_unwatch(r, fd);
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void
test_watch(void **state)
{
	atomic_int seen = 0;
	struct rig rig;
	int ends[2];

	(void)state;
	rig_start(&rig, 1, 1);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(
	    reactor_watch(rig.reactor, ends[0], watched, &seen, NULL), 0);
	assert_int_equal(write(ends[1], "abq", 3), 3);
	while (atomic_load(&seen) < 3)
		(void)usleep(1000);
	assert_int_equal(write(ends[1], "c", 1), 1);
	(void)usleep(50000);
	assert_int_equal(atomic_load(&seen), 3);
	rig_stop(&rig);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Parked conns and idle workers use no processor time at all. */
static void
test_idle_is_idle(void **state)
{
	struct timespec before, after;
	struct probe *p[50];
	struct rig rig;
	unsigned i;

	(void)state;
	rig_start(&rig, 2, 2);
	for (i = 0; i < 50; i++) {
		p[i] = probe_new(&rig, probe_serve_lines);
		probe_send(p[i], SPAN("half a line"));
	}
	(void)usleep(200000);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	(void)usleep(500000);
	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000000 +
			(after.tv_nsec - before.tv_nsec) / 1000 <
		    2000);
	for (i = 0; i < 50; i++)
		probe_free(p[i]);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_listeners_change),
		cmocka_unit_test(test_out_of_descriptors),
		cmocka_unit_test(test_drain),
		cmocka_unit_test(test_drain_deadline),
		cmocka_unit_test(test_tenant_share),
		cmocka_unit_test(test_defer_and_tick),
		cmocka_unit_test(test_watch),
		cmocka_unit_test(test_idle_is_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
