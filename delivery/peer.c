/* SPDX-License-Identifier: BSD-2-Clause */
#include "delivery/peer.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/ascii.h"
#include "common/reactor.h"

/* RFC 5321 section 4.5.3.1.5 says 512; some hosts say more. */
#define REPLY_LINE_MAX 4096
#define LINES_MAX 128
#define IN_MAX (REPLY_LINE_MAX + 16384)
#define OUT_MAX (64 * 1024)

void
peer_init(struct peer *p, int fd)
{
	*p = (struct peer){ .fd = fd };
	buf_init(&p->in, IN_MAX);
	buf_init(&p->out, 2 * OUT_MAX + REPLY_LINE_MAX);
}

void
peer_fini(struct peer *p)
{
	SSL_free(p->ssl);
	p->ssl = NULL;
	buf_fini(&p->in);
	buf_fini(&p->out);
	fd_close(p->fd);
	p->fd = -1;
}

void
peer_wait(struct peer *p, unsigned wait_ms)
{
	p->deadline_ms = clock_ms() + wait_ms;
}

static int
wait_for(int fd, short events, uint64_t deadline_ms, struct err *err)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	uint64_t now = clock_ms();
	int n;

	if (now >= deadline_ms)
		return err_set(err, ERR_CLOSED, "no answer in time");
	n = poll(&pfd, 1, (int)(deadline_ms - now));
	if (n == -1 && errno != EINTR)
		return err_sys(err, "poll");
	return 0;
}

int
peer_connect(const struct sockaddr_storage *address, socklen_t len,
    unsigned wait_ms, int *fd_out, struct err *err)
{
	uint64_t deadline_ms = clock_ms() + wait_ms;
	CLEANUP(fd_close)
	int fd = socket(
	    address->ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(int);
	int failed = 0, one = 1;

	if (fd == -1)
		return err_sys(err, "socket");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, (const struct sockaddr *)(const void *)address, len) ==
	    -1) {
		if (errno != EINPROGRESS)
			return err_sys(err, "connect");
		do {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			if (wait_for(fd, POLLOUT, deadline_ms, err) == -1)
				return -1;
			if (poll(&pfd, 1, 0) == 1)
				break;
		} while (true);
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size) == -1)
			return err_sys(err, "connect");
		if (failed != 0) {
			errno = failed;
			return err_sys(err, "connect");
		}
	}
	*fd_out = fd_steal(&fd);
	return 0;
}

/* ---- octets ---- */

/* After a call of OpenSSL's that did not do all: waits, or says why not. */
static int
tls_wait(struct peer *p, int result, const char *what, struct err *err)
{
	switch (SSL_get_error(p->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return wait_for(p->fd, POLLIN, p->deadline_ms, err);
	case SSL_ERROR_WANT_WRITE:
		return wait_for(p->fd, POLLOUT, p->deadline_ms, err);
	case SSL_ERROR_ZERO_RETURN:
	case SSL_ERROR_SYSCALL:
		return err_set(err, ERR_CLOSED, "connection lost");
	default:
		break;
	}
	{
		unsigned long why = ERR_peek_last_error();
		const char *words = ERR_reason_error_string(why);

		return err_set(err, ERR_CLOSED, "%s: %s", what,
		    words == NULL ? "TLS failed" : words);
	}
}

static int
send_some(struct peer *p, struct span octets, size_t *sent_out, struct err *err)
{
	ssize_t n;

	*sent_out = 0;
	if (p->ssl != NULL) {
		int result;

		ERR_clear_error();
		result = SSL_write_ex(p->ssl, octets.p, octets.len, sent_out);
		return result == 1 ? 0 : tls_wait(p, result, "TLS", err);
	}
	n = send(p->fd, octets.p, octets.len, MSG_NOSIGNAL);
	if (n >= 0) {
		*sent_out = (size_t)n;
		return 0;
	}
	if (errno == EAGAIN)
		return wait_for(p->fd, POLLOUT, p->deadline_ms, err);
	if (errno == EINTR)
		return 0;
	return err_set(err, ERR_CLOSED, "connection lost");
}

int
peer_flush(struct peer *p, struct err *err)
{
	struct span rest = buf_span(&p->out);
	size_t sent;

	if (p->broken)
		return err_set(err, ERR_CLOSED, "connection lost");
	if (buf_check(&p->out, err) == -1)
		return -1;
	while (rest.len > 0) {
		if (send_some(p, rest, &sent, err) == -1) {
			p->broken = true;
			return -1;
		}
		rest = span_from(rest, sent);
	}
	buf_clear(&p->out);
	return 0;
}

int
peer_write(struct peer *p, struct span octets, struct err *err)
{
	while (octets.len > 0) {
		struct span piece = span_first(octets, OUT_MAX);

		buf_append(&p->out, piece);
		octets = span_from(octets, piece.len);
		if (p->out.len >= OUT_MAX && peer_flush(p, err) == -1)
			return -1;
	}
	return 0;
}

int
peer_write_fmt(struct peer *p, struct err *err, const char *format, ...)
{
	char text[REPLY_LINE_MAX];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(text))
		return err_set(err, ERR_LIMIT, "command too long");
	return peer_write(p, span_of(text, (size_t)len), err);
}

