/* SPDX-License-Identifier: BSD-2-Clause */
/* hikyaku rule check. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/arena.h"
#include "common/file.h"
#include "master/caret.h"
#include "master/hikyaku.h"
#include "tenants/rule.h"

enum {
	FILE_OCTETS_MAX = 16 * 1024 * 1024,
	INDENT = 4
};

struct checking {
	enum rule_kind kind;
	const char *file; /* "-" is the standard input; NULL: texts are given */
	unsigned bad;
};

static int
usage(void)
{
	(void)fputs("usage: hikyaku [-c file] rule check "
		    "[-k forward|quarantine] [-f file | text]\n",
	    stderr);
	return 2;
}

/* line 0: of no file. */
static void
check_one(struct checking *c, struct span text, unsigned line)
{
	CLEANUP(arena_fini) struct arena arena;
	CLEANUP(buf_fini) struct buf out;
	struct err err = ERR_INIT;
	struct rule *rule;
	size_t column;

	arena_init(&arena, (size_t)1 << 20);
	buf_init(&out, (size_t)RULE_OCTETS_MAX * 8);
	if (rule_parse(text, c->kind, &rule_limits_default, &arena, &rule,
		&column, &err) == 0) {
		rule_format(rule, &out);
		(void)printf("%s\n", buf_str(&out));
		return;
	}
	c->bad++;
	(void)fflush(stdout);
	if (line != 0)
		(void)fprintf(
		    stderr, "%s:%u:%zu: %s\n", c->file, line, column, err.text);
	else
		(void)fprintf(stderr, "column %zu: %s\n", column, err.text);
	if (column != 0)
		caret_format(text, column, INDENT, &out);
	(void)fputs(buf_str(&out), stderr);
}

/* A line is a rule; empty ones and those that begin with "#" are none. */
static int
check_file(struct checking *c)
{
	CLEANUP(buf_fini) struct buf text;
	struct err err = ERR_INIT;
	struct span rest, line;

	buf_init(&text, FILE_OCTETS_MAX);
	if (file_read(strcmp(c->file, "-") == 0 ? "/dev/stdin" : c->file, &text,
		&err) == -1 ||
	    buf_check(&text, &err) == -1) {
		hikyaku_complain(&err);
		return -1;
	}
	rest = buf_span(&text);
	for (unsigned number = 1; rest.len > 0; number++) {
		if (!span_take_until(&rest, '\n', &line)) {
			line = rest;
			rest = SPAN("");
		}
		if (span_ends(line, SPAN("\r")))
			line = span_first(line, line.len - 1);
		if (span_trim(line).len > 0 && line.p[0] != '#')
			check_one(c, line, number);
	}
	return 0;
}

static bool
kind_of(const char *word, enum rule_kind *kind_out)
{
	*kind_out = RULE_FORWARD;
	if (strcmp(word, "forward") == 0)
		return true;
	*kind_out = RULE_QUARANTINE;
	return strcmp(word, "quarantine") == 0;
}

int
hikyaku_rule(struct command_context *ctx, int argc, char **argv)
{
	struct checking c = { .kind = RULE_ANY };
	int option;

	(void)ctx;
	if (argc < 2 || strcmp(argv[1], "check") != 0)
		return usage();
	optind = 2;
	while ((option = getopt(argc, argv, "+f:k:")) != -1) {
		if (option == 'f')
			c.file = optarg;
		else if (option != 'k' || !kind_of(optarg, &c.kind))
			return usage();
	}
	if (argc - optind > 1 || (c.file != NULL && argc > optind))
		return usage();
	if (argc > optind)
		check_one(&c, span_str(argv[optind]), 0);
	else {
		if (c.file == NULL)
			c.file = "-";
		if (check_file(&c) == -1)
			return 1;
	}
	return c.bad > 0 ? 1 : 0;
}
