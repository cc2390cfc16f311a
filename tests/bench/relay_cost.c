/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an idle connection costs: COUNT clients shake hands over TLS, log in,
 * and are handed over, so that each is a relay and a session's conn.  Prints
 * the proportional set size of the server per connection; the clients are
 * another process, which is not counted.
 *
 *	relay_cost [COUNT [relay]]
 */
#include <malloc.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/conn.h"
#include "common/reactor.h"
#include "common/tls.h"
#include "tests/unit/tls_rig.h"

struct bench {
	struct reactor *reactor;
	struct tls_context *tls;
	int clients; /* SOCK_SEQPACKET: sockets for the client process */
	atomic_uint sessions, ended;
	unsigned count;
	bool relay;
};

/* ---- sessions ------------------------------------------------------- */

static enum verdict
serve_lines(struct conn *c, void *session)
{
	struct span line;

	(void)session;
	for (;;) {
		switch (conn_take_line(c, false, &line)) {
		case TAKE_OK:
			conn_write_fmt(c, "%.*s OK\r\n", SPAN_FMT(line));
			continue;
		case TAKE_MORE:
			return VERDICT_PARK;
		default:
			return VERDICT_CLOSE;
		}
	}
}

static void
closed(void *session)
{
	struct bench *b = session;

	atomic_fetch_add(&b->ended, 1);
}

static const struct conn_service session_service = { .serve = serve_lines,
	.closed = closed };

static enum verdict
serve_gate(struct conn *c, void *session)
{
	struct conn_options options = { .service = &session_service,
		.session = session,
		.log = &log_process,
		.line_max = 8192,
		.wait_ms = 1800000 };
	struct bench *b = session;
	CLEANUP(buf_fini) struct buf input;
	struct conn *owner;
	struct span line;
	int fd;

	buf_init(&input, 8192);
	switch (conn_take_line(c, false, &line)) {
	case TAKE_OK:
		break;
	case TAKE_MORE:
		return VERDICT_PARK;
	default:
		return VERDICT_CLOSE;
	}
	conn_write(c, SPAN("welcome\r\n"));
	atomic_fetch_add(&b->sessions, 1);
	if (!b->relay)
		return VERDICT_PARK;
	if (conn_give_away(c, &fd, &input, NULL) == -1 ||
	    conn_new(b->reactor, fd, &options, &owner, NULL) == -1)
		return VERDICT_CLOSE;
	return VERDICT_PARK;
}

static const struct conn_service gate_service = { .serve = serve_gate,
	.closed = closed };

/* ---- the clients' process ------------------------------------------- */

static void
clients_main(int sockets, unsigned count)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	char octets[16];
	unsigned i;

	for (i = 0; i < count; i++) {
		char control[CMSG_SPACE(sizeof(int))];
		struct iovec iov = { octets, 1 };
		struct msghdr msg = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		SSL *ssl = SSL_new(ctx);
		int fd;
		char host[] = "mail.example"; /* the macro drops const */

		if (recvmsg(sockets, &msg, 0) != 1)
			_exit(1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
		(void)SSL_set_fd(ssl, fd);
		(void)SSL_set_tlsext_host_name(ssl, host);
		if (SSL_connect(ssl) != 1 || SSL_write(ssl, "in\r\n", 4) != 4 ||
		    SSL_read(ssl, octets, 9) != 9)
			_exit(1);
	}
	/* Until the server has measured. */
	_exit(read(sockets, octets, 1) == 0 ? 0 : 1);
}

static int
client_add(struct bench *b)
{
	char control[CMSG_SPACE(sizeof(int))] = "", octet = 0;
	struct iovec iov = { &octet, 1 };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	struct conn_options options = { .service = &gate_service,
		.session = b,
		.log = &log_process,
		.line_max = 8192,
		.wait_ms = 1800000,
		.tls = b->tls };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
	int pair[2], result = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &pair[1], sizeof(int));
	if (sendmsg(b->clients, &msg, 0) == 1 &&
	    conn_new(b->reactor, pair[0], &options, NULL, NULL) == 0)
		result = 0;
	(void)close(pair[1]);
	return result;
}

/* ---- measuring ------------------------------------------------------ */

static long
pss_kb(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[128];
	long kb = 0;

	if (f == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %ld", &kb) == 1)
			break;
	(void)fclose(f);
	return kb;
}

static void *
reactor_main(void *arg)
{
	(void)reactor_run(arg, NULL);
	return NULL;
}

static int
run(struct bench *b)
{
	long before, after;
	size_t used;
	unsigned i, naps;

	/* The first ones pay for what is set up once. */
	for (i = 0; i < 50; i++)
		if (client_add(b) == -1)
			return -1;
	for (naps = 0; atomic_load(&b->sessions) < 50 && naps < 10000; naps++)
		(void)usleep(1000);
	before = pss_kb();
	used = mallinfo2().uordblks;
	for (; i < b->count; i++)
		if (client_add(b) == -1)
			return -1;
	for (naps = 0; atomic_load(&b->sessions) < b->count && naps < 60000;
	     naps++)
		(void)usleep(1000);
	/* The reactor gives memory back within ten seconds. */
	(void)sleep(11);
	after = pss_kb();
	(void)printf("%u idle connections over TLS%s: %ld octets each "
		     "(PSS %ld KB, then %ld KB), of them %zu in use\n",
	    atomic_load(&b->sessions), b->relay ? ", relay and session" : "",
	    (after - before) * 1024 / (long)(b->count - 50), before, after,
	    (mallinfo2().uordblks - used) / (b->count - 50));
	return 0;
}

static int
bench(unsigned count, bool relay)
{
	struct reactor_options options = { .workers = 4, .tenant_workers = 4 };
	struct bench b = { .count = count, .relay = relay };
	CLEANUP(buf_fini) struct buf pem;
	pthread_t thread;
	pid_t pid;
	int pair[2], result;

	buf_init(&pem, 1 << 16);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1)
		return -1;
	pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		clients_main(pair[1], count);
	}
	(void)close(pair[1]);
	b.clients = pair[0];
	pem_add(&pem, "EC", "mail.example");
	b.tls = tls_for("imap", buf_span(&pem), NULL);
	if (reactor_new(&options, &b.reactor, NULL) == -1)
		return -1;
	(void)pthread_create(&thread, NULL, reactor_main, b.reactor);
	result = run(&b);
	(void)close(pair[0]);
	reactor_stop(b.reactor);
	(void)pthread_join(thread, NULL);
	reactor_free(b.reactor);
	tls_context_unref(b.tls);
	(void)waitpid(pid, NULL, 0);
	return result;
}

int
main(int argc, char **argv)
{
	unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 1000;
	struct rlimit limit;
	bool relay;

	reactor_tune_memory();
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	relay = argc > 2 && strcmp(argv[2], "relay") == 0;
	if (count < 100 || bench(count, relay) == -1)
		return 1;
	return 0;
}
