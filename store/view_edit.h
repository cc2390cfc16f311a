/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the store makes views (view.h), and packs those of idle sessions.
 * Inside the store only.
 */
#ifndef HK_STORE_VIEW_EDIT_H
#define HK_STORE_VIEW_EDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "common/span.h"
#include "store/keywords.h"
#include "store/view.h"

/*
 * In struct message's letters: the name on disk is not the one that its
 * letters make (no ":2,", another order, other characters); its info stands
 * in the names as it is.
 */
#define MESSAGE_RAW ((uint64_t)1 << 61)

/* What a client can see of letters. */
#define MESSAGE_VISIBLE (MESSAGE_SYSTEM_FLAGS | MESSAGE_KEYWORDS | MESSAGE_GONE)

/* What belongs to the mailbox as a whole. */
struct view_facts {
	uint32_t uidvalidity, uidnext;
	uint64_t change;
	char mailbox_id[33];
	struct keywords *keywords; /* borrowed; the view takes a reference */
};
struct view_facts view_facts(const struct view *v);

struct view_edit {
	uint32_t index; /* in the old view; ascending */
	bool remove;
	/* Else: the new letters (with MESSAGE_IN_NEW, MESSAGE_GONE), and, if
	 * the file has been renamed, its info part as it is now. */
	uint64_t letters;
	bool renamed;
	struct span info;
	bool has_fields; /* the uidlist line has other fields now */
	struct span fields;
};

struct view_add {
	uint32_t uid; /* ascending, above every one in the old view */
	uint64_t letters;
	uint64_t change; /* 0: the view's */
	uint64_t size_physical, size_virtual;
	struct span base, info, fields;
};

/* A new view: old (NULL: empty) with these changes.  The caller unrefs. */
int view_derive(struct view *old, const struct view_facts *facts,
    const struct view_edit *edits, size_t edit_count,
    const struct view_add *adds, size_t add_count, struct view **view_out,
    struct err *err);

/* "new/..." or "cur/...", and the info part alone. */
void view_file_path(const struct view *v, uint32_t index, struct buf *out);
void view_file_info(const struct view *v, uint32_t index, struct buf *out);
struct span view_fields(const struct view *v, uint32_t index);

/*
 * How many messages from a's index i and b's index j on are the very same,
 * because both are in one shared chunk; 0: look at them.
 */
uint32_t view_shared_run(
    const struct view *a, uint32_t i, const struct view *b, uint32_t j);

/* Octets of memory, for the cache's limit. */
size_t view_memory(const struct view *v);

/* How many messages have any of these letters. */
uint32_t view_count_letters(const struct view *v, uint64_t letters);
/* How many are in new/; kept, not counted. */
uint32_t view_count_new(const struct view *v);
/* All keyword letters that some message has; kept likewise. */
uint64_t view_keywords_used(const struct view *v);

/* Keeps a remembered size; the only change a shared view ever sees. */
void view_learn_size(const struct view *v, uint32_t index,
    uint64_t size_physical, uint64_t size_virtual);

/*
 * UIDs, letters and change numbers of a view in a few octets a message.
 * Unpacking gives a view without names and sizes.
 */
struct packed;
struct packed *view_pack(const struct view *v); /* NULL: out of memory */
int packed_open(
    const struct packed *p, struct view **view_out, struct err *err);
size_t packed_memory(const struct packed *p);
uint64_t packed_change(const struct packed *p);
/* As octets, for this machine alone; keywords' names are left out. */
void packed_write(const struct packed *p, struct buf *out);
struct packed *packed_read(struct span octets); /* NULL: it is none */
struct packed *packed_ref(struct packed *p);
void packed_unref(struct packed *p);
CLEANUP_DEFINE_PTR(struct packed, packed_unref)

#endif
