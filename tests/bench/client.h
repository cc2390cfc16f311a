/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection of the load generator: plays a script over a non-blocking
 * socket, in clear or TLS, and counts what came back.
 */
#ifndef HK_BENCH_CLIENT_H
#define HK_BENCH_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "common/buf.h"
#include "common/err.h"
#include "tests/bench/histogram.h"
#include "tests/bench/script.h"

/* What all clients share. */
struct load {
	struct script script;
	struct sockaddr_storage address;
	socklen_t address_len;
	SSL_CTX *tls;      /* NULL: clear only */
	bool implicit_tls; /* handshake before the greeting */
	bool resume;       /* offer the session of the connection before */
	const char *user_format; /* "user%u@bench.example", "u%u@t%u.example" */
	unsigned tenants;        /* the second number is below this */
	unsigned users;          /* so many of them, */
	unsigned user_first;     /* from this number on */
	const char *password;
	struct buf message;      /* dot-stuffed, CRLF, without the final dot */
	unsigned per_connection; /* operations before a new connection */
	unsigned think_scale;    /* per cent */

	uint64_t operations_max; /* 0: until time is up */
	uint64_t operations_started, operations, errors, connections;
	uint64_t octets_in, octets_out, handshakes;
	bool stopping;
	unsigned user_next;
	char first_error[256];
	struct histogram latency, connect_latency;
	int epoll_fd;
};

struct client {
	struct load *load;
	int fd;
	SSL *ssl;
	SSL_SESSION *session;
	unsigned user;
	size_t step;
	unsigned done; /* operations on this connection */
	struct buf out;
	size_t out_sent;
	bool connecting, handshaking, want_write, waiting, measuring;
	uint64_t began_us, connect_us, think_until_us;
	/* the reply being read */
	char line[512];    /* its first octets */
	char tail[32];     /* and its last, for {n} */
	size_t line_len;   /* octets of the line so far */
	size_t line_words; /* and words */
	uint64_t literal;  /* octets of a literal to skip */
	bool multi;        /* inside a POP3 reply of many lines */
	int64_t lines, words, literals;
	unsigned rcpts, replies_due; /* LMTP: one reply a recipient */
	char tag[16];
	unsigned tag_number;
};

uint64_t now_us(void);

/* Begins a connection.  False when the client is to end. */
bool client_connect(struct client *c);
/* The socket is ready, or the think time is over. */
void client_run(struct client *c);
void client_close(struct client *c);

/* The time at which a thinking client goes on, or 0. */
static inline uint64_t
client_deadline(const struct client *c)
{
	return c->think_until_us;
}

#endif
