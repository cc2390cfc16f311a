/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/listing.h"

#include "pop3d/maildrop.h"

/* Octets gathered before they are queued; a line has less than 300. */
#define LISTING_CHUNK 8192
#define LISTING_MAX (LISTING_CHUNK + 512)

void
listing_write(struct transaction *t, struct conn *c,
    void (*line)(struct transaction *t, uint32_t number, struct buf *out))
{
	CLEANUP(buf_fini) struct buf out;

	buf_init(&out, LISTING_MAX);
	for (uint32_t n = 1; n <= maildrop_count(t->maildrop); n++) {
		if (!maildrop_has(t->maildrop, n))
			continue;
		buf_append_u64(&out, n);
		buf_append_octet(&out, ' ');
		line(t, n, &out);
		buf_append(&out, SPAN("\r\n"));
		if (out.len >= LISTING_CHUNK) {
			conn_write(c, buf_span(&out));
			buf_clear(&out);
		}
	}
	buf_append(&out, SPAN(".\r\n"));
	if (buf_check(&out, NULL) == -1)
		t->over = true; /* half a listing must not look whole */
	else
		conn_write(c, buf_span(&out));
}
