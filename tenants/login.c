/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One connection's login.  The states of struct login:
 *
 *	IDLE	  nothing under way
 *	EXCHANGE  a challenge was sent; tenantd keeps the exchange (token)
 *	PAUSED	  refused; the answer is held back
 *	HANDING	  accepted; waiting for our output to drain, then handed over
 */
#include "tenants/login.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/handoff.h"
#include "tenants/client.h"
#include "tenants/login_gate.h"

/* However wrong a client was, a support desk's call must not outlast it. */
#define PAUSE_MAX_MS 60000
/* Between looks whether the kernel has taken our output. */
#define DRAIN_PAUSE_MS 20
/* What a client may have sent behind its login command. */
#define GIVEN_INPUT_MAX 32768

enum login_state {
	LOGIN_IDLE,
	LOGIN_EXCHANGE,
	LOGIN_PAUSED,
	LOGIN_HANDING
};

struct login {
	struct login_gate *gate;
	struct conn *conn;
	struct log *log;
	enum login_state state;
	enum login_failure failure; /* PAUSED, and the last one */
	enum verdict verdict;       /* after LOGIN_GONE */
	unsigned failures;
	const char *mechanism; /* of the attempt under way; static text */
	char tag[129];
	char local[CONN_LOCAL_SIZE]; /* address of ours that it came to */
	struct sasl_token token;     /* EXCHANGE */
	struct buf challenge;        /* base64 */
	struct handoff *handoff;     /* HANDING */
	uint64_t asked_ms;           /* when tenantd was asked last */
	bool utf8;                   /* login_pass_on */
	char language[16];
};

int
login_new(struct login_gate *gate, struct conn *c, struct log *log,
    struct login **login_out, struct err *err)
{
	struct login *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return err_sys(err, "login");
	l->gate = gate;
	l->conn = c;
	l->log = log;
	l->mechanism = "";
	buf_init(&l->challenge, LOGIN_LINE_MAX);
	*login_out = l;
	return 0;
}

static void
login_end_exchange(struct login *l)
{
	if (l->state == LOGIN_EXCHANGE)
		tenants_sasl_cancel(l->gate->options.tenants, &l->token);
	l->state = LOGIN_IDLE;
}

void
login_free(struct login *l)
{
	if (l == NULL)
		return;
	login_end_exchange(l);
	buf_fini(&l->challenge);
	free(l->handoff);
	free(l);
}

/* ---- outcomes ---------------------------------------------------------- */

static enum login_next
login_fail(struct login *l, enum login_failure failure, unsigned delay_ms)
{
	l->failure = failure;
	l->failures++;
	if (delay_ms == 0) {
		l->state = LOGIN_IDLE;
		return LOGIN_FAILED;
	}
	l->state = LOGIN_PAUSED;
	conn_pause(l->conn, delay_ms < PAUSE_MAX_MS ? delay_ms : PAUSE_MAX_MS);
	return LOGIN_WAIT;
}

/* Refused before tenantd was asked. */
static enum login_next
login_refuse(struct login *l, enum login_failure failure)
{
	log_info(l->log, "login refused", log_str("mechanism", l->mechanism),
	    log_str("reason", login_failure_text(failure)),
	    log_str("tls", conn_tls_version(l->conn)));
	return login_fail(l, failure, 0);
}

static enum login_next
login_temp(struct login *l, const struct err *err)
{
	log_error(l->log, "login not possible now",
	    log_str("mechanism", l->mechanism), log_err(err));
	return login_fail(l, LOGIN_FAIL_TEMP, 0);
}

/* tenantd has refused. */
static enum login_next
login_refused(struct login *l, const struct login_result *result)
{
	enum login_failure failure =
	    result->outcome == LOGIN_REFUSED ? LOGIN_FAIL_REFUSED
	    : result->outcome == LOGIN_BAD   ? LOGIN_FAIL_SYNTAX
	    : result->outcome == LOGIN_WEAK  ? LOGIN_FAIL_WEAK
					     : LOGIN_FAIL_WRONG;

	counter_add(l->gate->options.counters, COUNTER_LOGIN_FAILURES, 1);
	log_notice(l->log, "login failed",
	    log_span("login", span_str(result->login)),
	    log_str("mechanism", l->mechanism),
	    log_str("reason", login_failure_text(failure)),
	    log_str("tls", conn_tls_version(l->conn)),
	    log_u64("delay_ms", result->delay_ms));
	return login_fail(
	    l, failure, login_result_hold_ms(result, clock_ms() - l->asked_ms));
}

