/* SPDX-License-Identifier: BSD-2-Clause */
/* Change numbers of a folder: inside the store only.  With the turn. */
#ifndef HK_STORE_MODSEQ_H
#define HK_STORE_MODSEQ_H

#include <stdint.h>

#include "store/view_edit.h"

struct folder;

/* The next number, greater than every one before. */
uint64_t folder_next_change(const struct folder *f);
/* What was saved; NULL: nothing that can be used. */
struct packed *modseq_load(struct folder *f);
/* What was saved is no longer what clients were told. */
void modseq_forget(struct folder *f);
/* Saves, if anything changed since.  It takes the turn itself. */
void modseq_save(struct folder *f);

#endif
