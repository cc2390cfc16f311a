/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/packet.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"

#define PACKET_HEAD_LEN 6
#define PACKET_FIELD_LEN 3 /* tag and length */

/* ---- writing ------------------------------------------------------------- */

static void
put_number(char *to, uint64_t number, unsigned octets)
{
	while (octets-- > 0) {
		to[octets] = (char)(number & 0xff);
		number >>= 8;
	}
}

void
packet_begin(struct buf *b, struct packet_head head)
{
	char octets[PACKET_HEAD_LEN];

	buf_clear(b);
	octets[0] = (char)head.version;
	octets[1] = (char)head.type;
	put_number(octets + 2, head.serial, 4);
	buf_append(b, span_of(octets, sizeof(octets)));
}

void
packet_put(struct buf *b, uint8_t tag, struct span value)
{
	char octets[PACKET_FIELD_LEN];

	if (value.len > UINT16_MAX) {
		b->failed = ERR_LIMIT;
		return;
	}
	octets[0] = (char)tag;
	put_number(octets + 1, value.len, 2);
	buf_append(b, span_of(octets, sizeof(octets)));
	buf_append(b, value);
}

void
packet_put_str(struct buf *b, uint8_t tag, const char *value)
{
	packet_put(b, tag, span_str(value));
}

void
packet_put_u64(struct buf *b, uint8_t tag, uint64_t value)
{
	char octets[8];

	put_number(octets, value, sizeof(octets));
	packet_put(b, tag, span_of(octets, sizeof(octets)));
}

size_t
packet_start(struct buf *b, uint8_t tag)
{
	char octets[PACKET_FIELD_LEN] = { (char)tag };

	buf_append(b, span_of(octets, sizeof(octets)));
	return b->len;
}

void
packet_end(struct buf *b, size_t start)
{
	if (b->failed != ERR_NONE)
		return;
	if (b->len - start > UINT16_MAX)
		b->failed = ERR_LIMIT;
	else
		put_number(b->data + start - 2, b->len - start, 2);
}

/* ---- reading ------------------------------------------------------------- */

static uint64_t
get_number(const char *from, size_t octets)
{
	uint64_t number = 0;

	for (size_t i = 0; i < octets; i++)
		number = number << 8 | (unsigned char)from[i];
	return number;
}

int
packet_open(struct span packet, uint8_t version, struct packet_head *head_out,
    struct span *fields_out, struct err *err)
{
	if (packet.len < PACKET_HEAD_LEN)
		return err_set(
		    err, ERR_SYNTAX, "packet of %zu octets", packet.len);
	if ((uint8_t)packet.p[0] != version)
		return err_set(err, ERR_SYNTAX, "packet of version %u, not %u",
		    (unsigned)(uint8_t)packet.p[0], (unsigned)version);
	*head_out = (struct packet_head){
		.version = version,
		.type = (uint8_t)packet.p[1],
		.serial = (uint32_t)get_number(packet.p + 2, 4),
	};
	*fields_out = span_from(packet, PACKET_HEAD_LEN);
	return 0;
}

enum packet_next
packet_next(struct span *fields, uint8_t *tag_out, struct span *value_out)
{
	size_t len;

	if (fields->len == 0)
		return PACKET_END;
	if (fields->len < PACKET_FIELD_LEN)
		return PACKET_BROKEN;
	len = (size_t)get_number(fields->p + 1, 2);
	if (len > fields->len - PACKET_FIELD_LEN)
		return PACKET_BROKEN;
	*tag_out = (uint8_t)fields->p[0];
	*value_out = span_of(fields->p + PACKET_FIELD_LEN, len);
	*fields = span_from(*fields, PACKET_FIELD_LEN + len);
	return PACKET_FIELD;
}

bool
packet_u64(struct span value, uint64_t *out)
{
	if (value.len != 8)
		return false;
	*out = get_number(value.p, 8);
	return true;
}

