/* SPDX-License-Identifier: BSD-2-Clause */
/* common/handoff, and conn_give_away in clear and under TLS. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/handoff.h"
#include "common/packet.h"
#include "tests/unit/rig.h"
#include "tests/unit/tls_rig.h"

/* ---- the packet ----------------------------------------------------- */

static struct handoff
sample(void)
{
	struct handoff h = { .id = log_id_new(),
		.service = "imap",
		.tenant = "aozora",
		.account_id = "0b5e7a4e-61f5-4c7a-9d3e-7f0f5a5b2c11",
		.address = "hanako@aozora.example",
		.login = "hanako",
		.mechanism = "SCRAM-SHA-256",
		.tag = "a001",
		.tls = true,
		.quota_octets = UINT64_MAX,
		.quota_messages = 1000,
		.title = "Midori \xe7\xb7\x91",
		.message_max = 1,
		.sessions_max = 20,
		.unique_ids = "%08Xu%08Xv",
		.mark_seen = 'n',
		.login_delay = 4000000000,
		.expire_days = 90,
		.utf8 = true,
		.undelete_days = 30,
		.language = "ja",
		.user_language = "en-GB" };

	(void)strcpy(h.peer.address_text, "192.0.2.1");
	(void)strcpy(h.peer.local_text, "::1");
	h.peer.port = 65535;
	h.peer.local_port = 993;
	h.peer.uid = (uid_t)-1;
	h.peer.address.ss_family = AF_INET;
	return h;
}

