/* SPDX-License-Identifier: BSD-2-Clause */
/* The output queue: pieces of memory and ranges of files. */
#include "common/conn_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "common/reactor_private.h"

#define PIECE_FIRST 1024       /* of an answer: most are short */
#define PIECE_NEXT (16 * 1024) /* a TLS record */
#define PIECE_MOST (64 * 1024)
#define IOV_PIECES 16
#define FILE_READ (16 * 1024)

/* ---- the queue ------------------------------------------------------ */

static struct piece *
piece_add(struct output *out, size_t cap)
{
	struct piece *p = malloc(sizeof(*p) + cap);

	if (p == NULL)
		return NULL;
	*p = (struct piece){ .fd = -1, .cap = cap };
	if (out->head == NULL)
		out->head = p;
	else
		out->tail->next = p;
	out->tail = p;
	out->pieces++;
	return p;
}

static void
piece_drop(struct output *out)
{
	struct piece *p = out->head;

	out->head = p->next;
	if (out->head == NULL)
		out->tail = NULL;
	out->pieces--;
	fd_close(p->fd);
	free(p);
}

void
conn_output_drop(struct conn *c)
{
	while (c->out.head != NULL)
		piece_drop(&c->out);
	c->out.memory = 0;
	c->out.pending = 0;
}

void
conn_output_break(struct conn *c, enum conn_broken why)
{
	if (c->broken == BROKEN_NO) {
		c->broken = why;
		conn_fail(c, ERR_CLOSED,
		    why == BROKEN_TIMEOUT ? "the client does not read"
					  : "the client is gone");
	}
	conn_output_drop(c);
}

/* Octets leave the front of the queue. */
static void
output_taken(struct conn *c, size_t len)
{
	struct output *out = &c->out;

	out->pending -= len;
	out->taken += len;
	out->progress_ms = clock_ms();
	while (out->head != NULL) {
		struct piece *p = out->head;
		size_t part = len < p->len ? len : (size_t)p->len;

		p->offset += part;
		p->len -= part;
		len -= part;
		if (p->fd == -1)
			out->memory -= part;
		if (p->len > 0)
			return;
		piece_drop(out);
	}
}

uint64_t
conn_output_deadline(const struct conn *c)
{
	uint64_t idle = c->out.progress_ms + c->options.wait_ms, slow;

	if (c->options.min_rate == 0)
		return idle;
	slow = c->out.began_ms + c->options.wait_ms +
	       c->out.taken * 1000 / c->options.min_rate;
	return slow < idle ? slow : idle;
}

/* ---- sending -------------------------------------------------------- */

