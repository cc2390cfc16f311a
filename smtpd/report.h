/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the sender wants to be told: parameters of MAIL and RCPT.
 *                                                       RFC 3461 section 4
 *
 * A value that is given twice is an error; *out is zero before.
 * Errors: ERR_SYNTAX.
 */
#ifndef HK_SMTPD_REPORT_H
#define HK_SMTPD_REPORT_H

#include "common/err.h"
#include "common/span.h"

/* ret = "FULL" / "HDRS": OUTBOUND_RET_... */
int smtp_ret_parse(struct span value, unsigned *out, struct err *err);
/* envid = xtext, of at most 100 octets. */
int smtp_envid_parse(struct span value, struct span *out, struct err *err);
/* notify = "NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" ) */
int smtp_notify_parse(struct span value, unsigned *out, struct err *err);
/* orcpt = addr-type ";" xtext, of at most 500 octets. */
int smtp_orcpt_parse(struct span value, struct span *out, struct err *err);

#endif
