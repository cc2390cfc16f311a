/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a mailbox held at one moment: messages in the order of their UIDs.
 *
 * A view never changes once others can see it; sessions share it by
 * reference and read it without a lock.  A change makes a new view, which
 * shares with the old one every chunk of VIEW_CHUNK messages in which nothing
 * changed, so a flag set in a mailbox of 100,000 copies a few kilobytes, and
 * comparing two views looks only at chunks that differ.
 */
#ifndef HK_STORE_VIEW_H
#define HK_STORE_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/message.h"

#define VIEW_CHUNK 128

struct view;

struct view *view_ref(struct view *v);
void view_unref(struct view *v);
CLEANUP_DEFINE_PTR(struct view, view_unref)

uint32_t view_count(const struct view *v);
/* index < view_count: sequence number - 1.  Borrowed from the view. */
const struct message *view_at(const struct view *v, uint32_t index);

/* True, and where, when the uid is there. */
bool view_find(const struct view *v, uint32_t uid, uint32_t *index_out);
/* The first index whose uid is not below uid; view_count when none. */
uint32_t view_lower_bound(const struct view *v, uint32_t uid);

/* The first index whose message lacks the letter; view_count when none. */
uint32_t view_first_without(const struct view *v, uint64_t letter);

uint32_t view_uidvalidity(const struct view *v);
uint32_t view_uidnext(const struct view *v);
/* Grows with every change of the mailbox: HIGHESTMODSEQ (modseq.c). */
uint64_t view_change(const struct view *v);
/* The mailbox's own id (uidlist G), 32 hexadecimal digits. */
const char *view_mailbox_id(const struct view *v);

/*
 * Keyword n (0..25) of this mailbox; empty when the number is free.  A letter
 * in use that has no name reads "unknown-<n>", as Dovecot calls it.
 */
struct span view_keyword(const struct view *v, unsigned n);
/* The number of a keyword, compared without case; -1: it is not there. */
int view_keyword_find(const struct view *v, struct span name);
/* Whether another keyword can be made. */
bool view_keyword_free(const struct view *v);

/* The message's base name (up to the flags): its identity across folders. */
struct span view_base_name(const struct view *v, uint32_t index);

/* False: no message of the view has such a field. */
bool view_has_field(const struct view *v, char field);
/*
 * The value of a field of the message's uidlist line ('P', 'O', 'G', ...).
 * False when there is no such field.
 */
bool view_field(
    const struct view *v, uint32_t index, char field, struct span *value_out);

/*
 * The order of the POP3 maildrop: messages with an O field first, by O, then
 * the rest by UID.  Stores view_count indexes.  False: it is simply 0, 1, 2...
 * and nothing was stored.
 */
bool view_maildrop_order(const struct view *v, uint32_t *indexes);

#endif
