/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving a connection away.  Under TLS the conn stays and copies octets
 * between the client and one end of a socket pair.
 *
 * Octets pass over the worker's stack.  Only what the other side does not
 * take at once is kept, and its source is not read until it is gone: an idle
 * relay holds no buffer, a stuck one less than RELAY_CHUNK in a direction.
 */
#include "common/conn_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define RELAY_CHUNK (16 * 1024)

/* What a direction waits for. */
enum flow {
	FLOW_MORE,
	FLOW_SOURCE,
	FLOW_TARGET,
	FLOW_ENDED
};

/* ---- the pair's end ------------------------------------------------- */

static enum io
pair_read(struct conn *c, char *out, size_t len, size_t *got_out)
{
	ssize_t got;

	do
		got = recv(c->relay->fd, out, len, MSG_DONTWAIT);
	while (got == -1 && errno == EINTR);
	if (got > 0) {
		/* A short read has emptied it; epoll tells of more. */
		c->relay->readable = (size_t)got == len;
		*got_out = (size_t)got;
		return IO_OK;
	}
	if (got == 0 || errno != EAGAIN)
		return IO_CLOSED;
	c->relay->readable = false;
	return IO_AGAIN;
}

static bool
pair_ready(const struct conn *c)
{
	return c->relay->readable;
}

static enum io
pair_write(struct conn *c, struct span octets, size_t *taken_out)
{
	ssize_t sent;

	do
		sent = send(c->relay->fd, octets.p, octets.len,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent == -1 && errno == EINTR);
	if (sent >= 0) {
		*taken_out = (size_t)sent;
		return IO_OK;
	}
	return errno == EAGAIN ? IO_AGAIN : IO_CLOSED;
}

static bool
client_ready(const struct conn *c)
{
	return c->readable || c->eof || conn_tls_pending(c);
}

static enum io
client_write(struct conn *c, struct span octets, size_t *taken_out)
{
	return conn_tls_write(c, octets, taken_out);
}

/* ---- one direction -------------------------------------------------- */

struct pipe {
	struct relay_side *side;
	bool (*ready)(const struct conn *c); /* reading may bring something */
	enum io (*read)(struct conn *c, char *out, size_t len, size_t *got_out);
	enum io (*write)(struct conn *c, struct span octets, size_t *taken_out);
};

static void
side_drop(struct relay_side *side)
{
	free(side->left);
	side->left = NULL;
	side->len = side->at = 0;
}

static enum flow
side_closed(struct relay_side *side)
{
	side_drop(side);
	side->ended = true;
	return FLOW_ENDED;
}

/* Offers what is left from before. */
static enum flow
flow_left(struct conn *c, const struct pipe *pipe)
{
	struct relay_side *side = pipe->side;
	size_t taken;

	switch (pipe->write(
	    c, span_of(side->left + side->at, side->len - side->at), &taken)) {
	case IO_AGAIN:
		return FLOW_TARGET;
	case IO_CLOSED:
		return side_closed(side);
	case IO_OK:
		break;
	}
	c->relay->progress_ms = clock_ms();
	side->at += taken;
	if (side->at == side->len)
		side_drop(side);
	return FLOW_MORE;
}

static enum flow
flow_fresh(struct conn *c, const struct pipe *pipe)
{
	struct relay_side *side = pipe->side;
	char octets[RELAY_CHUNK];
	size_t len, taken = 0;

	switch (pipe->read(c, octets, sizeof(octets), &len)) {
	case IO_AGAIN:
		return FLOW_SOURCE;
	case IO_CLOSED:
		return side_closed(side);
	case IO_OK:
		break;
	}
	c->turn += len < CONN_READ_LEAST ? CONN_READ_LEAST : len;
	c->relay->progress_ms = clock_ms();
	switch (pipe->write(c, span_of(octets, len), &taken)) {
	case IO_AGAIN:
	case IO_OK:
		break;
	case IO_CLOSED:
		return side_closed(side);
	}
	if (taken == len)
		return FLOW_MORE;
	side->left = malloc(len - taken);
	if (side->left == NULL)
		return side_closed(side);
	memcpy(side->left, octets + taken, len - taken);
	side->len = len - taken;
	side->at = 0;
	return FLOW_MORE;
}

