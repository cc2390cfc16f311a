/* SPDX-License-Identifier: BSD-2-Clause */
/* smtpd/lmtp_client against a scripted deliveryd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "smtpd/lmtp_client.h"

/*
 * Each connection: says "say[0]", then after every "until" received says the
 * next one; ends when there is nothing left to say.
 */
struct turn {
	const char *say, *until;
};
struct server {
	const struct turn *turns[4]; /* of each connection */
	size_t connects;
	pthread_t threads[4];
	int fds[4];
	char heard[4][8192];
};
struct serving {
	struct server *server;
	size_t number;
};

static void *
serve(void *arg)
{
	struct serving *serving = arg;
	struct server *s = serving->server;
	size_t n = serving->number, len = 0, from = 0;

	for (const struct turn *t = s->turns[n]; t->say != NULL; t++) {
		(void)send(s->fds[n], t->say, strlen(t->say), MSG_NOSIGNAL);
		while (t->until != NULL &&
		       strstr(s->heard[n] + from, t->until) == NULL) {
			ssize_t got = recv(s->fds[n], s->heard[n] + len,
			    sizeof(s->heard[n]) - 1 - len, 0);

			if (got <= 0)
				goto out;
			len += (size_t)got;
		}
		from = len;
	}
out:
	(void)close(s->fds[n]);
	free(serving);
	return NULL;
}

static int
server_connect(void *arg, int *fd_out, struct err *err)
{
	struct server *s = arg;
	struct serving *serving = malloc(sizeof(*serving));
	int pair[2];

	if (serving == NULL || s->connects == 4 ||
	    s->turns[s->connects] == NULL ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1) {
		free(serving);
		return err_set(err, ERR_TEMP, "nobody listens");
	}
	*serving = (struct serving){ s, s->connects };
	s->fds[s->connects] = pair[1];
	(void)pthread_create(&s->threads[s->connects], NULL, serve, serving);
	__atomic_store_n(&s->connects, s->connects + 1, __ATOMIC_RELEASE);
	*fd_out = pair[0];
	return 0;
}

static struct lmtp_client *
client_of(struct server *s)
{
	struct lmtp_options options = { .connect = server_connect,
		.arg = s,
		.hostname = "mx.example",
		.wait_ms = 2000 };
	struct lmtp_client *c = NULL;

	assert_int_equal(lmtp_client_new(&options, &c, NULL), 0);
	return c;
}

static void
client_end(struct lmtp_client *c, struct server *s)
{
	lmtp_client_free(c);
	for (size_t i = 0; i < s->connects; i++)
		(void)pthread_join(s->threads[i], NULL);
}

static struct lmtp_message
message_of(struct span content)
{
	return (struct lmtp_message){ .id = "4bQm2z7k1Cd",
		.reverse_path = SPAN("a@example.org"),
		.body_8bit = true,
		.prefix = SPAN("Received: here\r\n"),
		.content = content,
		.fd = -1 };
}

#define GREET                                                                  \
	{                                                                      \
		"220 ready\r\n", "LHLO mx.example\r\n"                         \
	}
#define LHLO "250-here\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n"
#define LHLO_ROOM "250-here\r\n250-PIPELINING\r\n250-HKROOM\r\n250 SIZE\r\n"

static void
test_each_recipient_has_its_reply(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 2.1.0 ok\r\n250 2.1.5 ok\r\n550-5.1.1 no\r\n"
		  "550 5.1.1 such user\r\n250 2.1.5 ok\r\n354 go\r\n",
		    "\r\n.\r\n" },
		{ "250 2.0.0 stored\r\n452 4.2.2 full\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN(".one\r\n..two\r\nx.\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" },
		{ .forward_path = "c@one.example" },
		{ .forward_path = "d@two.example" } };

	(void)state;
	assert_int_equal(lmtp_deliver(c, &m, to, 3, NULL), 0);
	assert_int_equal(to[0].code, 250);
	assert_string_equal(to[0].text, "stored");
	assert_int_equal(to[1].code, 550);
	assert_string_equal(to[1].enhanced, "5.1.1");
	assert_string_equal(to[1].text, "such user");
	assert_int_equal(to[2].code, 452);
	client_end(c, &s);
	assert_string_equal(s.heard[0],
	    "LHLO mx.example\r\n"
	    "MAIL FROM:<a@example.org> BODY=8BITMIME HKID=4bQm2z7k1Cd\r\n"
	    "RCPT TO:<b@one.example>\r\nRCPT TO:<c@one.example>\r\n"
	    "RCPT TO:<d@two.example>\r\nDATA\r\n"
	    "Received: here\r\n..one\r\n...two\r\nx.\r\n.\r\n");
}

