/* SPDX-License-Identifier: BSD-2-Clause */
/* An existing clamd: the memfd goes to it by FILDES, clamd(8). */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/packet.h"
#include "common/reactor.h"
#include "common/span.h"
#include "milters/scan.h"

#define ANSWER_MAX 4096

static void
name_set(struct scan_answer *out, enum scan_result result, struct span name)
{
	size_t len =
	    name.len < SCAN_NAME_MAX - 1 ? name.len : SCAN_NAME_MAX - 1;

	memset(out, 0, sizeof(*out));
	out->result = result;
	for (size_t i = 0; i < len; i++)
		out->name[i] =
		    name.p[i] < ' ' || name.p[i] > '~' ? '?' : name.p[i];
}

void
scan_name(struct span name, struct scan_answer *out)
{
	bool limit = span_starts(name, SPAN("Heuristics.Limits.Exceeded")) ||
		     span_starts(name, SPAN("Heuristics.Encrypted."));

	name_set(out, limit ? SCAN_UNSCANNABLE : SCAN_INFECTED, name);
}

void
scan_clamd_answer(struct span line, struct scan_answer *out)
{
	ptrdiff_t at = span_find(line, SPAN(": "));
	struct span said = at < 0 ? line : span_from(line, (size_t)at + 2);

	if (at >= 0 && span_eq(said, SPAN("OK"))) {
		name_set(out, SCAN_CLEAN, SPAN(""));
	} else if (at >= 0 && span_ends(said, SPAN(" FOUND"))) {
		scan_name(span_first(said, said.len - 6), out);
	} else if (said.len == 0) {
		/* What a clamd that is ending says. */
		name_set(out, SCAN_FAILED, SPAN("clamd gave no answer"));
	} else {
		name_set(out, SCAN_FAILED, said);
	}
}

static int
clamd_connect(const char *path, struct err *err)
{
	CLEANUP(fd_close)
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (fd == -1)
		return err_sys(err, "socket");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_LIMIT, "%s: too long a path", path);
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == -1)
		return err_sys(err, "connect %s", path);
	return fd_steal(&fd);
}

static int
clamd_read(int fd, uint64_t until_ms, struct buf *out, struct err *err)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_ms();
		char octets[512];
		ssize_t len;

		if (now >= until_ms || poll(&p, 1, (int)(until_ms - now)) == 0)
			return err_set(err, ERR_TEMP, "clamd is too slow");
		len = read(fd, octets, sizeof(octets));
		if (len == -1 && errno == EINTR)
			continue;
		if (len == -1)
			return err_sys(err, "read from clamd");
		if (len == 0)
			return buf_check(out, err);
		buf_append(out, span_of(octets, (size_t)len));
	}
}

void
scan_clamd(const char *path, uint64_t time_ms, int fd, struct scan_answer *out)
{
	CLEANUP(fd_close) int clamd = -1;
	CLEANUP(buf_fini) struct buf answer;
	uint64_t until = clock_ms() + time_ms;
	struct err err = ERR_INIT;
	struct span line;

	buf_init(&answer, ANSWER_MAX);
	clamd = clamd_connect(path, &err);
	/* The descriptor travels with one octet behind the command. */
	if (clamd == -1 ||
	    packet_send(clamd, span_of("zFILDES", 8), NULL, 0, (int)time_ms,
		&err) == -1 ||
	    packet_send(clamd, SPAN("\0"), &fd, 1, (int)time_ms, &err) == -1 ||
	    clamd_read(clamd, until, &answer, &err) == -1) {
		char text[SCAN_NAME_MAX];

		(void)snprintf(text, sizeof(text), "%.90s%s%.30s", err.text,
		    err.os == 0 ? "" : ": ",
		    err.os == 0 ? "" : strerror(err.os));
		name_set(out, SCAN_FAILED, span_str(text));
		return;
	}
	line = buf_span(&answer);
	while (line.len > 0 &&
	       (line.p[line.len - 1] == '\0' || line.p[line.len - 1] == '\n'))
		line.len--;
	scan_clamd_answer(line, out);
}
