/* SPDX-License-Identifier: BSD-2-Clause */
#include "pop3d/content_send.h"

#include "pop3d/dotstuff.h"

/* Below this, copying into the output queue costs less than a file range. */
#define FILE_RANGE_MIN 16384

static int
piece_send(struct conn *c, const struct content *content, struct span piece,
    struct err *err)
{
	uint64_t at = (uint64_t)(piece.p - content_span(content).p);

	if (piece.len >= FILE_RANGE_MIN && content_fd(content) != -1)
		return conn_write_file(
		    c, content_fd(content), at, piece.len, err);
	conn_write(c, piece);
	return 0;
}

int
content_send(
    struct conn *c, const struct content *content, size_t len, struct err *err)
{
	struct span rest = span_first(content_span(content), len);
	struct span all = rest, piece;
	bool dot;

	while (rest.len > 0) {
		piece = dotstuff_take(&rest, &dot);
		if (dot)
			conn_write(c, SPAN("."));
		if (piece_send(c, content, piece, err) == -1)
			return -1;
	}
	if (all.len > 0 && !span_ends(all, SPAN("\n")))
		conn_write(c, SPAN("\r\n"));
	conn_write(c, SPAN(".\r\n"));
	return 0;
}
