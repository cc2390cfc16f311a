/* SPDX-License-Identifier: BSD-2-Clause */
#include "smtpd/lmtp_client.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "common/ascii.h"
#include "common/buf.h"
#include "common/reactor.h"

#define SOCKETS_MAX 32
#define WAIT_MS 300000
/* RFC 5321 4.5.3.1.5 says 512; ours are shorter. */
#define REPLY_LINE_MAX 2048
#define REPLY_LINES_MAX 64
#define CHUNK (64 * 1024)

struct lmtp_conn {
	int fd;
	bool used; /* came from the pool: deliveryd may have closed it */
	uint64_t deadline_ms;
	struct buf in, out; /* out: small pieces on their way, one write */
	struct lmtp_conn *next;
};

struct lmtp_client {
	struct lmtp_options options;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t freed;
	struct lmtp_conn *idle;
	size_t open;
};

struct lmtp_reply {
	unsigned code;
	char enhanced[12];
	char text[200];
};

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

static void
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

	if (now >= l->deadline_ms)
		return err_set(err, ERR_TEMP, "deliveryd: no answer in time");
	n = poll(&pfd, 1, (int)(l->deadline_ms - now));
	if (n == -1 && errno != EINTR)
		return err_sys(err, "poll deliveryd");
	return 0;
}

static int
lmtp_send(struct lmtp_conn *l, struct span octets, struct err *err)
{
	while (octets.len > 0) {
		ssize_t n = send(
		    l->fd, octets.p, octets.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			octets = span_from(octets, (size_t)n);
		} else if (errno == EAGAIN) {
			if (lmtp_wait(l, POLLOUT, err) == -1)
				return -1;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return err_set(
			    err, ERR_CLOSED, "deliveryd closed the connection");
		} else if (errno != EINTR) {
			return err_sys(err, "send to deliveryd");
		}
	}
	return 0;
}

/* What was queued, in one write. */
static int
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

/* Small pieces wait for each other; a large one goes as it is. */
static int
lmtp_queue(struct lmtp_conn *l, struct span octets, struct err *err)
{
	if (l->out.len + octets.len > CHUNK && lmtp_flush(l, err) == -1)
		return -1;
	if (octets.len > CHUNK)
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

/* Reads one reply; *lines (may be NULL) gathers its texts, for LHLO. */
static int
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
	if (span_find(buf_span(&text), SPAN("\nPIPELINING\n")) < 0)
		return err_set(
		    err, ERR_TEMP, "deliveryd: does not offer PIPELINING");
	return 0;
}

static int
lmtp_conn_new(struct lmtp_client *c, uint64_t deadline_ms,
    struct lmtp_conn **l_out, struct err *err)
{
	struct lmtp_conn *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_set(err, ERR_TEMP, "out of memory");
	l->fd = -1;
	l->deadline_ms = deadline_ms;
	buf_init(&l->in, REPLY_LINE_MAX);
	buf_init(&l->out, 2 * CHUNK);
	if (c->options.connect(c->options.arg, &l->fd, err) == -1 ||
	    lmtp_greet(c, l, err) == -1) {
		lmtp_conn_free(l);
		return -1;
	}
	*l_out = l;
	return 0;
}

