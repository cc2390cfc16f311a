/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/bench/client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define OUT_MAX (64u << 20)
#define STRIDE 7919u /* a prime */

static void client_steps(struct client *c);

uint64_t
now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Any wrong answer is an error of the whole run: it ends the connection. */
static void
client_fail(struct client *c, const char *what)
{
	struct load *load = c->load;
	const struct step *step = c->step < load->script.steps_len
				      ? &load->script.steps[c->step]
				      : NULL;

	if (load->errors++ == 0)
		(void)snprintf(load->first_error, sizeof(load->first_error),
		    "line %u (%s): %s: %.120s", step == NULL ? 0 : step->line,
		    step == NULL || step->text == NULL ? "greeting"
						       : step->text,
		    what, c->line);
	client_close(c);
	c->waiting = false;
	c->measuring = false;
}

void
client_close(struct client *c)
{
	if (c->ssl != NULL) {
		if (c->load->resume) {
			SSL_SESSION_free(c->session);
			c->session = SSL_get1_session(c->ssl);
		}
		(void)SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
		c->ssl = NULL;
		ERR_clear_error();
	}
	if (c->fd != -1)
		(void)close(c->fd);
	c->fd = -1;
	c->think_until_us = 0;
	buf_clear(&c->out);
	c->out_sent = 0;
}

static void
client_epoll(struct client *c, int op, bool writing)
{
	struct epoll_event event = {
		.events = EPOLLIN | (writing ? EPOLLOUT : 0),
		.data.ptr = c,
	};

	if (op == EPOLL_CTL_MOD && c->want_write == writing)
		return;
	c->want_write = writing;
	(void)epoll_ctl(c->load->epoll_fd, op, c->fd, &event);
}

static bool
client_tls(struct client *c)
{
	c->ssl = SSL_new(c->load->tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1)
		return false;
	SSL_set_connect_state(c->ssl);
	if (c->session != NULL)
		(void)SSL_set_session(c->ssl, c->session);
	c->handshaking = true;
	return true;
}

/* The next user: all in turn, but no neighbours, so that no cache of a side
 * profits from their order. */
static unsigned
user_pick(struct load *load)
{
	unsigned n = load->user_next++ % load->users;

	if (load->users % STRIDE != 0)
		n = (unsigned)((uint64_t)n * STRIDE % load->users);
	return load->user_first + n;
}

