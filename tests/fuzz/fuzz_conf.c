/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a configuration file: it ends, an error names the file, and
 * what is accepted prints as something that is accepted again and prints the
 * same.
 */
#include <stdlib.h>
#include <string.h>

#include "common/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	char *text;
	struct conf_strings list;
	uint64_t octets;
	bool flag;
};

static const struct conf_key keys[] = {
	CONF_STRING(struct values, text, "text", "x", "a text"),
	CONF_STRINGS(struct values, list, "list", "a list"),
	CONF_OCTETS(
	    struct values, octets, "octets", "1k", 0, 1 << 30, "a size"),
	CONF_BOOL(struct values, flag, "flag", "no", "a flag"),
};
static const struct conf_section section = { NULL, keys, 4,
	sizeof(struct values) };

static int
parse_and_print(struct span text, struct buf *out)
{
	struct values v = { 0 };
	struct err err = ERR_INIT;

	buf_init(out, 1 << 22);
	if (conf_parse(&section, text, "FILE", &v, &err) == -1) {
		if (strncmp(err.text, "FILE", 4) != 0)
			abort();
		return -1;
	}
	conf_print(&section, &v, out);
	conf_section_fini(&section, &v);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(buf_fini) struct buf one;
	CLEANUP(buf_fini) struct buf two;
	struct conf_listeners l;

	buf_init(&two, 0);
	if (parse_and_print(span_of((const char *)data, size), &one) == -1)
		return 0;
	/* "${" may stand in single quotes only, and print uses double ones. */
	if (span_find(buf_span(&one), SPAN("${")) != -1)
		return 0;
	if (parse_and_print(buf_span(&one), &two) == -1 ||
	    !span_eq(buf_span(&one), buf_span(&two)))
		abort();
	if (conf_listeners_parse(
		span_of((const char *)data, size), "FILE", &l, NULL) == 0)
		conf_listeners_fini(&l);
	return 0;
}
