/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One SMTP connection: what its commands share.  Private to smtpd/; a file a
 * command or family of commands (mail.c, rcpt.c, data.c, auth.c, ...).
 */
#ifndef HK_SMTPD_SESSION_H
#define HK_SMTPD_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conn.h"
#include "common/err.h"
#include "common/log.h"
#include "common/span.h"
#include "mime/address.h"
#include "smtpd/command.h"
#include "smtpd/conf.h"
#include "smtpd/disposition.h"
#include "smtpd/server.h"
#include "tenants/client.h"

/* One RCPT that was accepted, and the accounts it leads to. */
struct smtp_recipient {
	char forward_path[MAILADDR_PATH_MAX]; /* without <>, as given */
	size_t *finals; /* indices of the accounts it leads to */
	size_t finals_len;
	size_t *remotes; /* likewise, of addresses on other hosts */
	size_t remotes_len;
	unsigned notify; /* OUTBOUND_NOTIFY_... */
	char *orcpt;     /* RFC 3461 section 4.2, or NULL */
	bool deleted;    /* by a milter */
	char tenant[TENANT_NAME_MAX + 1];
	struct smtp_disposition disposition;
	/* Its place among the RCPTs that each milter was shown, from 1; 0: not
	 * shown.  NULL: to none. */
	unsigned *places;
};

/* An address on another host, for relayd. */
struct smtp_remote {
	char address[TENANT_ADDRESS_MAX + 1];
};

/*
 * Between MAIL and the end of data.  On the heap, so that an idle connection
 * does not pay for it.
 */
struct smtp_transaction {
	struct log_id id; /* of the message, in every log and trace field */
	char reverse_path[MAILADDR_PATH_MAX];
	bool body_8bit;
	uint64_t size_octets; /* announced; 0: not said */
	struct smtp_recipient *recipients;
	size_t recipients_len;
	struct recipient *finals; /* accounts, each once */
	size_t finals_len;
	struct smtp_remote *remotes; /* each once */
	size_t remotes_len;
	char tenant[TENANT_NAME_MAX + 1]; /* for whom relayd works; or "" */
	unsigned ret;                     /* OUTBOUND_RET_... */
	char *envid;                      /* RFC 3461 section 4.4, or NULL */
	struct spool spool;
	bool in_data;     /* 354 was sent */
	bool discard;     /* a milter wants it kept nowhere; say 250 */
	char *quarantine; /* why it is quarantined, or NULL */
};

enum smtp_auth_state {
	SMTP_AUTH_NONE,
	SMTP_AUTH_EXCHANGE, /* the next line is a response */
	SMTP_AUTH_PAUSED,   /* the answer is held back */
	SMTP_AUTH_DONE,
};

/* What is only needed while a client logs in. */
struct smtp_auth {
	struct sasl_token token;
	struct login_result result; /* the answer that is held back */
	const char *mechanism;
	uint64_t asked_ms; /* when tenantd was asked last */
};

struct smtp_session {
	struct smtp_server *server;
	struct conn *conn;
	const struct smtpd_conf *conf; /* in force when it began */
	enum smtp_listener listener;
	struct log log;

	struct tallied *client; /* NULL: not counted, not greeted */
	bool quit;
	bool extended; /* EHLO, not HELO */
	char *helo;    /* NULL: neither yet */
	unsigned errors, junk, unknown, auth_failures;

	enum smtp_auth_state auth_state;
	struct smtp_auth *auth; /* NULL unless under way */
	char *account_id;       /* NULL: not authenticated */
	char *account_address;
	const char *auth_mechanism;
	uint64_t message_max;

	struct smtp_transaction *transaction; /* NULL: no MAIL yet */

	struct smtp_chain *chain; /* NULL: no milter judges here */
	bool refused; /* by a milter, at the greeting: 503 to all but QUIT */
	/* What a milter said of the client at EHLO, for MAIL to answer. */
	unsigned refusal_code; /* 0: nothing */
	char *refusal;         /* whole lines, or NULL */
};

extern const struct conn_service smtp_service;

/* Made for a connection that is not served yet. */
struct smtp_session *smtp_session_new(
    struct smtp_server *server, enum smtp_listener listener);

