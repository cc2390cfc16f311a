/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The store from a command line, for tests that let other programs work on
 * the same Maildir:
 *
 *	store_tool STORE TENANT ACCOUNT MAILBOX list
 *	                                        deliver < message
 *	                                        append LETTERS < message
 *	                                        flag UID LETTERS
 *	                                        keyword UID NAME
 *	                                        expunge UID [DAYS]
 *	                                        undelete
 *	                                        copy UID MAILBOX
 *	                                        create | delete
 *	                                        usage [OCTETS MESSAGES]
 *
 * list prints "uidvalidity uidnext", then a line a message: uid, letters of
 * its system flags, keywords, size, unique-id, base name.  usage prints octets
 * and messages of the account, within the given limits.  Expunged mail is kept
 * for DAYS; undelete prints how many came back.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/account.h"
#include "store/draft.h"
#include "store/kept.h"
#include "store/list.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "store/unique_id.h"

static const struct {
	char letter;
	uint64_t bit;
} flags[] = { { 'D', MESSAGE_DRAFT }, { 'F', MESSAGE_FLAGGED },
	{ 'R', MESSAGE_ANSWERED }, { 'S', MESSAGE_SEEN },
	{ 'T', MESSAGE_DELETED } };

static uint64_t
letters_of(const char *text)
{
	uint64_t letters = 0;

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (strchr(text, flags[i].letter) != NULL)
			letters |= flags[i].bit;
	return letters;
}

static void
print_message(struct mailbox *m, uint32_t index, struct err *err)
{
	const struct view *v = mailbox_view(m);
	const struct message *message = view_at(v, index);
	CLEANUP(buf_fini) struct buf id;
	uint64_t octets = 0;

	buf_init(&id, 200);
	view_unique_id(v, index, NULL, &id);
	(void)message_size(m, message->uid, &octets, err);
	printf("%u /", message->uid);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if ((message->letters & flags[i].bit) != 0)
			putchar(flags[i].letter);
	putchar('/');
	for (unsigned n = 0; n < 26; n++)
		if ((message->letters & MESSAGE_KEYWORD(n)) != 0)
			printf("%.*s,", SPAN_FMT(view_keyword(v, n)));
	printf(" %" PRIu64 " %s %.*s\n", octets, buf_str(&id),
	    SPAN_FMT(view_base_name(v, index)));
}

static int
list(struct mailbox *m, struct err *err)
{
	const struct view *v = mailbox_view(m);

	printf("%u %u\n", view_uidvalidity(v), view_uidnext(v));
	for (uint32_t i = 0; i < view_count(v); i++)
		print_message(m, i, err);
	return 0;
}

static int
deliver(struct account *a, const char *mailbox, const char *letters,
    struct err *err)
{
	struct draft_options options = { .want_uid = letters != NULL,
		.letters = letters == NULL ? 0 : letters_of(letters) };
	CLEANUP(draft_free) struct draft *d = NULL;
	struct draft_result result;
	char octets[65536];
	size_t len;

	if (draft_new(a, span_str(mailbox), &d, err) == -1)
		return -1;
	while ((len = fread(octets, 1, sizeof(octets), stdin)) > 0)
		if (draft_write(d, span_of(octets, len), err) == -1)
			return -1;
	if (draft_commit(d, &options, &result, err) == -1)
		return -1;
	printf("%u %s\n", result.uid, result.name);
	return 0;
}

static int
change(struct mailbox *m, int argc, char **argv, struct err *err)
{
	struct mailbox_copied copied = { 0 };
	uint32_t uid = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	unsigned n;

	if (strcmp(argv[0], "list") == 0)
		return list(m, err);
	if (strcmp(argv[0], "expunge") == 0 && argc >= 2) {
		if (argc == 3)
			account_keep_days(mailbox_account(m),
			    (unsigned)strtoul(argv[2], NULL, 10));
		return mailbox_expunge(m, &uid, 1, NULL, err);
	}
	if (strcmp(argv[0], "flag") == 0 && argc == 3)
		return mailbox_flags(
		    m, &uid, 1, FLAGS_ADD, letters_of(argv[2]), err);
	if (strcmp(argv[0], "keyword") == 0 && argc == 3)
		return mailbox_keyword(m, span_str(argv[2]), &n, err) == -1
			   ? -1
			   : mailbox_flags(m, &uid, 1, FLAGS_ADD,
				 MESSAGE_KEYWORD(n), err);
	if (strcmp(argv[0], "copy") == 0 && argc == 3) {
		if (mailbox_copy(m, &uid, 1, span_str(argv[2]), false, &copied,
			err) == -1)
			return -1;
		printf("%u\n", copied.count == 1 ? copied.to[0] : 0);
		mailbox_copied_fini(&copied);
		return 0;
	}
	return err_set(err, ERR_SYNTAX, "unknown command %s", argv[0]);
}

static int
print_usage(struct account *a, int argc, char **argv, struct err *err)
{
	struct usage u;

	if (argc == 3)
		account_limits(
		    a, &(struct quota_limits){ strtoull(argv[1], NULL, 10),
			   strtoull(argv[2], NULL, 10) });
	if (account_usage(a, &u, err) == -1)
		return -1;
	printf("%" PRIu64 " %" PRIu64 "\n", u.octets, u.messages);
	return 0;
}

static int
undelete(struct account *a, struct err *err)
{
	const struct kept_choice all = { .dry = false };
	struct kept_result result;

	if (kept_bring_back(a, &all, NULL, NULL, &result, err) == -1)
		return -1;
	printf("%" PRIu64 "\n", result.messages);
	return 0;
}

static int
run(struct account *a, const char *name, int argc, char **argv, struct err *err)
{
	CLEANUP(mailbox_close) struct mailbox *m = NULL;

	if (strcmp(argv[0], "create") == 0)
		return mailbox_create(a, span_str(name), err);
	if (strcmp(argv[0], "delete") == 0)
		return mailbox_delete(a, span_str(name), err);
	if (strcmp(argv[0], "usage") == 0)
		return print_usage(a, argc, argv, err);
	if (strcmp(argv[0], "undelete") == 0)
		return undelete(a, err);
	if (strcmp(argv[0], "deliver") == 0)
		return deliver(a, name, NULL, err);
	if (strcmp(argv[0], "append") == 0 && argc == 2)
		return deliver(a, name, argv[1], err);
	if (mailbox_open(a, span_str(name), MAILBOX_WRITE, &m, err) == -1)
		return -1;
	return change(m, argc, argv, err);
}

int
main(int argc, char **argv)
{
	CLEANUP(store_free) struct store *s = NULL;
	struct store_options options = { .path = argc > 5 ? argv[1] : "" };
	CLEANUP(account_unref) struct account *a = NULL;
	struct err err = ERR_INIT;

	if (argc < 6) {
		fputs("usage: store_tool STORE TENANT ACCOUNT MAILBOX "
		      "COMMAND ...\n",
		    stderr);
		return 2;
	}
	if (store_new(&options, &s, &err) == -1 ||
	    account_open(s, span_str(argv[2]), span_str(argv[3]),
		ACCOUNT_CREATE, &a, &err) == -1 ||
	    run(a, argv[4], argc - 5, argv + 5, &err) == -1) {
		fprintf(stderr, "%s: %s\n", err_kind_name(err.kind), err.text);
		return 1;
	}
	return 0;
}
