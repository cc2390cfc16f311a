/* SPDX-License-Identifier: BSD-2-Clause */
/* One attempt at reading or writing, in clear or under TLS. */
#include "common/conn_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/cleanup.h"

void
conn_fail(struct conn *c, enum err_kind kind, const char *what)
{
	int saved = errno;

	if (c->err != NULL)
		return; /* the first reason is the reason */
	c->err = calloc(1, sizeof(*c->err));
	if (c->err == NULL)
		return;
	errno = saved;
	(void)err_set_at(c->err, kind, kind == ERR_TEMP ? saved : 0, __FILE__,
	    __LINE__, "%s", what);
}

const struct err *
conn_err(const struct conn *c)
{
	static const struct err unknown = { .kind = ERR_CLOSED,
		.file = __FILE__,
		.line = __LINE__,
		.text = "connection ended" };

	return c->err == NULL ? &unknown : c->err;
}

int
conn_take_fd(struct conn *c)
{
	int fd = c->got_fd;

	c->got_fd = -1;
	return fd;
}

static void
keep_fds(struct conn *c, struct msghdr *m)
{
	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h != NULL;
	     h = CMSG_NXTHDR(m, h)) {
		size_t octets = h->cmsg_len - CMSG_LEN(0);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= octets;
		     at += sizeof(int)) {
			fd_close(c->got_fd);
			memcpy(&c->got_fd, CMSG_DATA(h) + at, sizeof(int));
		}
	}
}

/* As recv, with room for a descriptor; the kernel closes what has none. */
static ssize_t
recv_with_fds(struct conn *c, char *out, size_t len)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char octets[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = out, .iov_len = len };
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t got = recvmsg(c->fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got >= 0)
		keep_fds(c, &m);
	return got;
}

static enum io
clear_read(struct conn *c, char *out, size_t len, size_t *got_out)
{
	ssize_t got;

	do
		got = c->options.takes_fds
			  ? recv_with_fds(c, out, len)
			  : recv(c->fd, out, len, MSG_DONTWAIT);
	while (got == -1 && errno == EINTR);
	if (got > 0) {
		*got_out = (size_t)got;
		return IO_OK;
	}
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IO_AGAIN;
	if (got == -1)
		conn_fail(c, ERR_TEMP, "recv");
	return IO_CLOSED;
}

enum io
conn_io_read(struct conn *c, char *out, size_t len, size_t *got_out)
{
	enum io io;

	if (c->eof)
		return IO_CLOSED;
	io = c->ssl == NULL ? clear_read(c, out, len, got_out)
			    : conn_tls_read(c, out, len, got_out);
	switch (io) {
	case IO_OK:
		/* A short read has emptied the socket; epoll tells of more. */
		if (c->ssl == NULL && *got_out < len)
			c->readable = false;
		break;
	case IO_AGAIN:
		c->readable = false;
		break;
	case IO_CLOSED:
		c->eof = true;
		break;
	}
	return io;
}

enum io
conn_io_write(struct conn *c, struct span octets, bool more, size_t *taken_out)
{
	ssize_t sent;

	if (c->ssl != NULL)
		return conn_tls_write(c, octets, taken_out);
	do
		sent = send(c->fd, octets.p, octets.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
	while (sent == -1 && errno == EINTR);
	if (sent >= 0) {
		*taken_out = (size_t)sent;
		return IO_OK;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return IO_AGAIN;
	conn_fail(c, ERR_TEMP, "send");
	return IO_CLOSED;
}
