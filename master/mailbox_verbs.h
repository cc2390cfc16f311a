/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox VERB; each answers the exit status. */
#ifndef HK_MASTER_MAILBOX_VERBS_H
#define HK_MASTER_MAILBOX_VERBS_H

#include "master/mailwork.h"

int mailbox_undelete(struct command_context *ctx, int argc, char **argv);

/* Tells how the verb is called; answers WORK_USAGE. */
int mailbox_usage(const char *name);

#endif
