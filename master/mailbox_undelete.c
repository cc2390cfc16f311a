/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku mailbox undelete: deleted mail comes back. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/mailbox_verbs.h"
#include "master/manage.h"
#include "store/kept.h"
#include "store/quota.h"

/* Consecutive messages of one mailbox and day are told in one line. */
struct telling {
	char mailbox[1024];
	unsigned day;
	uint64_t count;
};

static void
tell_flush(struct telling *t)
{
	if (t->count == 0)
		return;
	(void)printf("%04u-%02u-%02u  %6" PRIu64 "  ", t->day / 10000,
	    t->day / 100 % 100, t->day % 100, t->count);
	manage_print(stdout, span_str(t->mailbox));
	(void)fputc('\n', stdout);
	t->count = 0;
}

static void
tell(void *arg, struct span mailbox, unsigned day, struct span name)
{
	struct telling *t = arg;
	char text[sizeof(t->mailbox)];

	(void)name;
	(void)snprintf(text, sizeof(text), "%.*s", (int)mailbox.len, mailbox.p);
	if (t->count > 0 && (t->day != day || strcmp(t->mailbox, text) != 0))
		tell_flush(t);
	memcpy(t->mailbox, text, sizeof(text));
	t->day = day;
	t->count++;
}

/* "2026-11-24". */
static bool
read_day(const char *text, unsigned *out)
{
	struct span in = span_str(text);
	uint64_t year, month, day;

	if (in.len != 10 || !span_take_u64(&in, &year) ||
	    !span_take_octet(&in, '-') || !span_take_u64(&in, &month) ||
	    !span_take_octet(&in, '-') || !span_to_u64(in, &day) || month < 1 ||
	    month > 12 || day < 1 || day > 31) {
		(void)fprintf(stderr,
		    "hikyaku: \"%.40s\": expected a day such as 2026-11-24\n",
		    text);
		return false;
	}
	*out = (unsigned)(year * 10000 + month * 100 + day);
	return true;
}

static int
options(int argc, char **argv, struct kept_choice *choice)
{
	int c;

	optind = 1;
	while ((c = getopt(argc, argv, "nm:s:u:")) != -1) {
		switch (c) {
		case 'n':
			choice->dry = true;
			break;
		case 'm':
			choice->mailbox = span_str(optarg);
			break;
		case 's':
			if (!read_day(optarg, &choice->from))
				return WORK_USAGE;
			break;
		case 'u':
			if (!read_day(optarg, &choice->to))
				return WORK_USAGE;
			break;
		default:
			return mailbox_usage("undelete");
		}
	}
	return argc - optind == 1 ? 0 : mailbox_usage("undelete");
}

static int
undelete(struct mailwork *w, const struct settings *s,
    const struct kept_choice *choice)
{
	CLEANUP(account_unref) struct account *a = NULL;
	struct kept_result result = { 0 };
	struct telling telling = { .count = 0 };
	struct err err = ERR_INIT;
	int done;

	if (mailwork_enter(w, &s->account, ACCOUNT_EXISTING, &a, &err) == -1) {
		hikyaku_complain(&err);
		return WORK_FAILED;
	}
	account_limits(
	    a, &(struct quota_limits){ .octets = s->account.quota_octets,
		   .messages = s->account.quota_messages });
	done = kept_bring_back(a, choice, tell, &telling, &result, &err);
	mailwork_as_self(w);
	tell_flush(&telling);
	if (done == -1)
		hikyaku_complain(&err);
	(void)printf("%" PRIu64 " messages, %" PRIu64 " octets %s\n",
	    result.messages, result.octets,
	    choice->dry ? "can be brought back" : "brought back");
	if (result.live > 0)
		(void)printf("%" PRIu64 " more are in a mailbox, or were "
			     "deleted in several\n",
		    result.live);
	return done == 0 ? WORK_DONE : WORK_FAILED;
}

int
mailbox_undelete(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(mailwork_fini) struct mailwork w = { .ctx = ctx };
	CLEANUP(settings_fini) struct settings s = { .account = { .id = "" } };
	struct kept_choice choice = { .dry = false };
	int status = options(argc, argv, &choice);

	if (status == 0)
		status = mailwork_open(&w, ctx);
	if (status == 0)
		status = mailwork_find(&w, argv[optind], &s);
	return status == 0 ? undelete(&w, &s, &choice) : status;
}
