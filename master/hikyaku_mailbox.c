/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox: the verbs. */
#include "master/mailbox_verbs.h"

#include <stdio.h>
#include <string.h>

static const struct mailbox_verb {
	const char *name, *arguments;
	int (*run)(struct command_context *ctx, int argc, char **argv);
} verbs[] = {
	{ "undelete", "[-n] [-m mailbox] [-s day] [-u day] address",
	    mailbox_undelete },
};

static int
usage(void)
{
	(void)fputs("usage:\n", stderr);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		(void)fprintf(stderr, "    hikyaku [-c file] mailbox %s %s\n",
		    verbs[i].name, verbs[i].arguments);
	return WORK_USAGE;
}

int
mailbox_usage(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			(void)fprintf(stderr,
			    "usage: hikyaku [-c file] mailbox %s %s\n", name,
			    verbs[i].arguments);
	return WORK_USAGE;
}

int
hikyaku_mailbox(struct command_context *ctx, int argc, char **argv)
{
	if (argc < 2)
		return usage();
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].run(ctx, argc - 1, argv + 1);
	(void)fprintf(stderr, "hikyaku: mailbox: \"%s\" is no verb\n", argv[1]);
	return usage();
}