/* ---- handing over -------------------------------------------------------- */

void
login_pass_on(struct login *l, bool utf8, const char *language)
{
	l->utf8 = utf8;
	(void)snprintf(l->language, sizeof(l->language), "%s", language);
}

static void
handoff_pop3(const struct tenant_pop3 *pop3, struct handoff *h)
{
	(void)snprintf(
	    h->unique_ids, sizeof(h->unique_ids), "%s", pop3->unique_ids);
	if (pop3->mark_seen != SAID_NOTHING)
		h->mark_seen = pop3->mark_seen == SAID_YES ? 'y' : 'n';
	h->login_delay = pop3->login_delay;
	h->expire_days = pop3->expire_days;
}

static struct handoff *
handoff_of(const struct login *l, const struct login_result *result)
{
	const struct account_info *a = &result->account;
	struct handoff *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	h->id = l->log->id;
	(void)snprintf(h->service, sizeof(h->service), "%s", l->gate->protocol);
	(void)snprintf(h->tenant, sizeof(h->tenant), "%s", a->tenant.name);
	(void)snprintf(h->account_id, sizeof(h->account_id), "%s", a->id);
	(void)snprintf(h->address, sizeof(h->address), "%s", a->address);
	(void)snprintf(h->login, sizeof(h->login), "%s", result->login);
	(void)snprintf(h->mechanism, sizeof(h->mechanism), "%s", l->mechanism);
	(void)snprintf(h->tag, sizeof(h->tag), "%s", l->tag);
	h->peer = *conn_peer(l->conn);
	h->tls = conn_tls(l->conn);
	h->quota_octets = a->quota_octets;
	h->quota_messages = a->quota_messages;
	(void)snprintf(h->title, sizeof(h->title), "%s", a->tenant.title);
	h->message_max =
	    a->message_max != 0 ? a->message_max : a->tenant.message_max;
	h->undelete_days = a->undelete_days;
	h->sessions_max = l->gate->options.service == SERVICE_POP3
			      ? a->pop3_sessions
			      : a->imap_sessions;
	handoff_pop3(&a->tenant.pop3, h);
	h->utf8 = l->utf8;
	(void)snprintf(h->language, sizeof(h->language), "%s", l->language);
	(void)snprintf(
	    h->user_language, sizeof(h->user_language), "%s", a->language);
	return h;
}

static int
handoff_try(struct login *l, unsigned shard, int client_fd, struct span input,
    struct err *err)
{
	struct login_links *links = l->gate->links;
	struct login_link *link;
	int sent;

	if (login_link_get(links, l->handoff->tenant, shard, &link, err) == -1)
		return -1;
	sent = handoff_send(
	    login_link_fd(link), l->handoff, client_fd, input, err);
	if (sent == -1)
		login_link_drop(links, link);
	login_link_unref(links, link);
	return sent;
}

/*
 * The session process is asked for while the client is still ours, so that a
 * failure can be told.  It may die between that and the packet: a second try
 * starts it again; then the client sees the connection close.
 */
static enum login_next
login_hand_over(struct login *l)
{
	const struct login_gate_options *o = &l->gate->options;
	CLEANUP(fd_close) int client_fd = -1;
	CLEANUP(buf_fini) struct buf input;
	unsigned shard = o->shard(o->arg, l->handoff->account_id);
	struct login_link *link;
	struct err err = ERR_INIT;

	buf_init(&input, GIVEN_INPUT_MAX);
	if (login_link_get(
		l->gate->links, l->handoff->tenant, shard, &link, &err) == -1)
		return login_temp(l, &err);
	login_link_unref(l->gate->links, link);

	l->verdict = conn_tls(l->conn) ? VERDICT_PARK : VERDICT_GONE;
	if (conn_give_away(l->conn, &client_fd, &input, &err) == -1)
		return login_temp(l, &err);
	if (handoff_try(l, shard, client_fd, buf_span(&input), &err) == -1 &&
	    handoff_try(l, shard, client_fd, buf_span(&input), &err) == -1)
		log_error(l->log, "client lost at hand-off", log_err(&err));

	l->state = LOGIN_IDLE;
	mem_free(l->handoff);
	l->handoff = NULL;
	return LOGIN_GONE;
}

