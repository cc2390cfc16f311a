/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What goes to relayd, before and after deliveryd has had its part.  With both
 * kinds of recipients relayd has the message held first, so that a failure in
 * between loses nothing, and one before it doubles nothing:
 *
 *	smtp_hand_over_begin	those on other hosts: held, or put at once when
 *				nobody is here
 *	lmtp_deliver		those here
 *	smtp_hand_over_end	those whom deliveryd did not take, for now or at
 *				all, are added unless the client is to be told;
 *				and the message is let go
 *	smtp_hand_over_cancel	or it is forgotten
 */
#ifndef HK_SMTPD_HAND_OVER_H
#define HK_SMTPD_HAND_OVER_H

#include "common/cleanup.h"
#include "common/err.h"
#include "smtpd/lmtp_client.h"
#include "smtpd/session.h"

/* One rendering of a message and its recipients. */
struct smtp_hand_over {
	struct smtp_session *session;
	const char *id; /* under which relayd knows it */
	/* Those here, for lmtp_deliver, and whose copies they are. */
	struct lmtp_recipient *here;
	const struct smtp_recipient **here_of;
	size_t here_len;
	/* Those on other hosts. */
	const char **there;
	const struct smtp_recipient **there_of;
	size_t there_len;
	bool others_have_it; /* another rendering was delivered */
	bool held;           /* relayd has it, and waits for more words */
};

/* Room for so many recipients. */
int smtp_hand_over_init(struct smtp_hand_over *x, struct smtp_session *s,
    const char *id, size_t room, struct err *err);
void smtp_hand_over_fini(struct smtp_hand_over *x);
CLEANUP_DEFINE_VALUE(struct smtp_hand_over, smtp_hand_over_fini)
void smtp_hand_over_add(struct smtp_hand_over *x,
    const struct smtp_recipient *of, const struct lmtp_recipient *to,
    bool remote);

/*
 * m is what goes to deliveryd.  What smtp_hand_over_end has given to relayd has
 * the code 250 then.  Errors, of both: ERR_LIMIT, relayd has no room; ERR_TEMP.
 */
int smtp_hand_over_begin(
    struct smtp_hand_over *x, const struct lmtp_message *m, struct err *err);
int smtp_hand_over_end(
    struct smtp_hand_over *x, const struct lmtp_message *m, struct err *err);
void smtp_hand_over_cancel(struct smtp_hand_over *x);

#endif
