/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/command.h"

#include "common/ascii.h"

enum argument_rule {
	ARGUMENT_NONE,
	ARGUMENT_MAYBE,
	ARGUMENT_ONE
};

/* An empty password is a wrong one: PASS fails as a login, not as a line. */
static const struct {
	struct span keyword;
	enum pop3_verb verb;
	enum argument_rule argument;
} keywords[] = {
	{ { "APOP", 4 }, POP3_APOP, ARGUMENT_MAYBE },
	{ { "AUTH", 4 }, POP3_AUTH, ARGUMENT_MAYBE },
	{ { "CAPA", 4 }, POP3_CAPA, ARGUMENT_NONE },
	{ { "DELE", 4 }, POP3_DELE, ARGUMENT_ONE },
	{ { "LANG", 4 }, POP3_LANG, ARGUMENT_MAYBE },
	{ { "LIST", 4 }, POP3_LIST, ARGUMENT_MAYBE },
	{ { "NOOP", 4 }, POP3_NOOP, ARGUMENT_NONE },
	{ { "PASS", 4 }, POP3_PASS, ARGUMENT_MAYBE },
	{ { "QUIT", 4 }, POP3_QUIT, ARGUMENT_NONE },
	{ { "RETR", 4 }, POP3_RETR, ARGUMENT_ONE },
	{ { "RSET", 4 }, POP3_RSET, ARGUMENT_NONE },
	{ { "STAT", 4 }, POP3_STAT, ARGUMENT_NONE },
	{ { "STLS", 4 }, POP3_STLS, ARGUMENT_NONE },
	{ { "TOP", 3 }, POP3_TOP, ARGUMENT_ONE },
	{ { "UIDL", 4 }, POP3_UIDL, ARGUMENT_MAYBE },
	{ { "USER", 4 }, POP3_USER, ARGUMENT_ONE },
	{ { "UTF8", 4 }, POP3_UTF8, ARGUMENT_NONE },
};

static struct span
trim_end(struct span s)
{
	while (s.len > 0 && ascii_is_wsp(s.p[s.len - 1]))
		s.len--;
	return s;
}

static bool
has_control(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (ascii_is(s.p[i], ASCII_CTL) && s.p[i] != '\t')
			return true;
	return false;
}

int
pop3_command_parse(
    struct span line, struct pop3_command *command_out, struct err *err)
{
	struct span word, argument = line;
	size_t i = 0, count = sizeof(keywords) / sizeof(keywords[0]);

	if (has_control(line))
		return err_set(err, ERR_SYNTAX, "control character in a line");
	if (!span_take_until(&argument, ' ', &word)) {
		word = trim_end(line);
		argument = span_from(line, line.len);
	}
	while (i < count && !span_eq_nocase(word, keywords[i].keyword))
		i++;
	if (i == count)
		return err_set(err, ERR_SYNTAX, "no such command");
	if (keywords[i].verb != POP3_PASS)
		argument = span_trim(argument);
	if (argument.len > 0 && keywords[i].argument == ARGUMENT_NONE)
		return err_set(err, ERR_SYNTAX, "no argument belongs here");
	if (argument.len == 0 && keywords[i].argument == ARGUMENT_ONE)
		return err_set(err, ERR_SYNTAX, "an argument is missing");

	command_out->verb = keywords[i].verb;
	command_out->argument = argument;
	return 0;
}

int
pop3_number_take(struct span *in, uint32_t *number_out, struct err *err)
{
	struct span rest = *in;
	uint32_t number = 0;
	unsigned digit, count = 0;

	for (; span_take_digit(&rest, &digit); count++)
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, digit, &number))
			return err_set(err, ERR_LIMIT, "number over 32 bits");
	if (count == 0)
		return err_set(err, ERR_SYNTAX, "a number is missing");
	if (rest.len > 0 && !span_take_octet(&rest, ' '))
		return err_set(err, ERR_SYNTAX, "no number");

	*in = rest;
	*number_out = number;
	return 0;
}

int
pop3_number_parse(struct span in, uint32_t *number_out, struct err *err)
{
	uint32_t number;

	if (pop3_number_take(&in, &number, err) == -1)
		return -1;
	if (in.len > 0)
		return err_set(err, ERR_SYNTAX, "one number is expected");
	*number_out = number;
	return 0;
}
