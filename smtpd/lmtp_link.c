/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/lmtp_link.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/ascii.h"
#include "common/reactor.h"

#define SOCKETS_MAX 32
/* deliveryd waits 10 seconds for room in its journal, and 3 for the mail to be
 * seen; what takes longer will not come. */
#define WAIT_MS 20000
/* RFC 5321 4.5.3.1.5 says 512; ours are shorter. */
#define REPLY_LINE_MAX 2048
#define REPLY_LINES_MAX 64

int
lmtp_client_new(const struct lmtp_options *options,
    struct lmtp_client **client_out, struct err *err)
{
	struct lmtp_client *c = calloc(1, sizeof(*c));
	pthread_condattr_t attr;

	if (c == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	c->options = *options;
	if (c->options.sockets_max == 0)
		c->options.sockets_max = SOCKETS_MAX;
	if (c->options.wait_ms == 0)
		c->options.wait_ms = WAIT_MS;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&c->freed, &attr);
	(void)pthread_condattr_destroy(&attr);
	*client_out = c;
	return 0;
}

void
lmtp_conn_free(struct lmtp_conn *l)
{
	if (l == NULL)
		return;
	fd_close(l->fd);
	buf_fini(&l->in);
	buf_fini(&l->out);
	free(l);
}

void
lmtp_client_free(struct lmtp_client *c)
{
	if (c == NULL)
		return;
	while (c->idle != NULL) {
		struct lmtp_conn *l = c->idle;

		c->idle = l->next;
		lmtp_conn_free(l);
	}
	(void)pthread_cond_destroy(&c->freed);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ---- octets
 * ------------------------------------------------------------------------ */

static int
lmtp_wait(struct lmtp_conn *l, short events, struct err *err)
{
	struct pollfd pfd = { .fd = l->fd, .events = events };
	uint64_t now = clock_ms();
	int n;

	if (now >= l->deadline_ms) {
		l->late = true;
		return err_set(err, ERR_TEMP, "deliveryd: no answer in time");
	}
	n = poll(&pfd, 1, (int)(l->deadline_ms - now));
	if (n == -1 && errno != EINTR)
		return err_sys(err, "poll deliveryd");
	return 0;
}

/* What a send could not do: waits for room, or says why it never will. */
static int
lmtp_send_failed(struct lmtp_conn *l, struct err *err)
{
	if (errno == EAGAIN)
		return lmtp_wait(l, POLLOUT, err);
	if (errno == EPIPE || errno == ECONNRESET)
		return err_set(
		    err, ERR_CLOSED, "deliveryd closed the connection");
	return errno == EINTR ? 0 : err_sys(err, "send to deliveryd");
}

int
lmtp_send(struct lmtp_conn *l, struct span octets, struct err *err)
{
	while (octets.len > 0) {
		ssize_t n = send(
		    l->fd, octets.p, octets.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0)
			octets = span_from(octets, (size_t)n);
		else if (lmtp_send_failed(l, err) == -1)
			return -1;
	}
	return 0;
}

int
lmtp_send_fd(struct lmtp_conn *l, struct span octets, int fd, struct err *err)
{
	union {
		struct cmsghdr head; /* for its alignment */
		char octets[CMSG_SPACE(sizeof(int))];
	} control = { .octets = { 0 } };
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)octets.p,
		.iov_len = octets.len,
	};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	ssize_t n;

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	while ((n = sendmsg(l->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT)) == -1)
		if (lmtp_send_failed(l, err) == -1)
			return -1;
	return lmtp_send(l, span_from(octets, (size_t)n), err);
}

int
lmtp_flush(struct lmtp_conn *l, struct err *err)
{
	if (l->out.len == 0)
		return 0;
	if (buf_check(&l->out, err) == -1 ||
	    lmtp_send(l, buf_span(&l->out), err) == -1)
		return -1;
	buf_clear(&l->out);
	return 0;
}

