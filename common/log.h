/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One event, one line: a stable phrase, then fields.
 *
 *	2026-11-24T08:30:00.123456+09:00 smtpd[812] notice: message accepted
 *	    id=4bQm2z7k1C octets=4096 reverse_path="a@example.org"
 *
 * (one line in the file).  Written to standard error, a file or syslog; each
 * line is one write, so lines of several processes do not mix.
 *
 * A log context carries the fields that every line of a session bears: the
 * session id first.  Ids cross process borders as text (handoff, LMTP,
 * packets), so that one id finds all lines.
 *
 * Never log a password, a secret or message content.  Values from outside go
 * through log_span, which quotes and escapes them.
 */
#ifndef HK_COMMON_LOG_H
#define HK_COMMON_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

enum log_level {
	LOG_LEVEL_ERROR,   /* an operator must act */
	LOG_LEVEL_WARNING, /* we coped */
	LOG_LEVEL_NOTICE,  /* mail changed hands */
	LOG_LEVEL_INFO,    /* connections */
	LOG_LEVEL_DEBUG,   /* everything */
};

/* A session id: 11 octets of [0-9A-Za-z] from 64 random bits, and NUL. */
#define LOG_ID_MAX 11
struct log_id {
	char text[LOG_ID_MAX + 1];
};
struct log_id log_id_new(void);
/* Takes an id that another process sent; a malformed one is replaced. */
struct log_id log_id_of(struct span text);

/* What every line of one session bears.  Embedded in the session. */
struct log {
	struct log_id id; /* text[0] == 0: none */
	char tenant[64];  /* "" until known */
	char account[96]; /* login or account, "" until known; escaped */
	char client[64];  /* address and port, "" when there is none */
};

/* The context of the process itself: no id. */
extern const struct log log_process;

enum log_target {
	LOG_TO_STDERR,
	LOG_TO_FILE,
	LOG_TO_SYSLOG
};

/*
 * Sets up the process's log.  program names the daemon ("smtpd"; a string
 * that stays).  For LOG_TO_FILE, fd is the open file (O_APPEND) and becomes
 * the log's, also on failure; for LOG_TO_SYSLOG likewise a socket connected
 * to /dev/log, or -1 to connect here; else -1.  Call again to move to a new
 * file.  Thread-safe.  Before the first call lines go to standard error.
 */
int log_open(const char *program, enum log_target target, int fd,
    enum log_level level, struct err *err);
/* True when a line of this level would be written. */
bool log_wants(enum log_level level);
/* A datagram socket connected to the system's log, for log_open. */
int log_syslog_fd(int *fd_out, struct err *err);
/* "error", "warning", "notice", "info", "debug". */
const char *log_level_name(enum log_level level);

struct log_field {
	const char *name;
	enum {
		LOG_END,
		LOG_STR,
		LOG_SPAN,
		LOG_U64,
		LOG_I64,
		LOG_ERR
	} type;
	union {
		struct span span;
		uint64_t u64;
		int64_t i64;
		const struct err *err;
	} value;
};

#define log_str(n, v)                                                          \
	((struct log_field){ (n), LOG_STR, { .span = span_str(v) } })
#define log_span(n, v) ((struct log_field){ (n), LOG_SPAN, { .span = (v) } })
#define log_u64(n, v) ((struct log_field){ (n), LOG_U64, { .u64 = (v) } })
#define log_i64(n, v) ((struct log_field){ (n), LOG_I64, { .i64 = (v) } })
/* Kind, errno, file and line of a struct err. */
#define log_err(e) ((struct log_field){ "error", LOG_ERR, { .err = (e) } })
#define log_end ((struct log_field){ NULL, LOG_END, { .u64 = 0 } })

void log_event(const struct log *log, enum log_level level, const char *phrase,
    const struct log_field *fields);

#define log_at_(log, level, phrase, ...)                                       \
	log_event((log), (level), (phrase),                                    \
	    (const struct log_field[]){ __VA_ARGS__ __VA_OPT__(, ) log_end })
#define log_error(log, ...) log_at_((log), LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(log, ...) log_at_((log), LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(log, ...) log_at_((log), LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(log, ...) log_at_((log), LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_at_((log), LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
