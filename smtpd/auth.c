/* SPDX-License-Identifier: BSD-2-Clause */
/* AUTH.  The mechanisms run in tenantd.              RFC 4954 section 4 */
#include <stdio.h>
#include <string.h>

#include "common/sasl.h"
#include "smtpd/session.h"

/* A penalty longer than this would only tie up connections. */
#define PAUSE_MAX_MS 30000

static bool
auth_allowed(const struct smtp_session *s)
{
	return conn_tls(s->conn) || s->conf->plaintext_auth;
}

/* Without a setting: what needs no secret that could be read from LDAP. */
static bool
mechanism_configured(
    const struct smtp_session *s, const struct sasl_mechanism *m)
{
	const struct conf_strings *names = &s->conf->mechanisms;

	for (size_t i = 0; i < names->len; i++) {
		if (sasl_mechanism_find(span_str(names->items[i])) == m)
			return true;
	}
	return names->len == 0 && m != sasl_mechanism_find(SPAN("CRAM-MD5"));
}

/*
 * AUTH is for submission, and under TLS only unless the operator says
 * otherwise.                                            RFC 8314 section 3
 */
static bool
mechanism_offered(const struct smtp_session *s, const struct sasl_mechanism *m)
{
	return smtp_is_submission(s) && auth_allowed(s) &&
	       mechanism_configured(s, m);
}

void
smtp_auth_offer(const struct smtp_session *s, struct buf *out)
{
	const struct sasl_mechanism *m;

	for (size_t i = 0; (m = sasl_mechanism_at(i)) != NULL; i++) {
		if (mechanism_offered(s, m))
			buf_append_fmt(out, " %s", sasl_mechanism_name(m));
	}
}

void
smtp_auth_end(struct smtp_session *s)
{
	if (s->auth_state == SMTP_AUTH_EXCHANGE)
		tenants_sasl_cancel(
		    smtp_server_tenants(s->server), &s->auth->token);
	if (s->auth_state != SMTP_AUTH_DONE)
		s->auth_state = SMTP_AUTH_NONE;
	free(s->auth);
	s->auth = NULL;
}

void
smtp_auth_forget(struct smtp_session *s)
{
	smtp_auth_end(s);
	s->auth_state = SMTP_AUTH_NONE;
	free(s->account_id);
	free(s->account_address);
	s->account_id = s->account_address = NULL;
	s->auth_mechanism = NULL;
	s->log.account[0] = s->log.tenant[0] = '\0';
	s->message_max = s->conf->message_max;
}

/* ---- outcomes
 * --------------------------------------------------------------------- */

static void
auth_accepted(struct smtp_session *s)
{
	const struct account_info *a = &s->auth->result.account;
	uint64_t message_max =
	    a->message_max != 0 ? a->message_max : a->tenant.message_max;

	s->account_id = strdup(a->id);
	s->account_address = strdup(a->address);
	if (s->account_id == NULL || s->account_address == NULL) {
		smtp_auth_forget(s);
		smtp_reply(s, 454, "4.7.0", "Out of memory");
		return;
	}
	if (message_max != 0 && message_max < s->message_max)
		s->message_max = message_max;
	(void)snprintf(
	    s->log.tenant, sizeof(s->log.tenant), "%s", a->tenant.name);
	(void)snprintf(
	    s->log.account, sizeof(s->log.account), "%.95s", a->address);
	conn_tenant(s->conn, a->tenant.name);
	counter_add(smtp_server_counters(s->server), COUNTER_LOGINS, 1);
	log_info(&s->log, s->auth->result.acting ? "login as another" : "login",
	    log_span("login", span_str(s->auth->result.login)),
	    log_str("mechanism", s->auth->mechanism),
	    log_str("tls", conn_tls_version(s->conn)));
	s->auth_state = SMTP_AUTH_DONE;
	s->auth_mechanism = s->auth->mechanism;
	free(s->auth);
	s->auth = NULL;
	smtp_reply(s, 235, "2.7.0", "Authentication successful");
}

