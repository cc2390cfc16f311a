/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of maildirsize, the running total of Maildir++ quota.
 *
 *	[<octets>S][,<messages>C] LF	the limits; 0 or absent: none
 *	<octets> <messages> LF		changes, to be summed; may be negative,
 *					Courier pads them with spaces
 *
 * A line is added with one O_APPEND write.  Who finds the file longer than
 * MAILDIRSIZE_MAX, or wrong, counts the messages and replaces it by rename.
 * A last line without LF is one that somebody is just writing, or a crash cut
 * off: it is passed over.
 */
#ifndef HK_STORE_MAILDIRSIZE_H
#define HK_STORE_MAILDIRSIZE_H

#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define MAILDIRSIZE_MAX ((size_t)5120) /* octets; from here on: count anew */

struct maildirsize {
	uint64_t octets_max, messages_max; /* 0: no limit */
	uint64_t octets, messages;
	unsigned lines; /* of changes */
};

/*
 * Errors: ERR_SYNTAX, no such text, or sums below zero or beyond 63 bits;
 * *out then holds the limits if the header could be read, and zeros.
 */
int maildirsize_parse(
    struct span text, struct maildirsize *out, struct err *err);

/* A whole file with one line for the sums, as Dovecot writes it. */
void maildirsize_format(const struct maildirsize *m, struct buf *out);

/* A line of changes. */
void maildirsize_format_change(
    int64_t octets, int64_t messages, struct buf *out);

#endif
