/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox: the verbs. */
#include "master/mailbox_verbs.h"

#include <stdio.h>
#include <string.h>

static int help(struct command_context *ctx, int argc, char **argv);

static const struct mailbox_verb {
	const char *name, *arguments, *help;
	int (*run)(struct command_context *ctx, int argc, char **argv);
} verbs[] = {
	{ "status", "ADDRESS", "what an account has and may have",
	    mailbox_show_status },
	{ "list", "ADDRESS [MAILBOX]", "mailboxes, or messages of one",
	    mailbox_show_list },
	{ "fsck", "[-n] ADDRESS", "check and mend the mailboxes",
	    mailbox_check },
	{ "backup", "[-k] [-m MAILBOX] {ADDRESS | -t TENANT} DIRECTORY",
	    "copy what is new", mailbox_backup },
	{ "restore", "[-m MAILBOX] {ADDRESS | -t TENANT} DIRECTORY",
	    "bring a backup, or any Maildir++, in", mailbox_restore },
	{ "export", "ADDRESS MAILBOX {FILE | -}", "write an mbox file",
	    mailbox_export },
	{ "import", "ADDRESS MAILBOX {FILE | -}", "read an mbox file",
	    mailbox_import },
	{ "undelete", "[-n] [-m MAILBOX] [-s DAY] [-u DAY] ADDRESS",
	    "bring deleted messages back", mailbox_undelete },
	{ "help", "", "this list", help },
};
#define VERBS_LEN (sizeof(verbs) / sizeof(verbs[0]))

static void
print_help(FILE *out)
{
	(void)fputs("usage: hikyaku [-c file] mailbox VERB ...\n\n", out);
	for (size_t i = 0; i < VERBS_LEN; i++)
		(void)fprintf(out, "    %-8s %s\n             %s\n",
		    verbs[i].name, verbs[i].arguments, verbs[i].help);
}

static int
help(struct command_context *ctx, int argc, char **argv)
{
	(void)ctx;
	(void)argc;
	(void)argv;
	print_help(stdout);
	return WORK_DONE;
}

int
mailbox_usage(const char *name)
{
	for (size_t i = 0; i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, name) == 0)
			(void)fprintf(stderr,
			    "usage: hikyaku [-c file] mailbox %s %s\n", name,
			    verbs[i].arguments);
	return WORK_USAGE;
}

int
hikyaku_mailbox(struct command_context *ctx, int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < VERBS_LEN; i++)
		if (strcmp(verbs[i].name, argv[1]) == 0)
			return verbs[i].run(ctx, argc - 1, argv + 1);
	if (argc > 1)
		(void)fprintf(
		    stderr, "hikyaku: mailbox: \"%s\" is no verb\n\n", argv[1]);
	print_help(stderr);
	return WORK_USAGE;
}
