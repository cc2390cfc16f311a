/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The door to the directory: every daemon asks tenantd through this library
 * and no other way.
 *
 * One struct tenants serves a whole process, from any thread.  It holds a
 * pool of connected SEQPACKET sockets; each call takes one, sends one
 * request, waits for its answer within the deadline, and puts it back.  A
 * socket that broke (tenantd was restarted) is replaced, and the request is
 * repeated once, unless it is a step of a SASL exchange, which lives in the
 * process that died.
 *
 * A call that answers -1 (or LOOKUP_FAILED) says nothing about the user:
 * tenantd or the directory did not answer, err is ERR_TEMP, and the client
 * gets 451, [SYS/TEMP] or [UNAVAILABLE].  "Does not exist" and "wrong
 * password" are outcomes, not errors.
 *
 * Calls block their worker; run them outside the reactor thread.
 */
#ifndef HK_TENANTS_CLIENT_H
#define HK_TENANTS_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

enum {
	TENANT_NAME_MAX = 63,     /* [a-z0-9-], the ou of its entry */
	TENANT_DOMAIN_MAX = 255,  /* RFC 1035 2.3.4 */
	TENANT_ADDRESS_MAX = 320, /* 64 + "@" + 255, RFC 5321 4.5.3.1 */
	TENANT_ID_MAX = 64,       /* an entryUUID, or a legacy id */
	TENANT_LOGIN_MAX = 320,   /* octets of a login name */
	TENANT_PASSWORD_MAX = 1024,
	TENANT_SASL_MAX = 8192,       /* octets of one decoded SASL message */
	TENANT_UNIQUE_IDS_MAX = 40,   /* octets of hkUidlFormat */
	TENANT_RECIPIENTS_MAX = 5000, /* of one group, all levels together */
};

/* ---- what is known about a tenant, a domain, an account ---------------- */

enum tenant_status {
	TENANT_ACTIVE,
	TENANT_SUSPENDED, /* no login, mail for it is deferred */
	TENANT_CLOSING,   /* logins go on, no new mail (550) */
	TENANT_DELETED,   /* neither login nor mail (550), until it is gone */
};

/* What a brand says about POP3; "" and SAID_NOTHING: the platform's way. */
enum said {
	SAID_NOTHING,
	SAID_NO,
	SAID_YES,
};

struct tenant_pop3 {
	/* Form of unique-ids, or "?": there is one, and it is not readable. */
	char unique_ids[TENANT_UNIQUE_IDS_MAX + 1];
	enum said mark_seen;
	uint32_t login_delay; /* seconds; 0: any */
	bool apop;            /* its users may log in with APOP */
	uint32_t expire_days; /* mail in INBOX is kept so long; 0: for ever */
};

struct tenant_info {
	char name[TENANT_NAME_MAX + 1];
	uid_t uid; /* owns its store (hkUid, hkGid) */
	gid_t gid;
	enum tenant_status status;
	char host[TENANT_DOMAIN_MAX + 1]; /* first host name, or "" */
	char title[128];      /* what the brand calls itself, UTF-8 */
	uint64_t message_max; /* octets; 0: the platform's limit */
	struct tenant_pop3 pop3;
	bool refuses_over_quota; /* 552 to mail for a full mailbox, not 452 */
};

struct domain_info {
	char name[TENANT_DOMAIN_MAX + 1]; /* as asked, in lower case */
	char
	    target[TENANT_DOMAIN_MAX + 1]; /* an alias domain's target, or "" */
	struct tenant_info tenant;
};

enum { /* account_info.services: what the account may use */
	SERVICE_SMTP = 1 << 0, /* submission */
	SERVICE_POP3 = 1 << 1,
	SERVICE_IMAP = 1 << 2,
};

enum account_status {
	ACCOUNT_ACTIVE,
	ACCOUNT_NOLOGIN,   /* receives; logins are refused */
	ACCOUNT_NORECEIVE, /* logs in; mail for it is refused */
	ACCOUNT_SUSPENDED, /* neither; mail for it is deferred */
	ACCOUNT_DELETED,   /* as if it were not there, until it is gone */
};

