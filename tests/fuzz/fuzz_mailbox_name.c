/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as a mailbox's name, modified UTF-7, a directory, a file name:
 * what is taken leads back to itself, and a directory is one safe component.
 */
#include <stdlib.h>

#include "store/filename.h"
#include "store/list.h"
#include "store/message.h"
#include "store/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_mutf7(struct span in)
{
	struct buf utf8, again;

	buf_init(&utf8, 1 << 16);
	buf_init(&again, 1 << 16);
	if (mutf7_decode(in, &utf8, NULL) == 0 &&
	    (mutf7_encode(buf_span(&utf8), &again, NULL) == -1 ||
		!span_eq(buf_span(&again), in)))
		abort();
	buf_clear(&utf8);
	buf_clear(&again);
	if (mutf7_encode(in, &utf8, NULL) == 0 &&
	    (mutf7_decode(buf_span(&utf8), &again, NULL) == -1 ||
		!span_eq(buf_span(&again), in)))
		abort();
	buf_fini(&utf8);
	buf_fini(&again);
}

static void
check_name(struct span in)
{
	struct buf directory, name;

	buf_init(&directory, 1 << 16);
	buf_init(&name, 1 << 16);
	if (name_to_directory(in, &directory, NULL) == 0) {
		struct span d = buf_span(&directory);

		if (span_index(d, '/') >= 0 || span_index(d, '\0') >= 0 ||
		    span_starts(d, SPAN("..")) || d.len > NAME_DIRECTORY_MAX)
			abort();
		if (d.len > 1 && !name_of_directory(d, &name))
			abort();
	}
	buf_clear(&name);
	buf_clear(&directory);
	if (name_of_directory(in, &name) &&
	    (name_to_directory(buf_span(&name), &directory, NULL) == -1 ||
		!span_eq(buf_span(&directory), in)))
		abort();
	buf_fini(&directory);
	buf_fini(&name);
}

static void
check_filename(struct span in)
{
	struct filename f, again;
	struct buf out;

	if (!filename_parse(in, &f))
		return;
	buf_init(&out, 1 << 16);
	buf_append(&out, f.base);
	filename_format_info(f.letters, f.info, &out);
	if (filename_parse(buf_span(&out), &again) &&
	    (again.letters != f.letters || !span_eq(again.base, f.base)))
		abort();
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of((const char *)data, size);

	check_mutf7(in);
	check_name(in);
	check_filename(in);
	return 0;
}
