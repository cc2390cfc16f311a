/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/hikyaku.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/daemon_conf.h"
#include "common/file.h"
#include "common/log.h"
#include "master/admin_protocol.h"
#include "master/sockets.h"

static int hikyaku_help(struct command_context *ctx, int argc, char **argv);

static const struct subcommand subcommands[] = {
	{ "start", "", "start the platform and wait until it serves",
	    hikyaku_start },
	{ "stop", "", "let sessions end, then end every daemon", hikyaku_stop },
	{ "reload", "", "put a changed configuration into force",
	    hikyaku_reload },
	{ "status", "", "say what runs", hikyaku_status },
	{ "check", "", "check the configuration", hikyaku_check },
	{ "tenant", " VERB ...", "add, set, list, ... brands", hikyaku_kind },
	{ "domain", " VERB ...", "their domains", hikyaku_kind },
	{ "account", " VERB ...", "mailboxes and their users", hikyaku_kind },
	{ "group", " VERB ...", "aliases and lists", hikyaku_kind },
	{ "class", " VERB ...", "classes of service", hikyaku_kind },
	{ "admin", " VERB ...", "who administers a brand", hikyaku_admin },
	{ "passwd", " ADDRESS", "give an account a new password",
	    hikyaku_passwd },
	{ "mailbox", " VERB ...", "what is in mailboxes", hikyaku_mailbox },
	{ "store", " purge", "remove what is old in mailboxes", hikyaku_store },
	{ "queue", " VERB ...", "mail that waits: list, show, flush, ...",
	    hikyaku_queue },
	{ "rule", " check [-k forward|quarantine] [-f file | text]",
	    "check a rule for mail", hikyaku_rule },
	{ "milter", " check", "dial every milter and say what it wants",
	    hikyaku_milter },
	{ "help", "", "this list", hikyaku_help },
};
#define SUBCOMMANDS_LEN (sizeof(subcommands) / sizeof(subcommands[0]))

static void
print_help(FILE *out)
{
	(void)fputs("usage: hikyaku [-c file] command\n\n", out);
	for (size_t i = 0; i < SUBCOMMANDS_LEN; i++)
		(void)fprintf(out, "    %-8s %s\n", subcommands[i].name,
		    subcommands[i].help);
}

static int
hikyaku_help(struct command_context *ctx, int argc, char **argv)
{
	(void)ctx;
	(void)argc;
	(void)argv;
	print_help(stdout);
	return 0;
}

void
hikyaku_complain(const struct err *err)
{
	(void)fprintf(stderr, "hikyaku: %s%s%s\n", err->text,
	    err->os == 0 ? "" : ": ", err->os == 0 ? "" : strerror(err->os));
}

int
hikyaku_load(struct command_context *ctx)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	struct err err = ERR_INIT;

	buf_init(&text, CONF_TEXT_MAX);
	if (ctx->loaded)
		return 0;
	if (file_read(ctx->file, &text, &err) == -1 ||
	    conf_parse(&daemon_top_section, buf_span(&text), ctx->file,
		&ctx->top, &err) == -1) {
		hikyaku_complain(&err);
		return -1;
	}
	ctx->loaded = true;
	return 0;
}

int
hikyaku_connect(struct command_context *ctx)
{
	CLEANUP(fd_close)
	int dir =
	    open(ctx->top.run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = -1;

	if (dir == -1 || socket_connect_beneath(dir, ADMIN_SOCKET,
			     SOCK_SEQPACKET, &fd, NULL) == -1)
		return -1;
	return fd;
}

/*
 * hikyakud is beside the daemons: PREFIX/libexec/hikyaku as seen from
 * PREFIX/bin, where an installation was moved as a whole; else where it was
 * built for.
 */
static void
find_hikyakud(struct command_context *ctx)
{
	char exe[3000];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (len > 0) {
		exe[len] = '\0';
		slash = strrchr(exe, '/');
		if (slash != NULL)
			*slash = '\0';
		(void)snprintf(ctx->hikyakud, sizeof(ctx->hikyakud),
		    "%s/../libexec/hikyaku/hikyakud", exe);
		if (access(ctx->hikyakud, X_OK) == 0)
			return;
	}
	(void)snprintf(
	    ctx->hikyakud, sizeof(ctx->hikyakud), "%s/hikyakud", HK_DAEMONDIR);
}

static int
usage(void)
{
	print_help(stderr);
	return 2;
}

static int
run(struct command_context *ctx, int argc, char **argv)
{
	for (size_t i = 0; i < SUBCOMMANDS_LEN; i++) {
		if (strcmp(subcommands[i].name, argv[0]) != 0)
			continue;
		if (argc > 1 && subcommands[i].arguments[0] == '\0') {
			(void)fprintf(stderr, "usage: hikyaku [-c file] %s%s\n",
			    argv[0], subcommands[i].arguments);
			return 2;
		}
		return subcommands[i].run(ctx, argc, argv);
	}
	(void)fprintf(stderr, "hikyaku: \"%s\" is no command\n\n", argv[0]);
	return usage();
}

int
main(int argc, char **argv)
{
	struct command_context ctx = { .loaded = false };
	const char *file = HK_SYSCONFDIR "/hikyaku/hikyaku.conf";
	char room[4096];
	int c, status;

	/* "+": what follows the subcommand is the subcommand's. */
	while ((c = getopt(argc, argv, "+c:V")) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'V':
			(void)printf("hikyaku %s\n", PACKAGE_VERSION);
			return 0;
		default:
			return usage();
		}
	}
	if (optind == argc)
		return usage();
	(void)snprintf(ctx.file, sizeof(ctx.file), "%s",
	    realpath(file, room) == NULL ? file : room);
	find_hikyakud(&ctx);
	status = run(&ctx, argc - optind, argv + optind);
	conf_section_fini(&daemon_top_section, &ctx.top);
	return status;
}
