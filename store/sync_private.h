/* SPDX-License-Identifier: BSD-2-Clause */
/* One sync of a folder, shared by sync.c and sync_match.c. */
#ifndef HK_STORE_SYNC_PRIVATE_H
#define HK_STORE_SYNC_PRIVATE_H

#include "store/inside.h"
#include "store/scan.h"

struct sync {
	struct folder *f;
	struct view *old;    /* NULL: first load, or all rested */
	struct view *rested; /* what the sessions saw before they rested */
	bool saved; /* or what was saved when the last one went (modseq.c) */
	struct scan scan;
	struct known_list known;
	struct view_facts facts;
	struct keywords *keywords;
	bool whole;
	bool rewrite;
	bool short_of_room; /* new mail is left for later */
	struct view_edit *edits;
	size_t edit_count;
	struct view_add *adds;
	size_t add_count;
	size_t fresh; /* of the adds: how many got their UID just now */
};

/* Lists new/, and cur/ too if it turns out to be needed. */
int sync_match_files(struct sync *s, bool move, struct err *err);
/* Files get the UIDs of lines that are new to us.  *waited takes over the text
 * of lines that had waited, which some fields then point into. */
void sync_match_lines(struct sync *s, struct buf *waited);
/* What the files say about messages of the old view: edits. */
int sync_match_view(struct sync *s, struct err *err);
/* With the whole uidlist: lines of these messages, and their fields. */
int sync_match_fields(struct sync *s, struct err *err);
/* Files that the old view lacks become adds; those without UID get one. */
int sync_adds(struct sync *s, struct err *err);

#endif
