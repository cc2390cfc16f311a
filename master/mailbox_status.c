/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox status, list and fsck. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/mailbox_verbs.h"
#include "master/manage.h"
#include "store/fsck.h"
#include "store/kept.h"
#include "store/list.h"
#include "store/mailbox.h"
#include "store/quota.h"
#include "store/unique_id.h"

/* One account, entered. */
struct visit {
	struct mailwork work;
	struct settings settings;
	struct account *account;
};

static void
visit_fini(struct visit *v)
{
	account_unref(v->account);
	mailwork_as_self(&v->work);
	settings_fini(&v->settings);
	mailwork_fini(&v->work);
}
CLEANUP_DEFINE_VALUE(struct visit, visit_fini)

static int
visit_begin(struct visit *v, struct command_context *ctx, const char *address)
{
	struct err err = ERR_INIT;
	int status = mailwork_open(&v->work, ctx);

	if (status == 0)
		status = mailwork_find(&v->work, address, &v->settings);
	if (status != 0)
		return status;
	if (mailwork_enter(&v->work, &v->settings.account, ACCOUNT_EXISTING,
		&v->account, &err) == -1) {
		hikyaku_complain(&err);
		return err.kind == ERR_POLICY ? WORK_NOT_FOUND : WORK_FAILED;
	}
	account_limits(v->account,
	    &(struct quota_limits){ .octets = v->settings.account.quota_octets,
		.messages = v->settings.account.quota_messages });
	return 0;
}

static int
failed(const char *what, const struct err *err)
{
	if (what != NULL) {
		(void)fputs("hikyaku: ", stderr);
		manage_print(stderr, span_str(what));
		(void)fputc('\n', stderr);
	}
	hikyaku_complain(err);
	return WORK_FAILED;
}

/* ---- status ---- */

static void
print_limit(const char *what, uint64_t used, uint64_t limit)
{
	(void)printf("%-12s%" PRIu64, what, used);
	if (limit != 0)
		(void)printf(" of %" PRIu64 " (%.1f %%)", limit,
		    (double)used * 100.0 / (double)limit);
	(void)fputc('\n', stdout);
}

static int
print_status(struct visit *v, struct err *err)
{
	const struct kept_choice all = { .dry = true };
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };
	uint64_t unseen = 0, mailboxes = 0;
	struct kept_result kept;
	struct usage u;

	if (mailbox_list(v->account, &list, err) == -1 ||
	    account_usage(v->account, &u, err) == -1 ||
	    kept_bring_back(v->account, &all, NULL, NULL, &kept, err) == -1)
		return -1;
	for (size_t i = 0; i < list.count; i++) {
		struct mailbox_status s;

		if (!list.entries[i].exists)
			continue;
		mailboxes++;
		if (mailbox_status(v->account, span_str(list.entries[i].name),
			&s, err) == -1)
			return -1;
		unseen += s.unseen;
	}
	(void)printf("%-12s%s\n%-12s%s\n%-12s%s\n%-12s%" PRIu64
		     "\n%-12s%" PRIu64 "\n",
	    "address", v->settings.account.address, "tenant",
	    v->settings.account.tenant.name, "account", v->settings.account.id,
	    "mailboxes", mailboxes, "unseen", unseen);
	print_limit("messages", u.messages, u.limits.messages);
	print_limit("octets", u.octets, u.limits.octets);
	(void)printf("%-12s%" PRIu64 " messages, %" PRIu64 " octets\n",
	    "deleted", kept.messages, kept.octets);
	return 0;
}

int
mailbox_show_status(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(visit_fini) struct visit v = { .work = { .ctx = ctx } };
	struct err err = ERR_INIT;
	int status;

	if (argc != 2)
		return mailbox_usage("status");
	status = visit_begin(&v, ctx, argv[1]);
	if (status == 0 && print_status(&v, &err) == -1)
		status = failed(NULL, &err);
	return status;
}

/* ---- list ---- */

