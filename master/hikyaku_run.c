/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku start, stop and check. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/log.h"
#include "common/packet.h"
#include "master/admin_protocol.h"
#include "master/hikyaku.h"
#include "master/spawn.h"
#include "master/state.h"

/* What hikyakud itself may take beyond the limits of its daemons. */
#define START_WAIT_MS 60000
#define STOP_SPARE_MS 15000

/* ---- check
 * ----------------------------------------------------------------------- */

int
hikyaku_check(struct command_context *ctx, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	(void)execl(
	    ctx->hikyakud, "hikyakud", "-n", "-c", ctx->file, (char *)NULL);
	(void)fprintf(
	    stderr, "hikyaku: %s: %s\n", ctx->hikyakud, strerror(errno));
	return 1;
}

/* ---- start
 * ------------------------------------------------------------------------ */

/* Where the log's end is now, so that only new lines are shown. */
static off_t
log_size(const struct command_context *ctx)
{
	struct stat st;

	return ctx->top.log_target == LOG_TO_FILE &&
		       stat(ctx->top.log_file, &st) == 0
		   ? st.st_size
		   : 0;
}

/* Shows what hikyakud wrote on its standard error. */
static void
show_words(int words)
{
	char text[4096];
	ssize_t len;

	if (lseek(words, 0, SEEK_SET) == -1)
		return;
	while ((len = read(words, text, sizeof(text))) > 0)
		(void)!write(2, text, (size_t)len);
}

static void
show_errors(const struct command_context *ctx, off_t from, int words)
{
	char line[4200];
	FILE *f;

	if (ctx->top.log_target == LOG_TO_STDERR) {
		show_words(words);
		return;
	}
	if (ctx->top.log_target != LOG_TO_FILE) {
		(void)fputs("hikyaku: the system's log tells why\n", stderr);
		return;
	}
	f = fopen(ctx->top.log_file, "re");
	if (f == NULL)
		return;
	if (fseeko(f, from, SEEK_SET) == 0)
		while (fgets(line, sizeof(line), f) != NULL)
			/* Lines without a level are a crash's own words. */
			if (strstr(line, " error: ") != NULL ||
			    strchr(line, ':') == NULL)
				(void)fputs(line, stderr);
	(void)fclose(f);
}

/* In the child: hikyakud in a session of its own. */
static void __attribute__((noreturn))
become_hikyakud(const struct command_context *ctx, int ready, int words)
{
	int null = open("/dev/null", O_RDWR);
	char number[16];

	(void)setsid();
	if (null == -1 || dup2(null, 0) == -1 || dup2(null, 1) == -1 ||
	    dup2(words, 2) == -1 || dup2(ready, 3) == -1)
		_exit(127);
	(void)snprintf(number, sizeof(number), "%d", 3);
	(void)execl(ctx->hikyakud, "hikyakud", "-c", ctx->file, "-R", number,
	    (char *)NULL);
	(void)dprintf(2, "hikyaku: %s: %s\n", ctx->hikyakud, strerror(errno));
	_exit(127);
}

static int
start_result(const struct command_context *ctx, int ready, int words, pid_t pid,
    off_t from)
{
	struct pollfd p = { .fd = ready, .events = POLLIN };
	char text[160] = "";
	ssize_t len;

	if (poll(&p, 1, START_WAIT_MS) == 0) {
		(void)fputs("hikyaku: not ready in time\n", stderr);
		show_errors(ctx, from, words);
		return 1;
	}
	len = read(ready, text, sizeof(text) - 1);
	if (len > 0 && strcmp(text, "ready\n") == 0)
		return 0;
	if (len <= 0) {
		(void)waitpid(pid, NULL, 0);
		show_words(words);
		return 1;
	}
	text[strcspn(text, "\n")] = '\0';
	(void)fprintf(stderr,
	    "hikyaku: %s does not start; hikyakud goes on trying "
	    "(\"hikyaku stop\" ends it):\n",
	    strncmp(text, "failed ", 7) == 0 ? text + 7 : text);
	show_errors(ctx, from, words);
	return 1;
}

