/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tenants/login: the gate's login, with doubles of what it stands on: the
 * connection, the directory's client, and the packet of the hand-off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/conn.h"
#include "common/daemon.h"
#include "common/handoff.h"
#include "tenants/client.h"
#include "tenants/login.h"

/* ---- doubles -------------------------------------------------------- */

struct conn {
	bool tls;
	size_t pending;
	unsigned paused_ms, gives;
	struct conn_peer peer;
	const char *input; /* what the client had sent behind the login */
};

struct tenants {
	int answer; /* of the calls */
	enum login_outcome outcome;
	unsigned delay_ms, took_ms;
	struct span challenge;
	char mail_host[32];
	unsigned calls, cancels;
	char name[64], password[64]; /* or mechanism and message */
	bool had_initial;
};

bool
conn_tls(const struct conn *c)
{
	return c->tls;
}

const char *
conn_tls_version(const struct conn *c)
{
	return c->tls ? "TLSv1.3" : "";
}

const char *
conn_tls_server_name(const struct conn *c)
{
	(void)c;
	return "";
}

const struct conn_peer *
conn_peer(const struct conn *c)
{
	return &c->peer;
}

void
conn_pause(struct conn *c, unsigned ms)
{
	c->paused_ms = ms;
}

size_t
conn_output_pending(const struct conn *c)
{
	return c->pending;
}

int
conn_flush(struct conn *c, struct err *err)
{
	(void)c;
	(void)err;
	return 0;
}

int
conn_give_away(struct conn *c, int *fd_out, struct buf *input, struct err *err)
{
	c->gives++;
	buf_append_str(input, c->input == NULL ? "" : c->input);
	*fd_out = dup(STDIN_FILENO);
	return *fd_out == -1 ? err_sys(err, "dup") : 0;
}

int
handoff_send(int fd, const struct handoff *h, int client_fd, struct span input,
    struct err *err)
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%s %s %s %s %s [%.*s] %s",
	    h->service, h->tenant, h->account_id, h->mechanism, h->tag,
	    SPAN_FMT(input), h->tls ? "tls" : "clear");

	assert_true(client_fd >= 0);
	if (send(fd, text, (size_t)len, MSG_NOSIGNAL) == -1)
		return err_sys(err, "send");
	return 0;
}

/* Of hikyakud's runtime only the names are needed here. */
int
daemon_connect(struct daemon *d, const char *name, const char *tenant,
    unsigned shard, int *fd_out, struct err *err)
{
	(void)d, (void)name, (void)tenant, (void)shard, (void)fd_out;
	return err_set(err, ERR_TEMP, "not in this test");
}

unsigned
daemon_shard(const struct daemon *d, const char *account_id)
{
	(void)d, (void)account_id;
	return 0;
}

static uint64_t time_ms = 1000;

uint64_t
clock_ms(void)
{
	return time_ms;
}

static int
tenants_answer(struct tenants *t, struct login_result *result, struct err *err)
{
	t->calls++;
	time_ms += t->took_ms;
	memset(result, 0, sizeof(*result));
	result->outcome = t->outcome;
	result->delay_ms = t->delay_ms;
	(void)strcpy(result->login, "yuki@midori.example");
	(void)strcpy(result->account.id, "id-1");
	(void)strcpy(result->account.address, "yuki@midori.example");
	(void)strcpy(result->account.tenant.name, "midori");
	(void)strcpy(result->account.mail_host, t->mail_host);
	return t->answer == 0 ? 0 : err_set(err, ERR_TEMP, "no tenantd");
}

static void
copy(char *out, size_t size, struct span s)
{
	assert_true(s.len < size);
	memcpy(out, s.p, s.len);
	out[s.len] = '\0';
}

int
tenants_login(struct tenants *t, const struct login_origin *origin,
    struct span login, struct span password, struct login_result *result_out,
    struct err *err)
{
	assert_int_equal(origin->service, SERVICE_POP3);
	assert_string_equal(origin->local, "[2001:db8::1]:995");
	copy(t->name, sizeof(t->name), login);
	copy(t->password, sizeof(t->password), password);
	return tenants_answer(t, result_out, err);
}

