/* SPDX-License-Identifier: BSD-2-Clause */
/* CONDSTORE and QRESYNC.                                        RFC 7162 */
#ifndef HK_IMAPD_MODSEQ_H
#define HK_IMAPD_MODSEQ_H

#include "imapd/sequence.h"
#include "imapd/session.h"

/* mod-sequence-valzer = 1*DIGIT, 63 bits. */
int imap_modseq_parse(struct span *in, uint64_t *out, struct err *err);

/* The client has used what section 3.1 calls an enabling command. */
void session_condstore(struct imap_session *s);
/* "* OK [HIGHESTMODSEQ n]" of the selected mailbox. */
void session_highest_write(struct imap_session *s);
/* As the code of the tagged reply; what changed is told before it. */
int session_highest_code(struct imap_session *s, struct err *err);

/* The parameters of SELECT and EXAMINE. */
struct select_parameters {
	bool condstore, qresync;
	uint32_t uidvalidity;
	uint64_t modseq;
	bool has_known;
	struct sequence_set known; /* UIDs */
	/* Message sequence match data: pairs, if any. */
	struct sequence_set numbers, uids;
};
/* [SP "(" parameter *(SP parameter) ")"].  ERR_SYNTAX also for QRESYNC that
 * was not enabled. */
int select_parameters_parse(struct imap_session *s, struct span *in,
    struct select_parameters *out, struct err *err);
/* What changed since, for the mailbox just selected.      Section 3.2.5 */
void select_resync(struct imap_session *s, struct select_parameters *p);

/* "* VANISHED (EARLIER) set": UIDs of the resolved set, from first on, that
 * were given out and are not there. */
void vanished_write(
    struct imap_session *s, const struct sequence_set *set, uint32_t first);

#endif
