/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku store purge: what is old in mailboxes goes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "common/conf_outline.h"
#include "common/daemon_conf.h"
#include "common/file.h"
#include "master/mailwork.h"
#include "master/purge_work.h"
#include "master/store_conf.h"

struct purge {
	struct command_context *ctx;
	struct tenants *tenants;
	struct store_conf conf;
	uid_t low, high;
	bool quiet, is_root;
	char **names; /* of tenants; count 0: all */
	int name_count;
	int64_t until_s;

	const struct tenant_info *tenant; /* at work on */
	struct purge_worker worker;
	bool stop;
	unsigned accounts, unknown, failed;
	struct retention_result total;
};

static int
help(FILE *out)
{
	(void)fputs("usage: hikyaku [-c file] store VERB ...\n\n"
		    "    purge    [-q] [-r RATE] [-t SECONDS] [TENANT ...]\n"
		    "             remove what is old in mailboxes\n"
		    "    help     \n             this list\n",
	    out);
	return out == stdout ? WORK_DONE : WORK_USAGE;
}

static int
usage(void)
{
	(void)fputs("usage: hikyaku [-c file] store purge [-q] [-r rate] "
		    "[-t seconds] [tenant ...]\n",
	    stderr);
	return WORK_USAGE;
}

static int64_t
now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* ---- an account ---- */

static void
fail(struct purge *p, const char *what, const char *why)
{
	p->failed++;
	(void)fprintf(
	    stderr, "hikyaku: %s %s: %s\n", p->tenant->name, what, why);
}

static bool
start_worker(struct purge *p, struct err *err)
{
	const struct purge_spec spec = {
		.store_path = p->ctx->top.store_directory,
		.tenant = p->tenant->name,
		.drop = p->is_root,
		.uid = p->tenant->uid,
		.gid = p->tenant->gid,
		.rate = p->conf.purge_rate,
		.until_s = p->until_s,
	};

	return p->worker.fd != -1 ||
	       purge_worker_start(&spec, &p->worker, err) == 0;
}

static void
purge_account(struct purge *p, const char *id, const struct settings *s)
{
	struct purge_task task = {
		.days = { .junk = s->junk_days,
		    .trash = s->trash_days,
		    .quarantine = s->quarantine_days,
		    .inbox = s->inbox_days,
		    .undelete = s->account.undelete_days },
	};
	struct purge_report report;
	struct err err = ERR_INIT;

	(void)snprintf(task.account, sizeof(task.account), "%s", id);
	if (!start_worker(p, &err) ||
	    purge_worker_do(&p->worker, &task, &report, &err) == -1) {
		fail(p, id, err.text);
		purge_worker_end(&p->worker);
		return;
	}
	p->accounts++;
	p->total.messages += report.result.messages;
	p->total.octets += report.result.octets;
	p->total.deleted += report.result.deleted;
	p->total.leftovers += report.result.leftovers;
	if (report.failed)
		fail(p, id, report.trouble);
}

static bool
here(const struct purge *p, const struct account_info *a)
{
	return a->mail_host[0] == '\0' || span_eq_nocase(span_str(a->mail_host),
					      span_str(p->ctx->top.hostname));
}

static bool
each_account(void *arg, struct span id, struct err *err)
{
	struct purge *p = arg;
	CLEANUP(settings_fini) struct settings s = { .account = { .id = "" } };
	char text[STORE_ACCOUNT_MAX + 1];

	(void)snprintf(text, sizeof(text), "%.*s", SPAN_FMT(id));
	if (now_s() >= p->until_s) {
		p->stop = true;
		return false;
	}
	switch (tenants_settings(p->tenants, text, &s, err)) {
	case LOOKUP_FOUND:
		/* The directory of one tenant, and the id of another's. */
		if (strcmp(s.account.tenant.name, p->tenant->name) == 0 &&
		    here(p, &s.account))
			purge_account(p, text, &s);
		else
			p->unknown++;
		return true;
	case LOOKUP_NONE:
		p->unknown++;
		return true;
	case LOOKUP_FAILED:
		break;
	}
	/* Nobody knows now; and the next one would have to wait as long. */
	return false;
}

/* ---- a tenant ---- */

static bool
wanted(const struct purge *p, const char *tenant)
{
	for (int i = 0; i < p->name_count; i++)
		if (strcmp(p->names[i], tenant) == 0)
			return true;
	return p->name_count == 0;
}

