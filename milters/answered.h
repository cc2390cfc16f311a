/* SPDX-License-Identifier: BSD-2-Clause */
/* Who was answered, and when, in Berkeley DB; may be lost. */
#ifndef HK_MILTERS_ANSWERED_H
#define HK_MILTERS_ANSWERED_H

#include <stdbool.h>
#include <stdint.h>

#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"

struct answered;

int answered_open(
    const char *directory, struct answered **answered_out, struct err *err);
void answered_close(struct answered *a);
CLEANUP_DEFINE_PTR(struct answered, answered_close)

/*
 * Notes that now (seconds) this account answers this sender, unless it did so
 * less than interval_s ago; *first_out tells.  what: of what kind the answer
 * is, and a number of its text: another text is another answer.
 */
int answered_note(struct answered *a, struct span account, struct span sender,
    char what, uint64_t text, int64_t now, int64_t interval_s, bool *first_out,
    struct err *err);

/* It was not sent after all. */
void answered_forget(struct answered *a, struct span account,
    struct span sender, char what, uint64_t text);

#endif
