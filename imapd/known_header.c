/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header fields that clients ask for with BODY[HEADER.FIELDS (...)] when they
 * list a mailbox, one behind the other, as they stand in the message.  What
 * mutt, Thunderbird, Roundcube, K-9, Outlook and others name, without the trace
 * fields that would make the record as long as the header.
 */
#include "imapd/known.h"

#include "mime/header.h"

/* Add or take away: and raise the version. */
static const char *const names[] = { "Auto-Submitted", "Bcc", "Cc",
	"Content-Class", "Content-Description", "Content-Disposition",
	"Content-Language", "Content-Transfer-Encoding", "Content-Type", "Date",
	"Delivered-To", "Disposition-Notification-To", "Envelope-To", "From",
	"Importance", "In-Reply-To", "Lines", "List-Help", "List-Id",
	"List-Post", "List-Unsubscribe", "List-Unsubscribe-Post",
	"Mail-Followup-To", "Mail-Reply-To", "Message-ID", "MIME-Version",
	"Newsgroups", "Organization", "Precedence", "Priority", "References",
	"Reply-To", "Return-Receipt-To", "Sender", "Sensitivity", "Status",
	"Subject", "Thread-Index", "Thread-Topic", "To", "User-Agent",
	"X-Draft-Info", "X-Forwarded-Message-Id", "X-Identity-Key", "X-Label",
	"X-Mailer", "X-MSMail-Priority", "X-Original-To", "X-Priority",
	"X-Spam-Flag", "X-Spam-Level", "X-Spam-Status", "X-Status", "X-TUID",
	"X-Uniform-Type-Identifier", "X-Universally-Unique-Identifier" };
#define NAMES (sizeof(names) / sizeof(names[0]))

bool
known_header_has(struct span name)
{
	size_t low = 0, high = NAMES;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = span_cmp_nocase(name, span_str(names[middle]));

		if (order == 0)
			return true;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return false;
}

void
known_header_make(struct span header_fields, struct buf *out)
{
	struct field field;

	while (field_next(&header_fields, &field)) {
		if (!known_header_has(field.name))
			continue;
		buf_append(out, field.raw);
		/* The last line of a message may lack its end. */
		if (!span_ends(field.raw, SPAN("\n")))
			buf_append(out, SPAN("\r\n"));
	}
}
