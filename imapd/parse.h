/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tokens of IMAP commands.                     RFC 3501 section 9
 *
 * A gathered command is one span: its lines and literals exactly as they
 * came, without the CRLF that ends it.  So a literal stands where it was
 * sent, "{5}" CRLF and five octets, and every parser takes from the front of
 * a span and stores it back only on success.
 *
 * Spans that come out are borrowed from the command, or, where octets had to
 * be changed (quoted strings with "\", mailbox names), from the arena.
 *
 * Errors of all of them: ERR_SYNTAX, the grammar (BAD); ERR_LIMIT or
 * ERR_TEMP, the arena.
 */
#ifndef HK_IMAPD_PARSE_H
#define HK_IMAPD_PARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "common/arena.h"
#include "common/err.h"
#include "common/span.h"

enum {
	IMAP_ATOM = 1 << 0,    /* ATOM-CHAR */
	IMAP_ASTRING = 1 << 1, /* ASTRING-CHAR */
	IMAP_LIST = 1 << 2,    /* list-char */
	IMAP_TAG = 1 << 3,     /* ASTRING-CHAR except "+" */
	IMAP_TEXT = 1 << 4,    /* TEXT-CHAR, and octets over 127 */
};
extern const uint8_t imap_class[256];

static inline bool
imap_is(char c, unsigned classes)
{
	return (imap_class[(unsigned char)c] & classes) != 0;
}

#define IMAP_TAG_MAX 128

/* 1*<any ASTRING-CHAR except "+">, at most IMAP_TAG_MAX octets. */
int imap_tag_parse(struct span *in, struct span *tag_out, struct err *err);
/* Exactly one SP. */
int imap_sp_parse(struct span *in, struct err *err);
/* The command has no more arguments. */
int imap_end_parse(const struct span *in, struct err *err);
/* One given octet. */
int imap_octet_parse(struct span *in, char c, struct err *err);

int imap_atom_parse(struct span *in, struct span *out, struct err *err);
/*
 * literal = "{" number ["+"] "}" CRLF *CHAR8           RFC 7888 section 8
 */
int imap_literal_parse(struct span *in, struct span *out, struct err *err);
/* string = quoted / literal */
int imap_string_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err);
/* astring = 1*ASTRING-CHAR / string */
int imap_astring_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err);
/* nstring = string / nil; out->p is NULL for NIL. */
int imap_nstring_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err);

/* number = 1*DIGIT, 32 bits.  nz_number refuses 0. */
int imap_number_parse(struct span *in, uint32_t *out, struct err *err);
int imap_nz_number_parse(struct span *in, uint32_t *out, struct err *err);

/*
 * mailbox = "INBOX" / astring, in modified UTF-7 on the wire; UTF-8 comes
 * out, INBOX in capitals.  A name that is no modified UTF-7 but good UTF-8 is
 * taken as it is (clients exist that send it).  *name_ok_out is false when
 * it is neither, or no name the store could hold: the command is well formed
 * and the answer is NO.                          RFC 3501 section 5.1.3
 */
int imap_mailbox_parse(struct span *in, struct arena *a, struct span *out,
    bool *name_ok_out, struct err *err);
/* list-mailbox = 1*list-char / string; UTF-8 comes out. */
int imap_list_mailbox_parse(
    struct span *in, struct arena *a, struct span *out, struct err *err);

/*
 * date-text, bare or between DQUOTE; *day_out counts days since 1970-01-01.
 * The day must exist.
 */
int imap_date_parse(struct span *in, int32_t *day_out, struct err *err);
/* date-time; seconds since the epoch. */
int imap_date_time_parse(struct span *in, time_t *out, struct err *err);
/* Days since 1970-01-01 of a date of the Gregorian calendar; month 1..12. */
int32_t imap_day_of(int year, int month, int day);

/*
 * What a line that was gathered so far ends with.  A literal's octets follow
 * the line when there is one.
 */
struct imap_announced {
	uint64_t octets;
	bool synchronizing; /* the client waits for "+" */
};
/* False: the line (without CRLF) ends with no literal. */
bool imap_literal_announced(
    struct span line, struct imap_announced *announced_out);

#endif
