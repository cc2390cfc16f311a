/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A message on its way through milters: header fields one by one, and the
 * body.  Octets that nobody changed are borrowed from the message as it came.
 *
 * Fields of ours (the trace field) stand above it and are not shown to
 * milters.  Positions where a milter inserts count them; the numbers by which
 * it changes a field count only what it was shown, and stay as they were
 * shown until the next milter, whatever it deletes meanwhile.
 */
#ifndef HK_SMTPD_DRAFT_H
#define HK_SMTPD_DRAFT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "smtpd/milter_edits.h"

/* Of one field: name and value must fit a packet of the milter protocol. */
#define DRAFT_FIELD_MAX 60000
/* Of a whole header. */
#define DRAFT_HEADER_MAX (1024 * 1024)
#define DRAFT_FIELDS_MAX 10000

struct draft_field {
	struct span raw;   /* with its line ends */
	struct span name;  /* within raw */
	struct span value; /* behind the colon, without the last line end */
	char *owned;       /* holds raw, or NULL: borrowed */
	bool ours;         /* not shown */
	bool shown;        /* to the milter at work */
	bool deleted;
};

struct draft {
	struct draft_field *fields;
	size_t len, room;
	struct span body;
	bool body_replaced;
	struct buf replacement; /* the body then */
	uint64_t body_max;
};

/*
 * Takes a header apart.  ours: fields that go above, or empty.  The spans
 * must stay.  Errors: ERR_LIMIT, too many fields or a field too long.
 */
int draft_init(struct draft *d, struct span ours, struct span message,
    uint64_t octets_max, struct err *err);
void draft_fini(struct draft *d);
CLEANUP_DEFINE_VALUE(struct draft, draft_fini)

/* A second draft of the same message, which must stay; it is edited apart. */
int draft_copy(struct draft *to, const struct draft *from, struct err *err);

/* Adds a field of ours that milters are shown, below our trace field. */
int draft_add(
    struct draft *d, const struct milter_edit *field, struct err *err);

/* Whether a message keeps the limits above, asked when it has come. */
int draft_header_check(struct span message, struct err *err);

/* A milter begins: what is there now is what it is shown. */
void draft_show(struct draft *d);
/* How the milter at work counts and writes. */
struct draft_manner {
	bool numbers_shift; /* a deleted field is not counted any more */
	bool space;         /* a value has no white space of its own in front */
};

/*
 * Makes the edits that touch header and body; others are passed over.
 * ERR_LIMIT: the message becomes too large.
 */
int draft_apply(struct draft *d, const struct milter_edits *edits,
    const struct draft_manner *manner, struct err *err);

/* Appends the header with its empty line. */
void draft_header_put(const struct draft *d, struct buf *out);

#endif
