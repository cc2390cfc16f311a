/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyakud: opens sockets, starts and watches every daemon. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/daemon_conf.h"
#include "common/log.h"
#include "master/loop.h"
#include "master/start.h"

static void __attribute__((noreturn)) usage(void)
{
	(void)fputs("usage: hikyakud [-knpV] [-c file]\n", stderr);
	exit(2);
}

static const struct conf_section *const sections[] = { &daemon_top_section,
	&daemon_tls_section, &users_section, &metrics_section, &store_section,
	&manage_section };
#define SECTIONS_LEN (sizeof(sections) / sizeof(sections[0]))

static int
print_keys(void)
{
	CLEANUP(buf_fini) struct buf out = { .max = 0 };

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < SECTIONS_LEN; i++)
		conf_print_keys(sections[i], &out);
	buf_append(&out, SPAN("listen address\n"));
	(void)fputs(buf_str(&out), stdout);
	return 0;
}

static void
print_settings(const struct master_conf *conf)
{
	const void *values[] = { &conf->top, &conf->tls, &conf->users,
		&conf->metrics, &conf->store, &conf->manage };
	CLEANUP(buf_fini) struct buf out = { .max = 0 };

	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < SECTIONS_LEN; i++) {
		const char *name = sections[i]->name;

		if (name != NULL)
			buf_append_fmt(&out, "%s {\n", name);
		conf_print(sections[i], values[i], &out);
		if (name != NULL)
			buf_append(&out, SPAN("}\n"));
	}
	(void)fputs(buf_str(&out), stdout);
}

static void
complain(const struct err *err)
{
	(void)fprintf(stderr, "%s%s%s\n", err->text, err->os == 0 ? "" : ": ",
	    err->os == 0 ? "" : strerror(err->os));
}

/* An absolute name: reloads come after chdir, and daemons name it too. */
static const char *
absolute(const char *file, char *room)
{
	return realpath(file, room) == NULL ? file : room;
}

static int
run(struct master *m)
{
	struct err err = ERR_INIT;
	int result = 1;

	if (master_start(m, &err) == -1) {
		complain(&err);
		log_error(
		    &log_process, "hikyakud does not start", log_err(&err));
	} else if (master_loop(m, &err) == -1) {
		log_error(&log_process, "hikyakud fails", log_err(&err));
	} else {
		log_info(&log_process, "hikyakud ends");
		result = 0;
	}
	master_fini(m);
	return result;
}

int
main(int argc, char **argv)
{
	const char *file = HK_SYSCONFDIR "/hikyaku/hikyaku.conf";
	char room[4096];
	struct master m = { .ready_fd = -1 };
	struct err err = ERR_INIT;
	bool check = false, print = false;
	int c;

	while ((c = getopt(argc, argv, "c:knpR:V")) != -1) {
		switch (c) {
		case 'c':
			file = optarg;
			break;
		case 'k':
			return print_keys();
		case 'n':
			check = true;
			break;
		case 'p':
			print = true;
			break;
		case 'R': /* of `hikyaku start`: told when all is ready */
			m.ready_fd = atoi(optarg);
			break;
		case 'V':
			(void)printf("hikyakud %s\n", PACKAGE_VERSION);
			return 0;
		default:
			usage();
		}
	}
	if (optind != argc)
		usage();
	(void)log_open("hikyakud", LOG_TO_STDERR, -1, LOG_LEVEL_WARNING, NULL);
	if (master_programs(m.programs, sizeof(m.programs), &err) == -1 ||
	    master_conf_load(absolute(file, room), &m.conf, &err) == -1 ||
	    master_conf_check_daemons(m.conf, m.programs, &err) == -1) {
		complain(&err);
		master_conf_free(m.conf);
		return 1;
	}
	if (print)
		print_settings(m.conf);
	if (check || print) {
		master_conf_free(m.conf);
		return 0;
	}
	return run(&m);
}
