/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a gate (pop3d, imapd) logs a client in and gives it away.
 *
 * One struct login_gate serves a gate process: it knows the directory's
 * client, the policy, and the sockets to session processes.  One struct login
 * belongs to one connection until the client is handed over.  What a protocol
 * keeps for itself is its own words: it reads lines, calls the functions
 * below, and acts on enum login_next:
 *
 *	serve():
 *		if (login_pending(s->login))
 *			next = login_resume(s->login);
 *		else take a line;
 *			in an exchange:	next = login_line(s->login, line);
 *			AUTH x [y]:	next = login_sasl(...);
 *			PASS, LOGIN:	next = login_password(...);
 *		switch (next):
 *		LOGIN_CHALLENGE	write "+ ", login_challenge(), CRLF; next line
 *		LOGIN_WAIT	return VERDICT_PARK
 *		LOGIN_GONE	return login_verdict(s->login)
 *		LOGIN_FAILED	say login_failure() in the protocol's words, and
 *				close if login_exhausted()
 *
 * After LOGIN_GONE the session process says the words that end the login
 * command; the gate writes nothing more.  Waits for tenantd and for the start
 * of a session process block the worker; the penalty after a wrong password
 * costs no thread (conn_pause).
 *
 * Counts COUNTER_LOGINS and COUNTER_LOGIN_FAILURES and logs every attempt
 * with mechanism, TLS version and login name, never a secret.
 */
#ifndef HK_TENANTS_LOGIN_H
#define HK_TENANTS_LOGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/conf.h"
#include "common/conn.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/log.h"
#include "common/span.h"

struct daemon;
struct tenants;

/*
 * Octets of a line of a SASL exchange with its CRLF, which is what RFC 5034
 * section 4 asks for; RFC 9051 section 6.2.2 names no number.  It is also
 * the conn_options.line_max of a gate.
 */
#define LOGIN_LINE_MAX 12288

/* ---- policy: the keys that pop3d's and imapd's sections share ------------ */

struct login_conf {
	bool plaintext;                  /* passwords in clear without TLS */
	struct conf_strings mechanisms;  /* empty: login_mechanisms_default */
	uint64_t failures_max;           /* of one connection */
	uint64_t client_connections_max; /* at a gate; 0: any number */
};

/* s: the section's struct; f: its member of type struct login_conf. */
#define LOGIN_CONF_KEYS(s, f)                                                  \
	CONF_BOOL(s, f.plaintext, "plaintext-login", "no",                     \
	    "accept passwords in clear on connections without TLS"),           \
	    CONF_STRINGS(s, f.mechanisms, "mechanisms",                        \
		"SASL mechanisms offered, best first"),                        \
	    CONF_COUNT(s, f.failures_max, "login-failures-max", "5", 1, 100,   \
		"failed logins after which a connection is closed"),           \
	    CONF_COUNT(s, f.client_connections_max, "client-connections-max",  \
		"1000", 0, 1000000, "connections at a time of one client")

/* Errors: ERR_SYNTAX, a mechanism that does not exist (the text names it). */
int login_conf_check(const struct login_conf *conf, struct err *err);

/*
 * Appends the mechanisms that may be offered, best first, each behind prefix:
 * " " for POP3's SASL, " AUTH=" for IMAP.  Nothing when there is none.
 */
void login_conf_mechanisms(const struct login_conf *conf, bool tls,
    const char *prefix, struct buf *out);

/* ---- one a process --------------------------------------------------------
 */

struct login_gate;

struct login_gate_options {
	const char *daemon;        /* "pop3d", "imapd": name for connect */
	const char *protocol;      /* "pop3", "imap": handoff.service */
	unsigned service;          /* SERVICE_POP3, SERVICE_IMAP */
	const char *hostname;      /* ours; an account's mail_host may be it */
	struct tenants *tenants;   /* borrowed */
	struct counters *counters; /* borrowed, or NULL */
	/*
	 * A connected SOCK_SEQPACKET socket to the session process, and the
	 * shard that owns an account: login_daemon_connect and
	 * login_daemon_shard with arg = the struct daemon.  Any thread.
	 */
	int (*connect)(void *arg, const char *daemon, const char *tenant,
	    unsigned shard, int *fd_out, struct err *err);
	unsigned (*shard)(void *arg, const char *account_id);
	void *arg;
};

int login_daemon_connect(void *daemon, const char *name, const char *tenant,
    unsigned shard, int *fd_out, struct err *err);
unsigned login_daemon_shard(void *daemon, const char *account_id);

/* The strings are copied. */
int login_gate_new(const struct login_gate_options *options,
    const struct login_conf *conf, struct login_gate **gate_out,
    struct err *err);
/* Every struct login must be gone. */
void login_gate_free(struct login_gate *gate);
CLEANUP_DEFINE_PTR(struct login_gate, login_gate_free)

