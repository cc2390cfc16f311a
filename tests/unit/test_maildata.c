/* SPDX-License-Identifier: BSD-2-Clause */
/* common/maildata: every case whole, in all splits in two, and octet by octet.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "common/buf.h"
#include "common/maildata.h"

struct row {
	struct span in;
	bool ended; /* the end was found */
	bool bad;
	struct span content; /* when neither bad nor open */
	size_t left;         /* octets behind the end */
};

#define OPEN(in)                                                               \
	{                                                                      \
		SPAN(in), false, false, SPAN_NONE, 0                           \
	}
#define OPEN_BAD(in)                                                           \
	{                                                                      \
		SPAN(in), false, true, SPAN_NONE, 0                            \
	}

static const struct row rows[] = {
	{ SPAN(".\r\n"), true, false, SPAN(""), 0 },
	{ SPAN("a\r\n.\r\n"), true, false, SPAN("a\r\n"), 0 },
	{ SPAN("a\r\n.\r\nQUIT\r\n"), true, false, SPAN("a\r\n"), 6 },
	{ SPAN("\r\n.\r\n"), true, false, SPAN("\r\n"), 0 },
	{ SPAN("..\r\n.\r\n"), true, false, SPAN(".\r\n"), 0 },
	{ SPAN(".a\r\n.\r\n"), true, false, SPAN("a\r\n"), 0 },
	{ SPAN("...a.\r\n.b\r\n.\r\n"), true, false, SPAN("..a.\r\nb\r\n"), 0 },
	{ SPAN("a.\r\n.\r\n"), true, false, SPAN("a.\r\n"), 0 },
	{ SPAN("a\r\n\r\n.\r\n.\r\n"), true, false, SPAN("a\r\n\r\n"), 3 },
	{ SPAN("\xff\x80\r\n.\r\n"), true, false, SPAN("\xff\x80\r\n"), 0 },
	/* A bare CR or LF never ends anything.  RFC 5321 4.1.1.4 */
	OPEN("a\r\n.\r"),
	OPEN("a\r\n."),
	OPEN("a.\r\n"),
	OPEN_BAD("a\n.\n"),
	OPEN_BAD("a\n.\r\n"),
	OPEN_BAD("a\r\n.\n"),
	OPEN_BAD("a\r.\r"),
	OPEN_BAD("a\r.\r\n"),
	OPEN_BAD("a\r\n.\rb"),
	OPEN_BAD("a\r\n.\r\r\n"),
	OPEN_BAD("a\r.\n"),
	OPEN_BAD("a\n.\r"),
	OPEN_BAD("a\n\r.\n\r"),
	OPEN_BAD("\n.\r\n"),
	OPEN_BAD(".\n"),
	OPEN_BAD("a\r\r.\r\n"),
	OPEN_BAD("a\r\n.\0\r\n"),
	OPEN_BAD("a\0"),
	/* These are bad, and yet <CRLF>.<CRLF> stands in them. */
	{ SPAN("a\r\r\n.\r\nX"), true, true, SPAN_NONE, 1 },
	{ SPAN("a\n\r\n.\r\n"), true, true, SPAN_NONE, 0 },
	{ SPAN("a\0b\r\n.\r\n"), true, true, SPAN_NONE, 0 },
	{ SPAN("a\n.\nb\r\n.\r\nZ"), true, true, SPAN_NONE, 1 },
	{ SPAN("a\r\n.\r\r\n.\r\n"), true, true, SPAN_NONE, 0 },
};

static void
collect(void *arg, struct span octets)
{
	assert_true(octets.len > 0);
	buf_append(arg, octets);
}

/* Gives the row in pieces that end at the set bits of cuts. */
static void
try_cuts(const struct row *row, uint64_t cuts)
{
	struct maildata m;
	CLEANUP(buf_fini) struct buf content;
	size_t at, from = 0, taken = 0;

	buf_init(&content, 1000);
	maildata_init(&m, collect, &content);
	for (at = 1; at <= row->in.len; at++) {
		if (at < row->in.len && (cuts >> at & 1) == 0)
			continue;
		taken +=
		    maildata_take(&m, span_of(row->in.p + from, at - from));
		from = at;
	}
	assert_int_equal(m.state == MAILDATA_END, row->ended);
	assert_int_equal(m.bad, row->bad);
	assert_int_equal(row->in.len - taken, row->left);
	if (!row->ended || row->bad)
		return;
	assert_int_equal(content.len, row->content.len);
	assert_memory_equal(content.data == NULL ? "" : content.data,
	    row->content.p, content.len);
}

static void
test_cases(void **state)
{
	size_t i;
	uint64_t cuts;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		/* Every way to cut it, or for long ones every single cut. */
		if (rows[i].in.len <= 12) {
			for (cuts = 0; cuts < 1u << rows[i].in.len; cuts++)
				try_cuts(&rows[i], cuts);
			continue;
		}
		try_cuts(&rows[i], 0);
		try_cuts(&rows[i], UINT64_MAX);
		for (cuts = 1; cuts < rows[i].in.len; cuts++)
			try_cuts(&rows[i], (uint64_t)1 << cuts);
	}
}

/* All strings of seven of the octets that matter, against plain words. */
static void
test_against_search(void **state)
{
	static const char alphabet[] = "\r\n.x";
	char text[2 + 7];
	unsigned number, i;

	(void)state;
	memcpy(text, "\r\n", 2);
	for (number = 0; number < 1u << 14; number++) {
		struct maildata m;
		CLEANUP(buf_fini) struct buf content;
		ptrdiff_t end;
		size_t taken;

		for (i = 0; i < 7; i++)
			text[2 + i] = alphabet[number >> (2 * i) & 3];
		buf_init(&content, 1000);
		maildata_init(&m, collect, &content);
		taken = maildata_take(&m, span_of(text + 2, 7));
		/* The DATA command's own CRLF counts as the first one. */
		end = span_find(span_of(text, 9), SPAN("\r\n.\r\n"));
		if (end == -1)
			assert_true(m.state != MAILDATA_END && taken == 7);
		else
			assert_true(m.state == MAILDATA_END &&
				    taken == (size_t)end + 3);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_against_search),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
