/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two messages of a maildrop must not have one unique-id (RFC 1939 section 7),
 * yet lists that come from other servers, or from two of them, have such.
 * The first keeps it, one whose unique-id stands in the list before one whose
 * is made now; the others get "-2", "-3"... behind it, as Dovecot does.
 */
#ifndef HK_POP3D_UNIQUE_IDS_H
#define HK_POP3D_UNIQUE_IDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/unique_id.h"

/* Those that were changed. */
struct unique_ids {
	struct unique_ids_item {
		uint32_t index; /* in the view; ascending */
		uint32_t len;
		size_t at; /* in the text */
	} * items;
	size_t count, room;
	struct buf text;
};

/* False: most mailboxes can have no doubles. */
bool unique_ids_may_double(
    const struct view *v, const struct unique_id_form *form);
/* Looks for them. */
int unique_ids_settle(const struct view *v, const struct unique_id_form *form,
    struct unique_ids *ids_out, struct err *err);
void unique_ids_fini(struct unique_ids *ids);
CLEANUP_DEFINE_VALUE(struct unique_ids, unique_ids_fini)

struct span unique_ids_text(
    const struct unique_ids *ids, const struct unique_ids_item *item);
/* NULL: that message's was not changed. */
const struct unique_ids_item *unique_ids_find(
    const struct unique_ids *ids, uint32_t index);

#endif
