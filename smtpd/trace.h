/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trace fields of ours that came from outside.
 *
 * What the platform says about a message to itself and to its users stands in
 * fields whose names begin with "Hikyaku-" or "X-Hikyaku-".  Whoever reads
 * them must be able to believe them, so a message brings none: they are taken
 * out of its header, and no other octet changes.
 */
#ifndef HK_SMTPD_TRACE_H
#define HK_SMTPD_TRACE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"
#include "smtpd/draft.h"

bool smtp_trace_is_ours(struct span field_name);

/*
 * True when the header of this message has such a field: then *fields_out
 * is its fields without them (its max must allow as many octets as the header
 * has), and *rest_out what follows the fields, the empty line included.
 */
bool smtp_trace_strip(
    struct span message, struct buf *fields_out, struct span *rest_out);

/*
 * The same for a message that milters are to see: takes such fields out of
 * it, and results of authentication that claim to be from the given server,
 * since only ours may be believed.			RFC 8601 section 5
 * Answers how many.
 */
size_t smtp_trace_strip_draft(struct draft *draft, struct span authserv_id);

#endif