static enum login_next
login_drain(struct login *l)
{
	struct err err = ERR_INIT;

	if (conn_output_pending(l->conn) > 0)
		(void)conn_flush(l->conn, &err);
	if (conn_output_pending(l->conn) == 0 || conn_tls(l->conn))
		return login_hand_over(l);
	l->state = LOGIN_HANDING;
	conn_pause(l->conn, DRAIN_PAUSE_MS);
	return LOGIN_WAIT;
}

static enum login_next
login_accepted(struct login *l, const struct login_result *result)
{
	const struct account_info *a = &result->account;
	struct err err = ERR_INIT;

	l->state = LOGIN_IDLE;
	(void)snprintf(
	    l->log->tenant, sizeof(l->log->tenant), "%s", a->tenant.name);
	(void)snprintf(
	    l->log->account, sizeof(l->log->account), "%.95s", a->address);
	counter_add(l->gate->options.counters, COUNTER_LOGINS, 1);
	log_info(l->log, result->acting ? "login as another" : "login",
	    log_span("login", span_str(result->login)),
	    log_str("mechanism", l->mechanism),
	    log_str("tls", conn_tls_version(l->conn)),
	    log_str("host", conn_tls_server_name(l->conn)));

	if (a->mail_host[0] != '\0' &&
	    strcasecmp(a->mail_host, l->gate->hostname) != 0) {
		(void)err_set(&err, ERR_TEMP,
		    "the mailbox is on %s, and relaying is not built",
		    a->mail_host);
		return login_temp(l, &err);
	}
	free(l->handoff);
	l->handoff = handoff_of(l, result);
	if (l->handoff == NULL) {
		(void)err_sys(&err, "hand-off");
		return login_temp(l, &err);
	}
	return login_drain(l);
}

/* What tenantd said: called is its call's 0 or -1. */
static enum login_next
login_decide(struct login *l, int called, struct span challenge,
    const struct login_result *result, const struct err *err)
{
	l->state = LOGIN_IDLE;
	if (called == -1)
		return login_temp(l, err);
	switch (result->outcome) {
	case LOGIN_OK:
		return login_accepted(l, result);
	case LOGIN_CONTINUE:
		l->state = LOGIN_EXCHANGE;
		buf_clear(&l->challenge);
		sasl_line_encode(challenge, &l->challenge);
		return LOGIN_CHALLENGE;
	case LOGIN_WRONG:
	case LOGIN_REFUSED:
	case LOGIN_BAD:
	case LOGIN_WEAK:
		break;
	}
	return login_refused(l, result);
}

/* ---- what the protocols call ----------------------------------------------
 */

static struct login_origin
login_origin_of(struct login *l)
{
	conn_local(l->conn, l->local);
	return (struct login_origin){
		.service = l->gate->options.service,
		.client = conn_peer(l->conn)->address_text,
		.host = conn_tls_server_name(l->conn),
		.local = l->local,
		.log_id = l->log->id.text,
		.tls = conn_tls(l->conn),
	};
}

static void
login_begin(struct login *l, const char *mechanism, const char *tag)
{
	login_end_exchange(l);
	l->mechanism = mechanism;
	(void)snprintf(l->tag, sizeof(l->tag), "%s", tag);
}

enum login_next
login_password(struct login *l, const char *word, const char *tag,
    struct span name, struct span password)
{
	struct login_origin origin = login_origin_of(l);
	struct login_result result = { .outcome = LOGIN_WRONG };
	struct err err = ERR_INIT;
	int called;

	login_begin(l, word, tag);
	if (!login_plaintext_allowed(l->gate, l->conn))
		return login_refuse(l, LOGIN_FAIL_PRIVACY);
	l->asked_ms = clock_ms();
	called = tenants_login(
	    l->gate->options.tenants, &origin, name, password, &result, &err);
	return login_decide(l, called, SPAN_NONE, &result, &err);
}

/* A password may have been in it. */
static void
response_wipe(struct buf *response)
{
	if (response->data != NULL)
		explicit_bzero(response->data, response->cap);
	buf_fini(response);
}
CLEANUP_DEFINE_VALUE(struct buf, response_wipe)

enum login_next
login_sasl(struct login *l, const char *tag, struct span mechanism,
    struct span initial)
{
	struct login_origin origin = login_origin_of(l);
	struct login_result result = { .outcome = LOGIN_WRONG };
	CLEANUP(response_wipe) struct buf response;
	CLEANUP(buf_fini) struct buf challenge;
	const struct sasl_mechanism *m;
	enum login_failure failure;
	struct span first = SPAN_NONE;
	struct err err = ERR_INIT;
	int called;

