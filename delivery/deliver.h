/* SPDX-License-Identifier: BSD-2-Clause */
/* A message to all accounts that its recipients lead to. */
#ifndef HK_DELIVERY_DELIVER_H
#define HK_DELIVERY_DELIVER_H

#include "common/span.h"
#include "delivery/lmtp_private.h"

/* Fills in every recipient's reply; where it is 250, the message is safe. */
void lmtp_deliver(struct lmtp_session *s, struct span message);

#endif
