/* SPDX-License-Identifier: BSD-2-Clause */
#include "master/mailwork.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/daemon_conf.h"
#include "master/sockets.h"

static int
connect_tenantd(void *arg, int *fd_out, struct err *err)
{
	const struct command_context *ctx = arg;
	CLEANUP(buf_fini) struct buf path;
	CLEANUP(fd_close) int dir = -1;

	buf_init(&path, 4096);
	buf_append_fmt(&path, "%s/internal", ctx->top.run_directory);
	dir = open(buf_str(&path), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return err_sys(err, "%s", buf_str(&path));
	return socket_connect_beneath(
	    dir, "tenantd", SOCK_SEQPACKET, fd_out, err);
}

int
hikyaku_tenants(struct command_context *ctx, struct tenants **tenants_out)
{
	const struct tenants_options options = { .connect = connect_tenantd,
		.arg = ctx };
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;

	if (hikyaku_load(ctx) == -1)
		return WORK_FAILED;
	fd = hikyaku_connect(ctx);
	if (fd == -1) {
		(void)fputs("hikyaku: the platform does not run\n", stderr);
		return WORK_NOT_RUNNING;
	}
	if (tenants_new(&options, tenants_out, &err) == -1) {
		hikyaku_complain(&err);
		return WORK_FAILED;
	}
	return 0;
}

int
mailwork_open(struct mailwork *w, struct command_context *ctx)
{
	struct err err = ERR_INIT;
	int status;

	*w = (struct mailwork){ .ctx = ctx, .switches = geteuid() == 0 };
	status = hikyaku_tenants(ctx, &w->tenants);
	if (status != 0)
		return status;
	if (daemon_conf_check(&ctx->top, ctx->file, &err) == -1 ||
	    store_new(
		&(struct store_options){ .path = ctx->top.store_directory },
		&w->store, &err) == -1) {
		hikyaku_complain(&err);
		return WORK_FAILED;
	}
	(void)daemon_uid_range(ctx->top.tenant_uids, &w->low, &w->high);
	/* Root's groups must open no mailbox. */
	if (w->switches && setgroups(0, NULL) == -1) {
		perror("hikyaku: setgroups");
		return WORK_FAILED;
	}
	return 0;
}

void
mailwork_fini(struct mailwork *w)
{
	store_free(w->store);
	tenants_free(w->tenants);
	*w = (struct mailwork){ .ctx = w->ctx };
}

bool
mailwork_is_here(const struct mailwork *w, const struct account_info *account)
{
	return account->mail_host[0] == '\0' ||
	       span_eq_nocase(span_str(account->mail_host),
		   span_str(w->ctx->top.hostname));
}

int
mailwork_find(
    struct mailwork *w, const char *address, struct settings *settings_out)
{
	struct err err = ERR_INIT;

	switch (tenants_settings_of(
	    w->tenants, span_str(address), settings_out, &err)) {
	case LOOKUP_FOUND:
		if (mailwork_is_here(w, &settings_out->account))
			return 0;
		(void)fprintf(stderr, "hikyaku: the mailbox of %s is on %s\n",
		    address, settings_out->account.mail_host);
		return WORK_NOT_FOUND;
	case LOOKUP_NONE:
		(void)fprintf(stderr,
		    "hikyaku: no account has the address %s\n", address);
		return WORK_NOT_FOUND;
	case LOOKUP_FAILED:
		break;
	}
	hikyaku_complain(&err);
	return WORK_FAILED;
}

/* ---- acting for a tenant ---- */

static void
take_ids(uid_t uid, gid_t gid)
{
	(void)setfsgid(gid);
	(void)setfsuid(uid);
	/* They tell of failure in no other way; and to go on with another's
	 * rights would be worse than to end. */
	if ((uid_t)setfsuid((uid_t)-1) != uid ||
	    (gid_t)setfsgid((gid_t)-1) != gid)
		abort();
}

void
mailwork_as_tenant(struct mailwork *w)
{
	if (w->switches)
		take_ids(w->uid, w->gid);
}

void
mailwork_as_self(struct mailwork *w)
{
	if (w->switches)
		take_ids(geteuid(), getegid());
}

int
mailwork_enter(struct mailwork *w, const struct account_info *account,
    enum account_mode mode, struct account **account_out, struct err *err)
{
	const struct tenant_info *t = &account->tenant;

	if (w->switches && (t->uid < w->low || t->uid > w->high || t->gid == 0))
		return err_set(err, ERR_POLICY,
		    "tenant %s: uid %u is not within tenant-uids", t->name,
		    (unsigned)t->uid);
	if (mode == ACCOUNT_CREATE &&
	    store_make_tenant(w->ctx->top.store_directory, span_str(t->name),
		w->switches ? t->uid : (uid_t)-1, t->gid, err) == -1)
		return -1;
	w->uid = t->uid;
	w->gid = t->gid;
	mailwork_as_tenant(w);
	if (account_open(w->store, span_str(t->name), span_str(account->id),
		mode, account_out, err) == 0)
		return 0;
	mailwork_as_self(w);
	return -1;
}
