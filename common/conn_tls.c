/* SPDX-License-Identifier: BSD-2-Clause */
/* A conn under TLS: the handshake, which parks like a session, and octets. */
#include "common/conn_private.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>

#include "common/counters.h"
#include "common/reactor_private.h"
#include "common/tls_private.h"

/* ---- octets --------------------------------------------------------- */

/* What a TLS call that gave no result means; events: what to wait for. */
static enum io
tls_result(struct conn *c, int result, uint32_t *events)
{
	switch (SSL_get_error(c->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		*events = EPOLLIN;
		return IO_AGAIN;
	case SSL_ERROR_WANT_WRITE:
		*events = EPOLLOUT;
		return IO_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return IO_CLOSED;
	default:
		/* Nothing more may be said on it, not even goodbye. */
		c->tls_dead = true;
		return IO_CLOSED;
	}
}

static void
tls_fail(struct conn *c, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	conn_fail(c, ERR_CLOSED, reason == NULL ? what : reason);
	ERR_clear_error();
}

enum io
conn_tls_read(struct conn *c, char *out, size_t len, size_t *got_out)
{
	enum io io;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_read(c->ssl, out, len > INT32_MAX ? INT32_MAX : (int)len);
	if (result > 0) {
		*got_out = (size_t)result;
		c->read_events = EPOLLIN;
		/* A short record is most often a command, and alone. */
		if (*got_out < CONN_READ_CHUNK && !conn_tls_pending(c))
			c->readable = false;
		return IO_OK;
	}
	io = tls_result(c, result, &c->read_events);
	if (io == IO_CLOSED && c->tls_dead)
		tls_fail(c, "TLS read");
	return io;
}

enum io
conn_tls_write(struct conn *c, struct span octets, size_t *taken_out)
{
	enum io io;
	int result;

	ERR_clear_error();
	errno = 0;
	result = SSL_write(c->ssl, octets.p,
	    octets.len > INT32_MAX ? INT32_MAX : (int)octets.len);
	if (result > 0) {
		*taken_out = (size_t)result;
		c->write_events = EPOLLOUT;
		return IO_OK;
	}
	io = tls_result(c, result, &c->write_events);
	if (io == IO_CLOSED)
		tls_fail(c, "TLS write");
	return io;
}

bool
conn_tls_pending(const struct conn *c)
{
	return c->ssl != NULL && SSL_has_pending(c->ssl) == 1;
}

void
conn_tls_shutdown(struct conn *c)
{
	if (c->ssl == NULL || c->tls_dead || !SSL_is_init_finished(c->ssl))
		return;
	ERR_clear_error();
	(void)SSL_shutdown(c->ssl);
	ERR_clear_error();
}

void
conn_tls_fini(struct conn *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	tls_context_unref(c->tls);
	c->tls = NULL;
	c->read_events = EPOLLIN;
	c->write_events = EPOLLOUT;
}

/* ---- the handshake -------------------------------------------------- */

static enum step
handshake_failed(struct conn *c, const char *reason)
{
	counter_add(c->options.counters, COUNTER_TLS_FAILURES, 1);
	log_info(c->options.log, "TLS handshake failed",
	    log_str("reason", reason),
	    log_str("server_name", conn_tls_server_name(c)));
	return STEP_END;
}

/* OpenSSL's state and buffers are for those who say something. */
static enum step
handshake_awaited(struct conn *c)
{
	if (atomic_load(&c->r->draining))
		return STEP_END; /* nothing was begun */
	if (clock_ms() >= c->handshake_until_ms)
		return handshake_failed(c, "too slow");
	(void)conn_wait_for(c, EPOLLIN, c->handshake_until_ms);
	c->park.idle = true;
	return STEP_PARK;
}

/* The "go ahead" leaves in clear before the first octet of TLS. */
static enum step
handshake_begin(struct conn *c)
{
	struct err err = ERR_INIT;

	if (c->out.pending > 0) {
		switch (conn_output_drain(c)) {
		case DRAIN_WAIT:
			if (clock_ms() >= conn_output_deadline(c))
				return STEP_END;
			return conn_wait_for(
			    c, EPOLLOUT, conn_output_deadline(c));
		case DRAIN_YIELD:
			return STEP_YIELD;
		case DRAIN_BROKEN:
			return STEP_END;
		case DRAIN_DONE:
			break;
		}
	}
	if (c->handshake_until_ms == 0)
		c->handshake_until_ms =
		    clock_ms() + (c->options.wait_ms < CONN_HANDSHAKE_MS
					 ? c->options.wait_ms
					 : CONN_HANDSHAKE_MS);
	if (!c->readable)
		return handshake_awaited(c);
	c->ssl = tls_ssl_new(c->tls, c->fd, &err);
	if (c->ssl == NULL)
		return handshake_failed(c, err.text);
	return STEP_AGAIN;
}

static enum step
handshake_done(struct conn *c)
{
	counter_add(c->options.counters, COUNTER_TLS_HANDSHAKES, 1);
	reactor_churn(c->r);
	c->mode = MODE_SESSION;
	c->must_serve = true;
	c->readable = true; /* a command may have come with the last flight */
	return STEP_AGAIN;
}

enum step
conn_tls_step(struct conn *c)
{
	const char *reason;
	uint32_t events = EPOLLIN;
	int result;

	if (c->ssl == NULL)
		return handshake_begin(c);
	ERR_clear_error();
	errno = 0;
	result = SSL_do_handshake(c->ssl);
	if (result == 1)
		return handshake_done(c);
	if (tls_result(c, result, &events) == IO_CLOSED) {
		reason = ERR_reason_error_string(ERR_peek_last_error());
		result = (int)handshake_failed(
		    c, reason == NULL ? "closed by the client" : reason);
		ERR_clear_error();
		return (enum step)result;
	}
	if (clock_ms() >= c->handshake_until_ms)
		return handshake_failed(c, "too slow");
	return conn_wait_for(c, events, c->handshake_until_ms);
}

int
conn_start_tls(struct conn *c, struct tls_context *tls, struct err *err)
{
	if (c->tls != NULL)
		return err_set(err, ERR_POLICY, "TLS is active already");
	c->tls = tls_context_ref(tls);
	/* What came in clear must not be taken for what comes under TLS. */
	(void)conn_discard_input(c);
	c->mode = MODE_HANDSHAKE;
	return 0;
}

/* ---- what sessions ask ---------------------------------------------- */

bool
conn_tls(const struct conn *c)
{
	return c->ssl != NULL && c->mode != MODE_HANDSHAKE;
}

const char *
conn_tls_version(const struct conn *c)
{
	return c->ssl == NULL ? "" : SSL_get_version(c->ssl);
}

const char *
conn_tls_cipher(const struct conn *c)
{
	return c->ssl == NULL ? "" : SSL_get_cipher_name(c->ssl);
}

const char *
conn_tls_server_name(const struct conn *c)
{
	const char *name = c->ssl == NULL ? NULL
					  : SSL_get_servername(c->ssl,
						TLSEXT_NAMETYPE_host_name);

	return name == NULL ? "" : name;
}
