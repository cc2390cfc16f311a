/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox VERB; each answers the exit status. */
#ifndef HK_MASTER_MAILBOX_VERBS_H
#define HK_MASTER_MAILBOX_VERBS_H

#include "master/mailwork.h"

int mailbox_show_status(struct command_context *ctx, int argc, char **argv);
int mailbox_show_list(struct command_context *ctx, int argc, char **argv);
int mailbox_check(struct command_context *ctx, int argc, char **argv);
int mailbox_backup(struct command_context *ctx, int argc, char **argv);
int mailbox_restore(struct command_context *ctx, int argc, char **argv);
int mailbox_export(struct command_context *ctx, int argc, char **argv);
int mailbox_import(struct command_context *ctx, int argc, char **argv);
int mailbox_undelete(struct command_context *ctx, int argc, char **argv);

/* Tells how the verb is called; answers WORK_USAGE. */
int mailbox_usage(const char *name);

#endif