/* All memory pieces in front at once. */
static enum io
send_memory(struct conn *c, size_t *taken_out)
{
	struct iovec iov[IOV_PIECES];
	struct msghdr msg = { .msg_iov = iov };
	struct piece *p;
	ssize_t sent;

	for (p = c->out.head;
	     p != NULL && p->fd == -1 && msg.msg_iovlen < IOV_PIECES;
	     p = p->next)
		iov[msg.msg_iovlen++] = (struct iovec){
			.iov_base = p->data + p->offset,
			.iov_len = (size_t)p->len,
		};
	do
		sent = sendmsg(c->fd, &msg,
		    MSG_DONTWAIT | MSG_NOSIGNAL | (p != NULL ? MSG_MORE : 0));
	while (sent == -1 && errno == EINTR);
	if (sent >= 0) {
		*taken_out = (size_t)sent;
		return IO_OK;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return IO_AGAIN;
	conn_fail(c, ERR_TEMP, "sendmsg");
	return IO_CLOSED;
}

static enum io
file_ended(struct conn *c, ssize_t got, size_t *taken_out)
{
	if (got > 0) {
		*taken_out = (size_t)got;
		return IO_OK;
	}
	if (got == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return IO_AGAIN;
	/* The length was promised to the client: nothing may take its place. */
	conn_fail(
	    c, ERR_TEMP, got == 0 ? "file shrank while sent" : "sendfile");
	return IO_CLOSED;
}

static enum io
send_file(struct conn *c, struct piece *p, size_t *taken_out)
{
	off_t offset = (off_t)p->offset;
	size_t len =
	    p->len > CONN_WRITE_TURN ? CONN_WRITE_TURN : (size_t)p->len;
	ssize_t sent;

	do
		sent = sendfile(c->fd, p->fd, &offset, len);
	while (sent == -1 && errno == EINTR);
	return file_ended(c, sent, taken_out);
}

/* Under TLS, too, a range that was refused is offered again unchanged. */
static enum io
encrypt_file(struct conn *c, struct piece *p, size_t *taken_out)
{
	char octets[FILE_READ];
	size_t len = p->len > sizeof(octets) ? sizeof(octets) : (size_t)p->len;
	ssize_t got;

	do
		got = pread(p->fd, octets, len, (off_t)p->offset);
	while (got == -1 && errno == EINTR);
	if (got <= 0)
		return file_ended(c, got == 0 ? 0 : -1, taken_out);
	return conn_io_write(c, span_of(octets, (size_t)got), false, taken_out);
}

static enum io
send_some(struct conn *c, size_t *taken_out)
{
	struct piece *p = c->out.head;

	if (c->ssl == NULL)
		return p->fd == -1 ? send_memory(c, taken_out)
				   : send_file(c, p, taken_out);
	if (p->fd == -1)
		return conn_io_write(c,
		    span_of(p->data + p->offset, (size_t)p->len), false,
		    taken_out);
	return encrypt_file(c, p, taken_out);
}

enum drain
conn_output_drain(struct conn *c)
{
	uint64_t before = c->out.pending;

	while (c->out.pending > 0) {
		size_t taken = 0;

		if (before - c->out.pending >= CONN_WRITE_TURN)
			return DRAIN_YIELD;
		switch (send_some(c, &taken)) {
		case IO_OK:
			output_taken(c, taken);
			break;
		case IO_AGAIN:
			return DRAIN_WAIT;
		case IO_CLOSED:
			conn_output_break(c, BROKEN_CLOSED);
			return DRAIN_BROKEN;
		}
	}
	return c->broken == BROKEN_NO ? DRAIN_DONE : DRAIN_BROKEN;
}

/* ---- waiting for a client that reads slowly ------------------------- */

/* The worker waits until half of the room is free, or breaks the output. */
static void
output_wait(struct conn *c)
{
	while (c->out.memory > CONN_OUTPUT_MAX / 2 ||
	       c->out.pieces > CONN_PIECES_MAX / 2) {
		struct pollfd pfd = { .fd = c->fd };
		uint64_t now, deadline;

		if (conn_output_drain(c) != DRAIN_WAIT)
			continue;
		now = clock_ms();
		deadline = conn_output_deadline(c);
		if (now >= deadline || atomic_load(&c->r->stop)) {
			conn_output_break(c, BROKEN_TIMEOUT);
			return;
		}
		pfd.events = c->write_events == EPOLLIN ? POLLIN : POLLOUT;
		(void)poll(&pfd, 1,
		    deadline - now > 1000 ? 1000 : (int)(deadline - now));
	}
}

/* True when output may be queued; the clock of an empty queue begins. */
static bool
output_open(struct conn *c)
{
	if (c->broken != BROKEN_NO || c->mode != MODE_SESSION)
		return false;
	if (c->out.pending == 0) {
		c->out.began_ms = c->out.progress_ms = clock_ms();
		c->out.taken = 0;
	}
	return true;
}

/* ---- what sessions call --------------------------------------------- */

/* Queues as much of octets as one piece takes; answers how many, 0: failed. */
static size_t
queue_some(struct conn *c, struct span octets)
{
	struct output *out = &c->out;
	struct piece *p = out->tail;
	size_t used, len;

	if (p == NULL || p->fd != -1 || p->offset + p->len == p->cap) {
		size_t cap = out->memory == 0 ? PIECE_FIRST : PIECE_NEXT;

		if (octets.len > cap)
			cap = octets.len > PIECE_MOST ? PIECE_MOST : octets.len;
		p = piece_add(out, cap);
		if (p == NULL)
			return 0;
	}
	used = (size_t)(p->offset + p->len);
	len = p->cap - used < octets.len ? p->cap - used : octets.len;
	memcpy(p->data + used, octets.p, len);
	p->len += len;
	out->memory += len;
	out->pending += len;
	return len;
}

void
conn_write(struct conn *c, struct span octets)
{
	while (octets.len > 0 && output_open(c)) {
		size_t queued = queue_some(c, octets);

		if (queued == 0) {
			conn_fail(c, ERR_TEMP, "out of memory for output");
			conn_output_break(c, BROKEN_CLOSED);
			return;
		}
		octets = span_from(octets, queued);
		if (c->out.memory > CONN_OUTPUT_MAX ||
		    c->out.pieces > CONN_PIECES_MAX)
			output_wait(c);
	}
}

void
conn_write_fmt(struct conn *c, const char *format, ...)
{
	char text[512];
	CLEANUP(mem_free) char *longer = NULL;
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len >= 0 && (size_t)len < sizeof(text)) {
		conn_write(c, span_of(text, (size_t)len));
		return;
	}
	va_start(args, format);
	len = vasprintf(&longer, format, args);
	va_end(args);
	if (len == -1) {
		longer = NULL;
		conn_fail(c, ERR_TEMP, "out of memory for output");
		conn_output_break(c, BROKEN_CLOSED);
		return;
	}
	conn_write(c, span_of(longer, (size_t)len));
}

int
conn_write_file(
    struct conn *c, int fd, uint64_t offset, uint64_t len, struct err *err)
{
	CLEANUP(fd_close) int own = -1;
	struct piece *p;

	if (len == 0 || !output_open(c))
		return 0; /* a broken conn tells at the next take */
	own = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own == -1)
		return err_sys(err, "duplicate a file's descriptor");
	p = piece_add(&c->out, 0);
	if (p == NULL)
		return err_sys(err, "queue a file");
	p->fd = fd_steal(&own);
	p->offset = offset;
	p->len = len;
	c->out.pending += len;
	if (c->out.pieces > CONN_PIECES_MAX)
		output_wait(c);
	return 0;
}

size_t
conn_output_pending(const struct conn *c)
{
	return (size_t)c->out.pending;
}

int
conn_flush(struct conn *c, struct err *err)
{
	if (conn_output_drain(c) != DRAIN_BROKEN)
		return 0;
	if (err != NULL)
		*err = *conn_err(c);
	return -1;
}
