/* SPDX-License-Identifier: BSD-2-Clause */
/* tenants/protocol and tenants/client, against a scripted other end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "tenants/client.h"
#include "tenants/protocol.h"
#include "tenants/settings.h"
#include "tenants/settings_spec.h"

static const struct tenant_info midori = {
	.name = "midori",
	.uid = 62202,
	.gid = 62203,
	.status = TENANT_CLOSING,
	.host = "mail.midori.example",
	.title = "Midori \xe7\xb7\x91",
	.message_max = 1 << 30,
	.pop3 = { .unique_ids = "courier",
	    .mark_seen = SAID_NO,
	    .login_delay = 300,
	    .expire_days = 30 },
	.refuses_over_quota = true,
};

static struct account_info
yuki(void)
{
	return (struct account_info){
		.tenant = midori,
		.id = "0b4c5d6e-0000-1000-8000-00005e0053af",
		.address = "yuki@midori.example",
		.mail_host = "store2.example",
		.language = "ja",
		.status = ACCOUNT_NORECEIVE,
		.services = SERVICE_POP3 | SERVICE_IMAP,
		.quota_octets = 5ull << 32,
		.undelete_days = 30,
		.pop3_sessions = 3,
		.imap_sessions = 20,
		.quota_messages = 100000,
		.message_max = 7,
	};
}

/* The value of the first field in b. */
static struct span
first_value(const struct buf *b)
{
	struct span fields = buf_span(b), value;
	uint8_t tag;

	assert_int_equal(packet_next(&fields, &tag, &value), PACKET_FIELD);
	return value;
}

static void
test_values_come_back(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	struct recipient in = { .local = true,
		.address = "yuki@midori.example",
		.detail = "news",
		.account = yuki() },
			 out;
	struct domain_info d = { .name = "midori-mail.example",
		.target = "midori.example",
		.tenant = midori },
			   d_out;

	(void)state;
	buf_init(&b, PACKET_MAX);
	tenants_put_recipient(&b, &in);
	assert_true(tenants_get_recipient(first_value(&b), &out));
	assert_true(out.local);
	assert_string_equal(out.detail, "news");
	assert_string_equal(out.account.id, in.account.id);
	assert_string_equal(out.account.tenant.title, midori.title);
	assert_int_equal(out.account.tenant.uid, 62202);
	assert_int_equal(out.account.tenant.gid, 62203);
	assert_int_equal(out.account.tenant.status, TENANT_CLOSING);
	assert_int_equal(out.account.status, ACCOUNT_NORECEIVE);
	assert_int_equal(out.account.services, SERVICE_POP3 | SERVICE_IMAP);
	assert_true(out.account.quota_octets == 5ull << 32);
	assert_int_equal(out.account.message_max, 7);
	assert_string_equal(out.account.tenant.pop3.unique_ids, "courier");
	assert_int_equal(out.account.tenant.pop3.mark_seen, SAID_NO);
	assert_true(out.account.tenant.refuses_over_quota);
	assert_int_equal(out.account.undelete_days, 30);
	assert_int_equal(out.account.pop3_sessions, 3);
	assert_int_equal(out.account.imap_sessions, 20);
	assert_int_equal(out.account.tenant.pop3.login_delay, 300);
	assert_int_equal(out.account.tenant.pop3.expire_days, 30);

	buf_clear(&b);
	tenants_put_domain(&b, &d);
	assert_true(tenants_get_domain(first_value(&b), &d_out));
	assert_string_equal(d_out.target, "midori.example");
	assert_string_equal(d_out.tenant.name, "midori");
}

static void
test_values_cut_short_are_refused(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	struct account_info in = yuki(), out;
	struct span whole;
	size_t refused = 0;

	(void)state;
	buf_init(&b, PACKET_MAX);
	tenants_put_account(&b, &in);
	whole = first_value(&b);
	for (size_t len = 0; len < whole.len; len++)
		refused += !tenants_get_account(span_first(whole, len), &out);
	/* Only a cut between fields leaves something well formed. */
	assert_true(refused > whole.len - 12);
	assert_false(tenants_get_tenant(SPAN_NONE, &out.tenant));
}

