/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a journal's segment looks like on the disk.  hikyaku-journal(5) draws
 * it; numbers are little-endian.
 *
 *	page 0	head of the segment's odd uses		64 octets, rest unused
 *	page 1	head of its even uses			likewise
 *	page 2	records, each at a multiple of 8, groups at a page's start
 *
 *	segment head
 *	0	8	"HKJOURNL"
 *	8	4	version (1)
 *	12	4	whose records: the application's kind
 *	16	16	the journal's id, random
 *	32	8	octets of the segment
 *	40	8	generation: which use of which segment this is, from 1
 *on 48	8	oldest generation that may have held anything then 56	4
 *how far below the generation before it is (1), 0: none 60	4
 *CRC-32C of octets 0 to 59
 *
 *	record head, the payload follows
 *	0	4	"HKJR"
 *	4	4	octets of payload
 *	8	8	number, rising by 1
 *	16	8	generation of its segment
 *	24	8	all records up to this number were flushed before this
 *	32	8	time of writing, milliseconds since the epoch
 *	40	2	type, the application's
 *	42	6	0
 *	48	4	CRC-32C of the payload
 *	52	4	CRC-32C of the id and octets 0 to 51
 *
 * A segment is used over and over.  What an earlier use left behind bears
 * that use's generation and is never taken for new.  The heads have a page
 * each, and a group of records begins on a page of its own, so that no page
 * with anything acknowledged on it is ever written again while it counts.
 *
 * States a crash may leave: a group whose pages came in part and in any
 * order.  Nobody was told of it, as the flush did not come back; each of its
 * records is whole or refused.  A gap before a record that says it was
 * flushed is damage, and is told apart by that.
 */
#ifndef HK_COMMON_JOURNAL_FORMAT_H
#define HK_COMMON_JOURNAL_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "common/span.h"

#define JOURNAL_VERSION 1
#define JOURNAL_PAGE ((uint64_t)4096)
#define JOURNAL_DATA (2 * JOURNAL_PAGE) /* where records begin */
#define JOURNAL_ID_LEN 16
#define JOURNAL_HEAD_LEN 64
#define JOURNAL_RECORD_LEN 56 /* of a record's head */
#define JOURNAL_ALIGN ((uint64_t)8)

/* A message that skips no journal is 256 KB; a list's recipients come to it. */
#define JOURNAL_PAYLOAD_MAX ((size_t)1024 * 1024)
#define JOURNAL_SEGMENT_MIN ((uint64_t)64 * 1024)
#define JOURNAL_SEGMENT_MAX ((uint64_t)256 * 1024 * 1024)

struct journal_head {
	uint32_t kind;
	unsigned char id[JOURNAL_ID_LEN];
	uint64_t octets, generation, oldest;
	uint32_t step;
};

void journal_head_format(
    const struct journal_head *h, char out[JOURNAL_HEAD_LEN]);

/*
 * Errors: ERR_SYNTAX, no head, or a damaged one; ERR_POLICY, whole, but of a
 * version that we do not know: nothing may be overwritten.
 */
int journal_head_parse(
    struct span in, struct journal_head *out, struct err *err);

/* Where the head of a generation stands. */
uint64_t journal_head_offset(uint64_t generation);

/* The later of the two heads of a segment, of which in holds JOURNAL_DATA
 * octets or more.  Errors likewise. */
int journal_head_choose(
    struct span in, struct journal_head *out, struct err *err);

struct journal_record {
	uint64_t number, flushed, time_ms;
	uint16_t type;
	struct span payload; /* borrowed */
};

/* The checksum of a payload in pieces. */
uint32_t journal_payload_crc(const struct span *pieces, size_t count);

/* octets and crc are the payload's; r->payload is not looked at. */
void journal_record_format(const struct journal_head *h,
    const struct journal_record *r, uint32_t octets, uint32_t crc,
    char out[JOURNAL_RECORD_LEN]);

/*
 * The record at the front of in, which reaches to the segment's end.
 *
 * Errors: ERR_SYNTAX: none there; of an earlier use; cut off; damaged.
 * ERR_LIMIT: it says it is larger than any is.
 */
int journal_record_parse(const struct journal_head *h, struct span in,
    struct journal_record *out, struct err *err);

/* Where the next record of the same group begins, behind one at offset. */
uint64_t journal_record_end(uint64_t offset, uint64_t payload_octets);

/* ---- reading a segment from front to end ---- */

struct journal_walk {
	struct span segment; /* all of it */
	struct journal_head head;
	uint64_t offset; /* where to look on; JOURNAL_DATA at first */
};

/*
 * Finds the next whole record at or behind w->offset, and where; whatever
 * lies between is skipped.  False: there is none.  Numbers rise.
 */
bool journal_walk_next(struct journal_walk *w, uint64_t above,
    struct journal_record *out, uint64_t *offset_out);

#endif
