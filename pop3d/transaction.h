/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One client's session after login, and its commands; each command is a
 * function in a file of its name and writes its reply.
 */
#ifndef HK_POP3D_TRANSACTION_H
#define HK_POP3D_TRANSACTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conn.h"
#include "common/err.h"
#include "common/handoff.h"
#include "common/log.h"
#include "common/span.h"
#include "pop3d/capa.h"
#include "pop3d/text.h"

struct content;
struct host;
struct maildrop;
struct opening;
struct tallied;
struct surrogate;

struct transaction {
	struct host *host;
	struct tallied *counted;   /* among the account's sessions */
	struct maildrop *maildrop; /* NULL before the first serve and at QUIT */
	struct opening *opening;   /* what is needed until it is open */
	bool tls;
	bool mark_seen; /* QUIT marks what was retrieved */
	bool utf8;      /* the client has said UTF8 */
	enum language language;
	enum language preferred; /* the account's: LANG * */
	struct capa_user user;
	bool over; /* close after this reply */
	/* A message that was at hand when its RETR was looked at, or NULL. */
	struct content *ready;
	uint32_t ready_number;
	uint32_t retrieved;
	uint64_t octets;
	size_t expunged;
	struct log log;
};

/* Takes ownership of client_fd, on failure too. */
int transaction_begin(struct host *host, const struct handoff *h, int client_fd,
    struct span input, struct err *err);

/*
 * Takes a message number that may be used off the front of *argument; says
 * -ERR and answers false when it is none.
 */
bool transaction_number(struct transaction *t, struct conn *c,
    struct span *argument, uint32_t *number_out);

/*
 * Opens a message and, when the client cannot read its header as it is, makes
 * another one; without that *surrogate has no header.  False: -ERR was said.
 */
bool transaction_content(struct transaction *t, struct conn *c, uint32_t number,
    struct content **content_out, struct surrogate *surrogate);

/* A failure of ours: logged, and told as -ERR [SYS/TEMP] or -ERR. */
void transaction_failed(struct transaction *t, struct conn *c, const char *text,
    const struct err *err);

/* The argument is as pop3_command_parse left it; some have none. */
void pop3_stat(struct transaction *t, struct conn *c, struct span argument);
void pop3_list(struct transaction *t, struct conn *c, struct span argument);
void pop3_uidl(struct transaction *t, struct conn *c, struct span argument);
void pop3_retr(struct transaction *t, struct conn *c, struct span argument);
void pop3_top(struct transaction *t, struct conn *c, struct span argument);
void pop3_dele(struct transaction *t, struct conn *c, struct span argument);
void pop3_rset(struct transaction *t, struct conn *c, struct span argument);
void pop3_quit(struct transaction *t, struct conn *c, struct span argument);

#endif
