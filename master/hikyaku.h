/* SPDX-License-Identifier: BSD-2-Clause */
/* The hikyaku command: a table of subcommands, in the manner of git. */
#ifndef HK_MASTER_HIKYAKU_H
#define HK_MASTER_HIKYAKU_H

#include <stdbool.h>

#include "common/daemon.h"
#include "common/err.h"

struct command_context {
	char file[4096];     /* the configuration's, absolute if it exists */
	char hikyakud[4096]; /* where the program is */
	struct daemon_conf top;
	bool loaded;
};

struct subcommand {
	const char *name;
	const char *arguments; /* "": it takes none */
	const char *help;
	/* Answers the exit status. */
	int (*run)(struct command_context *ctx, int argc, char **argv);
};

int hikyaku_start(struct command_context *ctx, int argc, char **argv);
int hikyaku_stop(struct command_context *ctx, int argc, char **argv);
int hikyaku_reload(struct command_context *ctx, int argc, char **argv);
int hikyaku_status(struct command_context *ctx, int argc, char **argv);
int hikyaku_check(struct command_context *ctx, int argc, char **argv);
int hikyaku_account(struct command_context *ctx, int argc, char **argv);
int hikyaku_kind(struct command_context *ctx, int argc, char **argv);
int hikyaku_admin(struct command_context *ctx, int argc, char **argv);
int hikyaku_passwd(struct command_context *ctx, int argc, char **argv);
int hikyaku_milter(struct command_context *ctx, int argc, char **argv);
int hikyaku_mailbox(struct command_context *ctx, int argc, char **argv);
int hikyaku_store(struct command_context *ctx, int argc, char **argv);
int hikyaku_queue(struct command_context *ctx, int argc, char **argv);
int hikyaku_rule(struct command_context *ctx, int argc, char **argv);

/* Reads the top level of the configuration; complains and answers -1. */
int hikyaku_load(struct command_context *ctx);
/* Connected to hikyakud, or -1 when none runs. */
int hikyaku_connect(struct command_context *ctx);
void hikyaku_complain(const struct err *err);

#endif