struct account_info {
	struct tenant_info tenant;
	char id[TENANT_ID_MAX + 1]; /* names its Maildir; never reused */
	char address[TENANT_ADDRESS_MAX + 1];  /* primary, domain lower case */
	char mail_host[TENANT_DOMAIN_MAX + 1]; /* its node; "": this one */
	char language[16]; /* or its tenant's; "ja", or "" */
	enum account_status status;
	unsigned services;
	uint64_t quota_octets;   /* 0: no limit */
	uint64_t quota_messages; /* 0: no limit */
	uint64_t message_max; /* octets of a message in or out; 0: platform's */
	unsigned undelete_days; /* deleted mail is kept so long; 0: not */
	uint32_t pop3_sessions, imap_sessions; /* at a time; 0: any number */
};

/* ---- the client -------------------------------------------------------- */

struct tenants;

struct tenants_options {
	/*
	 * Answers a fresh connected SOCK_SEQPACKET socket to tenantd, or -1.
	 * Called from any thread.  Daemons give one that asks hikyakud.
	 */
	int (*connect)(void *arg, int *fd_out, struct err *err);
	void *arg;
	unsigned deadline_ms; /* a whole call; 0: 5 s */
	unsigned sockets_max; /* 0: 16; further calls wait for a free one */
};

int tenants_new(const struct tenants_options *options,
    struct tenants **tenants_out, struct err *err);
void tenants_free(struct tenants *t);
CLEANUP_DEFINE_PTR(struct tenants, tenants_free)

enum lookup {
	LOOKUP_FOUND,
	LOOKUP_NONE,   /* there is no such thing */
	LOOKUP_FAILED, /* nobody knows now: ERR_TEMP */
};

/* ---- logging in ---------------------------------------------------------- */

/* Where a login comes from.  Borrowed during the call. */
struct login_origin {
	unsigned service;   /* one of SERVICE_*: the account must have it */
	const char *client; /* text of the client's address, or "unix" */
	const char *host;   /* host name of ours it used (SNI), or "" */
	const char *local;  /* address of ours it used (conn_local), or NULL */
	const char *log_id; /* the session's id, or "" */
	bool tls;           /* the connection is protected */
};

enum login_outcome {
	LOGIN_OK,       /* account is filled */
	LOGIN_CONTINUE, /* SASL: send the challenge, bring the response */
	LOGIN_WRONG,    /* no such account or wrong password: one answer */
	LOGIN_REFUSED,  /* the password is right, but the account or tenant is
			   suspended or has not got this service */
	LOGIN_BAD,      /* SASL: the client broke the mechanism's grammar,
			   or asked for an unknown mechanism */
	LOGIN_WEAK,     /* SASL: the mechanism needs material that this
			   account has not got; another one will do */
};

struct login_result {
	enum login_outcome outcome;
	struct account_info account; /* LOGIN_OK and LOGIN_REFUSED */
	/*
	 * After LOGIN_WRONG, LOGIN_REFUSED and LOGIN_BAD: hold the answer
	 * back so long (conn_pause).  Grows with each failure of this account
	 * and of this client's address block.
	 */
	unsigned delay_ms;
	/* For the log: what the client called itself, as far as known. */
	char login[TENANT_LOGIN_MAX + 1];
	bool acting; /* the account is another one, as login may (hkActAs) */
};

/*
 * What is left of delay_ms when the answer took so long: the time that a hash
 * needed, or did not need, shall not be seen.
 */
static inline unsigned
login_result_hold_ms(const struct login_result *r, uint64_t took_ms)
{
	return took_ms < r->delay_ms ? r->delay_ms - (unsigned)took_ms : 0;
}

/*
 * POP3 USER and PASS, IMAP LOGIN.  The login name is an address, which
 * alone decides the tenant, or what the tenant of origin->host or
 * origin->local allows besides (hkLoginForm).
 */
int tenants_login(struct tenants *t, const struct login_origin *origin,
    struct span login, struct span password, struct login_result *result_out,
    struct err *err);

/*
 * A SASL exchange (RFC 4422).  Messages here are decoded: base64, "=" and
 * "*" belong to the protocols (see common/sasl.h).  The mechanism runs in
 * tenantd; between steps it is known by its token, which the session keeps.
 * An exchange ends by itself 60 s after its last step; a session that ends
 * earlier calls tenants_sasl_cancel.
 */
enum {
	SASL_TOKEN_SIZE = 16
};
struct sasl_token {
	unsigned char octets[SASL_TOKEN_SIZE];
};

/*
 * initial.p NULL: the client sent no initial response.  The challenge goes to
 * *challenge (cleared first; its max should be TENANT_SASL_MAX), also when it
 * is empty.  *token_out is set with LOGIN_CONTINUE.
 * The last message of a server (SCRAM's v=...) comes as one more challenge,
 * which the client answers with an empty response, as SMTP, POP3 and IMAP
 * have no data in their success replies (RFC 4422 section 3.4, case b).
 */
