/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Headers in UTF-8, told to a client that cannot read them: the surrogate of
 * RFC 6856 section 2.1.			RFC 6532, RFC 2047, RFC 2231
 *
 *	addresses	names become encoded words; an address with other
 *			than ASCII in it becomes part of its name, and
 *			invalid@internationalized-address.invalid its place
 *	Content-Type,	parameters become extended ones ("name*")
 *	Content-Disposition
 *	ids, traces and the like (no encoded word may stand there): left out
 *	all others	words become encoded words
 *
 * Fields in ASCII stay as they are, octet for octet.
 */
#ifndef HK_MIME_DOWNGRADE_H
#define HK_MIME_DOWNGRADE_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/*
 * Whether it is internationalized mail, which a client has to ask for: it came
 * by SMTPUTF8, as its topmost Received field says ("with UTF8..."), or has an
 * address in UTF-8.  Other mail with 8-bit headers is as old as mail; nobody
 * knows what it means, and every server tells it as it is.
 *
 * Errors: those of the memory.
 */
int header_is_international(
    struct span fields, bool *international_out, struct err *err);

/*
 * Appends fields (header_end.fields octets of a message) in ASCII.  Lines end
 * in CRLF.  Errors: ERR_LIMIT and ERR_TEMP, of buf_check and the memory.
 */
int header_downgrade(struct span fields, struct buf *out, struct err *err);

#endif
