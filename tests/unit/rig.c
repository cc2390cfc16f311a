/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static void
nap(void)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
}

/* ---- the reactor ---------------------------------------------------- */

static void *
rig_main(void *arg)
{
	struct rig *rig = arg;

	(void)reactor_run(rig->reactor, NULL);
	return NULL;
}

static enum verdict
serve(struct conn *c, void *session)
{
	struct probe *p = session;

	(void)pthread_mutex_lock(&p->lock);
	p->conn = c;
	p->served++;
	(void)pthread_mutex_unlock(&p->lock);
	return p->serve(p, c);
}

static void
closed(void *session)
{
	struct probe *p = session;

	(void)pthread_mutex_lock(&p->lock);
	p->closed++;
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

static const struct conn_service service = { .serve = serve, .closed = closed };

void
rig_start(struct rig *rig, unsigned workers, unsigned tenant_workers)
{
	rig_start_max(rig, workers, tenant_workers, 0);
}

void
rig_start_max(struct rig *rig, unsigned workers, unsigned tenant_workers,
    size_t conns_max)
{
	struct reactor_options options = { .workers = workers,
		.tenant_workers = tenant_workers,
		.conns_max = conns_max };

	*rig = (struct rig){ .options = {
				 .service = &service,
				 .log = &log_process,
				 .line_max = 100,
				 .wait_ms = 60000,
			     } };
	assert_int_equal(reactor_new(&options, &rig->reactor, NULL), 0);
	assert_int_equal(pthread_create(&rig->thread, NULL, rig_main, rig), 0);
}

void
rig_stop(struct rig *rig)
{
	reactor_stop(rig->reactor);
	(void)pthread_join(rig->thread, NULL);
	reactor_free(rig->reactor);
	rig->reactor = NULL;
}

/* ---- sessions ------------------------------------------------------- */

struct probe *
probe_on(struct rig *rig, int server, int client,
    enum verdict (*serve_probe)(struct probe *p, struct conn *c))
{
	struct probe *p = calloc(1, sizeof(*p));
	struct conn_options options = rig->options;
	struct err err = ERR_INIT;
	struct conn *conn;

	assert_non_null(p);
	p->rig = rig;
	p->client = client;
	p->fd = -1;
	p->serve = serve_probe;
	p->max = rig->max;
	buf_init(&p->seen, 1 << 20);
	spool_init(&p->spool, 4096, -1);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_cond_init(&p->changed, NULL);
	options.session = p;
	if (conn_new(rig->reactor, server, &options, &conn, &err) == -1)
		fail_msg("conn_new: %s", err.text);
	return p;
}

struct probe *
probe_new(struct rig *rig,
    enum verdict (*serve_probe)(struct probe *p, struct conn *c))
{
	int pair[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	return probe_on(rig, pair[0], pair[1], serve_probe);
}

void
probe_free(struct probe *p)
{
	if (p->client != -1)
		(void)close(p->client);
	probe_expect_closed(p);
	assert_int_equal(p->closed, 1);
	buf_fini(&p->seen);
	spool_fini(&p->spool);
	(void)pthread_mutex_destroy(&p->lock);
	(void)pthread_cond_destroy(&p->changed);
	free(p);
}

void
probe_note_span(struct probe *p, struct span text)
{
	(void)pthread_mutex_lock(&p->lock);
	buf_append(&p->seen, text);
	buf_append(&p->seen, SPAN("|"));
	(void)pthread_cond_broadcast(&p->changed);
	(void)pthread_mutex_unlock(&p->lock);
}

void
probe_note(struct probe *p, const char *text)
{
	probe_note_span(p, span_str(text));
}

static void
until_after(struct timespec *until, unsigned ms)
{
	(void)clock_gettime(CLOCK_REALTIME, until);
	until->tv_sec += (time_t)(ms / 1000);
}

void
probe_expect(struct probe *p, const char *seen)
{
	struct timespec until;
	bool same = false;

	until_after(&until, PATIENCE_MS);
	(void)pthread_mutex_lock(&p->lock);
	while (!(same = strcmp(buf_str(&p->seen), seen) == 0) &&
	       p->seen.len <= strlen(seen) && p->closed == 0 &&
	       pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0)
		;
	same = strcmp(buf_str(&p->seen), seen) == 0;
	if (!same)
		print_error(
		    "seen:   %s\nwanted: %s\n", buf_str(&p->seen), seen);
	(void)pthread_mutex_unlock(&p->lock);
	assert_true(same);
}

void
probe_expect_closed(struct probe *p)
{
	struct timespec until;
	unsigned times;

	until_after(&until, PATIENCE_MS);
	(void)pthread_mutex_lock(&p->lock);
	while (p->closed == 0 &&
	       pthread_cond_timedwait(&p->changed, &p->lock, &until) == 0)
		;
	times = p->closed;
	(void)pthread_mutex_unlock(&p->lock);
	assert_int_equal(times, 1);
}

/* ---- clients -------------------------------------------------------- */

void
probe_send(struct probe *p, struct span octets)
{
	while (octets.len > 0) {
		ssize_t sent =
		    send(p->client, octets.p, octets.len, MSG_NOSIGNAL);

		assert_true(sent > 0);
		octets = span_from(octets, (size_t)sent);
	}
}

void
probe_send_read(struct probe *p, struct span octets)
{
	unsigned i;
	int unread = 1;

	probe_send(p, octets);
	for (i = 0; unread > 0 && i < PATIENCE_MS * 5; i++) {
		assert_int_equal(ioctl(p->client, SIOCOUTQ, &unread), 0);
		if (unread > 0)
			nap();
	}
	assert_int_equal(unread, 0);
}

static bool
readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, PATIENCE_MS) == 1;
}

void
probe_receive(struct probe *p, const char *expected)
{
	char got[4096] = "";
	size_t len = 0, want = strlen(expected);

	assert_true(want < sizeof(got));
	while (len < want) {
		ssize_t part;

		assert_true(readable(p->client));
		part = recv(p->client, got + len, want - len, 0);
		if (part <= 0)
			break;
		len += (size_t)part;
	}
	got[len] = '\0';
	assert_string_equal(got, expected);
}

void
probe_receive_end(struct probe *p)
{
	char octet;

	assert_true(readable(p->client));
	assert_int_equal(recv(p->client, &octet, 1, 0), 0);
}

/* ---- what many tests serve ------------------------------------------ */

enum verdict
probe_serve_lines(struct probe *p, struct conn *c)
{
	struct span line;

	for (;;) {
		switch (conn_take_line(c, p->max == 1, &line)) {
		case TAKE_OK:
			probe_note_span(p, line);
			continue;
		case TAKE_LONG:
			probe_note(p, "LONG");
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		case TAKE_TIMEOUT:
			probe_note(p, "TIMEOUT");
			conn_write(c, SPAN("too slow\r\n"));
			return VERDICT_CLOSE;
		case TAKE_CLOSED:
			probe_note(p, "CLOSED");
			return VERDICT_CLOSE;
		case TAKE_BAD:
		case TAKE_FAILED:
			probe_note(p, "WRONG");
			return VERDICT_CLOSE;
		}
	}
}
