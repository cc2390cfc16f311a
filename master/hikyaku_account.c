/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku account settings. */
#include "master/hikyaku.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "master/caret.h"
#include "master/mailwork.h"
#include "mime/address.h"
#include "tenants/plain_text.h"
#include "tenants/settings.h"
#include "tenants/settings_spec.h"

enum {
	INDENT = 4
};

static int
usage(void)
{
	(void)fputs(
	    "usage: hikyaku [-c file] account settings address\n", stderr);
	return 2;
}

/* ---- printing -------------------------------------------------------------
 */

/* What somebody wrote must not command a terminal. */
static void
print_text(struct span text)
{
	const char *bad;

	while (text.len > 0) {
		size_t len = utf8_sequence(text);
		struct span one = span_first(text, len == 0 ? 1 : len);

		text = span_from(text, one.len);
		if (one.p[0] == '\n')
			(void)fputs("\n    ", stdout);
		else if (text_check(one, false, &bad, NULL) == 0)
			(void)fwrite(one.p, 1, one.len, stdout);
		else if (one.p[0] != '\r')
			(void)fputc(one.p[0] == '\t' ? ' ' : '?', stdout);
	}
}

static void
print_time(int64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[32];
	struct tm tm;

	if (seconds == 0 || gmtime_r(&when, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)fputs("open", stdout);
	else
		(void)fputs(text, stdout);
}

static void
print_number(const struct setting_spec *spec, const void *at)
{
	uint64_t number = 0;
	unsigned narrow = 0;

	if (spec->type == SETTING_LIMIT || spec->type == SETTING_FLOOR)
		memcpy(&number, at, sizeof(number));
	else
		memcpy(&narrow, at, sizeof(narrow));
	if (spec->type == SETTING_WORD)
		(void)fputs(spec->words[narrow], stdout);
	else if (narrow == 0 && (spec->limit == ATTR_MAX_RETENTION_DAYS ||
				    spec->attr == ATTR_INBOX_DAYS))
		(void)fputs("for ever", stdout);
	else
		(void)printf("%" PRIu64, number + narrow);
}

static void
print_value(const struct setting_spec *spec, const void *at)
{
	(void)printf("%s: ", entry_attr_name(spec->attr));
	if (spec->type == SETTING_FLAG)
		(void)fputs(*(const bool *)at ? "TRUE" : "FALSE", stdout);
	else if (spec->type == SETTING_TIME)
		print_time(*(const int64_t *)at);
	else if (spec->type == SETTING_LINE || spec->type == SETTING_TEXT)
		print_text(*(const struct span *)at);
	else
		print_number(spec, at);
	(void)fputc('\n', stdout);
}

static void
print_list(const struct setting_spec *spec, const struct settings_list *l)
{
	const char *whose = spec->attr > ATTR_OF_TENANT ? " of the tenant" : "";

	if (l->len == 0)
		(void)printf(
		    "%s%s: none\n", entry_attr_name(spec->attr), whose);
	for (size_t i = 0; i < l->len; i++) {
		(void)printf("%s%s: ", entry_attr_name(spec->attr), whose);
		print_text(l->items[i].text);
		(void)fputc('\n', stdout);
	}
}

static void
print_terms(const struct settings *s)
{
	for (size_t i = 0; i < s->terms_len; i++) {
		const struct settings_term *t = &s->terms[i];

		(void)fputs("hkTerms: ", stdout);
		print_text(t->function);
		(void)fputc(' ', stdout);
		print_text(t->version);
		(void)fputc(' ', stdout);
		print_text(t->url);
		if (t->accepted_by.len == 0) {
			(void)fputs(", not accepted\n", stdout);
			continue;
		}
		(void)fputs(", accepted ", stdout);
		print_text(t->accepted_at);
		(void)fputs(" by ", stdout);
		print_text(t->accepted_by);
		(void)fputc('\n', stdout);
	}
}

static void
print_faults(const struct settings *s)
{
	for (size_t i = 0; i < s->faults_len; i++) {
		const struct settings_fault *f = &s->faults[i];
		CLEANUP(buf_fini) struct buf shown;

		buf_init(&shown, 4096);
		(void)printf("\nleft out: %s, ", f->attribute);
		if (f->column > 0)
			(void)printf("column %zu: ", f->column);
		print_text(f->reason);
		caret_format(f->text, f->column, INDENT, &shown);
		(void)printf("\n%s", buf_str(&shown));
	}
}

static void
print_settings(const struct settings *s)
{
	(void)printf("account: %s\ntenant: %s\n", s->account.address,
	    s->account.tenant.name);
	for (size_t i = 0; i < setting_specs_len; i++) {
		const struct setting_spec *spec = &setting_specs[i];
		const void *at = (const char *)s + spec->offset;

		if (spec->type == SETTING_TERMS)
			print_terms(s);
		else if (spec->type >= SETTING_SENDERS)
			print_list(spec, at);
		else
			print_value(spec, at);
	}
	print_faults(s);
}

/* ---- the command ----------------------------------------------------------
 */

static int
show(struct command_context *ctx, const char *address)
{
	CLEANUP(tenants_free) struct tenants *t = NULL;
	CLEANUP(settings_fini) struct settings s = { .account = { .id = "" } };
	struct err err = ERR_INIT;
	int status = hikyaku_tenants(ctx, &t);

	if (status != 0)
		return status;
	switch (tenants_settings_of(t, span_str(address), &s, &err)) {
	case LOOKUP_FOUND:
		print_settings(&s);
		return 0;
	case LOOKUP_NONE:
		(void)fprintf(stderr,
		    "hikyaku: no account has the address %s\n", address);
		return WORK_NOT_FOUND;
	case LOOKUP_FAILED:
		break;
	}
	hikyaku_complain(&err);
	return 1;
}

int
hikyaku_account(struct command_context *ctx, int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], "settings") != 0)
		return usage();
	return show(ctx, argv[2]);
}
