/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku queue: asks relayd, over the socket that hikyakud made for it. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/cleanup.h"
#include "common/outbound.h"
#include "common/packet.h"
#include "master/hikyaku.h"
#include "master/sockets.h"

#define ANSWER_WAIT_MS 600000
#define ROWS_FEW 1000

static const struct verb {
	const char *name;
	enum outbound_type type;
	const char *said; /* "%llu messages SAID" */
} verbs[] = {
	{ "list", OUTBOUND_LIST, NULL },
	{ "show", OUTBOUND_SHOW, NULL },
	{ "flush", OUTBOUND_FLUSH, "to be tried now" },
	{ "hold", OUTBOUND_QUEUE_HOLD, "held" },
	{ "release", OUTBOUND_QUEUE_RELEASE, "released" },
	{ "delete", OUTBOUND_DELETE, "deleted" },
	{ "requeue", OUTBOUND_REQUEUE, "queued again" },
};

static int
usage(void)
{
	(void)fputs(
	    "usage: hikyaku [-c file] queue list [selection] [--limit number] "
	    "[--raw]\n"
	    "       hikyaku [-c file] queue show id\n"
	    "       hikyaku [-c file] queue "
	    "flush|hold|release|delete|requeue selection\n"
	    "selection: id ..., --sender address, --domain name, --site name,\n"
	    "           --tenant name, --all; of several options all must "
	    "fit\n",
	    stderr);
	return 2;
}

