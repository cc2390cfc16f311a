/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What SEARCH looks for.             RFC 3501 section 6.4.4, RFC 4731
 *
 * A program is a list of keys that must all match.  Strings are kept in the
 * form in which text is compared (charset.h).
 */
#ifndef HK_IMAPD_SEARCH_H
#define HK_IMAPD_SEARCH_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "imapd/sequence.h"
#include "store/message.h"

/* NOT, OR and parentheses nest no deeper. */
#define SEARCH_DEPTH_MAX 50
/* Keys of one program: each may read every message. */
#define SEARCH_KEYS_MAX 2000

/* In the order of what a match costs; lists are sorted by it. */
enum search_kind {
	SEARCH_ALL,
	SEARCH_FLAGS, /* letters */
	SEARCH_RECENT,
	SEARCH_KEYWORD,  /* text */
	SEARCH_SEQUENCE, /* set */
	SEARCH_UID,      /* set */
	SEARCH_MODSEQ,   /* modseq                         RFC 7162 3.1.5 */
	SEARCH_LARGER,   /* number */
	SEARCH_SMALLER,
	SEARCH_OLDER, /* number of seconds: INTERNALDATE  RFC 5032 */
	SEARCH_YOUNGER,
	SEARCH_BEFORE, /* day: INTERNALDATE */
	SEARCH_ON,
	SEARCH_SINCE,
	SEARCH_GROUP,      /* keys: all of them */
	SEARCH_OR,         /* keys: one of the two */
	SEARCH_SENTBEFORE, /* day: Date: */
	SEARCH_SENTON,
	SEARCH_SENTSINCE,
	SEARCH_HEADER, /* field, text */
	SEARCH_BODY,   /* text */
	SEARCH_TEXT,
};

struct search_key {
	struct search_key *next;
	enum search_kind kind;
	bool not ;
	uint64_t letters;
	uint32_t number;
	uint64_t modseq;
	int32_t day;
	struct span field, text;
	struct sequence_set set;
	struct search_key *keys;
};

enum { /* RETURN of RFC 4731 */
	SEARCH_RETURN_MIN = 1 << 0,
	SEARCH_RETURN_MAX = 1 << 1,
	SEARCH_RETURN_ALL = 1 << 2,
	SEARCH_RETURN_COUNT = 1 << 3,
	SEARCH_RETURN_SAVE = 1 << 4, /* RFC 5182 */
};

struct search_program {
	struct search_key *keys;
	bool extended;   /* RETURN was there: answer ESEARCH */
	unsigned result; /* SEARCH_RETURN_* */
	bool modseq;     /* MODSEQ is among the keys */
};

/*
 * What stands behind SEARCH:
 *
 *	[SP "RETURN" SP "(" [option *(SP option)] ")"]
 *	[SP "CHARSET" SP astring] 1*(SP search-key)
 *
 * Errors: ERR_SYNTAX; ERR_LIMIT; ERR_POLICY, the charset is unknown.
 */
int search_parse(struct span *in, struct arena *a, struct search_program *out,
    struct err *err);

/*
 * The same in two steps, for commands with arguments of their own between
 * RETURN and the charset (SORT, THREAD): what stands in front, if it does,
 * and
 *
 *	SP charset 1*(SP search-key)
 */
int search_return_parse(struct span *in, struct arena *a,
    struct search_program *out, struct err *err);
int search_criteria_parse(struct span *in, struct arena *a,
    struct search_program *out, struct err *err);

struct mailbox;
struct record_reader;
struct search_match;

/*
 * Matching: resolve once, then ask for each message of the mailbox's view.
 * A message that is gone meanwhile, or cannot be read, matches no key that
 * needs its content.
 */
struct search_context {
	struct mailbox *mailbox;
	struct record_reader *known; /* the cache, or NULL */
	/* For one message after the other. */
	struct message_head head;
	struct buf made;
	uint32_t count, uid_largest;
	size_t unreadable;         /* how many could not be read */
	struct err unreadable_err; /* the first one */
	time_t now;
};
void search_context_init(struct search_context *c, struct mailbox *mailbox);
void search_context_fini(struct search_context *c);
CLEANUP_DEFINE_VALUE(struct search_context, search_context_fini)
void search_resolve(const struct search_program *p, struct search_context *c);
int search_matches(const struct search_program *p, struct search_context *c,
    uint32_t index, bool *match_out, struct err *err);

struct imap_session;
/* The indexes of the messages that match, ascending, in the arena. */
int search_run(struct imap_session *s, const struct search_program *program,
    uint32_t **found_out, size_t *count_out, struct err *err);
/*
 * "* ESEARCH (TAG "a") [UID] ..." of numbers in the order of the result; the
 * numbers of the smallest and the largest are those of MIN and MAX.
 */
void esearch_write(struct imap_session *s, unsigned result,
    const uint32_t *numbers, size_t count, uint64_t modseq);
/*
 * The highest MODSEQ of what the result tells of these indexes; 0: no key
 * asked for it, or nothing was found.       RFC 7162 sections 3.1.5, 3.1.10
 */
uint64_t search_modseq(struct imap_session *s,
    const struct search_program *program, const uint32_t *indexes,
    size_t count);

#endif
