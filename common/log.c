/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A line is built on the stack and leaves in one write, so no lock is held
 * and lines of several threads and processes do not mix.
 */
#include "common/log.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/ascii.h"
#include "common/cleanup.h"

/* A line longer than this is cut, and says so. */
#define LOG_LINE_MAX 4096
/* Octets of one value, before escaping. */
#define LOG_VALUE_MAX 512

const struct log log_process;

/*
 * Where the process's lines go.  The one mutable global: the log is the
 * process's, as its standard error is, and is needed where nothing else has
 * come up yet.  The descriptor's number never changes once it is set; moving
 * to another file puts that file under the same number.
 */
static struct {
	_Atomic(const char *) program;
	atomic_int fd;
	atomic_int target;
	atomic_int level;
} log_state = { "hikyaku", 2, LOG_TO_STDERR, LOG_LEVEL_INFO };

/* The mail facility, times 8.  RFC 5424 6.2.1.  (The names that <syslog.h>
 * gives to all this collide with ours.) */
#define SYSLOG_MAIL (2 * 8)

static const struct {
	const char *name;
	int severity; /* RFC 5424 6.2.1 */
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARNING] = { "warning", 4 },
	[LOG_LEVEL_NOTICE] = { "notice", 5 },
	[LOG_LEVEL_INFO] = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

const char *
log_level_name(enum log_level level)
{
	return log_levels[level].name;
}

/* ---- ids ----------------------------------------------------------------- */

struct log_id
log_id_new(void)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz";
	struct log_id id = { "" };
	uint64_t bits = 0;

	/* Never fails for 8 octets once the kernel's pool is up. */
	while (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		;
	for (size_t i = LOG_ID_MAX; i-- > 0; bits /= 62)
		id.text[i] = digits[bits % 62];
	return id;
}

struct log_id
log_id_of(struct span text)
{
	struct log_id id = { "" };

	if (text.len != LOG_ID_MAX ||
	    !ascii_all(text, ASCII_ALPHA | ASCII_DIGIT))
		return log_id_new();
	memcpy(id.text, text.p, LOG_ID_MAX);
	return id;
}

/* ---- where lines go --------------------------------------------------------
 */

int
log_syslog_fd(int *fd_out, struct err *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX,
		.sun_path = "/dev/log" };
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return err_sys(err, "socket");
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return err_sys(err, "connect /dev/log");
	*fd_out = fd_steal(&fd);
	return 0;
}

int
log_open(const char *program, enum log_target target, int fd,
    enum log_level level, struct err *err)
{
	CLEANUP(fd_close) int next = fd;
	int now = atomic_load(&log_state.fd);

	/* localtime_r reads the zone's file once: before a sandbox. */
	tzset();
	if (target == LOG_TO_SYSLOG && next == -1 &&
	    log_syslog_fd(&next, err) == -1)
		return -1;
	if (target == LOG_TO_STDERR && next == -1 &&
	    (next = fcntl(2, F_DUPFD_CLOEXEC, 3)) == -1)
		return err_sys(err, "dup stderr");
	if (next == -1)
		return err_set(err, ERR_TEMP, "log without a descriptor");
	if (now == 2)
		atomic_store(&log_state.fd, fd_steal(&next));
	else if (dup3(next, now, O_CLOEXEC) == -1)
		return err_sys(err, "dup3 log");
	atomic_store(&log_state.program, program);
	atomic_store(&log_state.target, (int)target);
	atomic_store(&log_state.level, (int)level);
	return 0;
}

bool
log_wants(enum log_level level)
{
	return (int)level <=
	       atomic_load_explicit(&log_state.level, memory_order_relaxed);
}

/* ---- a line ----------------------------------------------------------------
 */

struct line {
	char text[LOG_LINE_MAX];
	size_t len;
	bool cut;
};

/* All of s, or none of it: a line is cut between octets of ours. */
static void
line_put(struct line *l, struct span s)
{
	/* Room for the mark and the end of line stays. */
	if (l->cut || s.len > sizeof(l->text) - 8 - l->len) {
		l->cut = true;
		return;
	}
	if (s.len > 0)
		memcpy(l->text + l->len, s.p, s.len);
	l->len += s.len;
}

static void __attribute__((format(printf, 2, 3)))
line_put_fmt(struct line *l, const char *format, ...)
{
	char text[256];
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len > 0)
		line_put(l,
		    span_first(span_of(text, (size_t)len), sizeof(text) - 1));
}

static void
line_put_escaped(struct line *l, struct span s)
{
	bool cut = s.len > LOG_VALUE_MAX;

	s = span_first(s, LOG_VALUE_MAX);
	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '"' || c == '\\')
			line_put_fmt(l, "\\%c", c);
		else if (c == '\r' || c == '\n' || c == '\t')
			line_put_fmt(l, "\\%c",
			    c == '\r'   ? 'r'
			    : c == '\n' ? 'n'
					: 't');
		else if (c == ' ' || ascii_is(c, ASCII_VCHAR))
			line_put(l, span_of(&c, 1));
		else
			line_put_fmt(l, "\\x%02x", (unsigned)(unsigned char)c);
	}
	if (cut)
		line_put(l, SPAN("..."));
}

