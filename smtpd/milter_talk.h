/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One milter in one SMTP session: which events it has seen, which it wants,
 * and what it says of them.
 *
 *	NONE	no connection; one is made when the next client is greeted or
 *		the next MAIL comes, and told what it missed
 *	OPEN	it knows the client, no message
 *	MESSAGE	from MAIL to its verdict
 *	DONE	it has had its say about this message; sent nothing more,
 *		since libmilter answers nothing then
 *	FAILED	it broke in this message; its default action has been applied
 *	OVER	it accepted the client as such: not asked again
 *
 * milter_talk_reset ends a message in any of these states.
 */
#ifndef HK_SMTPD_MILTER_TALK_H
#define HK_SMTPD_MILTER_TALK_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/span.h"
#include "smtpd/draft.h"
#include "smtpd/milter.h"
#include "smtpd/milter_edits.h"

/* What a milter is told; borrowed, asked for when it is sent. */
struct milter_source {
	/* Appends the macro's value; false: it has none, and is left out. */
	bool (*macro)(void *arg, struct span name, struct buf *out);
	void *arg;
	const struct log *log;
	struct span host; /* of the client: its name, or "[address]" */
	char family;      /* '4', '6', 'L', 'U' */
	uint16_t port;
	struct span address;
	struct span helo;    /* empty: not said yet */
	const char *message; /* the message's id, or "" */
};

enum milter_ruling {
	MILTER_RULES_CONTINUE,
	MILTER_RULES_REFUSE,  /* with code and lines */
	MILTER_RULES_DISCARD, /* say 250 and keep nothing */
	MILTER_RULES_DROP,    /* end the client's connection without a word */
};

struct milter_verdict {
	enum milter_ruling ruling;
	const char *milter;
	unsigned code;    /* 421, 4xx or 5xx */
	struct buf lines; /* whole reply lines, if the milter wrote them */
	bool quarantined; /* deliver, but into quarantine */
	char reason[256];
};
void milter_verdict_init(struct milter_verdict *v);
void milter_verdict_fini(struct milter_verdict *v);
CLEANUP_DEFINE_VALUE(struct milter_verdict, milter_verdict_fini)

enum milter_talk_state {
	MILTER_TALK_NONE,
	MILTER_TALK_OPEN,
	MILTER_TALK_MESSAGE,
	MILTER_TALK_DONE,
	MILTER_TALK_FAILED,
	MILTER_TALK_OVER,
};

#define MILTER_WINDOW 64

struct milter_talk {
	struct milter *milter;
	struct milter_conn *conn;
	const struct milter_source *source;
	enum milter_talk_state state;
	bool helo_told;
	uint32_t skipped;  /* MILTER_NO_... of what it wants no more of */
	size_t edits_seen; /* it asked for changes in this message */
	/* RCPTs it was shown in this message: its places of recipients. */
	unsigned rcpts;
	/* One of some tenants said so before the end: of their copies alone. */
	bool discards, quarantines;
	uint64_t start_ms; /* of the event that is answered next */
	uint64_t octets_before;
	/* Events that are not answered yet, oldest first. */
	enum milter_command due[MILTER_WINDOW];
	size_t due_len;
};

void milter_talk_init(struct milter_talk *t, struct milter *m,
    const struct milter_source *source);
/* The session ends. */
void milter_talk_fini(struct milter_talk *t);

/* True when it must be asked while the client waits for its greeting. */
bool milter_talk_eager(struct milter_talk *t);

/*
 * Each puts the milter's verdict, or that of its default action, into *v,
 * which stays MILTER_RULES_CONTINUE when the milter has nothing against it.
 */
void milter_talk_connect(struct milter_talk *t, struct milter_verdict *v);
void milter_talk_helo(struct milter_talk *t, struct milter_verdict *v);
void milter_talk_mail(struct milter_talk *t, const struct span *arguments,
    size_t count, struct milter_verdict *v);
/* rejected: refused by us already; only milters that asked for it see it. */
void milter_talk_rcpt(struct milter_talk *t, const struct span *arguments,
    size_t count, bool rejected, struct milter_verdict *v);
void milter_talk_data(struct milter_talk *t, struct milter_verdict *v);
void milter_talk_unknown(struct milter_talk *t, struct span line);
/* Header, body and end; edits are the milter's if v stays CONTINUE. */
void milter_talk_content(struct milter_talk *t, const struct draft *draft,
    struct milter_edits *edits, struct milter_verdict *v);
void milter_talk_reset(struct milter_talk *t);

#endif
