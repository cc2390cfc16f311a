/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The milter protocol's packets, as an MTA writes and reads them.  Knows no
 * socket; what comes from a milter is taken for hostile.
 *
 *	packet = length code data		length: u32 in network order of
 *						code and data, so at least 1
 *
 * Texts end in NUL, integers are in network order.
 */
#ifndef HK_SMTPD_MILTER_CODEC_H
#define HK_SMTPD_MILTER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* libmilter drops the connection over a packet with more data than this. */
#define MILTER_DATA_MAX 65535
/* Of a packet from a milter; other libraries send bodies in one piece. */
#define MILTER_REPLY_MAX (1024 * 1024)
/* Names in one list of macros that a milter asks for. */
#define MILTER_MACROS_MAX 50

/* What an MTA says: the code of its packet. */
enum milter_command {
	MILTER_OPTNEG = 'O',
	MILTER_MACRO = 'D',
	MILTER_CONNECT = 'C',
	MILTER_HELO = 'H',
	MILTER_MAIL = 'M',
	MILTER_RCPT = 'R',
	MILTER_DATA = 'T',
	MILTER_HEADER = 'L',
	MILTER_EOH = 'N',
	MILTER_BODY = 'B',
	MILTER_EOM = 'E',
	MILTER_ABORT = 'A',
	MILTER_QUIT = 'Q',
	MILTER_UNKNOWN = 'U',
};

/* What a milter may ask for at the end of a message. */
enum {
	MILTER_MAY_ADD_HEADER = 0x001,
	MILTER_MAY_CHANGE_BODY = 0x002,
	MILTER_MAY_ADD_RCPT = 0x004,
	MILTER_MAY_DELETE_RCPT = 0x008,
	MILTER_MAY_CHANGE_HEADER = 0x010,
	MILTER_MAY_QUARANTINE = 0x020,
	MILTER_MAY_CHANGE_FROM = 0x040,
	MILTER_MAY_ADD_RCPT_PAR = 0x080,
	MILTER_MAY_LIST_MACROS = 0x100,
	MILTER_ACTIONS_ALL = 0x1ff,
};

/* What it does not want to be sent, will not answer, or understands. */
enum {
	MILTER_NO_CONNECT = 0x000001,
	MILTER_NO_HELO = 0x000002,
	MILTER_NO_MAIL = 0x000004,
	MILTER_NO_RCPT = 0x000008,
	MILTER_NO_BODY = 0x000010,
	MILTER_NO_HEADER = 0x000020,
	MILTER_NO_EOH = 0x000040,
	MILTER_NR_HEADER = 0x000080,
	MILTER_NO_UNKNOWN = 0x000100,
	MILTER_NO_DATA = 0x000200,
	MILTER_SKIP = 0x000400,
	MILTER_RCPT_REJECTED = 0x000800,
	MILTER_NR_CONNECT = 0x001000,
	MILTER_NR_HELO = 0x002000,
	MILTER_NR_MAIL = 0x004000,
	MILTER_NR_RCPT = 0x008000,
	MILTER_NR_DATA = 0x010000,
	MILTER_NR_UNKNOWN = 0x020000,
	MILTER_NR_EOH = 0x040000,
	MILTER_NR_BODY = 0x080000,
	MILTER_LEADING_SPACE = 0x100000,
	MILTER_PROTOCOL_ALL = 0x1fffff,
};

/* Stages that have a list of macros, numbered as in the option reply. */
enum milter_stage {
	MILTER_AT_CONNECT,
	MILTER_AT_HELO,
	MILTER_AT_MAIL,
	MILTER_AT_RCPT,
	MILTER_AT_DATA,
	MILTER_AT_EOM,
	MILTER_AT_EOH,
	MILTER_STAGES,
};

/* The bits that say "do not send this" and "I will not answer this"; 0 where
 * there is none. */
uint32_t milter_no_bit(enum milter_command command);
uint32_t milter_nr_bit(enum milter_command command);
/* "CONNECT", "HEADER", ...: for the log. */
const char *milter_command_name(enum milter_command command);