/* New policy after a reload; for connections from now on and those that are
 * not logged in yet.  On failure the old one stays. */
int login_gate_reload(
    struct login_gate *gate, const struct login_conf *conf, struct err *err);

/*
 * Whether a password may be said in clear on this connection now: under TLS,
 * or when plaintext-login = yes.          RFC 2595 section 2.3, RFC 9051 11.2
 * USER, LOGIN and the mechanisms PLAIN and LOGIN are refused otherwise
 * (LOGIN_FAIL_PRIVACY), and LOGINDISABLED is IMAP's word for it.
 */
bool login_plaintext_allowed(struct login_gate *gate, const struct conn *c);

/* login_conf_mechanisms, of the policy in force. */
void login_mechanisms(struct login_gate *gate, const struct conn *c,
    const char *prefix, struct buf *out);

/* ---- one a connection ------------------------------------------------------
 */

struct login;

/*
 * log is the session's: the account and tenant are written into it as they
 * become known.  Both are borrowed and outlive the login.
 */
int login_new(struct login_gate *gate, struct conn *c, struct log *log,
    struct login **login_out, struct err *err);
/* Ends an exchange that is under way.  Call it from closed(). */
void login_free(struct login *l);
CLEANUP_DEFINE_PTR(struct login, login_free)

/*
 * What the client has chosen before it logs in, for the hand-off: text in
 * UTF-8, and a language or "".
 */
void login_pass_on(struct login *l, bool utf8, const char *language);

enum login_next {
	LOGIN_CHALLENGE, /* an exchange goes on: login_challenge */
	LOGIN_WAIT,      /* park; when serve() is called again: login_resume */
	LOGIN_GONE,      /* handed over: return login_verdict */
	LOGIN_FAILED,    /* login_failure says why */
};

/*
 * What the client is told:
 *
 *			POP3			IMAP
 *	WRONG		-ERR [AUTH]		NO [AUTHENTICATIONFAILED]
 *	REFUSED		-ERR [SYS/PERM]		NO [CONTACTADMIN]
 *	WEAK		-ERR [AUTH]		NO [CANNOT]
 *	MECHANISM	-ERR			NO [CANNOT]
 *	PRIVACY		-ERR [AUTH]		NO [PRIVACYREQUIRED]
 *	SYNTAX		-ERR			BAD
 *	CANCELLED	-ERR			BAD (RFC 9051 section 6.2.2)
 *	TEMP		-ERR [SYS/TEMP]		NO [UNAVAILABLE]
 */
enum login_failure {
	LOGIN_FAIL_WRONG,     /* no such account or wrong password */
	LOGIN_FAIL_REFUSED,   /* suspended, or without this service */
	LOGIN_FAIL_WEAK,      /* this account cannot use this mechanism; others
				 work */
	LOGIN_FAIL_MECHANISM, /* unknown, or not offered */
	LOGIN_FAIL_PRIVACY,   /* only under TLS */
	LOGIN_FAIL_SYNTAX, /* no base64, or against the mechanism's grammar */
	LOGIN_FAIL_CANCELLED, /* "*" */
	LOGIN_FAIL_TEMP,      /* our side cannot now */
};

/*
 * POP3 USER and PASS, IMAP LOGIN.  word names it for the log and the hand-off
 * ("PASS", "LOGIN"); tag is IMAP's tag of the command, or "".
 */
enum login_next login_password(struct login *l, const char *word,
    const char *tag, struct span name, struct span password);

/*
 * Begins a SASL exchange.  initial is the initial response as it stands in
 * the command ("=" for an empty one), p NULL when there is none.
 */
enum login_next login_sasl(struct login *l, const char *tag,
    struct span mechanism, struct span initial);

/* POP3's APOP.  timestamp: of the greeting. */
enum login_next login_apop(struct login *l, struct span timestamp,
    struct span name, struct span digest);

/* An exchange is under way: the next line goes to login_line. */
bool login_in_exchange(const struct login *l);
enum login_next login_line(struct login *l, struct span line);
/* The same after TAKE_LONG: the exchange ends with LOGIN_FAIL_SYNTAX. */
enum login_next login_line_long(struct login *l);

/* LOGIN_WAIT was answered: serve() calls login_resume before anything else. */
bool login_pending(const struct login *l);
enum login_next login_resume(struct login *l);

/* Base64, maybe empty.  Borrowed until the next call. */
struct span login_challenge(const struct login *l);
enum login_failure login_failure(const struct login *l);
/* Half an English sentence for the client, without code or full stop. */
const char *login_failure_text(enum login_failure failure);
/* Too many failures on this connection: close after the answer. */
bool login_exhausted(const struct login *l);
/* VERDICT_GONE, or VERDICT_PARK when the conn has become a TLS relay. */
enum verdict login_verdict(const struct login *l);

#endif