static void
test_round_trip(void **state)
{
	CLEANUP(buf_fini) struct buf input;
	struct handoff sent = sample(), got;
	int pair[2], pipe_ends[2], client = -1;
	char octet;

	(void)state;
	buf_init(&input, 1000);
	buf_append_str(&input, "stale");
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(handoff_send(pair[0], &sent, pipe_ends[1],
			     SPAN("a2 NOOP\r\n\0"), NULL),
	    0);
	assert_int_equal(close(pipe_ends[1]), 0); /* stayed ours */
	assert_int_equal(handoff_recv(pair[1], &got, &client, &input, NULL), 0);
	assert_true(span_eq(buf_span(&input), SPAN("a2 NOOP\r\n\0")));
	assert_string_equal(got.id.text, sent.id.text);
	assert_string_equal(got.service, "imap");
	assert_string_equal(got.tenant, "aozora");
	assert_string_equal(got.account_id, sent.account_id);
	assert_string_equal(got.address, "hanako@aozora.example");
	assert_string_equal(got.login, "hanako");
	assert_string_equal(got.mechanism, "SCRAM-SHA-256");
	assert_string_equal(got.tag, "a001");
	assert_string_equal(got.peer.address_text, "192.0.2.1");
	assert_string_equal(got.peer.local_text, "::1");
	assert_int_equal(got.peer.port, 65535);
	assert_int_equal(got.peer.local_port, 993);
	assert_int_equal(got.peer.address.ss_family, AF_INET);
	assert_true(got.peer.uid == (uid_t)-1);
	assert_true(got.tls && got.quota_octets == UINT64_MAX);
	assert_true(got.quota_messages == 1000);
	assert_string_equal(got.title, "Midori \xe7\xb7\x91");
	assert_int_equal(got.message_max, 1);
	assert_int_equal(got.sessions_max, 20);
	assert_string_equal(got.unique_ids, "%08Xu%08Xv");
	assert_int_equal(got.mark_seen, 'n');
	assert_int_equal(got.login_delay, 4000000000);
	assert_int_equal(got.expire_days, 90);
	assert_true(got.utf8);
	assert_int_equal(got.undelete_days, 30);
	assert_string_equal(got.language, "ja");
	assert_string_equal(got.user_language, "en-GB");

	/* The descriptor is the pipe's writing end, and the only one left. */
	assert_int_equal(write(client, "x", 1), 1);
	assert_int_equal(fcntl(client, F_GETFD), FD_CLOEXEC);
	(void)close(client);
	assert_int_equal(read(pipe_ends[0], &octet, 1), 1);
	assert_int_equal(read(pipe_ends[0], &octet, 1), 0);
	(void)close(pipe_ends[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

/* Sends a packet with the writing end of a pipe, and expects a refusal. */
static void
expect_refusal(struct span packet, bool with_fd)
{
	CLEANUP(buf_fini) struct buf input;
	struct err err = ERR_INIT;
	struct handoff got;
	int pair[2], pipe_ends[2], client = -1;
	char octet;

	buf_init(&input, 1000);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(
	    packet_send(pair[0], packet, &pipe_ends[1], with_fd, 1000, NULL),
	    0);
	(void)close(pipe_ends[1]);
	assert_int_equal(
	    handoff_recv(pair[1], &got, &client, &input, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_int_equal(client, -1);
	/* The descriptor was closed: the pipe has no writer left. */
	assert_int_equal(read(pipe_ends[0], &octet, 1), 0);
	(void)close(pipe_ends[0]);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void
test_refusals(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	char longer[70];

	(void)state;
	buf_init(&b, PACKET_MAX);
	expect_refusal(SPAN("x"), true);
	packet_begin(&b, (struct packet_head){ HANDOFF_VERSION + 1, 1, 0 });
	expect_refusal(buf_span(&b), true);
	buf_clear(&b);
	packet_begin(&b, (struct packet_head){ HANDOFF_VERSION, 9, 0 });
	expect_refusal(buf_span(&b), true);
	buf_clear(&b);
	packet_begin(&b, (struct packet_head){ HANDOFF_VERSION, 1, 0 });
	expect_refusal(buf_span(&b), true); /* of nobody */
	packet_put_str(&b, 2, "imap");
	packet_put_str(&b, 4, "account");
	expect_refusal(buf_span(&b), false); /* no descriptor */
	/* A tenant's name that does not fit. */
	memset(longer, 'x', sizeof(longer));
	packet_put(&b, 3, span_of(longer, sizeof(longer)));
	expect_refusal(buf_span(&b), true);
}

/* ---- giving away ---------------------------------------------------- */

/* Takes one line, then gives the connection to the test: p->fd. */
static enum verdict
serve_gate(struct probe *p, struct conn *c)
{
	CLEANUP(buf_fini) struct buf input;
	struct err err = ERR_INIT;
	struct span line;
	int fd;

	buf_init(&input, 4096);
	switch (conn_take_line(c, false, &line)) {
	case TAKE_OK:
		break;
	case TAKE_MORE:
		return VERDICT_PARK;
	default:
		return VERDICT_CLOSE;
	}
	if (conn_give_away(c, &fd, &input, &err) == -1) {
		probe_note(p, err.text);
		return VERDICT_CLOSE;
	}
	p->fd = fd;
	probe_note_span(p, buf_span(&input));
	return conn_tls(c) ? VERDICT_PARK : VERDICT_GONE;
}

static void
test_give_away_clear(void **state)
{
	struct rig rig;
	struct probe *gate, *session;

	(void)state;
	rig_start(&rig, 2, 2);
	gate = probe_new(&rig, serve_gate);
	probe_send(gate, SPAN("LOGIN\r\nNOOP\r\nha"));
	probe_expect_closed(gate);
	assert_string_equal(buf_str(&gate->seen), "NOOP\r\nha|");

	/* The session's process: what the gate had read comes first. */
	session = probe_on(&rig, gate->fd, gate->client, probe_serve_lines);
	gate->client = -1;
	probe_send(session, SPAN("lf\r\n"));
	probe_expect(session, "lf|");
	probe_free(session);
	probe_free(gate);
	rig_stop(&rig);
}

static enum verdict
serve_unread(struct probe *p, struct conn *c)
{
	if (atomic_exchange(&p->stage, 1) == 0)
		assert_int_equal(conn_unread(c, SPAN("NOOP\r\nha"), NULL), 0);
	return probe_serve_lines(p, c);
}

static void
test_unread(void **state)
{
	struct rig rig;
	struct probe *p;

	(void)state;
	rig_start(&rig, 2, 2);
	p = probe_new(&rig, serve_unread);
	probe_expect(p, "NOOP|");
	probe_send(p, SPAN("lf\r\n"));
	probe_expect(p, "NOOP|half|");
	probe_free(p);
	rig_stop(&rig);
}

/* Everything in both directions, in pieces of odd sizes, and both ends. */
static void
relay_octets(struct tls_client *t, int session, size_t total)
{
	static char out[50000], back[50000];
	size_t i, done = 0;

	for (i = 0; i < sizeof(out); i++)
		out[i] = (char)(i * 31 + i / 251);
	while (done < total) {
		size_t len = 1 + (done * 7919) % sizeof(out), at = 0;
		int got;

		assert_int_equal(SSL_write(t->ssl, out, (int)len), (int)len);
		while (at < len) {
			ssize_t part = recv(session, back + at, len - at, 0);

			assert_true(part > 0);
			at += (size_t)part;
		}
		assert_memory_equal(out, back, len);
		assert_int_equal(
		    send(session, back, len, MSG_NOSIGNAL), (ssize_t)len);
		memset(back, 0, len);
		for (at = 0; at < len; at += (size_t)got) {
			got = SSL_read(t->ssl, back + at, (int)(len - at));
			assert_true(got > 0);
		}
		assert_memory_equal(out, back, len);
		done += len;
	}
}

static struct probe *
start_relay(struct rig *rig, struct tls_client *t)
{
	struct tls_client_options options = { .name = "mail.example" };
	struct probe *gate = probe_new(rig, serve_gate);
	int flags;

	assert_true(tls_client_start(t, gate->client, &options));
	tls_client_send(t, "LOGIN\r\nNOOP\r\n");
	probe_expect(gate, "NOOP\r\n|");
	flags = fcntl(gate->fd, F_GETFL);
	assert_true(flags & O_NONBLOCK);
	(void)fcntl(gate->fd, F_SETFL, flags & ~O_NONBLOCK);
	return gate;
}

static void
test_relay(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	struct tls_client t;
	struct rig rig;
	struct probe *gate;
	char octet;

	(void)state;
	buf_init(&pem, 1 << 16);
	pem_add(&pem, "EC", "mail.example");
	rig_start(&rig, 2, 2);
	rig.options.tls = tls_for("imap", buf_span(&pem), NULL);

	/* The session ends it. */
	gate = start_relay(&rig, &t);
	relay_octets(&t, gate->fd, 3000000);
	assert_int_equal(send(gate->fd, "* BYE\r\n", 7, MSG_NOSIGNAL), 7);
	(void)close(gate->fd);
	tls_client_receive(&t, "* BYE\r\n");
	tls_client_receive_end(&t);
	tls_client_fini(&t);
	probe_free(gate);

	/* The client ends it, and still gets what is under way. */
	gate = start_relay(&rig, &t);
	tls_client_send(&t, "last\r\n");
	(void)SSL_shutdown(t.ssl);
	assert_int_equal(recv(gate->fd, &octet, 1, 0), 1);
	while (octet != '\n')
		assert_int_equal(recv(gate->fd, &octet, 1, 0), 1);
	assert_int_equal(recv(gate->fd, &octet, 1, 0), 0);
	assert_int_equal(send(gate->fd, "bye\r\n", 5, MSG_NOSIGNAL), 5);
	(void)close(gate->fd);
	tls_client_receive(&t, "bye\r\n");
	tls_client_fini(&t);
	probe_free(gate);

	/* The client vanishes. */
	gate = start_relay(&rig, &t);
	(void)shutdown(gate->client, SHUT_RDWR);
	assert_int_equal(recv(gate->fd, &octet, 1, 0), 0);
	(void)close(gate->fd);
	tls_client_fini(&t);
	probe_free(gate);
	tls_context_unref(rig.options.tls);
	rig_stop(&rig);
}

/* A client that never reads stops the session's output, and is given up. */
static void
test_relay_stuck(void **state)
{
	CLEANUP(buf_fini) struct buf pem;
	static const char octets[10000];
	struct tls_client t;
	struct rig rig;
	struct probe *gate;
	size_t total = 0;
	ssize_t sent;

	(void)state;
	buf_init(&pem, 1 << 16);
	pem_add(&pem, "EC", "mail.example");
	rig_start(&rig, 1, 1);
	rig.options.tls = tls_for("imap", buf_span(&pem), NULL);
	rig.options.wait_ms = 500;
	gate = start_relay(&rig, &t);
	while (
	    (sent = send(gate->fd, octets, sizeof(octets), MSG_NOSIGNAL)) > 0)
		total += (size_t)sent;
	assert_true(total < 2000000);
	probe_expect_closed(gate);
	(void)close(gate->fd);
	tls_client_fini(&t);
	probe_free(gate);
	tls_context_unref(rig.options.tls);
	rig_stop(&rig);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_give_away_clear),
		cmocka_unit_test(test_unread),
		cmocka_unit_test(test_relay),
		cmocka_unit_test(test_relay_stuck),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
