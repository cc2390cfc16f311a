/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * hikyaku mailbox backup and restore: of an account, or of all accounts of a
 * tenant, each in a directory that is named by its id.
 *
 * In each stands the file hikyaku-backup:
 *
 *	hikyaku-backup 1 LF
 *	address <address> LF
 *	tenant <tenant> LF
 *	account <id> LF
 *	begun | done <time> LF		the last backup
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/file.h"
#include "master/mailbox_verbs.h"
#include "master/manage.h"
#include "master/progress.h"
#include "store/backup.h"
#include "store/retention.h"
#include "store/unique_id.h"

struct copying {
	struct mailwork work;
	struct backup_options options;
	struct progress progress;
	const char *tenant; /* all of this one's accounts, or NULL */
	bool restore;
	int top; /* the directory */
	unsigned accounts, failed;
	struct backup_result total;
};

static void
outside(void *arg)
{
	mailwork_as_self(&((struct copying *)arg)->work);
}

static void
inside(void *arg)
{
	mailwork_as_tenant(&((struct copying *)arg)->work);
}

static void
step(void *arg, uint64_t octets)
{
	progress_step(&((struct copying *)arg)->progress, octets);
}

/* ---- the mark ---- */

/* But for the mark, and what a run that was killed left of it. */
static bool
is_other_entry(const char *name)
{
	return strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
	       !span_starts(span_str(name), SPAN(BACKUP_MARK));
}

static bool
is_empty(int fd)
{
	int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again == -1 ? NULL : fdopendir(again);
	bool empty = dir != NULL;
	const struct dirent *d;

	while (empty && (d = readdir(dir)) != NULL)
		empty = !is_other_entry(d->d_name);
	if (dir != NULL)
		(void)closedir(dir);
	return empty;
}

