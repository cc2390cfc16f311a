/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a client that has not said UTF8 gets of internationalized mail
 * (mime/downgrade.h): the same with another header.	RFC 6856 section 2.1
 *
 * Headers of parts inside the message are told as they are.
 */
#ifndef HK_POP3D_SURROGATE_H
#define HK_POP3D_SURROGATE_H

#include <stddef.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

struct surrogate {
	struct buf header; /* instead of the message's first */
	size_t from;       /* octets */
};

/*
 * Makes one if the client needs it; else from is 0 and there is no header.
 * surrogate_fini afterwards, in any case.
 */
int surrogate_make(
    struct span message, struct surrogate *surrogate_out, struct err *err);
void surrogate_fini(struct surrogate *s);
CLEANUP_DEFINE_VALUE(struct surrogate, surrogate_fini)

#endif