int
hikyaku_start(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(fd_close) int words = -1;
	CLEANUP(fd_close) int fd = -1;
	int ready[2], result;
	off_t from;
	pid_t pid;

	(void)argc;
	(void)argv;
	if (hikyaku_load(ctx) == -1)
		return 1;
	fd = hikyaku_connect(ctx);
	if (fd != -1) {
		(void)fputs("hikyaku: it runs already\n", stderr);
		return 1;
	}
	/* A file: the daemons' words must not need a reader. */
	words = open("/tmp", O_RDWR | O_TMPFILE | O_CLOEXEC | O_APPEND, 0600);
	if (words == -1 || pipe2(ready, O_CLOEXEC) == -1) {
		perror("hikyaku");
		return 1;
	}
	from = log_size(ctx);
	pid = fork();
	if (pid == -1) {
		perror("hikyaku: fork");
		return 1;
	}
	if (pid == 0)
		become_hikyakud(ctx, ready[1], words);
	fd_close(ready[1]);
	result = start_result(ctx, ready[0], words, pid, from);
	fd_close(ready[0]);
	return result;
}

/* ---- stop
 * -------------------------------------------------------------------------- */

static void
kill_orphan(void *arg, const struct state_line *line)
{
	CLEANUP(fd_close)
	int pidfd = spawn_adopt((pid_t)line->pid, line->start);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	unsigned *count = arg;

	if (pidfd == -1)
		return;
	(*count)++;
	(void)kill((pid_t)line->pid, SIGTERM);
	if (poll(&p, 1, 2000) == 0)
		(void)kill((pid_t)line->pid, SIGKILL);
	(void)poll(&p, 1, 2000);
}

/* hikyakud has died, and its daemons go on: they are ended by hand. */
static int
stop_orphans(struct command_context *ctx)
{
	CLEANUP(fd_close)
	int dir =
	    open(ctx->top.run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned count = 0;

	if (dir != -1)
		state_read(dir, kill_orphan, &count);
	if (count > 0) {
		(void)printf(
		    "hikyakud was dead; %u of its daemons ended\n", count);
		return 0;
	}
	(void)fputs("hikyaku: it does not run\n", stderr);
	return 3;
}

/* The process behind the socket: a descriptor that tells when it is gone. */
static int
peer_pidfd(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == -1)
		return -1;
	return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

int
hikyaku_stop(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(fd_close) int fd = -1;
	CLEANUP(fd_close) int pidfd = -1;
	CLEANUP(buf_fini) struct buf b = { .max = 0 };
	struct err err = ERR_INIT;
	int wait_ms;

	(void)argc;
	(void)argv;
	buf_init(&b, PACKET_MAX);
	if (hikyaku_load(ctx) == -1)
		return 1;
	fd = hikyaku_connect(ctx);
	if (fd == -1)
		return stop_orphans(ctx);
	pidfd = peer_pidfd(fd);
	/* Three groups of daemons end one after the other. */
	wait_ms = (int)ctx->top.drain_wait * 3000 + STOP_SPARE_MS;
	packet_begin(&b, (struct packet_head){ ADMIN_VERSION, ADMIN_STOP, 0 });
	if (packet_send(fd, buf_span(&b), NULL, 0, 1000, &err) == 0)
		while (packet_recv(fd, &b, NULL, 0, NULL, wait_ms, &err) == 0)
			;
	if (err.kind == ERR_CLOSED) {
		/* It closes its sockets a moment before it ends. */
		struct pollfd gone = { .fd = pidfd, .events = POLLIN };

		if (pidfd != -1)
			(void)poll(&gone, 1, STOP_SPARE_MS);
		return 0;
	}
	hikyaku_complain(&err);
	return 1;
}
