/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * xtext: how ESMTP parameters carry any octets.        RFC 3461 section 4
 *
 *	xtext   = *( xchar / hexchar )
 *	xchar   = any CHAR between "!" (33) and "~" (126) inclusive, except
 *		  for "+" and "="
 *	hexchar = ASCII "+" immediately followed by two upper case
 *		  hexadecimal digits
 */
#ifndef HK_MIME_XTEXT_H
#define HK_MIME_XTEXT_H

#include "common/buf.h"
#include "common/err.h"
#include "common/span.h"

/* Appends any octets as xtext. */
void xtext_encode(struct span octets, struct buf *out);

/*
 * Appends what xtext stands for.  Lower case digits are taken too.  On
 * failure *out is as it was.
 *
 * Errors: ERR_SYNTAX, an octet that xtext has not got, or "+" without two
 *         digits; ERR_POLICY, it stands for a control character: nothing that
 *         we take from a stranger may break a line of ours;
 *         those of buf_check.
 */
int xtext_decode(struct span text, struct buf *out, struct err *err);

#endif