/* Where deliveryd takes it, what is in a file goes as a descriptor. */
static void
test_a_file_goes_as_descriptor(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ "250-here\r\n250-PIPELINING\r\n250-HKFD\r\n250 SIZE 9\r\n",
		    "RCPT TO:<b@one.example>\r\n" },
		{ "250 ok\r\n250 ok\r\n", "Received: here\r\n" },
		{ "250 2.0.0 stored\r\n", "RCPT TO:<b@one.example>\r\n" },
		{ "250 ok\r\n550 5.1.1 no\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("content\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };

	(void)state;
	m.fd = STDERR_FILENO;
	m.fd_offset = 7;
	assert_int_equal(lmtp_deliver(c, &m, to, 1, NULL), 0);
	assert_int_equal(to[0].code, 250);
	/* With nobody to take it nothing is sent. */
	assert_int_equal(lmtp_deliver(c, &m, to, 1, NULL), 0);
	assert_int_equal(to[0].code, 550);
	client_end(c, &s);
	assert_non_null(strstr(s.heard[0],
	    "RCPT TO:<b@one.example>\r\nHKFD 16 7 9\r\nReceived: here\r\n"
	    "MAIL FROM:"));
	assert_null(strstr(s.heard[0], "content"));
}

static void
test_room_is_asked_for_and_then_known(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO_ROOM, "RSET\r\n" },
		{ "250 2.1.0 ok\r\n452 4.2.2 full\r\n250 ok\r\n", "RSET\r\n" },
		{ "552 5.3.4 large\r\n503 first\r\n250 ok\r\n", "RSET\r\n" },
		{ "250 ok\r\n250 2.1.5 ok\r\n250 ok\r\n", "DATA\r\n" },
		{ "250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n" },
		{ "250 stored\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to = { .forward_path = "b@one.example" };

	(void)state;
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 9, &to, NULL), 0);
	assert_int_equal(to.code, 452);
	assert_string_equal(to.enhanced, "4.2.2");
	assert_string_equal(to.text, "full");
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 99, &to, NULL), 0);
	assert_int_equal(to.code, 552);
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 0, &to, NULL), 0);
	assert_int_equal(to.code, 250);
	assert_int_equal(lmtp_deliver(c, &m, &to, 1, NULL), 0);
	client_end(c, &s);
	assert_int_equal(s.connects, 1);
	assert_string_equal(s.heard[0],
	    "LHLO mx.example\r\n"
	    "MAIL FROM:<> SIZE=9 HKID=4bQm2z7k1Cd\r\n"
	    "RCPT TO:<b@one.example>\r\nRSET\r\n"
	    "MAIL FROM:<> SIZE=99 HKID=4bQm2z7k1Cd\r\n"
	    "RCPT TO:<b@one.example>\r\nRSET\r\n"
	    "MAIL FROM:<> SIZE=0 HKID=4bQm2z7k1Cd\r\n"
	    "RCPT TO:<b@one.example>\r\nRSET\r\n"
	    "MAIL FROM:<a@example.org> BODY=8BITMIME HKROOM=ASKED "
	    "HKID=4bQm2z7k1Cd\r\n"
	    "RCPT TO:<b@one.example>\r\nDATA\r\n"
	    "Received: here\r\nx\r\n.\r\n");
}

/* An older deliveryd, while the node is upgraded; or none. */
static void
test_room_cannot_be_asked_for(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO, NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct server none = { .connects = 0 };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_recipient to = { .forward_path = "b@one.example" };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 9, &to, NULL), 0);
	assert_int_equal(to.code, 250);
	client_end(c, &s);
	c = client_of(&none);
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 9, &to, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	to.forward_path = "b@c>\r\nRCPT TO:<d@e";
	assert_int_equal(lmtp_ask_room(c, "4bQm2z7k1Cd", 9, &to, &err), -1);
	client_end(c, &none);
}

static void
test_dots_in_what_is_put_in_front(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n" },
		{ "250 stored\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN(".\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };

	(void)state;
	m.prefix = SPAN(".a: b\r\nC: d\r\n.e: f\r\n");
	assert_int_equal(lmtp_deliver(c, &m, to, 1, NULL), 0);
	client_end(c, &s);
	assert_non_null(strstr(
	    s.heard[0], "DATA\r\n..a: b\r\nC: d\r\n..e: f\r\n..\r\n.\r\n"));
}

/* Not even if the directory has it. */
static void
test_no_address_writes_a_command(void **state)
{
	static const char *const paths[] = { "b@c>\r\nRCPT TO:<d@e", "b@c\n",
		"b\x1b@c" };
	struct server s = { .connects = 0 };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct lmtp_recipient to[] = { { .forward_path = paths[i] } };
		struct err err = ERR_INIT;

		assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
		assert_int_equal(err.kind, ERR_TEMP);
	}
	assert_int_equal(s.connects, 0);
	client_end(c, &s);
}

