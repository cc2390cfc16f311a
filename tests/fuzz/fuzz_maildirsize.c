/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any octets as maildirsize: sums never wrap, a failure leaves none, and what
 * was read comes back the same after writing.
 */
#include <stdlib.h>

#include "store/maildirsize.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of((const char *)data, size);
	struct maildirsize m, again;
	struct buf out;

	if (maildirsize_parse(text, &m, NULL) == -1) {
		if (m.octets != 0 || m.messages != 0 || m.lines != 0)
			abort();
		return 0;
	}
	if (m.octets > INT64_MAX || m.messages > INT64_MAX || m.lines == 0)
		abort();
	buf_init(&out, MAILDIRSIZE_MAX);
	maildirsize_format(&m, &out);
	if (maildirsize_parse(buf_span(&out), &again, NULL) == -1 ||
	    again.octets != m.octets || again.messages != m.messages ||
	    again.octets_max != m.octets_max ||
	    again.messages_max != m.messages_max || again.lines != 1)
		abort();
	buf_fini(&out);
	return 0;
}
