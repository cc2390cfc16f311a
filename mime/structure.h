/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parts of a message and where they are.            RFC 2046 section 5
 *
 * Works on the whole message, in one pass whatever a stranger nested in it:
 * at most MIME_PARTS_MAX parts, MIME_DEPTH_MAX deep; what lies beyond is
 * content of the part it is in.  The parts are in the order of the message,
 * the root (the message itself) first.
 *
 * A part is
 *
 *	leaf		content, whatever its type
 *	multipart	children between boundary lines
 *	message		message/rfc822: one child, the message inside, whose
 *			header begins where the part's body does
 *
 * A boundary line begins with "--" and the boundary (longest match, the
 * innermost first); the line end before it belongs to it.  A multipart
 * without a usable boundary parameter is a leaf.
 */
#ifndef HK_MIME_STRUCTURE_H
#define HK_MIME_STRUCTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

enum {
	MIME_DEPTH_MAX = 100,
	MIME_PARTS_MAX = 10000,
	MIME_BOUNDARY_MAX = 200, /* RFC 2046 allows 70 */
};

#define MIME_NONE UINT32_MAX

enum mime_kind {
	MIME_LEAF,
	MIME_MULTIPART,
	MIME_MESSAGE
};

struct mime_part {
	uint64_t header_at; /* octets from the start of the message */
	uint64_t body_at;   /* behind the empty line */
	uint64_t end;
	uint64_t fields; /* octets of the header without the empty line */
	uint32_t lines;  /* line ends in the body */
	uint32_t parent, child, next; /* indexes, or MIME_NONE */
	uint8_t kind;                 /* enum mime_kind */
	bool in_digest; /* without a Content-Type it is message/rfc822 */
};

struct mime_structure {
	struct mime_part *parts;
	uint32_t count; /* 1 or more once parsed */
};

/* Only memory can be lacking: ERR_TEMP. */
int mime_structure_parse(
    struct span message, struct mime_structure *structure_out, struct err *err);
void mime_structure_fini(struct mime_structure *s);
CLEANUP_DEFINE_VALUE(struct mime_structure, mime_structure_fini)

/* The fields of a part's header, and its body. */
struct span mime_part_fields(const struct mime_part *p, struct span message);
struct span mime_part_header(const struct mime_part *p, struct span message);
struct span mime_part_body(const struct mime_part *p, struct span message);

/* Child number n (1, 2, ...) of a multipart, or MIME_NONE. */
uint32_t mime_child(const struct mime_structure *s, uint32_t part, uint32_t n);

#endif