static int
connect_relayd(struct command_context *ctx, struct err *err)
{
	CLEANUP(fd_close)
	int run =
	    open(ctx->top.run_directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEANUP(fd_close) int dir = -1;
	int fd = -1;

	if (run == -1)
		return err_sys(err, "%s", ctx->top.run_directory);
	dir = openat(run, "internal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir == -1)
		return err_sys(err, "%s/internal", ctx->top.run_directory);
	if (socket_connect_beneath(dir, "relayd", SOCK_SEQPACKET, &fd, err) ==
	    -1)
		return err_prefix(err, "relayd does not answer");
	return fd;
}

/* ---- what is printed ---- */

static void
format_age(const char *ms_text, bool ahead, char *out, size_t size)
{
	uint64_t ms, now = (uint64_t)time(NULL) * 1000, seconds;

	(void)snprintf(out, size, "-");
	if (!span_to_u64(span_str(ms_text), &ms) || ms == 0)
		return;
	seconds = ahead ? (ms > now ? ms - now : 0) / 1000
			: (now > ms ? now - ms : 0) / 1000;
	if (seconds < 120)
		(void)snprintf(out, size, "%llus", (unsigned long long)seconds);
	else if (seconds < 7200)
		(void)snprintf(
		    out, size, "%llum", (unsigned long long)seconds / 60);
	else if (seconds < 172800)
		(void)snprintf(
		    out, size, "%lluh", (unsigned long long)seconds / 3600);
	else
		(void)snprintf(
		    out, size, "%llud", (unsigned long long)seconds / 86400);
}

/* Columns of queue_admin.c's row. */
static void
print_row(char *row)
{
	char *columns[11], age[24], next[24];

	for (size_t i = 0; i < 11; i++) {
		columns[i] = strsep(&row, "\t");
		if (columns[i] == NULL)
			return;
	}
	format_age(columns[2], false, age, sizeof(age));
	format_age(columns[5], true, next, sizeof(next));
	(void)printf("%-11s %-8s %5s %9s %5s %5s  %-10s <%s> %s to <%s>\n",
	    columns[0], columns[1], age, columns[3], columns[4], next,
	    columns[6], columns[7], columns[8], columns[9]);
	if (columns[10][0] != '\0')
		(void)printf("            %s\n", columns[10]);
}

static void
print_rows(struct span text, const struct verb *verb, bool raw)
{
	struct span line;

	while (span_take_until(&text, '\n', &line)) {
		CLEANUP(mem_free) char *row = strndup(line.p, line.len);

		if (row == NULL)
			continue;
		if (verb->type == OUTBOUND_LIST && !raw)
			print_row(row);
		else
			(void)puts(row);
	}
}

static void
print_end(struct span fields, const struct verb *verb, uint64_t rows)
{
	struct span value;
	uint64_t count = 0;
	bool known = false;
	uint8_t tag;

	while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
		if (tag == OUTBOUND_COUNT)
			known = packet_u64(value, &count);
	if (!known)
		return;
	if (verb->said != NULL)
		(void)printf("%llu message%s %s\n", (unsigned long long)count,
		    count == 1 ? "" : "s", verb->said);
	else
		(void)printf("%llu message%s%s\n", (unsigned long long)count,
		    count == 1 ? "" : "s",
		    count > rows ? "; not all are shown" : "");
}

static void
complain(struct span fields)
{
	char text[512] = "relayd refuses";
	struct span value;
	uint8_t tag;

	while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
		if (tag == OUTBOUND_TEXT)
			(void)packet_text(value, text, sizeof(text));
	(void)fprintf(stderr, "hikyaku: %s\n", text);
}

/* ---- a question ---- */

static uint64_t
count_lines(struct span text)
{
	struct span line;
	uint64_t count = 0;

	while (span_take_until(&text, '\n', &line))
		count++;
	return count;
}

static int
ask(int fd, const struct verb *verb, const struct buf *question, bool raw)
{
	CLEANUP(buf_fini) struct buf b = { .max = PACKET_MAX };
	struct packet_head head;
	struct span fields, value;
	struct err err = ERR_INIT;
	size_t fds = 0;
	uint64_t rows = 0;
	uint8_t tag;

	if (packet_send(fd, buf_span(question), NULL, 0, 10000, &err) == -1) {
		hikyaku_complain(&err);
		return 1;
	}
	for (;;) {
		if (packet_recv(fd, &b, NULL, 0, &fds, ANSWER_WAIT_MS, &err) ==
			-1 ||
		    packet_open(buf_span(&b), OUTBOUND_VERSION, &head, &fields,
			&err) == -1) {
			hikyaku_complain(&err);
			return 1;
		}
		if (head.type == OUTBOUND_ERROR) {
			complain(fields);
			return 1;
		}
		if (head.type == OUTBOUND_OK) {
			print_end(fields, verb, rows);
			return 0;
		}
		while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
			if (tag == OUTBOUND_TEXT) {
				rows += count_lines(value);
				print_rows(value, verb, raw);
			}
	}
}

static void
question_begin(struct buf *b, const struct verb *verb)
{
	buf_init(b, PACKET_MAX);
	packet_begin(b,
	    (struct packet_head){ OUTBOUND_VERSION, (uint8_t)verb->type, 1 });
}

/* ---- the words ---- */

struct words {
	const char *values[5]; /* OUTBOUND_BY_ID, ... */
	bool all, raw;
	uint64_t limit;
	int ids; /* index of the first in argv; argc: none */
};

/* -1: a mistake. */
static int
words_parse(int argc, char **argv, struct words *w)
{
	static const struct {
		const char *name;
		int tag;
	} options[] = {
		{ "--sender", OUTBOUND_BY_SENDER },
		{ "--domain", OUTBOUND_BY_DOMAIN },
		{ "--site", OUTBOUND_BY_SITE },
		{ "--tenant", OUTBOUND_BY_TENANT },
		{ "--limit", OUTBOUND_LIMIT },
	};
	int i = 2;

	*w = (struct words){ .limit = ROWS_FEW };
	for (; i < argc && argv[i][0] == '-'; i++) {
		size_t k = 0;

		if (strcmp(argv[i], "--all") == 0) {
			w->all = true;
			continue;
		}
		if (strcmp(argv[i], "--raw") == 0) {
			w->raw = true;
			continue;
		}
		while (k < 5 && strcmp(options[k].name, argv[i]) != 0)
			k++;
		if (k == 5 || ++i == argc)
			return -1;
		if (options[k].tag != OUTBOUND_LIMIT)
			w->values[options[k].tag - OUTBOUND_BY_ID] = argv[i];
		else if (!span_to_u64(span_str(argv[i]), &w->limit))
			return -1;
	}
	w->ids = i;
	return 0;
}

static void
put_words(struct buf *b, const struct words *w)
{
	for (int i = 0; i < 5; i++)
		if (w->values[i] != NULL)
			packet_put_str(
			    b, (uint8_t)(OUTBOUND_BY_ID + i), w->values[i]);
	if (w->all)
		packet_put(b, OUTBOUND_ALL, SPAN_NONE);
	packet_put_u64(b, OUTBOUND_LIMIT, w->limit);
}

static bool
selects(const struct words *w)
{
	for (int i = 0; i < 5; i++)
		if (w->values[i] != NULL)
			return true;
	return w->all;
}

static int
run(int fd, const struct verb *verb, struct words *w, int argc, char **argv)
{
	int status = 0, i = w->ids;

	do {
		CLEANUP(buf_fini) struct buf question;
		struct err err = ERR_INIT;
		int got;

		if (i < argc)
			w->values[0] = argv[i];
		question_begin(&question, verb);
		put_words(&question, w);
		if (buf_check(&question, &err) == -1) {
			hikyaku_complain(&err);
			return 1;
		}
		got = ask(fd, verb, &question, w->raw);
		status = got == 0 ? status : got;
	} while (++i < argc);
	return status;
}

int
hikyaku_queue(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;
	struct words w;
	size_t v = 0;
	size_t count = sizeof(verbs) / sizeof(verbs[0]);

	while (argc > 1 && v < count && strcmp(verbs[v].name, argv[1]) != 0)
		v++;
	if (argc < 2 || v == count || words_parse(argc, argv, &w) == -1)
		return usage();
	if (w.ids == argc &&
	    (verbs[v].type == OUTBOUND_SHOW ||
		(verbs[v].type != OUTBOUND_LIST && !selects(&w))))
		return usage();
	if (hikyaku_load(ctx) == -1)
		return 1;
	fd = connect_relayd(ctx, &err);
	if (fd == -1) {
		hikyaku_complain(&err);
		return 1;
	}
	return run(fd, &verbs[v], &w, argc, argv);
}
