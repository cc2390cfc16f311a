/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Each grammar of a command on the same octets: failure consumes nothing,
 * and a section that was understood reads back as itself.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "imapd/command.h"
#include "imapd/fetch.h"
#include "imapd/id.h"
#include "imapd/list.h"
#include "imapd/parse.h"
#include "imapd/pattern.h"
#include "imapd/search.h"
#include "imapd/sequence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_sets(struct span in, struct arena *a)
{
	struct span rest = in;
	struct sequence_set set;

	if (sequence_set_parse(&rest, a, &set, NULL) == -1) {
		assert(rest.len == in.len);
		return;
	}
	sequence_set_resolve(&set, 100);
	for (size_t i = 0; i < set.count; i++) {
		assert(set.ranges[i].first <= set.ranges[i].last);
		assert(
		    i == 0 || set.ranges[i].first > set.ranges[i - 1].last + 1);
		assert(sequence_set_has(&set, set.ranges[i].last));
	}
}

static void
fuzz_section(struct span in, struct arena *a)
{
	CLEANUP(buf_fini) struct buf first;
	CLEANUP(buf_fini) struct buf second;
	struct span rest = in;
	struct section section;

	buf_init(&first, 1 << 20);
	buf_init(&second, 1 << 20);
	if (section_parse(&rest, a, &section, NULL) == -1) {
		assert(rest.len == in.len);
		return;
	}
	section_write(&section, &first);
	rest = buf_span(&first);
	assert(section_parse(&rest, a, &section, NULL) == 0 && rest.len == 0);
	section_write(&section, &second);
	assert(span_eq(buf_span(&first), buf_span(&second)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_fini) struct arena a;
	CLEANUP(buf_fini) struct buf said;
	struct span in = span_of((const char *)data, size), rest, out;
	struct fetch_request request;
	struct search_program program;
	struct list_request list;
	struct imap_flags flags;
	time_t when;
	bool ok;

	arena_init(&a, 16 << 20);
	buf_init(&said, 1000);
	fuzz_sets(in, &a);
	fuzz_section(in, &a);
	rest = in;
	if (fetch_request_parse(&rest, &a, &request, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	if (search_parse(&rest, &a, &program, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	if (list_request_parse(&rest, &a, &list, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	program = (struct search_program){ .keys = NULL };
	if (search_criteria_parse(&rest, &a, &program, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	if (imap_mailbox_parse(&rest, &a, &out, &ok, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	if (imap_date_time_parse(&rest, &when, NULL) == -1)
		assert(rest.len == in.len);
	rest = in;
	(void)imap_flag_list_parse(&rest, &a, &flags, NULL);
	rest = in;
	(void)imap_id_parse(&rest, &a, &said, NULL);
	(void)pattern_match(
	    span_first(in, in.len / 2), span_from(in, in.len / 2));
	return 0;
}