/* An idle connection, or NULL with leave to make one; or the wait for one. */
static int
lmtp_take(struct lmtp_client *c, uint64_t deadline_ms, struct lmtp_conn **l_out,
    struct err *err)
{
	struct timespec until = { .tv_sec = (time_t)(deadline_ms / 1000) };
	int rc = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (c->idle == NULL && c->open >= c->options.sockets_max && rc == 0)
		rc = pthread_cond_timedwait(&c->freed, &c->lock, &until);
	*l_out = c->idle;
	if (c->idle != NULL) {
		c->idle = c->idle->next;
		rc = 0;
	} else if (c->open < c->options.sockets_max) {
		c->open++;
		rc = 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (rc != 0)
		return err_set(err, ERR_TEMP,
		    "deliveryd: all %zu connections busy",
		    c->options.sockets_max);
	return 0;
}

/* NULL: the connection is gone. */
static void
lmtp_put(struct lmtp_client *c, struct lmtp_conn *l)
{
	(void)pthread_mutex_lock(&c->lock);
	if (l == NULL) {
		c->open--;
	} else {
		l->used = true;
		l->next = c->idle;
		c->idle = l;
	}
	(void)pthread_cond_signal(&c->freed);
	(void)pthread_mutex_unlock(&c->lock);
}

/* ---- a message
 * ------------------------------------------------------------------------------
 */

/*
 * Octets of mail data with a dot put before each line that begins with one.
 * *line_start says whether they begin a line, and then whether the next do.
 *                                              RFC 5321 section 4.5.2
 */
static int
lmtp_send_stuffed(
    struct lmtp_conn *l, struct span rest, bool *line_start, struct err *err)
{
	while (rest.len > 0) {
		ptrdiff_t dot;

		if (*line_start && rest.p[0] == '.' &&
		    lmtp_queue(l, SPAN("."), err) == -1)
			return -1;
		dot = span_find(rest, SPAN("\r\n."));
		if (lmtp_queue(l,
			span_first(rest, dot < 0 ? rest.len : (size_t)dot + 2),
			err) == -1)
			return -1;
		*line_start = dot >= 0 || span_ends(rest, SPAN("\r\n"));
		rest = span_from(rest, dot < 0 ? rest.len : (size_t)dot + 2);
	}
	return 0;
}

/* The final dot stands alone. */
static int
lmtp_send_data(
    struct lmtp_conn *l, const struct lmtp_message *m, struct err *err)
{
	bool line_start = true;