static void
test_no_recipient_left(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "451 4.3.0 later\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n",
		    "RCPT TO:<b@one.example>\r\nDATA\r\n" },
		{ "250 2.1.0 ok\r\n550 5.1.1 no\r\n503 5.5.1 no\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };

	(void)state;
	/* MAIL was refused: that is everyone's answer. */
	assert_int_equal(lmtp_deliver(c, &m, to, 1, NULL), 0);
	assert_int_equal(to[0].code, 451);
	/* The connection is kept. */
	assert_int_equal(lmtp_deliver(c, &m, to, 1, NULL), 0);
	assert_int_equal(to[0].code, 550);
	assert_int_equal(s.connects, 1);
	client_end(c, &s);
}

static void
test_restarted_deliveryd(void **state)
{
	static const struct turn first[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 ok\r\n550 no\r\n503 no\r\n", NULL },
		{ NULL, NULL },
	};
	static const struct turn second[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n" },
		{ "250 2.0.0 stored\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { first, second } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), 0);
	(void)pthread_join(s.threads[0], NULL);
	/* The kept connection is dead, and nothing was sent on it. */
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), 0);
	assert_int_equal(to[0].code, 250);
	assert_int_equal(s.connects, 2);
	s.threads[0] = s.threads[1];
	s.connects = 1;
	client_end(c, &s);
}

static void
test_lost_after_the_data_is_not_repeated(void **state)
{
	static const struct turn turns[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n" },
		{ "250 2.0.0 stored\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { turns, turns } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" },
		{ .forward_path = "c@one.example" } };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lmtp_deliver(c, &m, to, 2, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(to[0].code, 250);
	assert_int_equal(to[1].code, 0);
	assert_int_equal(s.connects, 1);
	client_end(c, &s);
}

static void
test_nonsense_is_temporary(void **state)
{
	static const struct turn greeting[] = { { "421 busy\r\n", NULL },
		{ NULL, NULL } };
	static const struct turn noise[] = { { "hello\r\n", NULL },
		{ NULL, NULL } };
	struct server s = { .turns = { greeting, noise } };
	struct lmtp_client *c = client_of(&s);
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
	assert_string_equal(err.text, "deliveryd: greeting: 421 busy");
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
	assert_string_equal(err.text, "deliveryd: not a reply");
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
	assert_string_equal(err.text, "nobody listens");
	assert_int_equal(err.kind, ERR_TEMP);
	client_end(c, &s);
}

/* ---- a deliveryd that hangs ---- */

struct trying {
	struct lmtp_client *client;
	pthread_t thread;
	int done;
};

static void *
try_once(void *arg)
{
	struct trying *t = arg;
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };

	t->done = lmtp_deliver(t->client, &m, to, 1, NULL);
	return NULL;
}

static void
test_hanging_deliveryd_holds_one_worker(void **state)
{
	static const struct turn hangs[] = {
		GREET,
		{ LHLO, "never said" },
		{ NULL, NULL },
	};
	static const struct turn works[] = {
		GREET,
		{ LHLO, "DATA\r\n" },
		{ "250 ok\r\n250 ok\r\n354 go\r\n", "\r\n.\r\n" },
		{ "250 stored\r\n", NULL },
		{ NULL, NULL },
	};
	struct server s = { .turns = { hangs, hangs, works } };
	struct lmtp_options options = { .connect = server_connect,
		.arg = &s,
		.hostname = "mx.example",
		.wait_ms = 300 };
	struct lmtp_client *c = NULL;
	struct lmtp_message m = message_of(SPAN("x\r\n"));
	struct lmtp_recipient to[] = { { .forward_path = "b@one.example" } };
	struct trying trying;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(lmtp_client_new(&options, &c, NULL), 0);
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
	assert_string_equal(err.text, "deliveryd: no answer in time");
	/* While one finds out whether it still hangs, others do not wait. */
	trying = (struct trying){ .client = c };
	(void)pthread_create(&trying.thread, NULL, try_once, &trying);
	while (__atomic_load_n(&s.connects, __ATOMIC_ACQUIRE) < 2)
		(void)usleep(1000);
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), -1);
	assert_string_equal(
	    err.text, "deliveryd has not answered for some time");
	assert_int_equal(s.connects, 2);
	(void)pthread_join(trying.thread, NULL);
	assert_int_equal(trying.done, -1);
	/* It answers again. */
	assert_int_equal(lmtp_deliver(c, &m, to, 1, &err), 0);
	assert_int_equal(to[0].code, 250);
	client_end(c, &s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_recipient_has_its_reply),
		cmocka_unit_test(test_room_is_asked_for_and_then_known),
		cmocka_unit_test(test_room_cannot_be_asked_for),
		cmocka_unit_test(test_a_file_goes_as_descriptor),
		cmocka_unit_test(test_dots_in_what_is_put_in_front),
		cmocka_unit_test(test_no_address_writes_a_command),
		cmocka_unit_test(test_no_recipient_left),
		cmocka_unit_test(test_restarted_deliveryd),
		cmocka_unit_test(test_lost_after_the_data_is_not_repeated),
		cmocka_unit_test(test_nonsense_is_temporary),
		cmocka_unit_test(test_hanging_deliveryd_holds_one_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