static enum flow
flow(struct conn *c, const struct pipe *pipe)
{
	enum flow result = FLOW_MORE;

	while (result == FLOW_MORE && c->turn < c->turn_max) {
		if (pipe->side->left != NULL)
			result = flow_left(c, pipe);
		else if (pipe->side->ended)
			result = FLOW_ENDED;
		else if (!pipe->ready(c))
			result = FLOW_SOURCE;
		else
			result = flow_fresh(c, pipe);
	}
	return result;
}

/* ---- both ----------------------------------------------------------- */

/* When a relay that waits like this is given up. */
static uint64_t
relay_deadline(const struct conn *c, enum flow down)
{
	uint64_t until = UINT64_MAX;

	if (down == FLOW_TARGET)
		until = c->relay->progress_ms + c->options.wait_ms;
	if (c->relay->end_ms != 0 && c->relay->end_ms < until)
		until = c->relay->end_ms;
	return until;
}

static enum step
relay_park(struct conn *c, enum flow up, enum flow down)
{
	uint32_t client = 0, pair = 0;
	uint64_t until = relay_deadline(c, down);

	if (clock_ms() >= until)
		return STEP_END;
	if (up == FLOW_SOURCE)
		client |= c->read_events;
	if (up == FLOW_TARGET)
		pair |= EPOLLOUT;
	if (down == FLOW_SOURCE)
		pair |= EPOLLIN;
	if (down == FLOW_TARGET)
		client |= c->write_events;
	(void)conn_wait_for(c, client, until);
	c->park.events[1] = pair;
	return STEP_PARK;
}

enum step
conn_relay_step(struct conn *c)
{
	struct relay *relay = c->relay;
	const struct pipe up = { &relay->up, client_ready, conn_io_read,
		pair_write };
	const struct pipe down = { &relay->down, pair_ready, pair_read,
		client_write };
	enum flow up_flow = flow(c, &up);
	enum flow down_flow = flow(c, &down);

	if (down_flow == FLOW_ENDED) {
		/* The session has said all: our goodbye, and out. */
		c->mode = MODE_CLOSING;
		return STEP_AGAIN;
	}
	if (c->tls_dead)
		return STEP_END;
	if (up_flow == FLOW_ENDED && relay->end_ms == 0) {
		relay->end_ms = clock_ms() + CONN_RELAY_END_MS;
		(void)shutdown(relay->fd, SHUT_WR);
	}
	if (up_flow == FLOW_MORE || down_flow == FLOW_MORE)
		return STEP_YIELD;
	return relay_park(c, up_flow, down_flow);
}

void
conn_relay_fini(struct conn *c)
{
	if (c->relay == NULL)
		return;
	side_drop(&c->relay->up);
	side_drop(&c->relay->down);
	fd_close(c->relay->fd);
	free(c->relay);
	c->relay = NULL;
}

/* ---- giving away ---------------------------------------------------- */

static int
give_pair(struct conn *c, int *fd_out, struct err *err)
{
	struct relay *relay = calloc(1, sizeof(*relay));
	int pair[2];

	if (relay == NULL)
		return err_sys(err, "relay");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) == -1) {
		free(relay);
		return err_sys(err, "socketpair");
	}
	relay->fd = pair[0];
	relay->readable = true;
	relay->progress_ms = clock_ms();
	c->relay = relay;
	c->mode = MODE_RELAY;
	*fd_out = pair[1];
	return 0;
}

int
conn_give_away(struct conn *c, int *fd_out, struct buf *input, struct err *err)
{
	if (c->broken != BROKEN_NO || c->mode != MODE_SESSION)
		return err_set(err, ERR_CLOSED, "nothing left to give away");
	if (conn_output_drain(c) != DRAIN_DONE)
		return err_set(err, ERR_TEMP, "output is pending");
	buf_append(input, span_from(buf_span(&c->in), c->in_at));
	if (buf_check(input, err) == -1)
		return -1;
	if (c->ssl != NULL) {
		if (give_pair(c, fd_out, err) == -1)
			return -1;
	} else {
		conn_forget_fd(c);
		*fd_out = c->fd;
		c->fd = -1;
	}
	conn_gather_fini(c);
	return 0;
}
