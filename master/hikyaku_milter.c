/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku milter check: runs milter-check as smtpd's user, since what only
 * root may use would prove nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/file.h"
#include "master/conf.h"
#include "master/hikyaku.h"
#include "master/spawn.h"

#define PATH_ROOM 4096

static int
program_path(const struct command_context *ctx, char *out, struct err *err)
{
	const char *slash = strrchr(ctx->hikyakud, '/');
	int len = slash == NULL ? 0 : (int)(slash - ctx->hikyakud) + 1;

	if (snprintf(out, PATH_ROOM, "%.*smilter-check", len, ctx->hikyakud) >=
	    PATH_ROOM)
		return err_set(err, ERR_LIMIT, "%s: too long", ctx->hikyakud);
	return 0;
}

/* Its words come out as they are: they go to our standard output. */
static int
check_run(const struct command_context *ctx, const struct master_conf *conf,
    int *status_out, struct err *err)
{
	const struct service *service = service_find("smtpd");
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	CLEANUP(fd_close) int in = -1;
	CLEANUP(fd_close) int pidfd = -1;
	const char *words[] = { "milter-check", "-c", conf->file, NULL };
	char path[PATH_ROOM];
	char *argv[4];
	struct spawn s = {
		.path = path, .argv = argv, .out = 1, .control = -1
	};
	pid_t pid;

	memcpy(argv, words, sizeof(argv));
	buf_init(&text, CONF_TEXT_MAX);
	if (program_path(ctx, path, err) == -1 ||
	    master_conf_text_for(conf, service, &text, err) == -1 ||
	    master_conf_user(conf, service, &s.uid, &s.gid, err) == -1 ||
	    file_memfd("conf", buf_span(&text), &in, err) == -1)
		return -1;
	s.in = in;
	if (spawn_start(&s, &pid, &pidfd, err) == -1)
		return -1;
	while (waitpid(pid, status_out, 0) == -1) {
		if (errno != EINTR)
			return err_sys(err, "waitpid");
	}
	return 0;
}

int
hikyaku_milter(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(master_conf_free) struct master_conf *conf = NULL;
	struct err err = ERR_INIT;
	int status = 0;

	if (argc != 2 || strcmp(argv[1], "check") != 0) {
		(void)fputs("usage: hikyaku [-c file] milter check\n", stderr);
		return 2;
	}
	if (master_conf_load(ctx->file, &conf, &err) == -1 ||
	    check_run(ctx, conf, &status, &err) == -1) {
		hikyaku_complain(&err);
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
