/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/buf.h"
#include "pop3d/dotstuff.h"

static void
stuffed(void **state)
{
	static const struct {
		struct span content, expected;
		unsigned pieces;
	} rows[] = {
		{ SPAN(""), SPAN(""), 0 },
		{ SPAN("a\r\nb\r\n"), SPAN("a\r\nb\r\n"), 1 },
		{ SPAN(".\r\n"), SPAN("..\r\n"), 1 },
		{ SPAN("."), SPAN(".."), 1 },
		{ SPAN("..x\r\n"), SPAN("...x\r\n"), 1 },
		{ SPAN("a\r\n.\r\n"), SPAN("a\r\n..\r\n"), 2 },
		{ SPAN("a\r\n.b\r\n.\r\n"), SPAN("a\r\n..b\r\n..\r\n"), 3 },
		{ SPAN("a.b.\r\nc"), SPAN("a.b.\r\nc"), 1 },
		{ SPAN("a\r.\r\n"), SPAN("a\r.\r\n"), 1 },
		{ SPAN("\r\n.\r\n\r\n"), SPAN("\r\n..\r\n\r\n"), 2 },
		{ SPAN("a\r\n."), SPAN("a\r\n.."), 2 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		CLEANUP(buf_fini) struct buf out;
		struct span rest = rows[i].content;
		unsigned pieces = 0;
		bool dot;

		buf_init(&out, 1000);
		while (rest.len > 0) {
			struct span piece = dotstuff_take(&rest, &dot);

			assert_true(piece.len > 0);
			if (dot)
				buf_append_octet(&out, '.');
			buf_append(&out, piece);
			pieces++;
		}
		assert_true(span_eq(buf_span(&out), rows[i].expected));
		assert_int_equal(pieces, rows[i].pieces);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stuffed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
