/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What one client of the load generator does, as a text of one step a line:
 *
 *	# comment
 *	protocol smtp|lmtp|pop3|imap|userdb
 *	> TEXT        send a command, wait for its success
 *	>> TEXT       POP3: the reply has many lines, ended by "."
 *	+> TEXT       IMAP: wait for a continuation ("+ ...")
 *	raw TEXT      send a line that ends the command before it (IDLE's DONE)
 *	expect CODE   SMTP: the step before must be answered so (default 2xx)
 *	lines N       the reply before has exactly N lines (POP3: between the
 *	              first and the dot; IMAP: untagged ones)
 *	words N       IMAP: its untagged lines have exactly N words
 *	literals N    IMAP: its literals have exactly N octets
 *	body          send a message and the final dot
 *	literal CMD   IMAP: CMD {n+} and a message (APPEND)
 *	starttls      the protocol's own STARTTLS or STLS
 *	begin, end    what lies between is one operation, timed and counted;
 *	              as the first step, begin includes the connecting
 *	think MS      wait; input is read and ignored meanwhile
 *	loop, repeat  go back to loop until the connection's operations are done
 *
 * userdb is what Dovecot's own services ask its auth process: a line ended by
 * LF, its fields separated by TAB (written as the character), answered by a
 * line that begins with USER.
 *
 * In TEXT, {user} {local} {password} {message} stand for this client's user,
 * its local part, the password and a number that rises with each operation,
 * {any} for a user that changes with each, and in TEXT and for N {NAME} is
 * what --set NAME=VALUE gave.
 */
#ifndef HK_BENCH_SCRIPT_H
#define HK_BENCH_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

enum protocol {
	PROTOCOL_SMTP,
	PROTOCOL_LMTP,
	PROTOCOL_POP3,
	PROTOCOL_IMAP,
	PROTOCOL_USERDB, /* Dovecot's auth-userdb socket */
};

enum step_kind {
	STEP_SEND,
	STEP_SEND_MULTI,
	STEP_SEND_CONTINUE,
	STEP_RAW,
	STEP_BODY,
	STEP_LITERAL,
	STEP_STARTTLS,
	STEP_BEGIN,
	STEP_END,
	STEP_THINK,
	STEP_LOOP,
	STEP_REPEAT,
	STEP_GREETING, /* the first one, not written in the text */
};

struct step {
	enum step_kind kind;
	char *text;
	unsigned code;                  /* SMTP: 0 is any 2xx */
	int64_t lines, words, literals; /* -1: any number */
	unsigned think_ms;
	unsigned line; /* of the script, for messages */
};

struct script {
	enum protocol protocol;
	struct step *steps;
	size_t steps_len;
	size_t loop; /* index of the step after "loop"; 0: none */
};

/*
 * Names that scripts may use in braces; a value lasts as long as the program.
 */
struct setting {
	const char *name, *value;
};

/* ERR_SYNTAX names the line and what was expected. */
int script_load(const char *path, const struct setting *settings,
    size_t settings_len, struct script *out, struct err *err);
void script_fini(struct script *s);

#endif
