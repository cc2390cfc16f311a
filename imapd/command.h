/* SPDX-License-Identifier: BSD-2-Clause */
/* The commands after login, each in the file of its name or family. */
#ifndef HK_IMAPD_COMMAND_H
#define HK_IMAPD_COMMAND_H

#include <stdbool.h>

#include "imapd/session.h"

enum {
	COMMAND_SELECTED = 1 << 0, /* needs a selected mailbox */
	COMMAND_UID = 1 << 1,      /* may stand behind UID */
	/* RFC 3501 section 7.4.1: no EXPUNGE while it is answered. */
	COMMAND_NO_EXPUNGE = 1 << 3,
	/* Changes what is selected: nothing to tell afterwards. */
	COMMAND_NO_SYNC = 1 << 4,
	/* Says its tagged reply itself, later. */
	COMMAND_DEFERRED = 1 << 5,
};

struct imap_command {
	const char *name;
	unsigned flags;
	int (*run)(struct imap_session *s, struct span args, struct err *err);
};

/* NULL: there is no such command (with or without UID in front). */
const struct imap_command *imap_command_find(struct span name, bool uid);

#define IMAP_COMMAND(f)                                                        \
	int f(struct imap_session *s, struct span args, struct err *err)

IMAP_COMMAND(imap_append);       /* append.c */
IMAP_COMMAND(imap_capability);   /* any.c */
IMAP_COMMAND(imap_check);        /* any.c */
IMAP_COMMAND(imap_close);        /* expunge.c */
IMAP_COMMAND(imap_copy);         /* copy.c */
IMAP_COMMAND(imap_create);       /* manage.c */
IMAP_COMMAND(imap_delete);       /* manage.c */
IMAP_COMMAND(imap_enable);       /* any.c */
IMAP_COMMAND(imap_examine);      /* select.c */
IMAP_COMMAND(imap_expunge);      /* expunge.c */
IMAP_COMMAND(imap_fetch);        /* fetch.c */
IMAP_COMMAND(imap_getquota);     /* quota.c */
IMAP_COMMAND(imap_getquotaroot); /* quota.c */
IMAP_COMMAND(imap_id);           /* any.c */
IMAP_COMMAND(imap_idle);         /* idle.c */
IMAP_COMMAND(imap_list);         /* list.c */
IMAP_COMMAND(imap_logout);       /* any.c */
IMAP_COMMAND(imap_lsub);         /* list.c */
IMAP_COMMAND(imap_move);         /* copy.c */
IMAP_COMMAND(imap_namespace);    /* list.c */
IMAP_COMMAND(imap_noop);         /* any.c */
IMAP_COMMAND(imap_rename);       /* manage.c */
IMAP_COMMAND(imap_search);       /* search.c */
IMAP_COMMAND(imap_select);       /* select.c */
IMAP_COMMAND(imap_setquota);     /* quota.c */
IMAP_COMMAND(imap_sort);         /* sort.c */
IMAP_COMMAND(imap_status);       /* status.c */
IMAP_COMMAND(imap_store);        /* store.c */
IMAP_COMMAND(imap_subscribe);    /* manage.c */
IMAP_COMMAND(imap_thread);       /* thread.c */
IMAP_COMMAND(imap_unselect);     /* expunge.c */
IMAP_COMMAND(imap_unsubscribe);  /* manage.c */

/* ---- what the loop needs of some of them ----------------------------------
 */

/*
 * APPEND's literal was announced at the end of s->command (no CRLF yet).
 * APPEND_MESSAGE: it is the message; s->append takes its octets.
 * APPEND_ARGUMENT: an argument, or the syntax is wrong: into memory.
 * APPEND_REFUSED: s->refusal and s->code say why.
 */
enum append_literal {
	APPEND_MESSAGE,
	APPEND_ARGUMENT,
	APPEND_REFUSED
};
enum append_literal append_literal(struct imap_session *s, uint64_t octets);
struct sink *append_sink(struct append *a);
void append_free(struct append *a);

/* A line while the session idles: DONE, or anything else (BAD). */
void idle_line(struct imap_session *s, struct span line);
/* Woken while idling: tell the news.  ERR_CLOSED: BYE. */
int idle_news(struct imap_session *s, struct err *err);
void idle_end(struct imap_session *s);

/* Makes the folders every account has, at the first login. */
void special_folders_make(struct imap_session *s);
/* "\Sent" for "Sent", or NULL.                         RFC 6154 section 2 */
const char *special_use_of(struct span name);

/* "CAPABILITY ..." after login, for the OK of the login and for CAPABILITY. */
void imap_capabilities_write(const struct imap_session *s, struct buf *out);

/*
 * flag-list, or the flags of STORE without parentheses.
 * keywords: names, in the arena.  \Recent and unknown "\" flags: ERR_SYNTAX.
 */
struct imap_flags {
	uint64_t letters;
	struct span *keywords;
	size_t keyword_count;
};
int imap_flag_list_parse(
    struct span *in, struct arena *a, struct imap_flags *out, struct err *err);
int imap_flags_bare_parse(
    struct span *in, struct arena *a, struct imap_flags *out, struct err *err);

/* SP mailbox, the name checked: ERR_POLICY with [CANNOT] if it is none. */
int session_mailbox_parse(struct imap_session *s, struct span *in,
    struct span *name_out, struct err *err);
/* Err of opening a mailbox: [NONEXISTENT] or [TRYCREATE] where it fits. */
void session_mailbox_code(
    struct imap_session *s, struct span name, const char *code);

#endif