int
lmtp_queue(struct lmtp_conn *l, struct span octets, struct err *err)
{
	if (l->out.len + octets.len > LMTP_CHUNK && lmtp_flush(l, err) == -1)
		return -1;
	if (octets.len > LMTP_CHUNK)
		return lmtp_send(l, octets, err);
	buf_append(&l->out, octets);
	return 0;
}

static int
lmtp_fill(struct lmtp_conn *l, struct err *err)
{
	for (;;) {
		char *room = buf_reserve(&l->in, 512);
		ssize_t n;

		if (room == NULL)
			return err_set(
			    err, ERR_TEMP, "deliveryd: reply too long");
		n = recv(l->fd, room, 512, MSG_DONTWAIT);
		if (n > 0) {
			buf_commit(&l->in, (size_t)n);
			return 0;
		}
		if (n == 0 || errno == ECONNRESET)
			return err_set(
			    err, ERR_CLOSED, "deliveryd closed the connection");
		if (errno != EAGAIN && errno != EINTR)
			return err_sys(err, "receive from deliveryd");
		if (lmtp_wait(l, POLLIN, err) == -1)
			return -1;
	}
}

/* ---- replies
 * ---------------------------------------------------------------------------
 */

/* class "." subject "." detail                          RFC 3463 section 2 */
static void
enhanced_take(struct span *text, struct lmtp_reply *r)
{
	ptrdiff_t sp = span_index(*text, ' ');
	struct span status = span_first(*text, sp < 0 ? text->len : (size_t)sp);

	if (status.len < 5 || status.len >= sizeof(r->enhanced) ||
	    status.p[1] != '.' || !ascii_is(status.p[0], ASCII_DIGIT))
		return;
	for (size_t i = 1; i < status.len; i++) {
		if (status.p[i] != '.' && !ascii_is(status.p[i], ASCII_DIGIT))
			return;
	}
	memcpy(r->enhanced, status.p, status.len);
	r->enhanced[status.len] = '\0';
	*text = span_trim(span_from(*text, status.len));
}

/*
 * Reply-line = 3DIGIT ("-" / [SP]) text.  True when it was the last of its
 * reply.                                              RFC 5321 section 4.2
 */
static int
reply_line(
    struct span line, struct lmtp_reply *r, bool *last_out, struct err *err)
{
	uint64_t code;
	struct span text;
	size_t len = 0;

