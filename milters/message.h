/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One message as the MTA has shown it to a filter: the envelope, and the
 * octets as the client sent them (lines end in CRLF).  Small ones stay in
 * memory, larger ones go to a memfd.
 */
#ifndef HK_MILTERS_MESSAGE_H
#define HK_MILTERS_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

/* What no filter looks behind; the rest is counted and not kept. */
#define MESSAGE_KEPT_MAX ((uint64_t)256 * 1024 * 1024)

struct message {
	struct span reverse_path; /* without brackets; "" is <> */
	struct span *rcpts;       /* as the client gave them, with <> */
	size_t rcpts_len;
	uint64_t octets;        /* of the whole message */
	uint64_t header_octets; /* with the empty line */
	bool cut;               /* not all of it was kept */

	struct buf tail; /* not written to fd yet */
	int fd;          /* memfd, or -1: all of it is in tail */
	uint64_t written;
	void *mapped;
	size_t mapped_len;
	struct arena arena; /* the envelope */
	struct err err;     /* why it cannot be judged: ERR_NONE, it can */
};

void message_init(struct message *m);
/* Empties it; it can be used again. */
void message_reset(struct message *m);

void message_sender(struct message *m, const char *path);
void message_rcpt(struct message *m, const char *path);
/* value: folded lines have LF between them. */
void message_field(
    struct message *m, const char *name, const char *value, bool leading_space);
void message_end_of_header(struct message *m);
void message_body(struct message *m, struct span octets);

/*
 * The octets that were kept.  Borrowed until the message changes.
 * Errors: ERR_TEMP, also of all that happened while it came.
 */
int message_span(struct message *m, struct span *out, struct err *err);
/* The same as a sealed memfd, which stays the message's. */
int message_memfd(struct message *m, int *fd_out, struct err *err);

#endif
