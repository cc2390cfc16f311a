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

static void
header_send(struct conn *c, struct span header)
{
	bool dot;

	while (header.len > 0) {
		struct span piece = dotstuff_take(&header, &dot);

		if (dot)
			conn_write(c, SPAN("."));
		conn_write(c, piece);
	}
}

int
content_send(struct conn *c, struct span header, const struct content *content,
    size_t from, size_t end, struct err *err)
{
	struct span rest =
	    span_from(span_first(content_span(content), end), from);
	struct span last = rest.len > 0 ? rest : header, piece;
	bool dot;

	header_send(c, header);
	while (rest.len > 0) {
		piece = dotstuff_take(&rest, &dot);
		if (dot)
			conn_write(c, SPAN("."));
		if (piece_send(c, content, piece, err) == -1)
			return -1;
	}
	if (last.len > 0 && !span_ends(last, SPAN("\n")))
		conn_write(c, SPAN("\r\n"));
	conn_write(c, SPAN(".\r\n"));
	return 0;
}