bool
client_connect(struct client *c)
{
	struct load *load = c->load;
	int one = 1;

	if (load->stopping ||
	    (load->operations_max != 0 &&
		load->operations_started >= load->operations_max))
		return false;
	c->fd = socket(load->address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1) {
		client_fail(c, "socket");
		return false;
	}
	if (load->address.ss_family != AF_UNIX)
		(void)setsockopt(
		    c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->connect_us = now_us();
	c->connecting = true;
	c->step = 0;
	c->done = 0;
	c->line_len = 0;
	c->literal = 0;
	c->multi = c->handshaking = false;
	c->waiting = true; /* the greeting */
	c->lines = 0;
	c->rcpts = 0;
	c->replies_due = 1;
	c->user = user_pick(load);
	if (connect(c->fd, (struct sockaddr *)&load->address,
		load->address_len) == -1 &&
	    errno != EINPROGRESS) {
		client_fail(c, strerror(errno));
		return true;
	}
	load->connections++;
	client_epoll(c, EPOLL_CTL_ADD, true);
	return true;
}

/* ---- output -----------------------------------------------------------------
 */

static void
user_name(const struct load *load, unsigned number, char *out, size_t size)
{
	/* The format is the operator's own, given on the command line. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)snprintf(
	    out, size, load->user_format, number, number % load->tenants);
#pragma GCC diagnostic pop
}

static void
expand(struct client *c, const char *text)
{
	struct load *load = c->load;
	char user[128], any[128];
	const char *p;

	user_name(load, c->user, user, sizeof(user));
	for (p = text; *p != '\0';) {
		struct span rest = span_str(p);

		if (span_take_nocase(&rest, SPAN("{user}")))
			buf_append_str(&c->out, user);
		else if (span_take_nocase(&rest, SPAN("{any}"))) {
			user_name(load, user_pick(load), any, sizeof(any));
			buf_append_str(&c->out, any);
		} else if (span_take_nocase(&rest, SPAN("{local}")))
			buf_append(&c->out, span_of(user, strcspn(user, "@")));
		else if (span_take_nocase(&rest, SPAN("{password}")))
			buf_append_str(&c->out, load->password);
		else if (span_take_nocase(&rest, SPAN("{message}")))
			buf_append_u64(&c->out, load->operations_started);
		else {
			buf_append_octet(&c->out, *p);
			rest = span_str(p + 1);
		}
		p = rest.p;
	}
}

static void
send_command(struct client *c, const char *text, bool tagged)
{
	if (tagged && c->load->script.protocol == PROTOCOL_IMAP) {
		(void)snprintf(c->tag, sizeof(c->tag), "a%u", ++c->tag_number);
		buf_append_str(&c->out, c->tag);
		buf_append_octet(&c->out, ' ');
	}
	expand(c, text);
	buf_append(&c->out, c->load->script.protocol == PROTOCOL_USERDB
				? SPAN("\n")
				: SPAN("\r\n"));
	c->waiting = true;
	c->lines = c->words = c->literals = 0;
	c->replies_due = 1;
	c->multi = false;
	if (strncasecmp(text, "RCPT ", 5) == 0)
		c->rcpts++;
	if (strncasecmp(text, "MAIL ", 5) == 0)
		c->rcpts = 0;
}

static void
append_message(struct client *c)
{
	buf_append_fmt(&c->out, "Message-ID: <%llu.%u.%d@load.example>\r\n",
	    (unsigned long long)c->load->operations_started, c->user,
	    (int)getpid());
	buf_append(&c->out, buf_span(&c->load->message));
}

/* True when all is out; false when the kernel takes no more, or on failure. */
static bool
client_flush(struct client *c)
{
	while (c->out_sent < c->out.len) {
		const char *from = c->out.data + c->out_sent;
		size_t len = c->out.len - c->out_sent;
		ssize_t n;

		if (c->ssl != NULL) {
			int rc = SSL_write(
			    c->ssl, from, len > 16384 ? 16384 : (int)len);

			n = rc;
			if (rc <= 0 &&
			    SSL_get_error(c->ssl, rc) == SSL_ERROR_WANT_WRITE)
				n = 0;
		} else {
			n = send(c->fd, from, len, MSG_NOSIGNAL);
			if (n == -1 && errno == EAGAIN)
				n = 0;
		}
		if (n < 0) {
			client_fail(c, "write failed");
			return false;
		}
		if (n == 0) {
			client_epoll(c, EPOLL_CTL_MOD, true);
			return false;
		}
		c->out_sent += (size_t)n;
		c->load->octets_out += (size_t)n;
	}
	buf_clear(&c->out);
	c->out_sent = 0;
	client_epoll(c, EPOLL_CTL_MOD, false);
	return true;
}

/* ---- replies
 * ------------------------------------------------------------------ */

static bool
counted_right(
    struct client *c, int64_t wanted, int64_t counted, const char *what)
{
	char text[80];

	if (wanted < 0 || wanted == counted)
		return true;
	(void)snprintf(text, sizeof(text), "%lld %s, not %lld",
	    (long long)counted, what, (long long)wanted);
	client_fail(c, text);
	return false;
}

static void
reply_done(struct client *c, bool ok)
{
	const struct step *step = &c->load->script.steps[c->step];

	if (!ok) {
		client_fail(c, "refused");
		return;
	}
	if (--c->replies_due > 0)
		return;
	if (!counted_right(c, step->lines, c->lines, "lines") ||
	    !counted_right(c, step->words, c->words, "words") ||
	    !counted_right(
		c, step->literals, c->literals, "octets in literals"))
		return;
	c->waiting = false;
	if (step->kind == STEP_GREETING)
		histogram_add(
		    &c->load->connect_latency, now_us() - c->connect_us);
	if (step->kind == STEP_STARTTLS && !client_tls(c)) {
		client_fail(c, "no TLS");
		return;
	}
	c->step++;
}

static void
smtp_line(struct client *c)
{
	const struct step *step = &c->load->script.steps[c->step];
	unsigned code = (unsigned)strtoul(c->line, NULL, 10);

	if (c->line_len > 3 && c->line[3] == '-')
		return;
	reply_done(c, step->code != 0 ? code == step->code : code / 100 == 2);
}

static void
pop3_line(struct client *c)
{
	const struct step *step = &c->load->script.steps[c->step];

	if (c->multi) {
		if (c->line[0] == '.' && c->line_len <= 3)
			reply_done(c, true);
		else
			c->lines++;
	} else if (c->line[0] == '+' && step->kind == STEP_SEND_MULTI) {
		c->multi = true;
	} else {
		reply_done(c, c->line[0] == '+');
	}
}

/* "… {123}\r\n": the line goes on behind so many octets. */
static bool
literal_announced(struct client *c)
{
	const char *brace;
	char tail[sizeof(c->tail) + 1];
	size_t len =
	    c->line_len < sizeof(c->tail) ? c->line_len : sizeof(c->tail);

	for (size_t i = 0; i < len; i++)
		tail[i] = c->tail[(c->line_len - len + i) % sizeof(c->tail)];
	tail[len] = '\0';
	brace = strrchr(tail, '{');
	if (brace == NULL || strcmp(brace + strcspn(brace, "}"), "}\r\n") != 0)
		return false;
	c->literal = strtoull(brace + 1, NULL, 10);
	c->literals += (int64_t)c->literal;
	return true;
}

static void
imap_line(struct client *c)
{
	const struct step *step = &c->load->script.steps[c->step];
	size_t tag_len = strlen(c->tag);

	if (step->kind == STEP_GREETING) {
		reply_done(c, strncmp(c->line, "* OK", 4) == 0);
	} else if (c->line[0] == '+') {
		if (step->kind == STEP_SEND_CONTINUE)
			reply_done(c, true);
	} else if (c->line[0] == '*') {
		c->lines++;
		c->words += (int64_t)c->line_words;
	} else if (strncmp(c->line, c->tag, tag_len) == 0 &&
		   c->line[tag_len] == ' ') {
		reply_done(c, strncmp(c->line + tag_len + 1, "OK", 2) == 0);
	}
}

/* VERSION and SPID greet; USER answers with the number asked by. */
static void
userdb_line(struct client *c)
{
	const struct step *step = &c->load->script.steps[c->step];

	if (step->kind == STEP_GREETING) {
		if (strncmp(c->line, "SPID\t", 5) == 0)
			reply_done(c, true);
	} else {
		reply_done(c, strncmp(c->line, "USER\t", 5) == 0);
	}
}

static void
line_done(struct client *c)
{
	c->line[c->line_len < sizeof(c->line) ? c->line_len
					      : sizeof(c->line) - 1] = '\0';
	if (!c->waiting || c->think_until_us != 0) {
		/* Untagged news between commands. */
	} else if (c->load->script.protocol == PROTOCOL_IMAP) {
		imap_line(c);
	} else if (c->load->script.protocol == PROTOCOL_POP3) {
		pop3_line(c);
	} else if (c->load->script.protocol == PROTOCOL_USERDB) {
		userdb_line(c);
	} else {
		smtp_line(c);
	}
	c->line_len = 0;
	c->line_words = 0;
}

static void
client_input(struct client *c, const char *p, size_t len)
{
	const bool imap = c->load->script.protocol == PROTOCOL_IMAP;

	c->load->octets_in += len;
	while (len > 0 && c->fd != -1) {
		const char *lf;
		size_t take;

		if (c->literal > 0) {
			take = len < c->literal ? len : (size_t)c->literal;
			c->literal -= take;
			p += take;
			len -= take;
			continue;
		}
		lf = memchr(p, '\n', len);
		take = lf == NULL ? len : (size_t)(lf - p) + 1;
		for (size_t i = 0; i < take; i++) {
			size_t at = c->line_len + i;

			if (at < sizeof(c->line) - 1)
				c->line[at] = p[i];
			if (imap) {
				c->tail[at % sizeof(c->tail)] = p[i];
				c->line_words += p[i] == ' ' || p[i] == '\n';
			}
		}
		c->line_len += take;
		p += take;
		len -= take;
		if (lf != NULL && !(imap && literal_announced(c)))
			line_done(c);
	}
}

/* ---- the script
 * ----------------------------------------------------------------- */

static void
operation_end(struct client *c)
{
	struct load *load = c->load;

	histogram_add(&load->latency, now_us() - c->began_us);
	load->operations++;
	c->measuring = false;
	c->done++;
}

static bool
operations_left(const struct client *c)
{
	const struct load *load = c->load;

	return !load->stopping &&
	       (load->per_connection == 0 || c->done < load->per_connection) &&
	       (load->operations_max == 0 ||
		   load->operations_started < load->operations_max);
}

static void
step_run(struct client *c, const struct step *step)
{
	struct load *load = c->load;

	switch (step->kind) {
	case STEP_BEGIN:
		load->operations_started++;
		/* A script that begins so is timed from its connect(). */
		c->began_us = c->step == 1 ? c->connect_us : now_us();
		c->measuring = true;
		c->step++;
		break;
	case STEP_END:
		operation_end(c);
		c->step++;
		break;
	case STEP_LOOP:
		c->step++;
		break;
	case STEP_REPEAT:
		c->step = operations_left(c) ? load->script.loop : c->step + 1;
		break;
	case STEP_THINK:
		if (load->stopping || step->think_ms * load->think_scale == 0)
			c->step++;
		else
			c->think_until_us =
			    now_us() +
			    (uint64_t)step->think_ms * 10 * load->think_scale;
		break;
	case STEP_BODY:
		append_message(c);
		send_command(c, ".", false);
		if (load->script.protocol == PROTOCOL_LMTP)
			c->replies_due = c->rcpts;
		break;
	case STEP_LITERAL: {
		size_t at;

		send_command(c, step->text, true);
		at = c->out.len - 2;
		buf_truncate(&c->out, at);
		{
			CLEANUP(buf_fini) struct buf message;
			struct buf out = c->out;

			buf_init(&message, OUT_MAX);
			c->out = message;
			append_message(c);
			message = c->out;
			c->out = out;
			buf_append_fmt(&c->out, " {%zu+}\r\n", message.len);
			buf_append(&c->out, buf_span(&message));
		}
		buf_append(&c->out, SPAN("\r\n"));
		break;
	}
	case STEP_STARTTLS:
		send_command(c,
		    load->script.protocol == PROTOCOL_POP3 ? "STLS"
							   : "STARTTLS",
		    true);
		break;
	case STEP_RAW:
		send_command(c, step->text, false);
		if (load->script.protocol == PROTOCOL_USERDB) {
			/* Nobody answers it. */
			c->waiting = false;
			c->step++;
		}
		break;
	case STEP_SEND:
	case STEP_SEND_MULTI:
	case STEP_SEND_CONTINUE:
		send_command(c, step->text, true);
		break;
	case STEP_GREETING:
		c->waiting = true;
		break;
	}
}

/* Plays steps until a reply, the kernel or the clock is waited for. */
static void
client_steps(struct client *c)
{
	const struct script *script = &c->load->script;

	while (c->fd != -1 && !c->waiting && !c->handshaking &&
	       c->think_until_us == 0) {
		if (c->step >= script->steps_len) {
			client_close(c);
			return;
		}
		step_run(c, &script->steps[c->step]);
		if (c->waiting)
			(void)client_flush(c);
	}
}

static bool
client_handshake(struct client *c)
{
	int rc = SSL_do_handshake(c->ssl);

	if (rc == 1) {
		c->handshaking = false;
		c->load->handshakes++;
		client_epoll(c, EPOLL_CTL_MOD, false);
		return true;
	}
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		client_epoll(c, EPOLL_CTL_MOD, false);
		return false;
	case SSL_ERROR_WANT_WRITE:
		client_epoll(c, EPOLL_CTL_MOD, true);
		return false;
	default:
		client_fail(c, "TLS handshake failed");
		return false;
	}
}

static ssize_t
client_read(struct client *c, char *p, size_t size)
{
	int rc;

	if (c->ssl == NULL) {
		ssize_t n = recv(c->fd, p, size, 0);

		return n == -1 && errno == EAGAIN ? -2 : n;
	}
	rc = SSL_read(c->ssl, p, (int)size);
	if (rc > 0)
		return rc;
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return -2;
	default:
		ERR_clear_error();
		return 0;
	}
}

void
client_run(struct client *c)
{
	static char octets[65536];
	ssize_t n;

	if (c->think_until_us != 0 && now_us() >= c->think_until_us) {
		c->think_until_us = 0;
		c->step++;
		client_steps(c);
	}
	if (c->fd == -1)
		return;
	if (c->connecting) {
		int error = 0;
		socklen_t len = sizeof(error);

		(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			client_fail(c, strerror(error));
			return;
		}
		c->connecting = false;
		client_epoll(c, EPOLL_CTL_MOD, false);
		if (c->load->implicit_tls && !client_tls(c)) {
			client_fail(c, "no TLS");
			return;
		}
	}
	while (c->fd != -1) {
		if (c->handshaking && !client_handshake(c))
			return;
		if (c->out.len > 0 && !client_flush(c))
			return;
		n = client_read(c, octets, sizeof(octets));
		if (n == -2) {
			client_steps(c);
			return;
		}
		if (n <= 0) {
			client_fail(c, "connection closed");
			return;
		}
		client_input(c, octets, (size_t)n);
		client_steps(c);
	}
}
