/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/uidvalidity.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "common/ascii.h"
#include "common/cleanup.h"
#include "common/file.h"
#include "common/span.h"
#include "store/disk.h"

#define COUNTER "dovecot-uidvalidity"
#define COUNTER_NAME_MAX 40
#define TRIES 10

static bool
hex8(struct span text, uint32_t *out)
{
	uint32_t value = 0;

	if (text.len != 8 || !ascii_all(text, ASCII_HEX))
		return false;
	for (size_t i = 0; i < 8; i++) {
		char c = ascii_lower(text.p[i]);

		value =
		    value << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*out = value;
	return true;
}

struct highest {
	uint32_t value;
};

static bool
look_at(void *arg, const char *name, unsigned char type)
{
	struct highest *h = arg;
	struct span rest = span_str(name);
	uint32_t value;

	(void)type;
	if (span_starts(rest, SPAN(COUNTER ".")) &&
	    hex8(span_from(rest, sizeof(COUNTER)), &value) && value > h->value)
		h->value = value;
	return true;
}

/* The last value by the numbered file and by the counter's text. */
static int
last_value(int fd, uint32_t *numbered_out, uint32_t *text_out, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	struct highest h = { 0 };
	struct stat st;
	bool absent;

	*text_out = 0;
	buf_init(&text, 64);
	if (disk_read(fd, COUNTER, &text, &absent, &st, err) == -1)
		return -1;
	(void)hex8(span_first(buf_span(&text), 8), text_out);
	if (disk_list(fd, look_at, &h, err) == -1)
		return -1;
	*numbered_out = h.value;
	return 0;
}

/* Digits in place, as Dovecot does it; the numbered file is what counts. */
static void
write_text(int root_fd, uint32_t value)
{
	char digits[9];
	CLEANUP(fd_close)
	int fd =
	    file_open_beneath(root_fd, COUNTER, O_WRONLY | O_CREAT, 0600, NULL);

	(void)snprintf(digits, sizeof(digits), "%08x", value);
	if (fd != -1 && pwrite(fd, digits, 8, 0) == 8)
		(void)fdatasync(fd);
}

static int
claim(int root_fd, uint32_t last, uint32_t next)
{
	char from[COUNTER_NAME_MAX], to[COUNTER_NAME_MAX];
	int fd;

	(void)snprintf(from, sizeof(from), COUNTER ".%08x", last);
	(void)snprintf(to, sizeof(to), COUNTER ".%08x", next);
	if (last != 0)
		return renameat(root_fd, from, root_fd, to);
	fd = file_open_beneath(
	    root_fd, to, O_RDONLY | O_CREAT | O_EXCL, 0600, NULL);
	fd_close(fd);
	return fd == -1 ? -1 : 0;
}

int
uidvalidity_next(int root_fd, uint32_t *value_out, struct err *err)
{
	/* A listing of its own: root_fd is shared between threads. */
	CLEANUP(fd_close) int fd = disk_open_directory(root_fd, ".", err);

	for (int i = 0; fd != -1 && i < TRIES; i++) {
		uint32_t numbered, text, last, next;
		uint32_t now = (uint32_t)time(NULL);

		if (last_value(fd, &numbered, &text, err) == -1)
			return -1;
		last = numbered > text ? numbered : text;
		next = numbered == 0 && now > last ? now : last + 1;
		if (next == 0 || next == UINT32_MAX)
			return err_set(err, ERR_TEMP, "no UIDVALIDITY left");
		if (claim(root_fd, numbered, next) == 0) {
			write_text(root_fd, next);
			if (fsync(fd) == -1)
				return err_sys(err, "fsync the Maildir");
			*value_out = next;
			return 0;
		}
		if (errno != ENOENT && errno != EEXIST)
			return disk_err(err, "new UIDVALIDITY");
	}
	return fd == -1 ? -1
			: err_set(err, ERR_TEMP, "no UIDVALIDITY to be had");
}