static int
list_mailboxes(struct visit *v, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };

	if (mailbox_list(v->account, &list, err) == -1)
		return -1;
	(void)printf("%8s %8s %12s %10s %11s  %s\n", "messages", "unseen",
	    "octets", "uidnext", "uidvalidity", "mailbox");
	for (size_t i = 0; i < list.count; i++) {
		struct span name = span_str(list.entries[i].name);
		struct mailbox_status s;

		if (!list.entries[i].exists)
			continue;
		if (mailbox_status(v->account, name, &s, err) == -1)
			return -1;
		(void)printf("%8u %8u %12" PRIu64 " %10u %11u  ", s.messages,
		    s.unseen, s.size_octets, s.uidnext, s.uidvalidity);
		manage_print(stdout, name);
		(void)fputc('\n', stdout);
	}
	return 0;
}

static void
print_flags(const struct view *v, const struct message *m)
{
	static const struct {
		uint64_t bit;
		const char *name;
	} flags[] = { { MESSAGE_ANSWERED, "\\Answered" },
		{ MESSAGE_FLAGGED, "\\Flagged" },
		{ MESSAGE_DELETED, "\\Deleted" }, { MESSAGE_SEEN, "\\Seen" },
		{ MESSAGE_DRAFT, "\\Draft" } };

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if ((m->letters & flags[i].bit) != 0)
			(void)printf(" %s", flags[i].name);
	for (unsigned n = 0; n < 26; n++) {
		if ((m->letters & MESSAGE_KEYWORD(n)) == 0)
			continue;
		(void)fputc(' ', stdout);
		manage_print(stdout, view_keyword(v, n));
	}
	(void)fputc('\n', stdout);
}