/* Nobody's live Maildir is to be made equal to another mailbox. */
static int
check_mark(int fd, const char *name, struct err *err)
{
	if (faccessat(fd, BACKUP_MARK, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
	    is_empty(fd))
		return 0;
	return err_set(err, ERR_POLICY,
	    "%s is neither empty nor a backup (it has no file " BACKUP_MARK ")",
	    name);
}

static int
write_mark(
    int fd, const struct account_info *a, const char *state, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;
	time_t now = time(NULL);
	char when[32] = "";
	struct tm tm;

	buf_init(&text, 4096);
	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buf_append_fmt(&text,
	    "hikyaku-backup 1\naddress %s\ntenant %s\naccount %s\n%s %s\n",
	    a->address, a->tenant.name, a->id, state, when);
	return file_replace(fd, BACKUP_MARK, buf_span(&text), 0600, err);
}

/* The value of a line of the mark; false: there is none. */
static bool
read_mark(int fd, const char *key, char *out, size_t size)
{
	CLEANUP(fd_close)
	int file = file_open_beneath(fd, BACKUP_MARK, O_RDONLY, 0, NULL);
	CLEANUP(buf_fini) struct buf text;
	struct span rest, line;

	buf_init(&text, 4096);
	if (file == -1 || file_read_fd(file, &text, NULL) == -1)
		return false;
	rest = buf_span(&text);
	while (span_take_until(&rest, '\n', &line)) {
		struct span word;

		if (span_take_until(&line, ' ', &word) &&
		    span_eq(word, span_str(key)) && line.len < size) {
			(void)snprintf(out, size, "%.*s", SPAN_FMT(line));
			return true;
		}
	}
	return false;
}

/* ---- one account ---- */

static int
backup_account(struct copying *c, struct account *a,
    const struct account_info *info, int fd, const struct backup_side *side,
    struct backup_result *result, struct err *err)
{
	uint64_t total = 0;
	int done;

	mailwork_as_self(&c->work);
	done = write_mark(fd, info, "begun", err);
	mailwork_as_tenant(&c->work);
	if (done == -1 || backup_count(a, &c->options, &total, err) == -1)
		return -1;
	progress_begin(&c->progress, total, info->address);
	if (backup_write(a, fd, &c->options, side, result, err) == -1)
		return -1;
	mailwork_as_self(&c->work);
	done = write_mark(fd, info, "done", err);
	mailwork_as_tenant(&c->work);
	return done;
}

static int
restore_account(struct copying *c, struct account *a,
    const struct account_info *info, int fd, const struct backup_side *side,
    struct backup_result *result, struct err *err)
{
	const char *form = info->tenant.pop3.unique_ids;
	struct unique_id_form parsed;
	uint64_t total = 0;
	int done;

	/* With another form POP3 clients would fetch everything again. */
	if (form[0] != '\0') {
		if (unique_id_form_parse(span_str(form), &parsed, err) == -1)
			return -1;
		c->options.form = &parsed;
	}
	mailwork_as_self(&c->work);
	done = backup_count_directory(fd, &total, err);
	mailwork_as_tenant(&c->work);
	progress_begin(&c->progress, total, info->address);
	if (done == 0)
		done = backup_read(a, fd, &c->options, side, result, err);
	c->options.form = NULL;
	return done;
}

static int
copy_entered(struct copying *c, const struct account_info *info, int fd,
    struct backup_result *result, struct err *err)
{
	const struct backup_side side = { c, outside, inside, step };
	CLEANUP(account_unref) struct account *a = NULL;
	int done;

	if (mailwork_enter(&c->work, info,
		c->restore ? ACCOUNT_CREATE : ACCOUNT_EXISTING, &a, err) == -1)
		return -1;
	done = c->restore ? restore_account(c, a, info, fd, &side, result, err)
			  : backup_account(c, a, info, fd, &side, result, err);
	mailwork_as_self(&c->work);
	progress_end(&c->progress);
	return done;
}

static void
tell_failure(struct copying *c, const char *name, const struct err *err)
{
	c->failed++;
	(void)fputs("hikyaku: ", stderr);
	manage_print(stderr, span_str(name));
	(void)fprintf(stderr, ": %s%s%s\n", err->text, err->os == 0 ? "" : ": ",
	    err->os == 0 ? "" : strerror(err->os));
}

static void
copy_account(struct copying *c, const struct account_info *info, int fd)
{
	struct backup_result result = { 0 };
	struct err err = ERR_INIT;
	int done = copy_entered(c, info, fd, &result, &err);

	c->accounts++;
	c->total.mailboxes += result.mailboxes;
	c->total.messages += result.messages;
	c->total.copied += result.copied;
	c->total.octets += result.octets;
	c->total.renamed += result.renamed;
	c->total.removed += result.removed;
	c->total.renumbered += result.renumbered;
	if (done == -1)
		tell_failure(c, info->address, &err);
}

/* ---- a tenant ---- */

/* dir/<id>, made if it is to be written. */
static int
open_below(struct copying *c, const char *id, struct err *err)
{
	int fd;

	if (!c->restore && mkdirat(c->top, id, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", id);
	fd = file_open_beneath(c->top, id, O_RDONLY | O_DIRECTORY, 0, err);
	if (fd != -1 && !c->restore && check_mark(fd, id, err) == -1) {
		fd_close(fd);
		return -1;
	}
	return fd;
}

static bool
backup_each(void *arg, struct span id, struct err *err)
{
	struct copying *c = arg;
	struct account_info info;
	char text[STORE_ACCOUNT_MAX + 1];
	struct err why = ERR_INIT;
	CLEANUP(fd_close) int fd = -1;

	(void)snprintf(text, sizeof(text), "%.*s", SPAN_FMT(id));
	switch (tenants_account(c->work.tenants, text, &info, err)) {
	case LOOKUP_NONE:
		return true;
	case LOOKUP_FAILED:
		return false;
	case LOOKUP_FOUND:
		break;
	}
	if (strcmp(info.tenant.name, c->tenant) != 0 ||
	    !mailwork_is_here(&c->work, &info))
		return true;
	fd = open_below(c, text, &why);
	if (fd == -1)
		tell_failure(c, info.address, &why);
	else
		copy_account(c, &info, fd);
	return true;
}

/* By its id, or, where the account was made anew, by its address. */
static bool
owner_of(struct copying *c, int fd, const char *id, struct account_info *out,
    struct err *err)
{
	CLEANUP(settings_fini) struct settings s = { .account = { .id = "" } };
	char address[TENANT_ADDRESS_MAX + 1];
	enum lookup found = tenants_account(c->work.tenants, id, out, err);

	if (found == LOOKUP_NONE &&
	    read_mark(fd, "address", address, sizeof(address))) {
		found = tenants_settings_of(
		    c->work.tenants, span_str(address), &s, err);
		*out = s.account;
	}
	if (found == LOOKUP_NONE)
		(void)err_set(err, ERR_POLICY, "no such account");
	else if (found == LOOKUP_FOUND &&
		 (strcmp(out->tenant.name, c->tenant) != 0 ||
		     !mailwork_is_here(&c->work, out))) {
		(void)err_set(err, ERR_POLICY,
		    "the account is of another tenant, or on another node");
		return false;
	}
	return found == LOOKUP_FOUND;
}

static void
restore_each(struct copying *c, const char *id)
{
	struct account_info info;
	struct err err = ERR_INIT;
	CLEANUP(fd_close) int fd = open_below(c, id, &err);

	if (fd != -1 && owner_of(c, fd, id, &info, &err))
		copy_account(c, &info, fd);
	else
		tell_failure(c, id, &err);
}

static int
restore_tenant(struct copying *c, struct err *err)
{
	int again = openat(c->top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = again == -1 ? NULL : fdopendir(again);
	const struct dirent *d;

	if (dir == NULL)
		return err_sys(err, "list the backup");
	while ((d = readdir(dir)) != NULL)
		if (store_account_valid(span_str(d->d_name)))
			restore_each(c, d->d_name);
	(void)closedir(dir);
	return 0;
}

static int
copy_tenant(struct copying *c)
{
	struct err err = ERR_INIT;
	int done;

	if (c->restore)
		done = restore_tenant(c, &err);
	else
		done = store_accounts_each(c->work.ctx->top.store_directory,
		    span_str(c->tenant), 0, backup_each, c, &err);
	if (done == 0)
		return 0;
	hikyaku_complain(&err);
	return WORK_FAILED;
}

/* ---- the commands ---- */

static int
open_top(struct copying *c, const char *path, struct err *err)
{
	if (!c->restore && mkdir(path, 0700) == -1 && errno != EEXIST)
		return err_sys(err, "mkdir %s", path);
	c->top = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (c->top == -1)
		return err_sys(err, "%s", path);
	return !c->restore && c->tenant == NULL ? check_mark(c->top, path, err)
						: 0;
}

static void
print_total(const struct copying *c)
{
	const struct backup_result *r = &c->total;

	(void)printf("%u accounts, %" PRIu64 " mailboxes, %" PRIu64
		     " messages: %" PRIu64 " copied (%" PRIu64 " octets)",
	    c->accounts, r->mailboxes, r->messages, r->copied, r->octets);
	if (c->restore)
		(void)printf(", %" PRIu64 " under a new UID\n", r->renumbered);
	else
		(void)printf(", %" PRIu64 " renamed, %" PRIu64 " removed\n",
		    r->renamed, r->removed);
}

static int
copy_named(struct copying *c, const char *address)
{
	CLEANUP(settings_fini) struct settings s = { .account = { .id = "" } };
	int status = mailwork_find(&c->work, address, &s);

	if (status == 0)
		copy_account(c, &s.account, c->top);
	return status;
}

static int
take_options(struct copying *c, int argc, char **argv, const char *name)
{
	int option;

	optind = 1;
	while ((option = getopt(argc, argv, c->restore ? "m:t:" : "km:t:")) !=
	       -1) {
		if (option == 'k')
			c->options.keep = true;
		else if (option == 'm')
			c->options.mailbox = span_str(optarg);
		else if (option == 't')
			c->tenant = optarg;
		else
			return mailbox_usage(name);
	}
	return argc - optind == (c->tenant == NULL ? 2 : 1)
		   ? 0
		   : mailbox_usage(name);
}

static int
run(struct command_context *ctx, int argc, char **argv, bool restore)
{
	struct copying c = { .restore = restore, .top = -1 };
	struct err err = ERR_INIT;
	int status =
	    take_options(&c, argc, argv, restore ? "restore" : "backup");

	if (status == 0)
		status = mailwork_open(&c.work, ctx);
	if (status == 0 && open_top(&c, argv[argc - 1], &err) == -1) {
		hikyaku_complain(&err);
		status = WORK_FAILED;
	}
	if (status == 0)
		status = c.tenant == NULL ? copy_named(&c, argv[optind])
					  : copy_tenant(&c);
	if (status == 0) {
		print_total(&c);
		if (c.failed > 0)
			status = c.tenant == NULL ? WORK_FAILED : WORK_PARTLY;
	}
	fd_close(c.top);
	mailwork_fini(&c.work);
	return status;
}

int
mailbox_backup(struct command_context *ctx, int argc, char **argv)
{
	return run(ctx, argc, argv, false);
}

int
mailbox_restore(struct command_context *ctx, int argc, char **argv)
{
	return run(ctx, argc, argv, true);
}