static void
purge_tenant(struct purge *p, const struct tenant_info *t, unsigned first)
{
	struct err err = ERR_INIT;

	p->tenant = t;
	p->worker.fd = -1;
	if (p->is_root &&
	    (t->uid < p->low || t->uid > p->high || t->gid == 0)) {
		fail(p, "", "its uid is not within tenant-uids");
		return;
	}
	if (store_accounts_each(p->ctx->top.store_directory, span_str(t->name),
		first, each_account, p, &err) == -1 &&
	    !p->stop)
		fail(p, "", err.text);
	purge_worker_end(&p->worker);
}

/* Where it begins is another place each time: if there is never time for all,
 * all have their turn. */
static unsigned
anywhere(unsigned count)
{
	unsigned number = 0;

	(void)!getrandom(&number, sizeof(number), 0);
	return count == 0 ? 0 : number % count;
}

static int
purge_all(struct purge *p, struct err *err)
{
	CLEANUP(mem_free) struct tenant_info *list = NULL;
	size_t count = 0, first;
	int found = 0;

	if (tenants_list(p->tenants, &list, &count, err) == -1)
		return -1;
	first = anywhere((unsigned)count);
	for (size_t i = 0; i < count && !p->stop; i++) {
		const struct tenant_info *t = &list[(first + i) % count];

		if (!wanted(p, t->name))
			continue;
		found++;
		purge_tenant(p, t, anywhere(256));
	}
	if (!p->stop && found < p->name_count)
		return err_set(err, ERR_POLICY,
		    "%d of the tenants that were named are not there",
		    p->name_count - found);
	return 0;
}

static void
print_total(const struct purge *p)
{
	(void)printf("%u accounts: %" PRIu64 " messages removed, %" PRIu64
		     " octets; %" PRIu64 " deleted ones gone for good; %" PRIu64
		     " leftovers in tmp; %u failed%s\n",
	    p->accounts, p->total.messages, p->total.octets, p->total.deleted,
	    p->total.leftovers, p->failed,
	    p->stop ? "; the rest follows the next time" : "");
}

/* ---- the command ---- */

static int
load_conf(struct purge *p, struct err *err)
{
	CLEANUP(buf_fini) struct buf text;

	buf_init(&text, CONF_TEXT_MAX);
	if (file_read(p->ctx->file, &text, err) == -1 ||
	    conf_parse(&store_section, buf_span(&text), p->ctx->file, &p->conf,
		err) == -1 ||
	    store_conf_check(&p->conf, p->ctx->file, err) == -1)
		return -1;
	return daemon_conf_check(&p->ctx->top, p->ctx->file, err);
}

static bool
take_number(const char *text, uint64_t *out)
{
	return span_to_u64(span_str(text), out) && *out > 0 && *out <= 1000000;
}

static int
take_options(struct purge *p, int argc, char **argv)
{
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "qr:t:")) != -1) {
		if (c == 'q')
			p->quiet = true;
		else if (c == 'r' && take_number(optarg, &p->conf.purge_rate))
			continue;
		else if (c == 't' && take_number(optarg, &p->conf.purge_for))
			continue;
		else
			return usage();
	}
	p->names = argv + optind;
	p->name_count = argc - optind;
	return 0;
}

static int
purge_run(struct purge *p, struct err *err)
{
	(void)daemon_uid_range(p->ctx->top.tenant_uids, &p->low, &p->high);
	p->is_root = geteuid() == 0;
	p->until_s = now_s() + (int64_t)p->conf.purge_for;
	if (purge_all(p, err) == -1) {
		hikyaku_complain(err);
		p->failed++;
	}
	if (!p->quiet || p->failed > 0)
		print_total(p);
	return p->failed == 0 ? WORK_DONE : WORK_PARTLY;
}

static int
store_purge(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(tenants_free) struct tenants *t = NULL;
	struct purge p = { .ctx = ctx, .worker = { .fd = -1 } };
	struct err err = ERR_INIT;
	int status = hikyaku_load(ctx) == -1 ? WORK_FAILED : 0;

	if (status == 0 && load_conf(&p, &err) == -1) {
		hikyaku_complain(&err);
		status = WORK_FAILED;
	}
	if (status == 0)
		status = take_options(&p, argc, argv);
	if (status == 0)
		status = hikyaku_tenants(ctx, &t);
	p.tenants = t;
	if (status == 0)
		status = purge_run(&p, &err);
	conf_section_fini(&store_section, &p.conf);
	return status;
}

int
hikyaku_store(struct command_context *ctx, int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "help") == 0)
		return help(stdout);
	if (argc < 2 || strcmp(argv[1], "purge") != 0)
		return help(stderr);
	return store_purge(ctx, argc - 1, argv + 1);
}
