/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/milter_conn.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "common/reactor.h"

#define READ_CHUNK 4096
#define READ_LARGE 65536

void
milter_conn_free(struct milter_conn *c)
{
	if (c == NULL)
		return;
	fd_close(c->fd);
	buf_fini(&c->out);
	buf_fini(&c->in);
	free(c);
}

static int
conn_wait(int fd, short events, uint64_t deadline_ms, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now = clock_ms();
	int n;

	if (now >= deadline_ms)
		return err_set(err, ERR_TEMP, "no answer in time");
	n = poll(&pfd, 1, (int)(deadline_ms - now));
	if (n == -1 && errno != EINTR)
		return err_sys(err, "poll");
	return 0;
}

/* ---- connecting
 * --------------------------------------------------------------------- */

static int
connect_finish(int fd, uint64_t deadline_ms, struct err *err)
{
	socklen_t len = sizeof(int);
	int failed = 0;

	if (conn_wait(fd, POLLOUT, deadline_ms, err) == -1)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == -1)
		return err_sys(err, "connect");
	errno = failed;
	return failed == 0 ? 0 : err_sys(err, "connect");
}

/*
 * A Unix socket whose backlog is full answers EAGAIN at once, and poll never
 * tells when there is room: it is tried again, with growing pauses.
 */
static int
connect_try(int fd, const struct sockaddr_storage *address, socklen_t len,
    uint64_t deadline_ms, struct err *err)
{
	struct timespec pause = { .tv_nsec = 2000000 };

	while (connect(fd, (const struct sockaddr *)address, len) == -1) {
		if (errno == EINPROGRESS)
			return connect_finish(fd, deadline_ms, err);
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "connect");
		if (clock_ms() >= deadline_ms)
			return err_set(
			    err, ERR_TEMP, "its queue of connections is full");
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
		if (pause.tv_nsec < 64000000)
			pause.tv_nsec *= 2;
	}
	return 0;
}

static int
conn_open(const struct sockaddr_storage *address, socklen_t len,
    uint64_t deadline_ms, int *fd_out, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(
	    address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	if (fd == -1)
		return err_sys(err, "socket");
	if (connect_try(fd, address, len, deadline_ms, err) == -1)
		return -1;
	if (address->ss_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	*fd_out = fd_steal(&fd);
	return 0;
}

static int
conn_negotiate(
    struct milter_conn *c, unsigned version, unsigned wait_ms, struct err *err)
{
	struct milter_options offer;
	struct milter_reply reply;

	milter_offer(version, &offer);
	milter_offer_put(&offer, &c->out);
	if (milter_conn_flush(c, wait_ms, err) == -1 ||
	    milter_conn_reply(c, wait_ms, &reply, err) == -1)
		return -1;
	if (reply.kind != MILTER_OPTIONS)
		return err_set(err, ERR_SYNTAX, "%s instead of options",
		    milter_reply_name(reply.kind));
	return milter_options_parse(reply.text, &offer, &c->options, err);
}

int
milter_conn_new(const struct sockaddr_storage *address, socklen_t len,
    unsigned version, unsigned wait_ms, struct milter_conn **conn_out,
    struct err *err)
{
	CLEANUP(milter_conn_free) struct milter_conn *c = calloc(1, sizeof(*c));
	uint64_t start = clock_ms();

	if (c == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	c->fd = -1;
	c->made_ms = start;
	/* A packet more than what is written at the latest. */
	buf_init(&c->out, MILTER_GATHER + 2 * MILTER_DATA_MAX);
	buf_init(&c->in, MILTER_REPLY_MAX + READ_LARGE + 4);
	if (conn_open(address, len, start + wait_ms, &c->fd, err) == -1)
		return -1;
	if (conn_negotiate(c, version, wait_ms, err) == -1)
		return err_prefix(err, "negotiation");
	*conn_out = STEAL(c);
	return 0;
}

/* ---- packets
 * ----------------------------------------------------------------------- */

int
milter_conn_flush(struct milter_conn *c, unsigned wait_ms, struct err *err)
{
	uint64_t deadline = clock_ms() + wait_ms;
	size_t sent = 0;

	if (buf_check(&c->out, err) == -1)
		return -1;
	while (sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + sent, c->out.len - sent,
		    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			sent += (size_t)n;
		else if (errno == EPIPE || errno == ECONNRESET)
			return err_set(err, ERR_CLOSED, "it has closed");
		else if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "send");
		else if (conn_wait(c->fd, POLLOUT, deadline, err) == -1)
			return -1;
	}
	c->octets_out += sent;
	buf_clear(&c->out);
	buf_shrink(&c->out);
	return 0;
}

static int
conn_fill(
    struct milter_conn *c, size_t need, uint64_t deadline_ms, struct err *err)
{
	for (;;) {
		/* What it announces is believed as far as it comes. */
		size_t want =
		    need - c->in.len > READ_CHUNK ? READ_LARGE : READ_CHUNK;
		char *room = buf_reserve(&c->in, want);
		ssize_t n;

		if (room == NULL)
			return buf_check(&c->in, err);
		n = recv(c->fd, room, want, MSG_DONTWAIT);
		if (n > 0) {
			buf_commit(&c->in, (size_t)n);
			c->octets_in += (size_t)n;
			return 0;
		}
		if (n == 0 || errno == ECONNRESET)
			return err_set(err, ERR_CLOSED, "it has closed");
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "receive");
		if (conn_wait(c->fd, POLLIN, deadline_ms, err) == -1)
			return -1;
	}
}

int
milter_conn_reply(struct milter_conn *c, unsigned wait_ms,
    struct milter_reply *reply_out, struct err *err)
{
	uint64_t deadline = clock_ms() + wait_ms;

	if (c->out.len > 0 && milter_conn_flush(c, wait_ms, err) == -1)
		return -1;
	buf_consume(&c->in, c->taken);
	c->taken = 0;
	for (;;) {
		struct span rest = buf_span(&c->in);
		size_t need;

		switch (milter_reply_take(&rest, reply_out, &need, err)) {
		case MILTER_TAKE_OK:
			c->taken = c->in.len - rest.len;
			return 0;
		case MILTER_TAKE_BAD:
			return -1;
		case MILTER_TAKE_MORE:
			break;
		}
		if (conn_fill(c, need, deadline, err) == -1)
			return -1;
	}
}

void
milter_conn_quit(struct milter_conn *c)
{
	static const char quit[] = { 0, 0, 0, 1, MILTER_QUIT };

	if (c != NULL)
		(void)send(
		    c->fd, quit, sizeof(quit), MSG_NOSIGNAL | MSG_DONTWAIT);
	milter_conn_free(c);
}

bool
milter_conn_quiet(const struct milter_conn *c)
{
	char octet;

	return c->in.len == c->taken &&
	       recv(c->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) == -1 &&
	       (errno == EAGAIN || errno == EINTR);
}
