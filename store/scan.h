/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of new/ and cur/, gathered and looked up by base name. */
#ifndef HK_STORE_SCAN_H
#define HK_STORE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/cleanup.h"
#include "common/err.h"
#include "store/filename.h"
#include "store/inside.h"

struct scan_file {
	struct filename name; /* points into the scan's text */
	size_t at, len;       /* where it is there */
	bool in_new;
	bool moved;         /* by this scan, from new/ */
	bool doubled;       /* another file has the same base */
	uint32_t uid;       /* 0: not known yet */
	struct span fields; /* of its uidlist line */
};

struct scan {
	struct scan_file *files;
	size_t count, room;
	struct buf text;  /* names, one after the other */
	uint32_t *places; /* hash of the base: index + 1 */
	size_t place_mask;
	struct folder *folder;
	struct err *err;
	bool failed;
	bool missed; /* a file went from new/ to cur/ meanwhile */
	/* What is being listed, and what of it is no message. */
	bool in_new;
	int fd;
	uint64_t strays; /* sum of the names' hashes */
	size_t stray_count;
	char stray[FILENAME_MAX_OCTETS + 1]; /* the first one's name */
};

void scan_init(struct scan *s, struct folder *f);
void scan_fini(struct scan *s);
CLEANUP_DEFINE_VALUE(struct scan, scan_fini)

/*
 * Lists new/ (with move: renames what it finds into cur/), and with whole
 * also cur/.  The folder's stamps become those of this look.  With turn and
 * lock.  A base found twice gets one of them a new name (they are two
 * messages) and stays for the next look.
 */
int scan_run(struct scan *s, bool move, bool whole, struct err *err);

/* Lists cur/ after all. */
int scan_whole(struct scan *s, struct err *err);

/* The file with this base, or NULL. */
struct scan_file *scan_find(const struct scan *s, struct span base);

#endif