int
tenants_sasl_start(struct tenants *t, const struct login_origin *origin,
    struct span mechanism, struct span initial, struct sasl_token *token_out,
    struct buf *challenge, struct login_result *result_out, struct err *err)
{
	assert_string_equal(origin->local, "[2001:db8::1]:995");
	memset(token_out, 7, sizeof(*token_out));
	copy(t->name, sizeof(t->name), mechanism);
	t->had_initial = initial.p != NULL;
	copy(t->password, sizeof(t->password),
	    t->had_initial ? initial : SPAN(""));
	buf_append(challenge, t->challenge);
	return tenants_answer(t, result_out, err);
}

int
tenants_apop(struct tenants *t, const struct login_origin *origin,
    struct span timestamp, struct span login, struct span digest,
    struct login_result *result_out, struct err *err)
{
	(void)origin;
	(void)timestamp;
	copy(t->name, sizeof(t->name), login);
	copy(t->password, sizeof(t->password), digest);
	return tenants_answer(t, result_out, err);
}

int
tenants_sasl_step(struct tenants *t, const struct sasl_token *token,
    struct span response, struct buf *challenge,
    struct login_result *result_out, struct err *err)
{
	assert_int_equal(token->octets[3], 7);
	copy(t->password, sizeof(t->password), response);
	buf_append(challenge, t->challenge);
	return tenants_answer(t, result_out, err);
}

void
tenants_sasl_cancel(struct tenants *t, const struct sasl_token *token)
{
	assert_int_equal(token->octets[3], 7);
	t->cancels++;
}

/* ---- a gate with one connection --- */

struct fixture {
	struct conn conn;
	struct tenants tenants;
	struct counters counters;
	struct log log;
	struct login_conf conf;
	struct login_gate *gate;
	struct login *login;
	int peers[8]; /* the session processes' ends, in order of connecting */
	size_t connects;
	bool connect_fails;
};

static int
fixture_connect(void *arg, const char *daemon, const char *tenant,
    unsigned shard, int *fd_out, struct err *err)
{
	struct fixture *f = arg;
	int pair[2];

	assert_string_equal(daemon, "pop3d");
	assert_string_equal(tenant, "midori");
	assert_int_equal(shard, 3);
	if (f->connect_fails)
		return err_set(err, ERR_TEMP, "does not start");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == -1)
		return err_sys(err, "socketpair");
	f->peers[f->connects++] = pair[1];
	*fd_out = pair[0];
	return 0;
}

static unsigned
fixture_shard(void *arg, const char *account_id)
{
	(void)arg;
	assert_string_equal(account_id, "id-1");
	return 3;
}

static void
fixture_start(struct fixture *f, bool plaintext)
{
	struct login_gate_options options = { .daemon = "pop3d",
		.protocol = "pop3",
		.service = SERVICE_POP3,
		.hostname = "mail.isp.example",
		.tenants = &f->tenants,
		.counters = &f->counters,
		.connect = fixture_connect,
		.shard = fixture_shard,
		.arg = f };
	struct err err = ERR_INIT;

	memset(f, 0, sizeof(*f));
	memset(f->peers, -1, sizeof(f->peers));
	strcpy(f->conn.peer.local_text, "2001:db8::1");
	f->conn.peer.local_port = 995;
	f->conf.plaintext = plaintext;
	f->conf.failures_max = 3;
	assert_int_equal(login_gate_new(&options, &f->conf, &f->gate, &err), 0);
	assert_int_equal(
	    login_new(f->gate, &f->conn, &f->log, &f->login, &err), 0);
}

static void
fixture_end(struct fixture *f)
{
	login_free(f->login);
	login_gate_free(f->gate);
	for (size_t i = 0; i < 8; i++)
		fd_close(f->peers[i]);
}

static enum login_next
pass(struct fixture *f)
{
	return login_password(
	    f->login, "PASS", "", SPAN("yuki"), SPAN("se cret"));
}

static void
assert_packet(int fd, const char *expected)
{
	char text[512] = "";

	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	assert_string_equal(text, expected);
}

/* ---- tests --- */

