/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * User names and passwords as SASL compares them.	RFC 4013, RFC 4616
 *
 * Blanks of any kind become SP, letters of any width and composition become
 * one, so that a keyboard or an operating system makes no difference.  Code
 * points that Unicode 3.2 had not assigned yet are let through, as in queries
 * of RFC 3454 section 7: people use them in passwords.
 */
#ifndef HK_TENANTS_SASLPREP_H
#define HK_TENANTS_SASLPREP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/span.h"

/*
 * Appends the prepared text when it is another one.  False, and *out as it
 * was: nothing changes, which is so for all ASCII; or it cannot be prepared
 * (no UTF-8, control characters, against the rules for writing from right to
 * left), and stands for itself.
 */
bool saslprep(struct span text, struct buf *out);

#endif
