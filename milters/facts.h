/* SPDX-License-Identifier: BSD-2-Clause */
/* What rules ask about a message: hikyaku-rules(7). */
#ifndef HK_MILTERS_FACTS_H
#define HK_MILTERS_FACTS_H

#include "common/err.h"
#include "common/span.h"
#include "tenants/rule.h"

/*
 * *facts_out need not be initialised; on failure it is to be finished, too.
 * octets: of the whole message, of which text is what was kept.
 * Errors: ERR_TEMP; ERR_LIMIT, texts of over 16 MB.
 */
int message_facts(struct span text, uint64_t octets,
    struct rule_facts *facts_out, struct err *err);

/*
 * Appends a subject as people see it: encoded words decoded, and the raw
 * octets of old Japanese senders, in ISO-2022-JP or the charset given.
 */
int subject_decode(
    struct span value, struct span charset, struct buf *out, struct err *err);

/*
 * Parts that a mail client shows as attached files: those that have a file
 * name or are disposed of as an attachment.  Signatures are none, nor is what
 * is inside an attached message.
 */
int attachments_count(struct span text, unsigned *count_out, struct err *err);

#endif
