/* SPDX-License-Identifier: BSD-2-Clause */
/* milter-check: dials every milter and tells what was negotiated. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/conf.h"
#include "common/conf_outline.h"
#include "common/file.h"
#include "smtpd/conf.h"
#include "smtpd/milter_conf.h"
#include "smtpd/milter_conn.h"

struct word {
	uint32_t bit;
	const char *text;
};

static const struct word actions[] = {
	{ MILTER_MAY_ADD_HEADER, "add header fields" },
	{ MILTER_MAY_CHANGE_HEADER, "change header fields" },
	{ MILTER_MAY_CHANGE_BODY, "replace the body" },
	{ MILTER_MAY_ADD_RCPT, "add recipients" },
	{ MILTER_MAY_ADD_RCPT_PAR, "add recipients with parameters" },
	{ MILTER_MAY_DELETE_RCPT, "delete recipients" },
	{ MILTER_MAY_CHANGE_FROM, "change the sender" },
	{ MILTER_MAY_QUARANTINE, "quarantine" },
	{ MILTER_MAY_LIST_MACROS, "choose macros" },
	{ 0, NULL },
};

static const struct word events[] = {
	{ MILTER_NO_CONNECT, "connect" },
	{ MILTER_NO_HELO, "helo" },
	{ MILTER_NO_MAIL, "mail" },
	{ MILTER_NO_RCPT, "rcpt" },
	{ MILTER_NO_DATA, "data" },
	{ MILTER_NO_HEADER, "header" },
	{ MILTER_NO_EOH, "end of header" },
	{ MILTER_NO_BODY, "body" },
	{ MILTER_NO_UNKNOWN, "unknown commands" },
	{ 0, NULL },
};

static const struct word silences[] = {
	{ MILTER_NR_CONNECT, "connect" },
	{ MILTER_NR_HELO, "helo" },
	{ MILTER_NR_MAIL, "mail" },
	{ MILTER_NR_RCPT, "rcpt" },
	{ MILTER_NR_DATA, "data" },
	{ MILTER_NR_HEADER, "header" },
	{ MILTER_NR_EOH, "end of header" },
	{ MILTER_NR_BODY, "body" },
	{ MILTER_NR_UNKNOWN, "unknown commands" },
	{ 0, NULL },
};

static const char *const stages[MILTER_STAGES] = {
	[MILTER_AT_CONNECT] = "connect",
	[MILTER_AT_HELO] = "helo",
	[MILTER_AT_MAIL] = "mail",
	[MILTER_AT_RCPT] = "rcpt",
	[MILTER_AT_DATA] = "data",
	[MILTER_AT_EOM] = "end of message",
	[MILTER_AT_EOH] = "end of header",
};

static void
print_words(const char *title, const struct word *words, uint32_t bits)
{
	const char *between = "";

	(void)printf("    %-12s", title);
	for (; words->text != NULL; words++) {
		if ((bits & words->bit) == 0)
			continue;
		(void)printf("%s%s", between, words->text);
		between = ", ";
	}
	(void)printf("%s\n", between[0] == '\0' ? "nothing" : "");
}

static void
print_options(const struct milter_options *o)
{
	(void)printf("    %-12s%u\n", "protocol", o->version);
	print_words("may", actions, o->actions);
	print_words("is sent", events, ~o->protocol);
	print_words("answers", silences, ~o->protocol);
	(void)printf("    %-12s%s%s%s\n", "besides",
	    (o->protocol & MILTER_SKIP) != 0 ? "may skip the rest; " : "",
	    (o->protocol & MILTER_LEADING_SPACE) != 0
		? "sees header values with their leading space; "
		: "",
	    (o->protocol & MILTER_RCPT_REJECTED) != 0
		? "hears of refused recipients"
		: "");
	for (size_t i = 0; i < MILTER_STAGES; i++) {
		if (o->macros_set[i])
			(void)printf("    macros at %s: %s\n", stages[i],
			    o->macros[i][0] == '\0' ? "none" : o->macros[i]);
	}
}

static bool
in_chain(const struct conf_strings *chain, const char *name)
{
	for (size_t i = 0; i < chain->len; i++) {
		if (strcmp(chain->items[i], name) == 0)
			return true;
	}
	return false;
}

/* A signer that is passed over when it is down sends mail unsigned. */
static void
print_advice(const struct conf_titled *item, const struct smtpd_conf *smtpd)
{
	const struct milter_conf *conf = item->values;

	if (conf->failure == MILTER_FAIL_ACCEPT &&
	    strcasestr(item->name, "dkim") != NULL)
		(void)printf("    warning     default-action = accept lets "
			     "mail go unsigned while it is down\n");
	if (!in_chain(&smtpd->milters_mx, item->name) &&
	    !in_chain(&smtpd->milters_submission, item->name))
		(void)printf("    warning     no chain of section smtpd names "
			     "it, so it judges nothing\n");
}

