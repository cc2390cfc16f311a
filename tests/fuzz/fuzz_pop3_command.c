/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * POP3 command lines.  Properties: failure changes nothing; a parsed argument
 * lies within its line; the keyword and the argument, put together again,
 * parse to the same command.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "pop3d/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_number(struct span argument)
{
	struct span rest = argument;
	struct err err = ERR_INIT;
	uint32_t number = 42;

	if (pop3_number_take(&rest, &number, &err) == -1) {
		assert(rest.p == argument.p && rest.len == argument.len);
		assert(number == 42 && err.kind != ERR_NONE);
	} else {
		assert(rest.len < argument.len);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span line = span_of((const char *)data, size);
	struct pop3_command command = { .verb = POP3_APOP }, again;
	CLEANUP(buf_fini) struct buf text;
	struct err err = ERR_INIT;
	size_t keyword;

	buf_init(&text, size + 2);
	if (pop3_command_parse(line, &command, &err) == -1) {
		assert(command.verb == POP3_APOP && err.kind == ERR_SYNTAX);
		return 0;
	}
	assert(command.argument.p >= line.p &&
	       command.argument.p + command.argument.len <= line.p + line.len);
	check_number(command.argument);

	keyword = command.verb == POP3_TOP ? 3 : 4;
	buf_append(&text, span_first(line, keyword));
	if (command.argument.len > 0)
		buf_append_octet(&text, ' ');
	buf_append(&text, command.argument);
	assert(pop3_command_parse(buf_span(&text), &again, &err) == 0);
	assert(again.verb == command.verb &&
	       span_eq(again.argument, command.argument));
	return 0;
}