/* After the pause, if there was one. */
static void
auth_refused(struct smtp_session *s)
{
	enum login_outcome outcome = s->auth->result.outcome;

	s->auth_state = SMTP_AUTH_NONE;
	free(s->auth);
	s->auth = NULL;
	if (outcome == LOGIN_BAD)
		smtp_reply(s, 501, "5.5.2", "Malformed response");
	else if (outcome == LOGIN_WEAK)
		smtp_reply(s, 534, "5.7.9",
		    "This account cannot use this mechanism, try another");
	else if (outcome == LOGIN_REFUSED)
		smtp_reply(s, 535, "5.7.1", "This account may not send");
	else
		smtp_reply(s, 535, "5.7.8", "Wrong user name or password");
	if (++s->auth_failures >= s->conf->auth_failures_max && !s->quit)
		smtp_goodbye(s, "4.7.0", "Too many failed logins");
}

static void
auth_failed(struct smtp_session *s)
{
	const struct login_result *r = &s->auth->result;
	unsigned hold_ms =
	    login_result_hold_ms(r, clock_ms() - s->auth->asked_ms);

	counter_add(smtp_server_counters(s->server), COUNTER_LOGIN_FAILURES, 1);
	log_notice(&s->log, "login failed",
	    log_span("login", span_str(r->login)),
	    log_str("mechanism", s->auth->mechanism),
	    log_str("reason",
		r->outcome == LOGIN_WRONG     ? "wrong user name or password"
		: r->outcome == LOGIN_REFUSED ? "account or service refused"
		: r->outcome == LOGIN_WEAK    ? "no material for mechanism"
					      : "malformed response"),
	    log_str("tls", conn_tls_version(s->conn)),
	    log_u64("delay_ms", r->delay_ms));
	if (hold_ms == 0) {
		auth_refused(s);
		return;
	}
	s->auth_state = SMTP_AUTH_PAUSED;
	conn_pause(s->conn, hold_ms < PAUSE_MAX_MS ? hold_ms : PAUSE_MAX_MS);
}

void
smtp_auth_resume(struct smtp_session *s)
{
	auth_refused(s);
}

static void
auth_decide(struct smtp_session *s, int called, struct span challenge,
    const struct err *err)
{
	CLEANUP(buf_fini) struct buf line;

	buf_init(&line, SMTP_AUTH_LINE_MAX);
	if (called == -1) {
		log_error(&s->log, "login not possible now", log_err(err));
		s->auth_state = SMTP_AUTH_NONE;
		smtp_auth_end(s);
		smtp_reply(s, 454, "4.7.0",
		    "Authentication is not possible now, try later");
		return;
	}
	switch (s->auth->result.outcome) {
	case LOGIN_OK:
		auth_accepted(s);
		return;
	case LOGIN_CONTINUE:
		s->auth_state = SMTP_AUTH_EXCHANGE;
		sasl_line_encode(challenge, &line);
		conn_write_fmt(s->conn, "334 %s\r\n", buf_str(&line));
		return;
	case LOGIN_WRONG:
	case LOGIN_REFUSED:
	case LOGIN_BAD:
	case LOGIN_WEAK:
		auth_failed(s);
		return;
	}
}

/* ---- the command and its lines
 * ------------------------------------------------------- */

/* A password may have been in it. */
static void
response_wipe(struct buf *response)
{
	if (response->data != NULL)
		explicit_bzero(response->data, response->cap);
	buf_fini(response);
}
CLEANUP_DEFINE_VALUE(struct buf, response_wipe)

static void
auth_start(
    struct smtp_session *s, const struct sasl_mechanism *m, struct span initial)
{
	char local[CONN_LOCAL_SIZE];
	struct login_origin origin = {
		.service = SERVICE_SMTP,
		.client = conn_peer(s->conn)->address_text,
		.host = conn_tls_server_name(s->conn),
		.local = local,
		.log_id = s->log.id.text,
		.tls = conn_tls(s->conn),
	};
	CLEANUP(buf_fini) struct buf challenge;
	struct err err = ERR_INIT;
	int called;

