/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ID, before and after login.                           RFC 2971 section 3
 *
 *	id              = "id" SPACE id_params_list
 *	id_params_list  = "(" #(string SPACE nstring) ")" / nil
 */
#ifndef HK_IMAPD_ID_H
#define HK_IMAPD_ID_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

#define IMAP_ID_TEXT_MAX 1024 /* of what a client says, for the log */

/*
 * SP id_params_list and the end.  Appends "name=value; ..." to said, cut off
 * where it is full.
 */
int imap_id_parse(
    struct span *in, struct arena *a, struct buf *said, struct err *err);
/* The "* ID" response, with CRLF. */
void imap_id_write(struct buf *out);

#endif