/*
 * Back to where MAIL is expected: RSET, EHLO, STARTTLS and the end of data
 * all come here, so that envelope parts cannot disagree.
 */
void smtp_transaction_reset(struct smtp_session *s);

static inline bool
smtp_is_submission(const struct smtp_session *s)
{
	return s->listener != SMTP_LISTENER_MX;
}

/* ---- replies (reply.c)
 * ---------------------------------------------------------- */

/*
 * "code enhanced text", where text is ours.  A 5xx counts as an error of the
 * client; too many end the connection with 421.
 */
void smtp_reply(struct smtp_session *s, unsigned code, const char *enhanced,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* 421 and the end. */
void smtp_goodbye(
    struct smtp_session *s, const char *enhanced, const char *text);
/*
 * What a milter decided, put into words.  False: it has nothing against it,
 * and nothing was said.
 */
struct milter_verdict;
bool smtp_reply_verdict(
    struct smtp_session *s, const char *event, const struct milter_verdict *v);
/* Keeps a refusal of the client until MAIL, and says it there. */
void smtp_refusal_keep(struct smtp_session *s, const struct milter_verdict *v);
bool smtp_refusal_reply(struct smtp_session *s);
/* Whole lines with CRLF, of one code. */
void smtp_reply_lines(struct smtp_session *s, unsigned code, struct span lines);
/* The kind of an error as a code; the text is for the log, not for clients. */
void smtp_reply_err(struct smtp_session *s, const struct err *err);

/* ---- commands
 * -------------------------------------------------------------------- */

void smtp_helo(struct smtp_session *s, struct span argument, bool extended);
void smtp_mail(struct smtp_session *s, struct span argument);
void smtp_rcpt(struct smtp_session *s, struct span argument);
void smtp_data(struct smtp_session *s, struct span argument);
void smtp_starttls(struct smtp_session *s, struct span argument);
void smtp_auth(struct smtp_session *s, struct span argument);

/* ---- recipients of the transaction (rcpt.c)
 * --------------------------------------- */

enum smtp_recipient_taken {
	SMTP_RECIPIENT_TAKEN,
	SMTP_RECIPIENT_TOO_MANY, /* for this message */
	SMTP_RECIPIENT_FAILED,   /* no memory */
};
/* One more recipient, and where it was found to lead.  rcpt: its parameters, or
 * NULL.  An address of a foreign domain goes to other hosts: whether it may is
 * for the caller to say. */
enum smtp_recipient_taken smtp_recipient_take(struct smtp_session *s,
    struct span address, const struct smtp_rcpt *rcpt,
    const struct resolution *resolution);
void smtp_recipient_fini(struct smtp_recipient *r);
/* The one of that address, also when it was deleted; NULL: none. */
struct smtp_recipient *smtp_recipient_find(
    struct smtp_session *s, struct mailaddr address);
/* deliver.c: mail data are here; delivers them and answers. */
void smtp_deliver(struct smtp_session *s);
/* data.c: our trace field. */
void smtp_received_put(struct smtp_session *s, struct buf *out);
/* Refuses the message: log, count and reply. */
void smtp_message_refuse(struct smtp_session *s, unsigned code,
    const char *enhanced, const char *text);

/* Mail data is being gathered.  False: not all is here yet. */
bool smtp_data_take(struct smtp_session *s);

/* A line of an AUTH exchange. */
void smtp_auth_line(struct smtp_session *s, struct span line);
void smtp_auth_line_long(struct smtp_session *s);
/* The pause after a failure is over: answer. */
void smtp_auth_resume(struct smtp_session *s);
/* Appends " PLAIN LOGIN" of what may be offered now; nothing if there is none.
 */
void smtp_auth_offer(const struct smtp_session *s, struct buf *out);
/* Ends an exchange that is under way. */
void smtp_auth_end(struct smtp_session *s);
/* Logs out: what was proved in clear is not proved inside TLS. */
void smtp_auth_forget(struct smtp_session *s);

/*
 * A client that has sent more than it may before it saw our answer does not
 * speak SMTP, or somebody put words into its mouth: the connection ends.
 *                                  RFC 2920 section 3.1, RFC 3207 section 4.2
 */
bool smtp_desynchronized(struct smtp_session *s, const char *verb);

#endif