	conn_local(s->conn, local);
	buf_init(&challenge, TENANT_SASL_MAX);
	s->auth = calloc(1, sizeof(*s->auth));
	if (s->auth == NULL) {
		smtp_reply(s, 454, "4.7.0", "Out of memory");
		return;
	}
	s->auth->mechanism = sasl_mechanism_name(m);
	s->auth->asked_ms = clock_ms();
	called = tenants_sasl_start(smtp_server_tenants(s->server), &origin,
	    span_str(s->auth->mechanism), initial, &s->auth->token, &challenge,
	    &s->auth->result, &err);
	auth_decide(s, called, buf_span(&challenge), &err);
}

/* What stands in the way of AUTH now, answered; false: nothing does. */
static bool
auth_refused_now(struct smtp_session *s, const struct sasl_mechanism *m)
{
	if (!smtp_is_submission(s)) {
		smtp_reply(s, 502, "5.5.1", "AUTH is for submission");
	} else if (s->helo == NULL || !s->extended) {
		smtp_reply(s, 503, "5.5.1", "Send EHLO first");
	} else if (s->account_id != NULL) {
		smtp_reply(s, 503, "5.5.1", "Already authenticated");
	} else if (s->transaction != NULL) {
		smtp_reply(s, 503, "5.5.1", "A transaction is under way");
	} else if (!auth_allowed(s)) {
		smtp_reply(s, 538, "5.7.11", "Use STARTTLS first");
	} else if (m == NULL || !mechanism_offered(s, m)) {
		smtp_reply(s, 504, "5.5.4", "Mechanism not supported");
	} else {
		return false;
	}
	return true;
}

/* auth-command = "AUTH" SP sasl-mech [SP initial-response] */
void
smtp_auth(struct smtp_session *s, struct span argument)
{
	CLEANUP(response_wipe) struct buf response;
	ptrdiff_t sp = span_index(argument, ' ');
	struct span name =
	    span_first(argument, sp < 0 ? argument.len : (size_t)sp);
	const struct sasl_mechanism *m = sasl_mechanism_find(name);
	struct span initial = SPAN_NONE;

	buf_init(&response, TENANT_SASL_MAX);
	if (argument.len == 0) {
		smtp_reply(s, 501, "5.5.4", "AUTH needs a mechanism");
		return;
	}
	if (auth_refused_now(s, m))
		return;
	if (sp >= 0) {
		if (sasl_initial_decode(span_from(argument, (size_t)sp + 1),
			&response) != SASL_LINE_OK) {
			smtp_reply(s, 501, "5.5.2", "Not base64");
			return;
		}
		initial = span_of(buf_str(&response), response.len);
	}
	auth_start(s, m, initial);
}

void
smtp_auth_line(struct smtp_session *s, struct span line)
{
	CLEANUP(response_wipe) struct buf response;
	CLEANUP(buf_fini) struct buf challenge;
	struct err err = ERR_INIT;
	enum sasl_line kind;
	int called;

	buf_init(&response, TENANT_SASL_MAX);
	buf_init(&challenge, TENANT_SASL_MAX);
	kind = sasl_line_decode(line, &response);
	if (kind != SASL_LINE_OK) {
		smtp_auth_end(s);
		if (kind == SASL_LINE_CANCEL)
			smtp_reply(s, 501, "5.7.0", "Authentication cancelled");
		else
			smtp_reply(s, 501, "5.5.2", "Not base64");
		return;
	}
	s->auth_state = SMTP_AUTH_NONE;
	s->auth->asked_ms = clock_ms();
	called = tenants_sasl_step(smtp_server_tenants(s->server),
	    &s->auth->token, span_of(buf_str(&response), response.len),
	    &challenge, &s->auth->result, &err);
	auth_decide(s, called, buf_span(&challenge), &err);
}

/* RFC 4954 section 4: 500, and the exchange is over. */
void
smtp_auth_line_long(struct smtp_session *s)
{
	smtp_auth_end(s);
	smtp_reply(s, 500, "5.5.6", "Authentication exchange line too long");
}