static void
put_login(struct buf *b, struct span login, bool password)
{
	buf_clear(b);
	packet_put(b, TAG_LOGIN, login);
	if (password)
		packet_put(b, TAG_PASSWORD, SPAN(""));
	packet_put_u64(b, TAG_SERVICE, SERVICE_POP3);
}

static void
test_requests_are_checked(void **state)
{
	CLEANUP(buf_fini) struct buf b;
	struct tenants_request r;
	struct err err = ERR_INIT;
	char much[TENANT_LOGIN_MAX + 1];

	(void)state;
	buf_init(&b, PACKET_MAX);
	memset(much, 'x', sizeof(much));
	put_login(&b, SPAN("a@b.example"), true);
	assert_int_equal(
	    tenants_request_parse(TENANTS_LOGIN, buf_span(&b), &r, &err), 0);
	assert_int_equal(r.password.len, 0);
	assert_int_equal(r.service, SERVICE_POP3);
	put_login(&b, SPAN("a@b.example"), false);
	assert_int_equal(
	    tenants_request_parse(TENANTS_LOGIN, buf_span(&b), &r, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	put_login(&b, span_of(much, sizeof(much)), true);
	assert_int_equal(
	    tenants_request_parse(TENANTS_LOGIN, buf_span(&b), &r, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	put_login(&b, SPAN("a@b.example"), true);
	assert_int_equal(tenants_request_parse(TENANTS_LOGIN,
			     span_first(buf_span(&b), b.len - 1), &r, &err),
	    -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	assert_int_equal(tenants_request_parse(99, buf_span(&b), &r, &err), -1);
	/* Fields of a newer client are passed over. */
	packet_put_str(&b, 63, "new");
	assert_int_equal(
	    tenants_request_parse(TENANTS_LOGIN, buf_span(&b), &r, &err), 0);
}

/* ---- a scripted tenantd --------------------------------------------- */

struct server {
	int fds[8]; /* our ends, one for each connect */
	size_t connects;
	pthread_t threads[8];
	bool die_first;    /* the first connection ends at its request */
	size_t recipients; /* of a resolution, page_len at a time */
	size_t page_len;
	unsigned
	    changes; /* the mark; every first page lowers it for the next */
};

static void
answer_resolve(struct server *s, struct tenants_request *r, struct buf *b)
{
	struct recipient one = { .local = false };

	packet_put_u64(b, TAG_OUTCOME, RESOLVE_GROUP);
	tenants_put_tenant(b, &midori);
	packet_put_u64(b, TAG_COUNT, s->recipients);
	packet_put_u64(b, TAG_MARK, s->changes);
	if (r->start == 0 && s->changes > 0)
		s->changes--;
	for (size_t i = r->start;
	     i < s->recipients && i < r->start + s->page_len; i++) {
		(void)snprintf(one.address, sizeof(one.address),
		    "member%zu@elsewhere.example", i);
		tenants_put_recipient(b, &one);
	}
}

/* The recipients as senders that are allowed; the id says what is missing. */
static void
answer_settings(struct server *s, struct tenants_request *r, struct buf *b)
{
	struct account_info account = yuki();
	char text[64];

	packet_put_u64(b, TAG_OUTCOME, LOOKUP_FOUND);
	if (!span_eq(r->id, SPAN("nobody")))
		tenants_put_account(b, &account);
	packet_put_u64(b, TAG_COUNT, s->recipients);
	packet_put_u64(b, TAG_MARK, s->changes);
	if (r->start == 0 && s->changes > 0)
		s->changes--;
	for (size_t i = r->start;
	     i < s->recipients && i < r->start + s->page_len; i++) {
		size_t start = packet_start(b, TAG_SETTING);

		(void)snprintf(text, sizeof(text), "sender%zu@a.example", i);
		packet_put_u64(b, ITEM_ATTR, ATTR_ALLOW_SENDER);
		packet_put_str(b, ITEM_TEXT, text);
		packet_end(b, start);
	}
}

static void
answer(struct server *s, struct span packet, struct buf *b)
{
	struct packet_head head;
	struct span fields;
	struct tenants_request r;
	struct account_info account = yuki();

	assert_int_equal(
	    packet_open(packet, TENANTS_PROTOCOL_VERSION, &head, &fields, NULL),
	    0);
	assert_int_equal(tenants_request_parse(head.type, fields, &r, NULL), 0);
	head.type =
	    span_eq(r.name, SPAN("broken")) ? TENANTS_FAILED : TENANTS_ANSWER;
	buf_clear(b);
	packet_begin(b, head);
	if (r.type == TENANTS_RESOLVE) {
		answer_resolve(s, &r, b);
	} else if (r.type == TENANTS_SETTINGS) {
		answer_settings(s, &r, b);
	} else if (r.type == TENANTS_LOGIN) {
		packet_put_u64(b, TAG_OUTCOME, LOGIN_OK);
		if (!span_eq(r.password, SPAN("nobody")))
			tenants_put_account(b, &account);
	} else if (head.type == TENANTS_FAILED) {
		packet_put_str(b, TAG_TEXT, "the directory is gone");
	} else {
		packet_put_u64(b, TAG_OUTCOME, LOOKUP_NONE);
	}
}

struct serving {
	struct server *server;
	size_t number;
};

static void *
serve(void *arg)
{
	struct serving *serving = arg;
	struct server *s = serving->server;
	int fd = s->fds[serving->number];
	CLEANUP(buf_fini) struct buf in, out;
	size_t fds_len;

	buf_init(&in, PACKET_MAX);
	buf_init(&out, PACKET_MAX);
	while (packet_recv(fd, &in, NULL, 0, &fds_len, -1, NULL) == 0) {
		if (s->die_first && serving->number == 0)
			break;
		answer(s, buf_span(&in), &out);
		if (packet_send(fd, buf_span(&out), NULL, 0, -1, NULL) == -1)
			break;
	}
	(void)close(fd);
	free(serving);
	return NULL;
}

static int
server_connect(void *arg, int *fd_out, struct err *err)
{
	struct server *s = arg;
	struct serving *serving = malloc(sizeof(*serving));
	int pair[2];

	if (serving == NULL || s->connects == 8 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		free(serving);
		return err_sys(err, "socketpair");
	}
	*serving = (struct serving){ s, s->connects };
	s->fds[s->connects] = pair[1];
	(void)pthread_create(&s->threads[s->connects++], NULL, serve, serving);
	*fd_out = pair[0];
	return 0;
}

static struct tenants *
client_of(struct server *s)
{
	struct tenants_options options = {
		.connect = server_connect, .arg = s, .deadline_ms = 2000
	};
	struct tenants *t = NULL;

	assert_int_equal(tenants_new(&options, &t, NULL), 0);
	return t;
}

static void
client_end(struct tenants *t, struct server *s)
{
	tenants_free(t);
	for (size_t i = 0; i < s->connects; i++)
		(void)pthread_join(s->threads[i], NULL);
}

static void
test_socket_is_kept_and_replaced(void **state)
{
	struct server s = { .die_first = true };
	struct tenants *t = client_of(&s);
	struct tenant_info info;
	struct err err = ERR_INIT;

	(void)state;
	/* The process behind the first socket dies: the call goes on. */
	assert_int_equal(tenants_tenant(t, "nobody", &info, &err), LOOKUP_NONE);
	assert_int_equal(s.connects, 2);
	assert_int_equal(tenants_tenant(t, "nobody", &info, &err), LOOKUP_NONE);
	assert_int_equal(s.connects, 2);
	assert_int_equal(
	    tenants_tenant(t, "broken", &info, &err), LOOKUP_FAILED);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_string_equal(err.text, "tenantd: the directory is gone");
	client_end(t, &s);
}

static void
test_long_lists_come_in_pages(void **state)
{
	struct server s = { .recipients = 1000, .page_len = 300 };
	struct tenants *t = client_of(&s);
	CLEANUP(resolution_fini) struct resolution r;

	(void)state;
	assert_int_equal(
	    tenants_resolve(t, SPAN("all@midori.example"), &r, NULL), 0);
	assert_int_equal(r.count, 1000);
	assert_string_equal(
	    r.recipients[999].address, "member999@elsewhere.example");
	client_end(t, &s);
}

static void
test_list_that_changes_is_read_anew(void **state)
{
	struct server s = { .recipients = 1000, .page_len = 300, .changes = 2 };
	struct tenants *t = client_of(&s);
	CLEANUP(resolution_fini) struct resolution r;
	struct err err = ERR_INIT;

	(void)state;
	/* Another mark on a second page: from the beginning, each once. */
	assert_int_equal(
	    tenants_resolve(t, SPAN("all@midori.example"), &r, &err), 0);
	assert_int_equal(r.count, 1000);
	assert_string_equal(
	    r.recipients[300].address, "member300@elsewhere.example");
	assert_string_equal(
	    r.recipients[999].address, "member999@elsewhere.example");
	/* One that never stands still is nobody's answer. */
	s.changes = 1000;
	resolution_fini(&r);
	assert_int_equal(
	    tenants_resolve(t, SPAN("all@midori.example"), &r, &err), -1);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(r.count, 0);
	client_end(t, &s);
}

static void
test_settings_come_in_pages(void **state)
{
	struct server s = { .recipients = 1000, .page_len = 300, .changes = 2 };
	struct tenants *t = client_of(&s);
	CLEANUP(settings_fini) struct settings got;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(tenants_settings(t, "yuki", &got, &err), LOOKUP_FOUND);
	assert_int_equal(got.allow_senders.len, 1000);
	assert_true(span_eq(
	    got.allow_senders.items[999].text, SPAN("sender999@a.example")));
	assert_string_equal(got.account.address, "yuki@midori.example");
	settings_fini(&got);
	/* They never stand still; their end never comes; nobody's. */
	s.changes = 1000;
	assert_int_equal(
	    tenants_settings(t, "yuki", &got, &err), LOOKUP_FAILED);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(got.allow_senders.len, 0);
	s.changes = 0;
	s.page_len = 0;
	assert_int_equal(
	    tenants_settings(t, "short", &got, &err), LOOKUP_FAILED);
	s.page_len = 1000;
	assert_int_equal(
	    tenants_settings(t, "nobody", &got, &err), LOOKUP_FAILED);
	assert_int_equal(err.kind, ERR_TEMP);
	assert_int_equal(
	    tenants_tenant_settings(t, "nobody", &got, &err), LOOKUP_NONE);
	client_end(t, &s);
}

static void
test_login_needs_an_account(void **state)
{
	struct server s = { .page_len = 1 };
	struct tenants *t = client_of(&s);
	struct login_origin origin = { .service = SERVICE_POP3,
		.client = "192.0.2.1",
		.host = "",
		.log_id = "" };
	struct login_result r;
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(tenants_login(t, &origin, SPAN("yuki@midori.example"),
			     SPAN("secret"), &r, &err),
	    0);
	assert_int_equal(r.outcome, LOGIN_OK);
	assert_string_equal(r.account.tenant.name, "midori");
	/* "OK" for nobody is no login. */
	assert_int_equal(tenants_login(t, &origin, SPAN("yuki@midori.example"),
			     SPAN("nobody"), &r, &err),
	    -1);
	assert_int_equal(err.kind, ERR_TEMP);
	client_end(t, &s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_come_back),
		cmocka_unit_test(test_values_cut_short_are_refused),
		cmocka_unit_test(test_requests_are_checked),
		cmocka_unit_test(test_socket_is_kept_and_replaced),
		cmocka_unit_test(test_long_lists_come_in_pages),
		cmocka_unit_test(test_list_that_changes_is_read_anew),
		cmocka_unit_test(test_settings_come_in_pages),
		cmocka_unit_test(test_login_needs_an_account),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
