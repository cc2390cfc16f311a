/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What FETCH can ask for.                         RFC 3501 sections 6.4.5, 9
 */
#ifndef HK_IMAPD_FETCH_H
#define HK_IMAPD_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"
#include "mime/structure.h"

/* Numbers in a section: no part lies deeper. */
#define SECTION_DEPTH_MAX MIME_DEPTH_MAX
/* Items of one FETCH, and names of one HEADER.FIELDS. */
#define FETCH_ITEMS_MAX 200
#define HEADER_FIELDS_MAX 1000

enum section_text {
	SECTION_ALL,
	SECTION_HEADER,
	SECTION_HEADER_FIELDS,
	SECTION_HEADER_FIELDS_NOT,
	SECTION_TEXT,
	SECTION_MIME,
};

struct section {
	uint32_t *numbers;
	size_t depth;
	enum section_text text;
	struct span *fields;
	size_t fields_len;
};

enum fetch_kind {
	FETCH_FLAGS,
	FETCH_UID,
	FETCH_INTERNALDATE,
	FETCH_SIZE,
	FETCH_ENVELOPE,
	FETCH_BODY, /* structure without extensions */
	FETCH_BODYSTRUCTURE,
	FETCH_MODSEQ, /* RFC 7162 */
	FETCH_SECTION,
};

struct fetch_item {
	enum fetch_kind kind;
	const char *name; /* "RFC822.TEXT"; NULL: BODY[section] */
	struct section section;
	bool peek;
	bool partial;
	uint32_t from, count; /* of the partial */
};

struct fetch_request {
	struct fetch_item *items;
	size_t count;
	unsigned kinds; /* what the cache may know: bits of known_kind */
	bool content;   /* the whole message must be read */
	bool header;    /* its header must */
	bool date, size;
	bool cached;   /* the cache may be of use */
	bool set_seen; /* an item that is not BODY.PEEK is there */
	bool modseq;   /* MODSEQ is among the items, or CHANGEDSINCE is there */
	/* Modifiers, RFC 7162 sections 3.1.4.1 and 3.2.6. */
	bool has_since, vanished;
	uint64_t since;
};

/* What stands behind the sequence set, without the SP in front:
 *
 *	items [SP "(" modifier *(SP modifier) ")"]
 */
int fetch_request_parse(struct span *in, struct arena *a,
    struct fetch_request *out, struct err *err);

/* section = "[" [section-spec] "]" */
int section_parse(
    struct span *in, struct arena *a, struct section *out, struct err *err);
/* "[1.HEADER.FIELDS (To)]", as a response names it. */
void section_write(const struct section *section, struct buf *out);

/*
 * The octets of a section.  Borrowed from the message, or built in made (for
 * HEADER.FIELDS).  p NULL: there is no such part.
 */
struct span section_find(const struct section *section, struct span message,
    const struct mime_structure *structure, struct buf *made);

/* The least that a section can be told from. */
enum section_source {
	SECTION_OF_RECORD, /* KNOWN_HEADER of known.h */
	SECTION_OF_HEADER,
	SECTION_OF_MESSAGE,
};
enum section_source section_source(const struct section *section);
/* The octets of one that is of the header, as section_find answers. */
struct span section_header(const struct section *section, struct span header,
    size_t fields, struct buf *made);

/* envelope and body, RFC 3501 section 7.4.2. Errors: memory. */
int envelope_write(struct span fields, struct buf *out, struct err *err);
int bodystructure_write(const struct mime_structure *structure,
    struct span message, bool extended, struct buf *out, struct err *err);

#endif