static int
print_message(struct mailbox *m, uint32_t index,
    const struct unique_id_form *form, struct err *err)
{
	const struct view *v = mailbox_view(m);
	const struct message *message = view_at(v, index);
	CLEANUP(buf_fini) struct buf id;
	char when[32] = "";
	uint64_t octets;
	struct err why = ERR_INIT;
	time_t date;
	struct tm tm;

	buf_init(&id, UNIQUE_ID_MAX + 64);
	if (message_size(m, message->uid, &octets, &why) == -1 ||
	    message_date(m, message->uid, &date, &why) == -1) {
		*err = why;
		/* Deleted a moment ago. */
		return why.kind == ERR_POLICY ? 0 : -1;
	}
	if (gmtime_r(&date, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	view_unique_id(v, index, form, &id);
	(void)printf("%10u %10" PRIu64 "  %-20s  ", message->uid, octets, when);
	manage_print(stdout, buf_span(&id));
	print_flags(v, message);
	return 0;
}

static int
list_messages(struct visit *v, const char *name, struct err *err)
{
	const char *text = v->settings.account.tenant.pop3.unique_ids;
	CLEANUP(mailbox_close) struct mailbox *m = NULL;
	struct unique_id_form form;

	if (unique_id_form_parse(
		text[0] == '\0' ? SPAN("dovecot") : span_str(text), &form,
		err) == -1 ||
	    mailbox_open(v->account, span_str(name), MAILBOX_READ, &m, err) ==
		-1)
		return -1;
	(void)printf("%10s %10s  %-20s  %s\n", "uid", "octets", "date",
	    "unique-id flags");
	for (uint32_t i = 0; i < view_count(mailbox_view(m)); i++)
		if (print_message(m, i, &form, err) == -1)
			return -1;
	return 0;
}

int
mailbox_show_list(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(visit_fini) struct visit v = { .work = { .ctx = ctx } };
	struct err err = ERR_INIT;
	int status;

	if (argc != 2 && argc != 3)
		return mailbox_usage("list");
	status = visit_begin(&v, ctx, argv[1]);
	if (status == 0 && (argc == 2 ? list_mailboxes(&v, &err)
				      : list_messages(&v, argv[2], &err)) == -1)
		status = failed(argc == 2 ? NULL : argv[2], &err);
	return status;
}

/* ---- fsck ---- */

static void
print_count(const char *mailbox, uint64_t count, const char *what)
{
	if (count == 0)
		return;
	manage_print(stdout, span_str(mailbox));
	(void)printf(": %" PRIu64 " %s\n", count, what);
}

/* What fsck mends, with whether it did. */
static void
print_mended(
    const char *mailbox, uint64_t count, const char *what, bool repair)
{
	if (count == 0)
		return;
	manage_print(stdout, span_str(mailbox));
	(void)printf(": %" PRIu64 " %s%s\n", count, what,
	    repair ? " (mended)" : "");
}

static void
print_found(const char *mailbox, const struct fsck_result *r, bool repair)
{
	print_mended(mailbox, r->no_list && r->messages > 0,
	    "dovecot-uidlist without a good header", repair);
	print_mended(mailbox, r->torn,
	    "torn line at the end of dovecot-uidlist", repair);
	print_mended(
	    mailbox, r->broken, "broken line in dovecot-uidlist", repair);
	print_mended(mailbox, r->unlisted,
	    "messages that dovecot-uidlist does not name", repair);
	print_mended(
	    mailbox, r->parts, "of new, cur and tmp are missing", repair);
	print_mended(mailbox, r->leftovers, "old files in tmp", repair);
	print_count(mailbox, r->doubled, "files with the name of another");
	print_count(mailbox, r->wrong_size,
	    "files of another size than their name tells");
	print_count(mailbox, r->strangers, "entries that are no messages");
}

/* maildirsize; *found_out: it was wrong. */
static int
check_quota(struct visit *v, bool repair, bool *found_out, struct err *err)
{
	struct usage said, counted;

	if (account_usage(v->account, &said, err) == -1)
		return -1;
	*found_out = false;
	if (!repair)
		return 0;
	if (account_recount(v->account, &counted, err) == -1)
		return -1;
	*found_out =
	    said.octets != counted.octets || said.messages != counted.messages;
	if (*found_out)
		(void)printf("maildirsize: said %" PRIu64 " octets, %" PRIu64
			     " messages; there are %" PRIu64 ", %" PRIu64
			     " (mended)\n",
		    said.octets, said.messages, counted.octets,
		    counted.messages);
	return 0;
}

static int
check_mailboxes(struct visit *v, bool repair, bool *found_out, struct err *err)
{
	CLEANUP(mailbox_list_fini) struct mailbox_list list = { 0 };
	uint64_t messages = 0;
	bool quota;

	if (mailbox_list(v->account, &list, err) == -1)
		return -1;
	*found_out = false;
	for (size_t i = 0; i < list.count; i++) {
		struct fsck_result r;

		if (!list.entries[i].exists)
			continue;
		if (mailbox_fsck(v->account, span_str(list.entries[i].name),
			repair, &r, err) == -1)
			return err_prefix(err, "%s", list.entries[i].name);
		print_found(list.entries[i].name, &r, repair);
		*found_out = *found_out || fsck_found(&r);
		messages += r.messages;
	}
	if (check_quota(v, repair, &quota, err) == -1)
		return -1;
	*found_out = *found_out || quota;
	(void)printf("%" PRIu64 " messages: %s\n", messages,
	    *found_out ? "see above" : "all is well");
	return 0;
}

int
mailbox_check(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(visit_fini) struct visit v = { .work = { .ctx = ctx } };
	bool repair = !(argc == 3 && strcmp(argv[1], "-n") == 0), found;
	struct err err = ERR_INIT;
	int status;

	if (argc != (repair ? 2 : 3))
		return mailbox_usage("fsck");
	status = visit_begin(&v, ctx, argv[argc - 1]);
	if (status != 0)
		return status;
	if (check_mailboxes(&v, repair, &found, &err) == -1)
		return failed(NULL, &err);
	return found && !repair ? WORK_FAILED : WORK_DONE;
}