int tenants_sasl_start(struct tenants *t, const struct login_origin *origin,
    struct span mechanism, struct span initial, struct sasl_token *token_out,
    struct buf *challenge, struct login_result *result_out, struct err *err);
int tenants_sasl_step(struct tenants *t, const struct sasl_token *token,
    struct span response, struct buf *challenge,
    struct login_result *result_out, struct err *err);
/* The client sent "*" or went away.  No answer is waited for. */
void tenants_sasl_cancel(struct tenants *t, const struct sasl_token *token);

/*
 * POP3's APOP (RFC 1939 section 7): timestamp is what the greeting had,
 * digest the client's answer.  LOGIN_WEAK: the account has no clear secret, or
 * its brand does not want APOP.
 */
int tenants_apop(struct tenants *t, const struct login_origin *origin,
    struct span timestamp, struct span login, struct span digest,
    struct login_result *result_out, struct err *err);

/* ---- addresses ------------------------------------------------------------
 */

struct recipient {
	bool local; /* account is filled; else it is an address elsewhere */
	char address[TENANT_ADDRESS_MAX + 1]; /* final address */
	char detail[64]; /* "news" of hanako+news@: plus-addressing, or "" */
	struct account_info account;
};

enum resolve_outcome {
	RESOLVE_MAILBOX, /* one local account */
	RESOLVE_GROUP,   /* recipients of a list, each once */
	RESOLVE_UNKNOWN, /* the domain is ours, the address is nobody's: 550 */
	RESOLVE_FOREIGN, /* the domain is not ours */
	RESOLVE_SUSPENDED, /* tenant or account suspended: 450 */
	RESOLVE_REFUSED,   /* closing tenant, or account that receives nothing:
			      550 */
	RESOLVE_LOOP,      /* groups that contain each other, or too many
			      members: 550 5.4.6 and a line in the log */
};

struct resolution {
	enum resolve_outcome outcome;
	struct tenant_info tenant; /* all but RESOLVE_FOREIGN */
	struct recipient *recipients;
	size_t count; /* 1 for RESOLVE_MAILBOX; 0 where nobody is named */
	/* RESOLVE_FOREIGN, while LDAP does not answer: it was so when it did.
	 * Good enough to send our users' mail there, but no reason to refuse a
	 * stranger's for good. */
	bool last_known;
};
void resolution_fini(struct resolution *r);
CLEANUP_DEFINE_VALUE(struct resolution, resolution_fini)

/*
 * Follows aliases, alias domains, groups, plus-addressing and the catch-all
 * to the final recipients.  address is local-part@domain without brackets or
 * source route; quoted local parts as they were sent.  postmaster and abuse
 * resolve in every domain of ours, to the tenant's owners if they have no
 * entry.  Members of a group who may not receive are left out.
 * *resolution_out need not be initialised; on -1 it is empty.
 */
int tenants_resolve(struct tenants *t, struct span address,
    struct resolution *resolution_out, struct err *err);

/*
 * May this account write under this address (MAIL FROM of a submission,
 * From:)?  True for its own addresses, in alias domains too, and for groups
 * that name it as owner.
 */
enum lookup tenants_may_send_as(struct tenants *t, const char *account_id,
    struct span address, struct err *err);

/* ---- entries ------------------------------------------------------------ */

/* By account_info.id. */
enum lookup tenants_account(struct tenants *t, const char *id,
    struct account_info *account_out, struct err *err);
/* By its name. */
enum lookup tenants_tenant(struct tenants *t, const char *name,
    struct tenant_info *tenant_out, struct err *err);
/* By a host name of ours, as sent by SNI. */
enum lookup tenants_host(struct tenants *t, struct span host,
    struct tenant_info *tenant_out, struct err *err);
/* By a mail domain. */
enum lookup tenants_domain(struct tenants *t, struct span domain,
    struct domain_info *domain_out, struct err *err);

/*
 * All tenants, and all domains of a tenant (NULL: of all tenants), sorted by
 * name.  The caller frees the array.
 */
int tenants_list(struct tenants *t, struct tenant_info **list_out,
    size_t *count_out, struct err *err);
int tenants_domains(struct tenants *t, const char *tenant,
    struct domain_info **list_out, size_t *count_out, struct err *err);

#endif
