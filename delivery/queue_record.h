/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the queue's journal: see queue_store.c. */
#ifndef HK_DELIVERY_QUEUE_RECORD_H
#define HK_DELIVERY_QUEUE_RECORD_H

#include <stdbool.h>

#include "common/err.h"
#include "common/span.h"

#define QUEUE_RECORD_VERSION 1
#define QUEUE_MESSAGE_HEAD 8

enum queue_record_type {
	QUEUE_RECORD_MESSAGE = 1,
	QUEUE_RECORD_ENTRIES = 2,
};

/*
 * The parts of a MESSAGE.  Errors: ERR_SYNTAX; ERR_POLICY, a later version's.
 */
int queue_record_open(struct span payload, bool *held_out,
    struct span *entries_out, struct span *record_out, struct err *err);

#endif