	if (lmtp_send_stuffed(l, m->prefix, &line_start, err) == -1 ||
	    lmtp_send_stuffed(l, m->content, &line_start, err) == -1)
		return -1;
	/* What is stored ends as it was received; the dot needs a line. */
	if (!line_start && lmtp_queue(l, SPAN("\r\n"), err) == -1)
		return -1;
	if (lmtp_queue(l, SPAN(".\r\n"), err) == -1)
		return -1;
	return lmtp_flush(l, err);
}

static int
lmtp_send_envelope(struct lmtp_conn *l, const struct lmtp_message *m,
    const struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	CLEANUP(buf_fini) struct buf b;

	buf_init(&b, 1024 * (count + 2));
	buf_append(&b, SPAN("MAIL FROM:<"));
	buf_append(&b, m->reverse_path);
	buf_append_fmt(&b, ">%s%s HKID=%s\r\n",
	    m->body_8bit ? " BODY=8BITMIME" : "",
	    m->smtputf8 ? " SMTPUTF8" : "", m->id);
	for (size_t i = 0; i < count; i++)
		buf_append_fmt(
		    &b, "RCPT TO:<%s>\r\n", recipients[i].forward_path);
	buf_append(&b, SPAN("DATA\r\n"));
	if (buf_check(&b, err) == -1)
		return -1;
	return lmtp_send(l, buf_span(&b), err);
}

static void
recipient_set(struct lmtp_recipient *to, const struct lmtp_reply *r)
{
	to->code = r->code;
	memcpy(to->enhanced, r->enhanced, sizeof(to->enhanced));
	memcpy(to->text, r->text, sizeof(to->text));
}

/*
 * Replies to MAIL, each RCPT and DATA.  *accepted_out: how many recipients
 * will get a reply of their own after the dot.
 */
static int
lmtp_envelope_replies(struct lmtp_conn *l, struct lmtp_recipient *recipients,
    size_t count, size_t *accepted_out, struct err *err)
{
	struct lmtp_reply mail, r;
	size_t accepted = 0;

	if (lmtp_reply_take(l, &mail, NULL, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (lmtp_reply_take(l, &r, NULL, err) == -1)
			return -1;
		if (mail.code / 100 != 2)
			recipient_set(&recipients[i], &mail);
		else if (r.code / 100 == 2)
			accepted++;
		else
			recipient_set(&recipients[i], &r);
	}
	if (lmtp_reply_take(l, &r, NULL, err) == -1)
		return -1;
	if (accepted == 0 && r.code == 354)
		return err_set(
		    err, ERR_TEMP, "deliveryd: wants data for nobody");
	if (accepted > 0 && r.code != 354)
		return err_set(
		    err, ERR_TEMP, "deliveryd: DATA: %u %s", r.code, r.text);
	*accepted_out = accepted;
	return 0;
}

static int
lmtp_message_on(struct lmtp_conn *l, const struct lmtp_message *m,
    struct lmtp_recipient *recipients, size_t count, bool *sent_out,
    struct err *err)
{
	size_t accepted = 0;
	struct lmtp_reply r;

	if (lmtp_send_envelope(l, m, recipients, count, err) == -1 ||
	    lmtp_envelope_replies(l, recipients, count, &accepted, err) == -1)
		return -1;
	if (accepted == 0)
		return 0;
	*sent_out = true;
	if (lmtp_send_data(l, m, err) == -1)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (recipients[i].code != 0)
			continue;
		if (lmtp_reply_take(l, &r, NULL, err) == -1)
			return -1;
		recipient_set(&recipients[i], &r);
	}
	return 0;
}

static int
lmtp_attempt(struct lmtp_client *c, const struct lmtp_message *m,
    struct lmtp_recipient *recipients, size_t count, uint64_t deadline_ms,
    bool *again_out, struct err *err)
{
	struct lmtp_conn *l;
	bool sent = false;

	*again_out = false;
	for (size_t i = 0; i < count; i++)
		recipients[i].code = 0;
	if (lmtp_take(c, deadline_ms, &l, err) == -1)
		return -1;
	if (l == NULL && lmtp_conn_new(c, deadline_ms, &l, err) == -1) {
		lmtp_put(c, NULL);
		return -1;
	}
	l->deadline_ms = deadline_ms;
	if (lmtp_message_on(l, m, recipients, count, &sent, err) == -1) {
		/* A kept connection whose deliveryd has gone, and no octet of
		 * the message sent: nothing can have happened there. */
		*again_out = l->used && !sent;
		lmtp_conn_free(l);
		lmtp_put(c, NULL);
		return -1;
	}
	buf_fini(&l->out);
	buf_init(&l->out, 2 * CHUNK);
	lmtp_put(c, l);
	return 0;
}

static bool
span_clean(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (ascii_is(s.p[i], ASCII_CTL))
			return false;
	}
	return true;
}

/*
 * Recipients come from the directory, where somebody may have written what
 * would end the line and begin a command of theirs.
 */
static int
envelope_check(const struct lmtp_message *m,
    const struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	bool clean = span_clean(m->reverse_path) && span_clean(span_str(m->id));

	for (size_t i = 0; i < count && clean; i++)
		clean = span_clean(span_str(recipients[i].forward_path));
	return clean ? 0
		     : err_set(
			   err, ERR_TEMP, "a control character in an address");
}

int
lmtp_deliver(struct lmtp_client *c, const struct lmtp_message *m,
    struct lmtp_recipient *recipients, size_t count, struct err *err)
{
	uint64_t deadline_ms = clock_ms() + c->options.wait_ms;
	struct err first = ERR_INIT;
	bool again = true;
	int rc = -1;

	for (size_t i = 0; i < count; i++)
		recipients[i].code = 0;
	if (envelope_check(m, recipients, count, err) == -1)
		return -1;
	/* Each turn uses up one dead connection of the pool. */
	for (size_t turn = 0;
	     rc == -1 && again && turn <= c->options.sockets_max; turn++)
		rc = lmtp_attempt(
		    c, m, recipients, count, deadline_ms, &again, &first);
	if (rc == -1) {
		first.kind = ERR_TEMP;
		if (err != NULL)
			*err = first;
	}
	return rc;
}
