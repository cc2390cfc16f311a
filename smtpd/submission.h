/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to mail of users before the first milter sees it, so that a
 * signature covers it.					RFC 6409 sections 6, 8
 */
#ifndef HK_SMTPD_SUBMISSION_H
#define HK_SMTPD_SUBMISSION_H

#include "common/err.h"
#include "smtpd/draft.h"
#include "smtpd/session.h"

enum smtp_submission {
	SMTP_SUBMISSION_FINE,
	SMTP_SUBMISSION_REFUSED, /* answered */
	SMTP_SUBMISSION_FAILED,  /* err tells */
};

/*
 * From, Sender and Resent-From must belong to the login; there is one From.
 * Bcc goes, Date and Message-ID are added where they are missing.
 */
enum smtp_submission smtp_submission_fix(
    struct smtp_session *s, struct draft *draft, struct err *err);

#endif
