/* SPDX-License-Identifier: BSD-2-Clause */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
err_set_at(struct err *err, enum err_kind kind, int os, const char *file,
    int line, const char *format, ...)
{
	va_list args;

	if (err == NULL)
		return -1;
	err->kind = kind;
	err->os = os;
	err->file = file;
	err->line = line;
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	return -1;
}

int
err_prefix(struct err *err, const char *format, ...)
{
	char words[sizeof(err->text)];
	char both[2 * sizeof(err->text) + 3];
	va_list args;

	if (err == NULL)
		return -1;
	va_start(args, format);
	(void)vsnprintf(words, sizeof(words), format, args);
	va_end(args);
	(void)snprintf(both, sizeof(both), "%s: %s", words, err->text);
	both[sizeof(err->text) - 1] = '\0';
	memcpy(err->text, both, sizeof(err->text));
	return -1;
}

void
err_clear(struct err *err)
{
	if (err != NULL)
		*err = ERR_INIT;
}

const char *
err_kind_name(enum err_kind kind)
{
	switch (kind) {
	case ERR_NONE:
		return "none";
	case ERR_SYNTAX:
		return "syntax";
	case ERR_POLICY:
		return "policy";
	case ERR_LIMIT:
		return "limit";
	case ERR_TEMP:
		return "temp";
	case ERR_CLOSED:
		return "closed";
	}
	return "none";
}