static void
outcomes_in_words(void **state)
{
	static const struct {
		int answer;
		enum login_outcome outcome;
		unsigned delay_ms;
		enum login_next next;
		enum login_failure failure;
		unsigned counted;
	} rows[] = {
		{ 0, LOGIN_WRONG, 0, LOGIN_FAILED, LOGIN_FAIL_WRONG, 1 },
		{ 0, LOGIN_WRONG, 2000, LOGIN_WAIT, LOGIN_FAIL_WRONG, 1 },
		{ 0, LOGIN_REFUSED, 0, LOGIN_FAILED, LOGIN_FAIL_REFUSED, 1 },
		{ 0, LOGIN_WEAK, 0, LOGIN_FAILED, LOGIN_FAIL_WEAK, 1 },
		{ 0, LOGIN_BAD, 0, LOGIN_FAILED, LOGIN_FAIL_SYNTAX, 1 },
		{ -1, LOGIN_OK, 0, LOGIN_FAILED, LOGIN_FAIL_TEMP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		fixture_start(&f, true);
		f.tenants.answer = rows[i].answer;
		f.tenants.outcome = rows[i].outcome;
		f.tenants.delay_ms = rows[i].delay_ms;
		assert_int_equal(pass(&f), rows[i].next);
		assert_string_equal(f.tenants.password, "se cret");
		assert_int_equal(f.conn.paused_ms, rows[i].delay_ms);
		assert_int_equal(
		    login_pending(f.login), rows[i].next == LOGIN_WAIT);
		if (rows[i].next == LOGIN_WAIT)
			assert_int_equal(login_resume(f.login), LOGIN_FAILED);
		assert_false(login_pending(f.login));
		assert_int_equal(login_failure(f.login), rows[i].failure);
		assert_int_equal(
		    f.counters.value[COUNTER_LOGIN_FAILURES], rows[i].counted);
		assert_int_equal(f.connects, 0);
		fixture_end(&f);
	}
}

/* Whether a hash was computed is not seen: the answer comes when it comes. */
static void
time_of_the_answer_counts(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_WRONG;
	f.tenants.delay_ms = 2000;
	f.tenants.took_ms = 50;
	assert_int_equal(pass(&f), LOGIN_WAIT);
	assert_int_equal(f.conn.paused_ms, 1950);
	(void)login_resume(f.login);
	f.tenants.delay_ms = 40;
	assert_int_equal(pass(&f), LOGIN_FAILED);
	fixture_end(&f);
}

static void
no_password_in_clear(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, false);
	assert_false(login_plaintext_allowed(f.gate, &f.conn));
	assert_int_equal(pass(&f), LOGIN_FAILED);
	assert_int_equal(login_failure(f.login), LOGIN_FAIL_PRIVACY);
	assert_int_equal(
	    login_sasl(f.login, "", SPAN("plain"), SPAN("AGEAYg==")),
	    LOGIN_FAILED);
	assert_int_equal(login_failure(f.login), LOGIN_FAIL_PRIVACY);
	assert_int_equal(f.tenants.calls, 0);

	f.tenants.outcome = LOGIN_CONTINUE;
	assert_int_equal(
	    login_sasl(f.login, "", SPAN("SCRAM-SHA-256"), SPAN_NONE),
	    LOGIN_CHALLENGE);
	f.conn.tls = true;
	assert_true(login_plaintext_allowed(f.gate, &f.conn));
	fixture_end(&f);
}