	buf_init(&response, TENANT_SASL_MAX);
	buf_init(&challenge, TENANT_SASL_MAX);
	login_begin(l, "", tag);
	m = login_gate_mechanism(l->gate, l->conn, mechanism, &failure);
	if (m == NULL)
		return login_refuse(l, failure);
	l->mechanism = sasl_mechanism_name(m);
	if (initial.p != NULL) {
		if (sasl_initial_decode(initial, &response) != SASL_LINE_OK)
			return login_refuse(l, LOGIN_FAIL_SYNTAX);
		first = span_of(buf_str(&response), response.len);
	}
	l->asked_ms = clock_ms();
	called = tenants_sasl_start(l->gate->options.tenants, &origin,
	    span_str(l->mechanism), first, &l->token, &challenge, &result,
	    &err);
	return login_decide(l, called, buf_span(&challenge), &result, &err);
}

enum login_next
login_apop(struct login *l, struct span timestamp, struct span name,
    struct span digest)
{
	struct login_origin origin = login_origin_of(l);
	struct login_result result = { .outcome = LOGIN_WRONG };
	struct err err = ERR_INIT;
	int called;

	login_begin(l, "APOP", "");
	called = tenants_apop(l->gate->options.tenants, &origin, timestamp,
	    name, digest, &result, &err);
	return login_decide(l, called, SPAN_NONE, &result, &err);
}

bool
login_in_exchange(const struct login *l)
{
	return l != NULL && l->state == LOGIN_EXCHANGE;
}

enum login_next
login_line(struct login *l, struct span line)
{
	struct login_result result = { .outcome = LOGIN_WRONG };
	CLEANUP(response_wipe) struct buf response;
	CLEANUP(buf_fini) struct buf challenge;
	struct err err = ERR_INIT;
	enum sasl_line kind;
	int called;

	buf_init(&response, TENANT_SASL_MAX);
	buf_init(&challenge, TENANT_SASL_MAX);
	kind = sasl_line_decode(line, &response);
	if (kind != SASL_LINE_OK) {
		login_end_exchange(l);
		return login_refuse(l, kind == SASL_LINE_CANCEL
					   ? LOGIN_FAIL_CANCELLED
					   : LOGIN_FAIL_SYNTAX);
	}
	l->asked_ms = clock_ms();
	called = tenants_sasl_step(l->gate->options.tenants, &l->token,
	    span_of(buf_str(&response), response.len), &challenge, &result,
	    &err);
	return login_decide(l, called, buf_span(&challenge), &result, &err);
}

enum login_next
login_line_long(struct login *l)
{
	login_end_exchange(l);
	return login_refuse(l, LOGIN_FAIL_SYNTAX);
}

bool
login_pending(const struct login *l)
{
	return l != NULL &&
	       (l->state == LOGIN_PAUSED || l->state == LOGIN_HANDING);
}

enum login_next
login_resume(struct login *l)
{
	if (l->state == LOGIN_HANDING)
		return login_drain(l);
	l->state = LOGIN_IDLE;
	return LOGIN_FAILED;
}

struct span
login_challenge(const struct login *l)
{
	return buf_span(&l->challenge);
}

enum login_failure
login_failure(const struct login *l)
{
	return l->failure;
}

const char *
login_failure_text(enum login_failure failure)
{
	switch (failure) {
	case LOGIN_FAIL_WRONG:
		return "Wrong user name or password";
	case LOGIN_FAIL_REFUSED:
		return "This account may not log in here";
	case LOGIN_FAIL_WEAK:
		return "This account cannot use this mechanism, try another";
	case LOGIN_FAIL_MECHANISM:
		return "Mechanism not supported";
	case LOGIN_FAIL_PRIVACY:
		return "A password is accepted under TLS only";
	case LOGIN_FAIL_SYNTAX:
		return "Malformed response";
	case LOGIN_FAIL_CANCELLED:
		return "Authentication cancelled";
	case LOGIN_FAIL_TEMP:
		break;
	}
	return "Logging in is not possible now, try again later";
}

bool
login_exhausted(const struct login *l)
{
	return l->failures >= login_gate_policy(l->gate).failures_max;
}

enum verdict
login_verdict(const struct login *l)
{
	return l->verdict;
}
