/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Message content as the lines of a multi-line reply: byte-stuffed, and the
 * line that ends it.				RFC 1939 section 3
 */
#ifndef HK_POP3D_CONTENT_SEND_H
#define HK_POP3D_CONTENT_SEND_H

#include <stddef.h>

#include "common/conn.h"
#include "common/err.h"
#include "store/message.h"

/*
 * Sends header (whole lines; none: SPAN_NONE) and octets from to end of the
 * content.  A last line without its end gets one, since "." needs a line of
 * its own.
 *
 * Errors: those of conn_write_file.
 */
int content_send(struct conn *c, struct span header,
    const struct content *content, size_t from, size_t end, struct err *err);

#endif
