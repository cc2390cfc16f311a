/* SPDX-License-Identifier: BSD-2-Clause */
/* A message, or the front of one, as a byte-stuffed multi-line reply. */
#ifndef HK_POP3D_CONTENT_SEND_H
#define HK_POP3D_CONTENT_SEND_H

#include <stddef.h>

#include "common/conn.h"
#include "common/err.h"
#include "store/message.h"

/*
 * Queues the first len octets, which end with a line or with the message, and
 * the last line of the reply.  An unfinished last line is finished.  After a
 * failure the reply is broken: close.
 */
int content_send(
    struct conn *c, const struct content *content, size_t len, struct err *err);

#endif
