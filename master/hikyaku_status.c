/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku status and reload. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/cleanup.h"
#include "common/packet.h"
#include "master/admin_protocol.h"
#include "master/hikyaku.h"

#define ANSWER_WAIT_MS 30000

/* The exit status of a service that does not run, as LSB has it. */
#define NOT_RUNNING 3

static int
ask(int fd, enum admin_type type, struct err *err)
{
	CLEANUP(buf_fini) struct buf b = { .max = 0 };

	buf_init(&b, PACKET_MAX);
	packet_begin(
	    &b, (struct packet_head){ ADMIN_VERSION, (uint8_t)type, 0 });
	return packet_send(fd, buf_span(&b), NULL, 0, 1000, err);
}

/* The next packet's type; its text in *b, "" when it has none. */
static int
answer(
    int fd, enum admin_type *type_out, char *text, size_t size, struct err *err)
{
	CLEANUP(buf_fini) struct buf b = { .max = 0 };
	struct span fields, value;
	struct packet_head head;
	uint8_t tag;

	buf_init(&b, PACKET_MAX);
	text[0] = '\0';
	if (packet_recv(fd, &b, NULL, 0, NULL, ANSWER_WAIT_MS, err) == -1 ||
	    packet_open(buf_span(&b), ADMIN_VERSION, &head, &fields, err) == -1)
		return -1;
	while (packet_next(&fields, &tag, &value) == PACKET_FIELD)
		if (tag == ADMIN_TEXT && !packet_text(value, text, size))
			return err_set(err, ERR_SYNTAX, "answer too long");
	*type_out = (enum admin_type)head.type;
	return 0;
}

static void
format_since(const char *seconds, char *out, size_t size)
{
	uint64_t number;
	time_t when;
	struct tm tm;

	(void)snprintf(out, size, "%s", seconds);
	if (!span_to_u64(span_str(seconds), &number))
		return;
	when = (time_t)number;
	if (localtime_r(&when, &tm) != NULL)
		(void)strftime(out, size, "%Y-%m-%d %H:%M:%S", &tm);
}

static void
print_row(const char *row)
{
	char *columns[7] = { NULL }, since[32];
	CLEANUP(mem_free) char *copy = strdup(row);
	char *rest = copy;

	for (int i = 0; i < 7; i++) {
		columns[i] = rest == NULL ? NULL : strsep(&rest, "\t");
		if (columns[i] == NULL)
			return;
	}
	format_since(columns[3], since, sizeof(since));
	(void)printf("%-24s %-9s %7s  %-19s  %8s %8s  %s\n", columns[0],
	    columns[1], columns[2], since, columns[4], columns[5], columns[6]);
}

static void
format_octets(uint64_t octets, char *out, size_t size)
{
	static const char units[] = "KMG";
	double number = (double)octets;
	size_t unit = 0;

	if (octets < 1024) {
		(void)snprintf(
		    out, size, "%llu octets", (unsigned long long)octets);
		return;
	}
	for (number /= 1024; number >= 1024 && units[unit + 1] != '\0'; unit++)
		number /= 1024;
	(void)snprintf(out, size, "%.1f %cB", number, units[unit]);
}

/* Below the table, "deliveryd: 12 messages wait in the journal (48.0 KB), the
 * oldest since 0.3 s" */
static void
print_backlog(const char *row)
{
	CLEANUP(mem_free) char *copy = strdup(row);
	char *rest = copy, *title = strsep(&rest, "\t"), octets[32];
	uint64_t numbers[3];
	struct timespec now;
	double since;

	for (size_t i = 0; i < 3; i++) {
		char *column = rest == NULL ? NULL : strsep(&rest, "\t");

		if (column == NULL ||
		    !span_to_u64(span_str(column), &numbers[i]))
			return;
	}
	if (numbers[0] == 0) {
		(void)printf("\n%s: no message waits in the journal\n", title);
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	since = (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
		(double)numbers[2] / 1000;
	format_octets(numbers[1], octets, sizeof(octets));
	(void)printf("\n%s: %llu message%s in the journal (%s), the oldest for "
		     "%.1f s\n",
	    title, (unsigned long long)numbers[0],
	    numbers[0] == 1 ? " waits" : "s wait", octets,
	    since < 0 || numbers[2] == 0 ? 0 : since);
}

int
hikyaku_status(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;
	enum admin_type type;
	char text[32768];

	(void)argc;
	(void)argv;
	if (hikyaku_load(ctx) == -1)
		return 1;
	fd = hikyaku_connect(ctx);
	if (fd == -1) {
		(void)printf("hikyakud is not running\n");
		return NOT_RUNNING;
	}
	(void)printf("%-24s %-9s %7s  %-19s  %8s %8s  %s\n", "DAEMON", "STATE",
	    "PID", "SINCE", "RESTARTS", "SESSIONS", "LISTENERS");
	if (ask(fd, ADMIN_STATUS, &err) == 0)
		while (answer(fd, &type, text, sizeof(text), &err) == 0) {
			if (type == ADMIN_OK)
				return 0;
			if (type == ADMIN_ROW)
				print_row(text);
			if (type == ADMIN_BACKLOG)
				print_backlog(text);
		}
	hikyaku_complain(&err);
	return 1;
}

int
hikyaku_reload(struct command_context *ctx, int argc, char **argv)
{
	CLEANUP(fd_close) int fd = -1;
	struct err err = ERR_INIT;
	enum admin_type type;
	char text[1024];

	(void)argc;
	(void)argv;
	if (hikyaku_load(ctx) == -1)
		return 1;
	fd = hikyaku_connect(ctx);
	if (fd == -1) {
		(void)fputs("hikyaku: it does not run\n", stderr);
		return NOT_RUNNING;
	}
	if (ask(fd, ADMIN_RELOAD, &err) == 0 &&
	    answer(fd, &type, text, sizeof(text), &err) == 0) {
		if (type == ADMIN_OK)
			return 0;
		(void)fprintf(stderr, "%s\n", text);
		return 1;
	}
	hikyaku_complain(&err);
	return 1;
}