int
peer_write_data(struct peer *p, struct span content, struct err *err)
{
	struct span rest = content;
	bool line_start = true;

	while (rest.len > 0) {
		ptrdiff_t dot;
		size_t len;

		if (line_start && rest.p[0] == '.' &&
		    peer_write(p, SPAN("."), err) == -1)
			return -1;
		dot = span_find(rest, SPAN("\r\n."));
		len = dot < 0 ? rest.len : (size_t)dot + 2;
		if (peer_write(p, span_first(rest, len), err) == -1)
			return -1;
		line_start = dot >= 0;
		rest = span_from(rest, len);
	}
	if (content.len > 0 && !span_ends(content, SPAN("\r\n")) &&
	    peer_write(p, SPAN("\r\n"), err) == -1)
		return -1;
	return peer_write(p, SPAN(".\r\n"), err);
}

static int
fill(struct peer *p, struct err *err)
{
	char *room = buf_reserve(&p->in, 4096);
	size_t got = 0;
	ssize_t n;

	if (room == NULL)
		return err_set(err, ERR_SYNTAX, "reply too long");
	if (p->ssl != NULL) {
		int result;

		ERR_clear_error();
		result = SSL_read_ex(p->ssl, room, 4096, &got);
		if (result != 1)
			return tls_wait(p, result, "TLS", err);
		buf_commit(&p->in, got);
		return 0;
	}
	n = recv(p->fd, room, 4096, 0);
	if (n > 0) {
		buf_commit(&p->in, (size_t)n);
		return 0;
	}
	if (n == -1 && errno == EAGAIN)
		return wait_for(p->fd, POLLIN, p->deadline_ms, err);
	if (n == -1 && errno == EINTR)
		return 0;
	return err_set(err, ERR_CLOSED, "connection lost");
}

/* ---- replies ---- */

/* class "." subject "." detail				RFC 3463 section 2 */
static void
enhanced_take(struct span *text, struct peer_reply *r)
{
	ptrdiff_t sp = span_index(*text, ' ');
	struct span status = span_first(*text, sp < 0 ? text->len : (size_t)sp);
	unsigned dots = 0;

	if (status.len < 5 || status.len >= sizeof(r->enhanced) ||
	    status.p[1] != '.' || status.p[0] != (char)('0' + r->code / 100))
		return;
	for (size_t i = 1; i < status.len; i++) {
		dots += status.p[i] == '.';
		if (status.p[i] != '.' && !ascii_is(status.p[i], ASCII_DIGIT))
			return;
	}
	if (dots != 2)
		return;
	memcpy(r->enhanced, status.p, status.len);
	r->enhanced[status.len] = '\0';
	*text = span_trim(span_from(*text, status.len));
}

int
peer_reply_line(struct span line, struct peer_reply *r, bool first,
    bool *last_out, struct err *err)
{
	size_t len = first ? 0 : strlen(r->text);
	struct span text;
	uint64_t code;

	if (line.len < 3 || !span_to_u64(span_first(line, 3), &code) ||
	    code < 200 || code > 599 ||
	    (line.len > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return err_set(err, ERR_SYNTAX, "what came is no reply");
	if (first)
		*r = (struct peer_reply){ .code = (unsigned)code };
	else if (code != r->code)
		return err_set(err, ERR_SYNTAX, "a reply with two codes");
	*last_out = line.len == 3 || line.p[3] == ' ';
	text = span_from(line, 4);
	if (first)
		enhanced_take(&text, r);
	else if (r->enhanced[0] != '\0' &&
		 span_starts(text, span_str(r->enhanced)))
		text = span_trim(span_from(text, strlen(r->enhanced)));
	if (!first && len > 0 && len < sizeof(r->text) - 1)
		r->text[len++] = ' ';
	for (size_t i = 0; i < text.len && len < sizeof(r->text) - 1; i++)
		r->text[len++] =
		    ascii_is(text.p[i], ASCII_VCHAR) ? text.p[i] : ' ';
	r->text[len] = '\0';
	return 0;
}

static int
take_line(
    struct peer *p, struct span *line_out, size_t *taken_out, struct err *err)
{
	ptrdiff_t end;

	while ((end = span_index(buf_span(&p->in), '\n')) < 0) {
		if (p->in.len > REPLY_LINE_MAX)
			return err_set(err, ERR_SYNTAX, "reply line too long");
		if (fill(p, err) == -1)
			return -1;
	}
	*taken_out = (size_t)end + 1;
	*line_out = span_first(buf_span(&p->in), (size_t)end);
	/* Some hosts end lines with LF alone. */
	if (span_ends(*line_out, SPAN("\r")))
		line_out->len--;
	return 0;
}

int
peer_reply(struct peer *p, struct peer_reply *reply_out, struct buf *lines,
    struct err *err)
{
	struct span line;
	bool last = false;
	size_t taken = 0;

	if (peer_flush(p, err) == -1)
		return -1;
	for (unsigned count = 0; !last; count++) {
		if (count == LINES_MAX)
			(void)err_set(err, ERR_SYNTAX, "reply too long");
		if (count == LINES_MAX ||
		    take_line(p, &line, &taken, err) == -1 ||
		    peer_reply_line(line, reply_out, count == 0, &last, err) ==
			-1) {
			p->broken = true;
			return -1;
		}
		if (lines != NULL) {
			buf_append(lines, span_from(line, 4));
			buf_append_octet(lines, '\n');
		}
		buf_consume(&p->in, taken);
	}
	return 0;
}

int
peer_start_tls(struct peer *p, SSL *ssl, struct err *err)
{
	int result;

	buf_clear(&p->in);
	p->ssl = ssl;
	if (SSL_set_fd(ssl, p->fd) != 1)
		return err_set(err, ERR_TEMP, "TLS: out of memory");
	for (;;) {
		ERR_clear_error();
		result = SSL_connect(ssl);
		if (result == 1)
			return 0;
		if (tls_wait(p, result, "TLS handshake", err) == -1) {
			p->broken = true;
			return -1;
		}
	}
}
