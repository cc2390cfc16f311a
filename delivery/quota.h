/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether a mailbox has room for the message that is announced. */
#ifndef HK_DELIVERY_QUOTA_H
#define HK_DELIVERY_QUOTA_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "delivery/place.h"
#include "tenants/client.h"

/*
 * *fits_out: the account has as many octets left, and room for one message; an
 * account without limits always has, and is not even looked at.  The owner is
 * told of a mailbox that gets full (store/warning.h).
 *
 * Errors: as placer_enter.
 */
int quota_ask(struct placer *p, const struct account_info *account,
    uint64_t octets, bool *fits_out, struct err *err);

#endif