bool
packet_text(struct span value, char *out, size_t out_size)
{
	if (value.len >= out_size || span_index(value, '\0') != -1)
		return false;
	if (value.len > 0)
		memcpy(out, value.p, value.len);
	out[value.len] = '\0';
	return true;
}

/* ---- sockets ------------------------------------------------------------- */

union packet_control {
	struct cmsghdr head; /* for its alignment */
	char octets[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
};

static uint64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Waits for events until the deadline (timeout_ms < 0: none). */
static int
packet_wait(
    int fd, short events, int timeout_ms, uint64_t deadline, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int wait = -1, n;

		if (timeout_ms >= 0) {
			uint64_t now = now_ms();

			wait = now >= deadline ? 0 : (int)(deadline - now);
		}
		n = poll(&p, 1, wait);
		if (n > 0)
			return 0;
		if (n == 0) {
			(void)err_set(err, ERR_TEMP, "timed out");
			if (err != NULL)
				err->os = ETIMEDOUT;
			return -1;
		}
		if (errno != EINTR)
			return err_sys(err, "poll");
	}
}

static int
packet_failed(const char *call, struct err *err)
{
	int result = err_sys(err, "%s", call);

	if (err != NULL && (errno == EPIPE || errno == ECONNRESET ||
			       errno == ENOTCONN || errno == ECONNREFUSED))
		err->kind = ERR_CLOSED;
	return result;
}

int
packet_send(int fd, struct span packet, const int *fds, size_t fds_len,
    int timeout_ms, struct err *err)
{
	union packet_control control;
	struct iovec iov = { .iov_len = packet.len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t deadline =
	    now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);

	if (packet.len > PACKET_MAX || fds_len > PACKET_FDS_MAX)
		return err_set(err, ERR_LIMIT,
		    "packet of %zu octets, %zu descriptors", packet.len,
		    fds_len);
	/* sendmsg does not write there; its type cannot say so. */
	memcpy(&iov.iov_base, &packet.p, sizeof(packet.p));
	if (fds_len > 0) {
		struct cmsghdr *c = &control.head;

		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * fds_len);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * fds_len);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * fds_len);
	}
	for (;;) {
		if (sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) != -1)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return packet_failed("sendmsg", err);
		if (packet_wait(fd, POLLOUT, timeout_ms, deadline, err) == -1)
			return -1;
	}
}

/* Keeps up to fds_max descriptors; false when there were more. */
static bool
packet_take_fds(
    struct msghdr *msg, int *fds, size_t fds_max, size_t *fds_len_out)
{
	size_t kept = 0;
	bool fits = true;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
	     c = CMSG_NXTHDR(msg, c)) {
		size_t len;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		len = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < fds_max) {
				fds[kept++] = fd;
			} else {
				fits = false;
				fd_close(fd);
			}
		}
	}
	*fds_len_out = kept;
	return fits;
}

int
packet_recv(int fd, struct buf *b, int *fds, size_t fds_max,
    size_t *fds_len_out, int timeout_ms, struct err *err)
{
	union packet_control control;
	struct iovec iov = { .iov_len = PACKET_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint64_t deadline =
	    now_ms() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0);
	size_t fds_len = 0;
	ssize_t got;

	if (fds_len_out != NULL)
		*fds_len_out = 0;
	buf_clear(b);
	iov.iov_base = buf_reserve(b, PACKET_MAX);
	if (iov.iov_base == NULL)
		return buf_check(b, err);
	for (;;) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		got = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
		if (got != -1)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			return packet_failed("recvmsg", err);
		if (packet_wait(fd, POLLIN, timeout_ms, deadline, err) == -1)
			return -1;
	}
	if (!packet_take_fds(&msg, fds, fds_max, &fds_len) ||
	    (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || got == 0) {
		for (size_t i = 0; i < fds_len; i++)
			fd_close(fds[i]);
		return got == 0 ? err_set(err, ERR_CLOSED, "peer closed")
				: err_set(err, ERR_SYNTAX, "packet truncated");
	}
	buf_commit(b, (size_t)got);
	if (fds_len_out != NULL)
		*fds_len_out = fds_len;
	return 0;
}