static void
line_put_quoted(struct line *l, struct span s)
{
	line_put(l, SPAN("\""));
	line_put_escaped(l, s);
	line_put(l, SPAN("\""));
}

/* Text that reads well bare stays bare; everything else is quoted. */
static void
line_put_word(struct line *l, struct span s)
{
	bool bare = s.len > 0 && s.len <= LOG_VALUE_MAX;

	for (size_t i = 0; bare && i < s.len; i++)
		bare = ascii_is(s.p[i], ASCII_VCHAR) && s.p[i] != '"' &&
		       s.p[i] != '\\' && s.p[i] != '=';
	if (bare)
		line_put(l, s);
	else
		line_put_quoted(l, s);
}

static void
line_put_err(struct line *l, const struct err *err)
{
	const char *file = err->file == NULL ? "?" : err->file;
	const char *slash = strrchr(file, '/');

	/* The room and the file; where it was built is nobody's business. */
	while (slash != NULL && slash > file && slash[-1] != '/')
		slash--;
	if (slash != NULL)
		file = slash;
	line_put_fmt(l, "%s", err_kind_name(err->kind));
	if (err->os != 0) {
		const char *name = strerrorname_np(err->os);

		line_put_fmt(l, " errno=%s", name == NULL ? "?" : name);
	}
	line_put(l, SPAN(" text="));
	line_put_quoted(l, span_str(err->text));
	line_put_fmt(l, " at=%s:%d", file, err->line);
}

static void
line_put_field(struct line *l, const struct log_field *f)
{
	line_put_fmt(l, " %s=", f->name);
	switch (f->type) {
	case LOG_STR:
		line_put_word(l, f->value.span);
		break;
	case LOG_SPAN:
		line_put_quoted(l, f->value.span);
		break;
	case LOG_U64:
		line_put_fmt(l, "%llu", (unsigned long long)f->value.u64);
		break;
	case LOG_I64:
		line_put_fmt(l, "%lld", (long long)f->value.i64);
		break;
	case LOG_ERR:
		line_put_err(l, f->value.err);
		break;
	case LOG_END:
		break;
	}
}

static void
line_put_context(struct line *l, const struct log *log)
{
	const struct {
		const char *name, *value;
	} fields[] = {
		{ "id", log->id.text },
		{ "tenant", log->tenant },
		{ "account", log->account },
		{ "client", log->client },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct log_field f = log_str(fields[i].name, fields[i].value);

		if (f.value.span.len > 0)
			line_put_field(l, &f);
	}
}

/* 2026-11-24T08:30:00.123456+09:00 smtpd[812] notice: */
static void
line_head_file(struct line *l, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	char stamp[40], zone[8];

	(void)clock_gettime(CLOCK_REALTIME, &now);
	(void)localtime_r(&now.tv_sec, &tm);
	(void)strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)strftime(zone, sizeof(zone), "%z", &tm);
	line_put_fmt(l, "%s.%06ld%.3s:%.2s %s[%ld] %s: ", stamp,
	    now.tv_nsec / 1000, zone, zone + 3, atomic_load(&log_state.program),
	    (long)getpid(), log_level_name(level));
}

/* The form that syslog daemons read from /dev/log; they add the host. */
static void
line_head_syslog(struct line *l, enum log_level level)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[40];

	(void)localtime_r(&now, &tm);
	(void)strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm);
	line_put_fmt(l,
	    "<%d>%s %s[%ld]: %s: ", SYSLOG_MAIL + log_levels[level].severity,
	    stamp, atomic_load(&log_state.program), (long)getpid(),
	    log_level_name(level));
}

static void
line_send(struct line *l, enum log_target target)
{
	int fd = atomic_load(&log_state.fd);
	int again;

	if (target != LOG_TO_SYSLOG) {
		l->text[l->len++] = '\n';
		while (write(fd, l->text, l->len) == -1 && errno == EINTR)
			;
		return;
	}
	if (send(fd, l->text, l->len, MSG_NOSIGNAL) != -1)
		return;
	/* The system's log was restarted.  A gate cannot connect; hikyakud
	 * sends it a new socket. */
	if (log_syslog_fd(&again, NULL) == -1)
		return;
	(void)dup3(again, fd, O_CLOEXEC);
	(void)send(fd, l->text, l->len, MSG_NOSIGNAL);
	fd_close(again);
}

void
log_event(const struct log *log, enum log_level level, const char *phrase,
    const struct log_field *fields)
{
	enum log_target target =
	    (enum log_target)atomic_load(&log_state.target);
	int saved = errno;
	struct line line;

	if (!log_wants(level))
		return;
	line.len = 0;
	line.cut = false;
	if (target == LOG_TO_SYSLOG)
		line_head_syslog(&line, level);
	else
		line_head_file(&line, level);
	line_put(&line, span_str(phrase));
	line_put_context(&line, log);
	for (; fields->type != LOG_END; fields++)
		line_put_field(&line, fields);
	if (line.cut) {
		memcpy(line.text + line.len, " ...", 4);
		line.len += 4;
	}
	line_send(&line, target);
	errno = saved;
}