/* ---- options -------------------------------------------------------- */

struct milter_options {
	uint32_t version;
	uint32_t actions, protocol;
	/* The milter's own list for a stage, words with one space between;
	 * set says that there is one: it may be empty. */
	bool macros_set[MILTER_STAGES];
	char macros[MILTER_STAGES][1024];
};

/* What a milter of that version (2, 3, 4, 6) can be offered. */
void milter_offer(unsigned version, struct milter_options *out);
void milter_offer_put(const struct milter_options *offer, struct buf *out);

/*
 * The data of the answer.  Errors: ERR_SYNTAX, malformed; ERR_POLICY, it
 * wants what was not offered.
 */
int milter_options_parse(struct span data, const struct milter_options *offer,
    struct milter_options *out, struct err *err);

/* ---- packets out ------------------------------------------------------ */

/*
 * Appends a packet of one piece, or none.  ERR_LIMIT, nothing appended: the
 * data are longer than a milter takes.
 */
int milter_put(struct buf *out, enum milter_command command, struct span data,
    struct err *err);
/* The same of texts, each with its NUL; a NUL within a text is ERR_SYNTAX. */
int milter_put_texts(struct buf *out, enum milter_command command,
    const struct span *texts, size_t count, struct err *err);
/* address: empty for a family of 'U'. */
int milter_put_connect(struct buf *out, struct span host, char family,
    uint16_t port, struct span address, struct err *err);

/* ---- packets in ------------------------------------------------------- */

enum milter_reply_kind {
	MILTER_CONTINUE,
	MILTER_ACCEPT,
	MILTER_REJECT,
	MILTER_TEMPFAIL,
	MILTER_DISCARD,
	MILTER_REPLYCODE,
	MILTER_CONN_FAIL,
	MILTER_SHUTDOWN,
	MILTER_SKIPPED, /* SKIP: no more events of this kind */
	/* Not final: more follows. */
	MILTER_PROGRESS,
	MILTER_ADD_RCPT,
	MILTER_DELETE_RCPT,
	MILTER_CHANGE_FROM,
	MILTER_ADD_HEADER,
	MILTER_INSERT_HEADER,
	MILTER_CHANGE_HEADER,
	MILTER_REPLACE_BODY,
	MILTER_QUARANTINE,
	MILTER_OPTIONS,
};

/* Borrowed from the packet. */
struct milter_reply {
	enum milter_reply_kind kind;
	uint32_t index;         /* INSERT_HEADER, CHANGE_HEADER */
	struct span name;       /* of a header field */
	struct span text;       /* value, address, reason, body, reply code */
	struct span parameters; /* ADD_RCPT, CHANGE_FROM; may be empty */
};

enum milter_take {
	MILTER_TAKE_OK,
	MILTER_TAKE_MORE, /* the packet is not whole yet */
	MILTER_TAKE_BAD,  /* no packet of a milter: err tells */
};

/*
 * Takes one packet off the front of *in.  MILTER_TAKE_MORE: *in is as it was,
 * and *need_out says how many octets there must be.
 */
enum milter_take milter_reply_take(struct span *in,
    struct milter_reply *reply_out, size_t *need_out, struct err *err);

/* An edit, which is legal at the end of a message only. */
bool milter_is_edit(enum milter_reply_kind kind);
/* The bit of actions that an edit needs. */
uint32_t milter_edit_bit(const struct milter_reply *reply);
const char *milter_reply_name(enum milter_reply_kind kind);

/*
 * The text of MILTER_REPLYCODE: "550 5.7.1 text", or several lines with
 * "550-".  Appends whole SMTP lines with CRLF to *lines, without their codes
 * doubled: "%%" becomes "%".  ERR_SYNTAX: not such a text; use a default.
 *						RFC 5321 4.2, RFC 3463 2
 */
int milter_code_parse(
    struct span text, unsigned *code_out, struct buf *lines, struct err *err);

#endif
