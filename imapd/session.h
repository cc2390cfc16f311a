/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A client after login: its account, its mailbox, its command under way.
 *
 * session.c serves: gather a command (gather.c), find it in the table
 * (command.c), run it, tell what changed in the mailbox, say the tagged reply.
 * Each command or family has its file.  A command is a function
 *
 *	int imap_xyz(struct imap_session *s, struct span args, struct err *err)
 *
 * args: what stands behind the command's name, with the SP in front of it.
 * 0: the reply is OK; -1: err's kind becomes BAD, NO or BYE.  A response code
 * for either goes to session_code.
 */
#ifndef HK_IMAPD_SESSION_H
#define HK_IMAPD_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/conn.h"
#include "common/counters.h"
#include "common/err.h"
#include "common/handoff.h"
#include "common/log.h"
#include "common/span.h"
#include "imapd/parse.h"
#include "imapd/sequence.h"
#include "store/account.h"
#include "store/list.h"
#include "store/mailbox.h"
#include "store/quota.h"

/* Octets of a line; long UID sets are common (RFC 7162 section 4). */
#define IMAP_LINE_MAX 65536
/* Octets of a whole command without the messages of APPEND. */
#define IMAP_COMMAND_MAX (1024 * 1024)
/* What one command may hold in its arena: sets, search programs, names. */
#define IMAP_ARENA_MAX (32 * 1024 * 1024)
/* Output is given to the conn in pieces of about this size. */
#define IMAP_OUT_PIECE 32768
/* One response without its large literals (an ENVELOPE, a BODYSTRUCTURE). */
#define IMAP_OUT_MAX (16 * 1024 * 1024)

struct host; /* the process, host.c */
struct tally;
struct append;
struct tallied;

enum gather_state {
	GATHER_LINE,
	GATHER_MEMORY,
	GATHER_APPEND,
	GATHER_SKIP
};

struct imap_session {
	struct conn *conn;
	struct host *host;
	struct log log;
	struct imap_opening *opening; /* until the login was answered */
	uint64_t message_max;

	struct tallied *counted; /* among the account's sessions */
	struct account *account;
	struct mailbox *mailbox; /* selected, or NULL */
	bool read_only;          /* by EXAMINE */
	bool condstore;          /* RFC 7162 section 3.1 */
	bool qresync;            /* section 3.2 */
	uint32_t *saved;         /* UIDs that SEARCH saved, ascending */
	size_t saved_count;

	/* The command under way (gather.c). */
	enum gather_state gather;
	struct buf command;
	uint64_t literal_octets;
	struct sink sink;      /* appends to command */
	struct append *append; /* APPEND's message */
	bool refused;          /* refusal says why; the rest is skipped */
	struct err refusal;

	/* The command that runs. */
	struct span tag;
	bool uid;            /* UID prefix */
	struct buf code;     /* response code, without brackets */
	struct buf out;      /* output not given to the conn yet */
	struct arena arena;  /* emptied after each reply */
	const char *ok_text; /* instead of "completed" */

	bool quit;
	bool idling, watching;
	char idle_tag[IMAP_TAG_MAX + 1];
	bool resting; /* the view is packed: mailbox_rest */
	bool worked;  /* a command ran in this serve() */

	/* The process's (main.c), under its mutex. */
	struct {
		struct imap_session *next, **link;
		uint64_t since_ms; /* parked since */
		bool parked, can_rest, polls;
		bool rest_asked;
	} hosted;
};

/* The conn's service. */
extern const struct conn_service imap_service;

/* What the gate told; input: what the client sent already.  NULL: no memory. */
struct imap_session *imap_session_new(
    struct host *host, const struct handoff *h, struct span input);
void imap_session_free(struct imap_session *s);

/* ---- output -------------------------------------------------------------- */

/*
 * Gives s->out to the conn when it is large, or in any case.  When the client
 * is gone session_out sets quit.
 */
void session_out(struct imap_session *s);
void session_out_all(struct imap_session *s);
/* The response code of the tagged reply, printf-like. */
void session_code(struct imap_session *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "tag OK [code] text" and the like, by the outcome. */
void session_reply(struct imap_session *s, struct span tag, int outcome,
    const struct err *err);

/* ---- the selected mailbox (sync.c) ----------------------------------------
 */

/*
 * Looks for changes and tells the client; expunges says whether EXPUNGE may
 * be among them.  ERR_CLOSED: the mailbox is gone (BYE).
 */
int session_sync(struct imap_session *s, bool expunges, struct err *err);
/*
 * Without EXPUNGE.  After the session's own change of flags, FETCH responses
 * are left out for the messages whose uid is in own (ascending) while their
 * letters are as it says (one for each uid).  own NULL: there was none.
 */
struct sync_own {
	const uint32_t *uids;
	const uint64_t *letters;
	size_t count;
};
int session_sync_own(
    struct imap_session *s, const struct sync_own *own, struct err *err);
/* "* n FETCH (FLAGS ...)", with the UID after a UID command, and with UID and
 * MODSEQ for who asked for that; or without the FLAGS. */
void session_flags_write(struct imap_session *s, uint32_t index);
void session_modseq_write(struct imap_session *s, uint32_t index);
/* "* FLAGS" and "* OK [PERMANENTFLAGS]". */
void session_mailbox_flags_write(struct imap_session *s);
/* Ends the selection without a word. */
void session_unselect(struct imap_session *s);

/*
 * The messages that a set names, as ascending indexes into the view, in the
 * arena: sequence numbers, or UIDs in a UID command.
 *
 * Errors: ERR_SYNTAX, a sequence number beyond the last message.
 */
struct messages {
	uint32_t *indexes;
	size_t count;
};
int session_messages(struct imap_session *s, struct sequence_set *set,
    struct messages *out, struct err *err);
/*
 * "$" of a set that has it becomes UID ranges, in the arena, of what was
 * saved; other sets stay.                               RFC 5182 section 2
 */
int session_saved_get(
    struct imap_session *s, struct sequence_set *set, struct err *err);
/* Saves the messages of these indexes; count 0: nothing. */
int session_saved_set(struct imap_session *s, const uint32_t *indexes,
    size_t count, struct err *err);
/* In place, indexes become what the client calls the messages: sequence
 * numbers, or UIDs in a UID command. */
void session_numbers(struct imap_session *s, uint32_t *indexes, size_t count);
/* Their UIDs, those of messages gone left out; in the arena. */
int session_uids(struct imap_session *s, const struct messages *m,
    uint32_t **uids_out, size_t *count_out, struct err *err);

/* The process: what a session needs of it. */
struct store *host_store(struct host *host);
struct records *host_records(struct host *host); /* may be NULL */
struct counters *host_counters(struct host *host);
struct tally *host_accounts(struct host *host);
uint64_t host_message_max(const struct host *host);
void host_session_add(struct host *host, struct imap_session *s);
void host_session_remove(struct host *host, struct imap_session *s);
/*
 * serve() begins, and parks.  A session that stays parked is woken to rest:
 * running then answers true once.
 */
bool host_session_running(struct host *host, struct imap_session *s);
void host_session_parked(struct host *host, struct imap_session *s);

#endif
