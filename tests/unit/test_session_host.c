/* SPDX-License-Identifier: BSD-2-Clause */
/* common/session_host: who is taken, who is refused, and the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/session_host.h"

struct fixture {
	struct reactor *reactor;
	struct session_host *host;
	pthread_t thread;
	int listener;
	struct sockaddr_un address;
	socklen_t address_len;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t changed;
	unsigned clients;
	char last[200];
};

static void
take_client(
    void *arg, const struct handoff *h, int client_fd, struct span input)
{
	struct fixture *f = arg;

	(void)pthread_mutex_lock(&f->mutex);
	f->clients++;
	(void)snprintf(f->last, sizeof(f->last), "%s %.*s", h->account_id,
	    SPAN_FMT(input));
	(void)pthread_cond_signal(&f->changed);
	(void)pthread_mutex_unlock(&f->mutex);
	(void)close(client_fd);
}

static void *
run(void *arg)
{
	struct fixture *f = arg;
	struct err err = ERR_INIT;

	assert_int_equal(reactor_run(f->reactor, &err), 0);
	return NULL;
}

/* Does not run yet: what is sent now waits for the reactor. */
static void
start(struct fixture *f)
{
	struct reactor_options reactor = {
		.workers = 1, .tenant_workers = 1, .conns_max = 10
	};
	struct err err = ERR_INIT;

	memset(f, 0, sizeof(*f));
	(void)pthread_mutex_init(&f->mutex, NULL);
	(void)pthread_cond_init(&f->changed, NULL);
	assert_int_equal(reactor_new(&reactor, &f->reactor, &err), 0);

	/* The kernel picks an abstract name. */
	f->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	f->address.sun_family = AF_UNIX;
	f->address_len = sizeof(sa_family_t);
	assert_int_equal(
	    bind(f->listener, (struct sockaddr *)&f->address, f->address_len),
	    0);
	f->address_len = sizeof(f->address);
	assert_int_equal(getsockname(f->listener,
			     (struct sockaddr *)&f->address, &f->address_len),
	    0);
	assert_int_equal(listen(f->listener, 10), 0);

	struct session_host_options options = { .reactor = f->reactor,
		.listener = f->listener,
		.protocol = "pop3",
		.tenant = "midori",
		.client = take_client,
		.arg = f };
	assert_int_equal(session_host_new(&options, &f->host, &err), 0);
}

static void
go(struct fixture *f)
{
	assert_int_equal(pthread_create(&f->thread, NULL, run, f), 0);
}

static void
end(struct fixture *f)
{
	(void)pthread_join(f->thread, NULL);
	reactor_free(f->reactor);
	session_host_free(f->host);
	(void)close(f->listener);
	(void)pthread_cond_destroy(&f->changed);
	(void)pthread_mutex_destroy(&f->mutex);
}

static int
gate_socket(struct fixture *f)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	assert_int_equal(
	    connect(fd, (struct sockaddr *)&f->address, f->address_len), 0);
	return fd;
}

static int
send_client(int fd, const char *service, const char *tenant, struct err *err)
{
	struct handoff h = { .id = log_id_new(), .account_id = "id-1" };
	int client = dup(STDIN_FILENO), sent;

	(void)strcpy(h.service, service);
	(void)strcpy(h.tenant, tenant);
	sent = handoff_send(fd, &h, client, SPAN("STAT\r\n"), err);
	(void)close(client);
	return sent;
}

static void
expect_clients(struct fixture *f, unsigned clients)
{
	struct timespec until;
	int waited = 0;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 5;
	(void)pthread_mutex_lock(&f->mutex);
	while (f->clients < clients && waited == 0)
		waited = pthread_cond_timedwait(&f->changed, &f->mutex, &until);
	assert_int_equal(f->clients, clients);
	(void)pthread_mutex_unlock(&f->mutex);
}

/* ---- tests ------------------------------------------------------------------
 */

static void
only_its_own(void **state)
{
	struct fixture f;
	struct err err = ERR_INIT;
	int gate, other;

	(void)state;
	start(&f);
	go(&f);
	gate = gate_socket(&f);
	other = gate_socket(&f);
	assert_int_equal(send_client(gate, "pop3", "aozora", &err), 0);
	assert_int_equal(send_client(gate, "imap", "midori", &err), 0);
	assert_int_equal(send_client(gate, "pop3", "midori", &err), 0);
	assert_int_equal(send_client(other, "pop3", "midori", &err), 0);
	expect_clients(&f, 2);
	assert_string_equal(f.last, "id-1 STAT\r\n");
	(void)close(gate);
	assert_int_equal(send_client(other, "pop3", "midori", &err), 0);
	expect_clients(&f, 3);
	reactor_stop(f.reactor);
	(void)close(other);
	end(&f);
}

/* What is no packet of ours ends that gate's socket, and no other. */
static void
nonsense(void **state)
{
	struct fixture f;
	struct err err = ERR_INIT;
	int gate, other;
	char octet;

	(void)state;
	start(&f);
	go(&f);
	gate = gate_socket(&f);
	other = gate_socket(&f);
	assert_int_equal(send(gate, "hello", 5, 0), 5);
	assert_int_equal(recv(gate, &octet, 1, 0), 0);
	assert_int_equal(send_client(other, "pop3", "midori", &err), 0);
	expect_clients(&f, 1);
	reactor_stop(f.reactor);
	(void)close(gate);
	(void)close(other);
	end(&f);
}

/* Whatever was sent before the end is taken; afterwards sending fails. */
static void
nothing_lost_in_a_drain(void **state)
{
	struct fixture f;
	struct err err = ERR_INIT;
	unsigned sent = 6;
	int gate;

	(void)state;
	start(&f);
	go(&f);
	gate = gate_socket(&f);
	assert_int_equal(send_client(gate, "pop3", "midori", &err), 0);
	expect_clients(&f, 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(send_client(gate, "pop3", "midori", &err), 0);
	reactor_drain(f.reactor, 0);
	while (send_client(gate, "pop3", "midori", &err) == 0)
		sent++;
	assert_int_equal(err.kind, ERR_CLOSED);
	(void)close(gate);
	end(&f);
	assert_int_equal(f.clients, sent);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_its_own),
		cmocka_unit_test(nonsense),
		cmocka_unit_test(nothing_lost_in_a_drain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