static void
offered_mechanisms(void **state)
{
	static char plain[] = "PLAIN", cram[] = "cram-md5", none[] = "XYZ";
	static const struct {
		char *names[2];
		bool tls;
		const char *offered;
	} rows[] = {
		{ { NULL }, true, " SCRAM-SHA-256 PLAIN LOGIN" },
		{ { NULL }, false, " SCRAM-SHA-256" },
		{ { plain, cram }, true, " PLAIN CRAM-MD5" },
		{ { plain, cram }, false, " CRAM-MD5" },
		{ { plain }, false, "" },
		{ { plain, none }, true, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP(buf_fini) struct buf out;
		char *names[2] = { rows[i].names[0], rows[i].names[1] };
		struct login_conf conf = { .failures_max = 1 };
		struct err err = ERR_INIT;

		buf_init(&out, 200);
		conf.mechanisms.items = names;
		while (conf.mechanisms.len < 2 &&
		       names[conf.mechanisms.len] != NULL)
			conf.mechanisms.len++;
		if (rows[i].offered == NULL) {
			assert_int_equal(login_conf_check(&conf, &err), -1);
			assert_int_equal(err.kind, ERR_SYNTAX);
			continue;
		}
		login_conf_mechanisms(&conf, rows[i].tls, " ", &out);
		assert_string_equal(buf_str(&out), rows[i].offered);
	}
}

static void
exchange_step_by_step(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_CONTINUE;
	f.tenants.challenge = SPAN("Username:");
	assert_int_equal(
	    login_sasl(f.login, "", SPAN("login"), SPAN_NONE), LOGIN_CHALLENGE);
	assert_string_equal(f.tenants.name, "LOGIN");
	assert_false(f.tenants.had_initial);
	assert_true(login_in_exchange(f.login));
	assert_true(span_eq(login_challenge(f.login), SPAN("VXNlcm5hbWU6")));

	f.tenants.challenge = SPAN("");
	assert_int_equal(
	    login_line(f.login, SPAN("eXVraQ==")), LOGIN_CHALLENGE);
	assert_string_equal(f.tenants.password, "yuki");
	assert_int_equal(login_challenge(f.login).len, 0);

	f.tenants.outcome = LOGIN_OK;
	assert_int_equal(login_line(f.login, SPAN("cHc=")), LOGIN_GONE);
	assert_false(login_in_exchange(f.login));
	assert_packet(f.peers[0], "pop3 midori id-1 LOGIN  [] clear");
	assert_int_equal(f.tenants.cancels, 0);
	fixture_end(&f);
}

static void
exchange_broken_off(void **state)
{
	static const struct {
		struct span line;
		enum login_failure failure;
	} rows[] = {
		{ SPAN("*"), LOGIN_FAIL_CANCELLED },
		{ SPAN("not base64!"), LOGIN_FAIL_SYNTAX },
		{ SPAN("YQ"), LOGIN_FAIL_SYNTAX },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;

		fixture_start(&f, true);
		f.tenants.outcome = LOGIN_CONTINUE;
		assert_int_equal(
		    login_sasl(f.login, "", SPAN("PLAIN"), SPAN_NONE),
		    LOGIN_CHALLENGE);
		assert_int_equal(
		    login_line(f.login, rows[i].line), LOGIN_FAILED);
		assert_int_equal(login_failure(f.login), rows[i].failure);
		assert_false(login_in_exchange(f.login));
		assert_int_equal(f.tenants.cancels, 1);
		assert_int_equal(f.tenants.calls, 1);
		fixture_end(&f);
	}
}

static void
initial_responses(void **state)
{
	static const struct {
		struct span mechanism, initial;
		enum login_failure failure; /* if it never gets to tenantd */
		const char *message;
	} rows[] = {
		{ SPAN("PLAIN"), SPAN("YWI="), 0, "ab" },
		{ SPAN("PLAIN"), SPAN("="), 0, "" },
		{ SPAN("PLAIN"), SPAN("YWI"), LOGIN_FAIL_SYNTAX, NULL },
		{ SPAN("PLAIN"), SPAN("*"), LOGIN_FAIL_SYNTAX, NULL },
		{ SPAN("CRAM-MD5"), SPAN_NONE, LOGIN_FAIL_MECHANISM, NULL },
		{ SPAN("NTLM"), SPAN_NONE, LOGIN_FAIL_MECHANISM, NULL },
		{ SPAN(""), SPAN_NONE, LOGIN_FAIL_MECHANISM, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture f;
		enum login_next next;

		fixture_start(&f, true);
		f.tenants.outcome = LOGIN_WRONG;
		next =
		    login_sasl(f.login, "", rows[i].mechanism, rows[i].initial);
		assert_int_equal(next, LOGIN_FAILED);
		assert_int_equal(f.tenants.calls, rows[i].message != NULL);
		if (rows[i].message == NULL) {
			assert_int_equal(
			    login_failure(f.login), rows[i].failure);
		} else {
			assert_true(f.tenants.had_initial);
			assert_string_equal(
			    f.tenants.password, rows[i].message);
		}
		fixture_end(&f);
	}
}

static void
many_failures_exhaust(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_WRONG;
	for (int i = 0; i < 3; i++) {
		assert_false(login_exhausted(f.login));
		assert_int_equal(pass(&f), LOGIN_FAILED);
	}
	assert_true(login_exhausted(f.login));
	fixture_end(&f);
}

static void
handed_over(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, false);
	f.conn.tls = true;
	f.conn.input = "STAT\r\n";
	f.tenants.outcome = LOGIN_OK;
	assert_int_equal(
	    login_password(f.login, "LOGIN", "a1", SPAN("yuki"), SPAN("x")),
	    LOGIN_GONE);
	assert_int_equal(login_verdict(f.login), VERDICT_PARK);
	assert_packet(f.peers[0], "pop3 midori id-1 LOGIN a1 [STAT\r\n] tls");
	assert_string_equal(f.log.tenant, "midori");
	assert_string_equal(f.log.account, "yuki@midori.example");
	assert_int_equal(f.counters.value[COUNTER_LOGINS], 1);
	fixture_end(&f);
}

/* In clear the socket itself goes, so our own output has to be out. */
static void
output_goes_first(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.conn.pending = 10;
	f.tenants.outcome = LOGIN_OK;
	assert_int_equal(pass(&f), LOGIN_WAIT);
	assert_int_equal(f.conn.gives, 0);
	assert_true(f.conn.paused_ms > 0);
	assert_int_equal(login_resume(f.login), LOGIN_WAIT);
	f.conn.pending = 0;
	assert_int_equal(login_resume(f.login), LOGIN_GONE);
	assert_int_equal(login_verdict(f.login), VERDICT_GONE);
	assert_int_equal(f.conn.gives, 1);
	fixture_end(&f);
}

/* A socket is kept; one whose process ended is replaced. */
static void
session_process_restarted(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_OK;
	assert_int_equal(pass(&f), LOGIN_GONE);
	assert_int_equal(pass(&f), LOGIN_GONE);
	assert_int_equal(f.connects, 1);
	assert_packet(f.peers[0], "pop3 midori id-1 PASS  [] clear");
	assert_packet(f.peers[0], "pop3 midori id-1 PASS  [] clear");

	fd_close(fd_steal(&f.peers[0]));
	assert_int_equal(pass(&f), LOGIN_GONE);
	assert_int_equal(f.connects, 2);
	assert_packet(f.peers[1], "pop3 midori id-1 PASS  [] clear");
	fixture_end(&f);
}

static void
no_session_process(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_OK;
	f.connect_fails = true;
	assert_int_equal(pass(&f), LOGIN_FAILED);
	assert_int_equal(login_failure(f.login), LOGIN_FAIL_TEMP);
	assert_int_equal(f.conn.gives, 0);

	f.connect_fails = false;
	assert_int_equal(pass(&f), LOGIN_GONE);
	fixture_end(&f);
}

static void
mailbox_elsewhere(void **state)
{
	struct fixture f;

	(void)state;
	fixture_start(&f, true);
	f.tenants.outcome = LOGIN_OK;
	(void)strcpy(f.tenants.mail_host, "node2.isp.example");
	assert_int_equal(pass(&f), LOGIN_FAILED);
	assert_int_equal(login_failure(f.login), LOGIN_FAIL_TEMP);
	(void)strcpy(f.tenants.mail_host, "MAIL.isp.example");
	assert_int_equal(pass(&f), LOGIN_GONE);
	fixture_end(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_in_words),
		cmocka_unit_test(time_of_the_answer_counts),
		cmocka_unit_test(no_password_in_clear),
		cmocka_unit_test(offered_mechanisms),
		cmocka_unit_test(exchange_step_by_step),
		cmocka_unit_test(exchange_broken_off),
		cmocka_unit_test(initial_responses),
		cmocka_unit_test(many_failures_exhaust),
		cmocka_unit_test(handed_over),
		cmocka_unit_test(output_goes_first),
		cmocka_unit_test(session_process_restarted),
		cmocka_unit_test(no_session_process),
		cmocka_unit_test(mailbox_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
