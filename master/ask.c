/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/ask.h"

#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "common/file.h"

void
secret_fini(struct buf *b)
{
	if (b->data != NULL)
		explicit_bzero(b->data, b->cap);
	buf_fini(b);
}

/* Octet by octet: what follows the line is for the next reader. */
static int
read_line(int fd, struct buf *out, struct err *err)
{
	size_t start = out->len;
	ssize_t got;
	char c;

	while ((got = read(fd, &c, 1)) == 1 && c != '\n') {
		if (out->len - start == ASK_MAX)
			return err_set(err, ERR_SYNTAX,
			    "password: over %d octets", ASK_MAX);
		buf_append_octet(out, c);
	}
	if (got == -1)
		return err_sys(err, "password");
	if (got == 0 && out->len == start)
		return err_set(err, ERR_SYNTAX, "no password was given");
	if (span_ends(buf_span(out), SPAN("\r")))
		buf_truncate(out, out->len - 1);
	if (out->len == start)
		return err_set(err, ERR_SYNTAX, "the password is empty");
	return buf_check(out, err);
}

static int
ask_terminal(int fd, const char *prompt, struct buf *out, struct err *err)
{
	struct termios shown, hidden;
	int rc;

	if (tcgetattr(fd, &shown) == -1)
		return err_sys(err, "terminal");
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	hidden.c_lflag |= ICANON;
	if (tcsetattr(fd, TCSAFLUSH, &hidden) == -1)
		return err_sys(err, "terminal");
	(void)!write(fd, prompt, strlen(prompt));
	rc = read_line(fd, out, err);
	(void)tcsetattr(fd, TCSAFLUSH, &shown);
	(void)!write(fd, "\n", 1);
	return rc;
}

int
ask_password(const char *prompt, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (isatty(0) == 1)
		fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	return fd == -1 ? read_line(0, out, err)
			: ask_terminal(fd, prompt, out, err);
}

int
ask_new_password(const char *prompt, struct buf *out, struct err *err)
{
	CLEANUP(secret_fini) struct buf again;

	buf_init(&again, ASK_MAX + 1);
	if (ask_password(prompt, out, err) == -1)
		return -1;
	if (isatty(0) != 1)
		return 0;
	if (ask_password("The same again: ", &again, err) == -1)
		return -1;
	if (!span_eq(buf_span(out), buf_span(&again)))
		return err_set(
		    err, ERR_SYNTAX, "the two passwords are not the same");
	return 0;
}

int
ask_file(const char *path, struct buf *out, struct err *err)
{
	CLEANUP(fd_close) int fd = -1;

	if (strcmp(path, "-") == 0)
		return read_line(0, out, err);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return err_sys(err, "%s", path);
	return read_line(fd, out, err) == -1 ? err_prefix(err, "%s", path) : 0;
}