	if (line.len < 3 || !span_to_u64(span_first(line, 3), &code) ||
	    code < 200 || code > 599 ||
	    (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return err_set(err, ERR_TEMP, "deliveryd: not a reply");
	*last_out = line.len == 3 || line.p[3] == ' ';
	*r = (struct lmtp_reply){ .code = (unsigned)code };
	text = span_from(line, 4);
	enhanced_take(&text, r);
	for (size_t i = 0; i < text.len && len < sizeof(r->text) - 1; i++) {
		if (ascii_is(text.p[i], ASCII_VCHAR) || text.p[i] == ' ')
			r->text[len++] = text.p[i];
	}
	return 0;
}

int
lmtp_reply_take(struct lmtp_conn *l, struct lmtp_reply *r, struct buf *lines,
    struct err *err)
{
	bool last = false;

	for (unsigned count = 0; !last; count++) {
		ptrdiff_t end = span_find(buf_span(&l->in), SPAN("\r\n"));

		if (count >= REPLY_LINES_MAX)
			return err_set(
			    err, ERR_TEMP, "deliveryd: reply too long");
		while (end < 0) {
			if (lmtp_fill(l, err) == -1)
				return -1;
			end = span_find(buf_span(&l->in), SPAN("\r\n"));
		}
		if (reply_line(span_first(buf_span(&l->in), (size_t)end), r,
			&last, err) == -1)
			return -1;
		if (lines != NULL) {
			buf_append_str(lines, r->text);
			buf_append_octet(lines, '\n');
		}
		buf_consume(&l->in, (size_t)end + 2);
	}
	return 0;
}

static int
lmtp_expect(struct lmtp_conn *l, unsigned code, const char *what,
    struct buf *lines, struct err *err)
{
	struct lmtp_reply r;

	if (lmtp_reply_take(l, &r, lines, err) == -1)
		return -1;
	if (r.code != code)
		return err_set(err, ERR_TEMP, "deliveryd: %s: %u %s", what,
		    r.code, r.text);
	return 0;
}

/* ---- connections
 * ------------------------------------------------------------------------- */

static int
lmtp_greet(struct lmtp_client *c, struct lmtp_conn *l, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, 16384);
	buf_append_fmt(&text, "LHLO %s\r\n", c->options.hostname);
	if (lmtp_expect(l, 220, "greeting", NULL, err) == -1 ||
	    lmtp_send(l, buf_span(&text), err) == -1)
		return -1;
	buf_clear(&text);
	buf_append_octet(&text, '\n');
	if (lmtp_expect(l, 250, "LHLO", &text, err) == -1)
		return -1;
	/* Both ends are ours: envelope and DATA go in one write. */
	l->room = span_find(buf_span(&text), SPAN("\nHKROOM\n")) >= 0;
	l->takes_fd = span_find(buf_span(&text), SPAN("\nHKFD\n")) >= 0;
	if (span_find(buf_span(&text), SPAN("\nPIPELINING\n")) < 0)
		return err_set(
		    err, ERR_TEMP, "deliveryd: does not offer PIPELINING");
	return 0;
}

struct lmtp_conn *
lmtp_conn_new(void)
{
	struct lmtp_conn *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->fd = -1;
	buf_init(&l->in, REPLY_LINE_MAX);
	buf_init(&l->out, 2 * LMTP_CHUNK);
	return l;
}

int
lmtp_open(struct lmtp_client *c, struct lmtp_conn *l, struct err *err)
{
	if (l->fd != -1)
		return 0;
	if (c->options.connect(c->options.arg, &l->fd, err) == -1)
		return -1;
	return lmtp_greet(c, l, err);
}

/* With the lock: no connection, and none may be made now. */
static bool
lmtp_must_wait(const struct lmtp_client *c)
{
	return !c->stalled && c->idle == NULL &&
	       c->open >= c->options.sockets_max;
}

/* Why there is none for this message. */
static int
lmtp_refuse(const struct lmtp_client *c, bool stalled, struct err *err)
{
	if (stalled)
		return err_set(
		    err, ERR_TEMP, "deliveryd has not answered for some time");
	return err_set(err, ERR_TEMP, "deliveryd: all %zu connections busy",
	    c->options.sockets_max);
}

int
lmtp_take(struct lmtp_client *c, uint64_t deadline_ms, struct lmtp_conn **l_out,
    bool *tries_out, struct err *err)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ms / 1000),
		.tv_nsec = (long)(deadline_ms % 1000) * 1000000,
	};
	bool refused, stalled;
	int rc = 0;

	*l_out = NULL;
	(void)pthread_mutex_lock(&c->lock);
	while (lmtp_must_wait(c) && rc == 0)
		rc = pthread_cond_timedwait(&c->freed, &c->lock, &until);
	stalled = c->stalled;
	refused = stalled ? c->trying : lmtp_must_wait(c);
	*tries_out = stalled && !refused;
	if (!refused) {
		c->trying = stalled;
		if (c->idle != NULL) {
			*l_out = c->idle;
			c->idle = c->idle->next;
		} else {
			c->open++;
		}
	}
	(void)pthread_mutex_unlock(&c->lock);
	return refused ? lmtp_refuse(c, stalled, err) : 0;
}

void
lmtp_put(struct lmtp_client *c, struct lmtp_conn *l, bool tries, bool late)
{
	(void)pthread_mutex_lock(&c->lock);
	if (l == NULL) {
		c->open--;
	} else {
		l->used = true;
		l->next = c->idle;
		c->idle = l;
	}
	c->stalled = late;
	if (tries)
		c->trying = false;
	(void)pthread_cond_broadcast(&c->freed);
	(void)pthread_mutex_unlock(&c->lock);
}
