/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets between our processes over SOCK_SEQPACKET: at most PACKET_MAX
 * octets, and up to PACKET_FDS_MAX descriptors.
 *
 *	packet  = version type serial *field
 *	version = 1 octet, of the protocol the socket speaks
 *	type    = 1 octet, the request's or the answer's
 *	serial  = 4 octets, big-endian; an answer bears its request's
 *	field   = tag (1 octet) length (2 octets, big-endian) value
 *
 * Unknown tags are skipped by readers, so that a field can be added without
 * a new version.  A reader treats the sender as hostile.
 */
#ifndef HK_COMMON_PACKET_H
#define HK_COMMON_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define PACKET_MAX 65536
#define PACKET_FDS_MAX 250

struct packet_head {
	uint8_t version, type;
	uint32_t serial;
};

/* ---- writing: into a struct buf with max PACKET_MAX -------------------- */
void packet_begin(struct buf *b, struct packet_head head);
void packet_put(struct buf *b, uint8_t tag, struct span value);
void packet_put_str(struct buf *b, uint8_t tag, const char *value);
void packet_put_u64(struct buf *b, uint8_t tag, uint64_t value); /* 8 octets */
/*
 * A field whose value is written piece by piece between the two calls, fields
 * themselves most likely; packet_end takes what packet_start answered.
 */
size_t packet_start(struct buf *b, uint8_t tag);
void packet_end(struct buf *b, size_t start);
/* A value over 65,535 octets makes buf_check fail with ERR_LIMIT. */

/* ---- reading ------------------------------------------------------------- */
/* ERR_SYNTAX: too short, or a version other than the given one. */
int packet_open(struct span packet, uint8_t version,
    struct packet_head *head_out, struct span *fields_out, struct err *err);

enum packet_next {
	PACKET_FIELD,
	PACKET_END,
	PACKET_BROKEN
};
/* Takes the next field off the front of *fields. */
enum packet_next packet_next(
    struct span *fields, uint8_t *tag_out, struct span *value_out);
/* Readers of one value: false when it has another shape or does not fit. */
bool packet_u64(struct span value, uint64_t *out);
bool packet_text(
    struct span value, char *out, size_t out_size); /* no NUL in it */

/* ---- sockets ---------------------------------------------------------------
 */
/*
 * One packet out or in, with descriptors.  timeout_ms < 0: wait for ever,
 * 0: do not wait.  packet_recv empties *b (max PACKET_MAX) first; received
 * descriptors are CLOEXEC and the caller's; those beyond fds_max are closed
 * and make it ERR_SYNTAX.
 *
 * Errors: ERR_CLOSED, the peer is gone; ERR_TEMP, timed out or a system call
 * failed; ERR_SYNTAX, truncated.
 */
int packet_send(int fd, struct span packet, const int *fds, size_t fds_len,
    int timeout_ms, struct err *err);
int packet_recv(int fd, struct buf *b, int *fds, size_t fds_max,
    size_t *fds_len_out, int timeout_ms, struct err *err);

#endif