/* What to look at, beside the error itself. */
static const char *
hint(const struct err *err)
{
	switch (err->os) {
	case ECONNREFUSED:
		return "nobody listens there: is it running?";
	case ENOENT:
		return "there is no such socket: is it running, and in no "
		       "chroot?";
	case EACCES:
		return "the user that smtpd runs under may not use that "
		       "socket: see its owner, mode and directory";
	default:
		return NULL;
	}
}

static bool
dial(const struct conf_titled *item, const struct smtpd_conf *smtpd)
{
	const struct milter_conf *conf = item->values;
	CLEANUP(milter_conn_free) struct milter_conn *c = NULL;
	struct sockaddr_storage address;
	struct err err = ERR_INIT;
	socklen_t len;

	if (milter_socket_parse(conf->socket, &address, &len, &err) == 0 &&
	    milter_conn_new(&address, len, milter_conf_version(conf),
		(unsigned)conf->connect_wait * 1000, &c, &err) == 0) {
		(void)printf("%s: %s: ok\n", item->name, conf->socket);
		print_options(&c->options);
		print_advice(item, smtpd);
		milter_conn_quit(STEAL(c));
		return true;
	}
	(void)printf("%s: %s: failed\n    %s%s%s\n", item->name, conf->socket,
	    err.text, err.os == 0 ? "" : ": ",
	    err.os == 0 ? "" : strerror(err.os));
	if (hint(&err) != NULL)
		(void)printf("    %s\n", hint(&err));
	return false;
}

static int
run(const char *file)
{
	CLEANUP(buf_fini) struct buf text = { .max = 0 };
	CLEANUP(conf_titled_fini) struct conf_titled_list list = { .len = 0 };
	struct smtpd_conf smtpd = { .message_max = 0 };
	struct err err = ERR_INIT;
	int status = 0;

	buf_init(&text, CONF_TEXT_MAX);
	if (file_read_fd(0, &text, &err) == -1 ||
	    conf_titled_parse(
		&milter_section, buf_span(&text), file, &list, &err) == -1 ||
	    conf_parse(&smtpd_section, buf_span(&text), file, &smtpd, &err) ==
		-1) {
		(void)fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	if (milter_conf_check(&smtpd, &list, &err) == -1) {
		(void)fprintf(stderr, "%s: %s\n", file, err.text);
		status = 1;
	}
	if (list.len == 0)
		(void)printf("no milter is configured\n");
	for (size_t i = 0; i < list.len && err.kind == ERR_NONE; i++) {
		if (!dial(&list.items[i], &smtpd))
			status = 1;
	}
	conf_section_fini(&smtpd_section, &smtpd);
	return status;
}

int
main(int argc, char **argv)
{
	const char *file = "hikyaku.conf";
	int c;

	while ((c = getopt(argc, argv, "c:V")) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'V':
			(void)printf("milter-check %s\n", PACKAGE_VERSION);
			return 0;
		default:
			(void)fputs("usage: milter-check [-V] [-c file]\n"
				    "The configuration is read from standard "
				    "input; hikyaku(1) runs it.\n",
			    stderr);
			return 2;
		}
	}
	return run(file);
}
